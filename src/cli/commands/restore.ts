// alyx restore: checks a backup, or puts it where there is nothing yet.
import { defineCommand } from 'citty'
import { loadAlyx } from '../../app.ts'
import { systemClock } from '../../core/clock.ts'
import { formatSize } from '../../core/units.ts'
import type { RestoreReport } from '../../jobs/restore.ts'
import { silent } from '../../observe/observer.ts'
import { restoreTo } from '../../restore.ts'
import { requireByteRate } from '../arguments.ts'
import { EXIT } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { problemsOf, projectOf } from '../settings.ts'
import { createProgress, note, type Progress, print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'restore', description: 'put a backup where alyx.yml says things are, if there is nothing yet' },
  args: {
    ...GLOBAL,
    dir: { type: 'positional', required: true, description: 'the folder that alyx backup has written' },
    verify: { type: 'boolean', description: 'only read everything and compare checksums; changes nothing' },
    rate: { type: 'string', valueHint: 'SIZE', description: 'read at most so many bytes a second, such as 50MB' },
  },
  async run({ args }) {
    const rate = args.rate === undefined ? null : requireByteRate('rate', args.rate)
    const { config, problems } = await loadAlyx(projectOf(args))
    if (config === null || problems.length > 0) throw problemsOf(problems, args.json)
    const stop = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    const verify = args.verify === true
    let bar: Progress | null = null
    try {
      const report = await restoreTo({ config, clock: systemClock, observer: silent })({
        dir: args.dir,
        verify,
        rate,
        signal: stop.signal,
        progress(done, all) {
          bar ??= createProgress(verify ? 'verify' : 'restore', all, systemClock)
          bar.update(done)
        },
      })
      show(report, verify, args.json)
      if (!report.ok) process.exitCode = EXIT.failed
    } catch (error) {
      if (!stop.signal.aborted) throw error
      note(verify ? 'stopped' : 'stopped: there is no database yet; run it again to go on')
      process.exitCode = EXIT.interrupted
    } finally {
      ;(bar as Progress | null)?.end()
    }
  },
})

function show(report: RestoreReport, verify: boolean, json: boolean | undefined): void {
  const { ok, problems, createdAt, files, bytes, named, uploads, encryptionKeys } = report
  if (json) {
    printJson({
      ok,
      problems,
      created_at: createdAt,
      files,
      bytes,
      named,
      uploads,
      encryption_keys: encryptionKeys,
    })
    return
  }
  for (const { kind, id, detail } of problems) note(`${kind} ${id}: ${detail}`)
  const size = `${files} files, ${formatSize(bytes)}, of ${createdAt}`
  if (verify) print(ok ? `ok: ${size}` : `${problems.length} found in ${size}`)
  else print(`restored: ${size}`)
  if (uploads > 0) note(`${uploads} unfinished uploads were given up: their bytes are in no backup`)
  if (named > 0) note(`${named} files are in S3 and not in the backup`)
  if (encryptionKeys.length > 0) note(`needed in storage.encryption.keys: ${encryptionKeys.join(', ')}`)
}
