// alyx keys: the keys of storage.encryption. Not those of the API, which are `alyx key`.
import { defineCommand } from 'citty'
import { systemClock } from '../../core/clock.ts'
import type { RotationReport } from '../../jobs/rotation.ts'
import { EXIT } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { withStore } from '../store.ts'
import { createProgress, note, type Progress, print, printJson } from '../terminal.ts'

const rotate = defineCommand({
  meta: { name: 'rotate', description: 'wrap the data keys of all encrypted files by the first key of the list' },
  args: {
    ...GLOBAL,
    'dry-run': { type: 'boolean', description: 'only say which keys files are under, and whether they open' },
  },
  async run({ args }) {
    const stop = new AbortController()
    // Once each: a second Ctrl-C ends it at once, which is safe too.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    let bar: Progress | null = null
    const report = await withStore(args, (alyx) =>
      alyx.rotate({
        dryRun: args['dry-run'] === true,
        signal: stop.signal,
        progress(done, all) {
          bar ??= createProgress('data keys', all, systemClock, (count) => `${count}`)
          bar.update(done)
        },
      }),
    ).finally(() => bar?.end())
    if (args.json) printJson(asJson(report))
    else show(report)
    if (report.stopped) process.exitCode = EXIT.interrupted
    else if (report.failedFiles > 0 || (report.left > 0 && !report.dryRun)) process.exitCode = EXIT.failed
  },
})

export const command = defineCommand({
  meta: { name: 'keys', description: 'change the keys that files are encrypted with' },
  subCommands: { rotate },
})

function asJson({ dryRun, failedFiles, failed, keys, ...same }: RotationReport) {
  return {
    dry_run: dryRun,
    ...same,
    keys: keys.map(({ keyId, ...rest }) => ({ key_id: keyId, ...rest })),
    failed_files: failedFiles,
    failed: failed.map(({ keyId, ...rest }) => ({ ...rest, key_id: keyId })),
  }
}

function show(report: RotationReport): void {
  const { dryRun, active, rewrapped, failedFiles, failed, keys, left, uploads, stopped } = report
  for (const { bucket, id, message } of failed) note(`${bucket}:${id} stays as it is: ${message}`)
  if (failedFiles > failed.length) note(`and ${failedFiles - failed.length} files more`)
  for (const { keyId, files, known } of keys) {
    print(`${keyId ?? '-'}  ${count(files)}${keyId === active ? ', active' : known ? '' : ', not in the list of keys'}`)
  }
  print(`${count(rewrapped)} ${dryRun ? 'would be ' : ''}rewrapped by ${active}; ${left} under other keys`)
  if (stopped) note('stopped: run it again to go on')
  if (left > failedFiles && !dryRun && !stopped)
    note('a server still writes under another key: restart it with the same list of keys, then run this again')
  if (uploads > 0)
    note(
      `${uploads} unfinished uploads are under other keys: keep these until the uploads are finished or have expired`,
    )
}

function count(files: number): string {
  return `${files} ${files === 1 ? 'file' : 'files'}`
}
