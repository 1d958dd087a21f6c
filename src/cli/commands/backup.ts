// alyx backup: copies the database and the files that belong to it, while servers run.
import { defineCommand } from 'citty'
import { systemClock } from '../../core/clock.ts'
import { formatSize } from '../../core/units.ts'
import type { BackupReport } from '../../jobs/backup.ts'
import { requireByteRate } from '../arguments.ts'
import { EXIT } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { withStore } from '../store.ts'
import { createProgress, note, type Progress, print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'backup', description: 'copy the database and all files into a folder, while servers run' },
  args: {
    ...GLOBAL,
    dir: { type: 'positional', required: true, description: 'the folder: new, empty, or of an earlier backup' },
    'include-s3': { type: 'boolean', description: 'also copy what is in S3; otherwise it is only named' },
    rate: { type: 'string', valueHint: 'SIZE', description: 'copy at most so many bytes a second, such as 50MB' },
  },
  async run({ args }) {
    const rate = args.rate === undefined ? null : requireByteRate('rate', args.rate)
    const stop = new AbortController()
    // Once each: a second Ctrl-C ends it at once, which is safe too.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    let bar: Progress | null = null
    try {
      const report = await withStore(args, (alyx) =>
        alyx.backup({
          dir: args.dir,
          includeS3: args['include-s3'] === true,
          rate,
          signal: stop.signal,
          progress(done, all) {
            bar ??= createProgress(`backup to ${args.dir}`, all, systemClock)
            bar.update(done)
          },
        }),
      )
      show(report, args.dir, args.json)
      if (report.missingFiles > 0) process.exitCode = EXIT.failed
    } catch (error) {
      if (!stop.signal.aborted) throw error
      note('stopped: an earlier backup in the folder is still whole; run it again to go on')
      process.exitCode = EXIT.interrupted
    } finally {
      ;(bar as Progress | null)?.end()
    }
  },
})

function show(report: BackupReport, dir: string, json: boolean | undefined): void {
  const { createdAt, files, bytes, copied, copiedBytes, kept, named, missingFiles, missing, encryptionKeys } = report
  if (json) {
    printJson({
      dir,
      created_at: createdAt,
      files,
      bytes,
      copied,
      copied_bytes: copiedBytes,
      kept,
      named,
      missing_files: missingFiles,
      missing,
      encryption_keys: encryptionKeys,
      milliseconds: report.milliseconds,
    })
    return
  }
  for (const { bucket, id, code, message } of missing) note(`${bucket}:${id} is not in the backup: ${code}, ${message}`)
  print(`${files} files, ${formatSize(bytes)}: ${copied} copied (${formatSize(copiedBytes)}), ${kept} there already`)
  if (named > 0) note(`${named} files in S3 are only named: keep them there, or use --include-s3`)
  if (encryptionKeys.length > 0)
    note(`not in the backup: the encryption keys ${encryptionKeys.join(', ')}; without them files cannot be read`)
}
