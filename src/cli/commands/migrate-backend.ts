// alyx migrate-backend: moves the files of a bucket to the backend that schema.yaml names for it by now.
import { defineCommand } from 'citty'
import type { Alyx } from '../../app.ts'
import { systemClock } from '../../core/clock.ts'
import { didYouMean } from '../../core/problem.ts'
import { formatSize } from '../../core/units.ts'
import type { MoveReport } from '../../jobs/moves.ts'
import { requireDuration } from '../arguments.ts'
import { EXIT, failed, notFound } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { withStore } from '../store.ts'
import { createProgress, note, type Progress, print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: {
    name: 'migrate-backend',
    description: 'move the files of a bucket to another backend, while they are in use',
  },
  args: {
    ...GLOBAL,
    bucket: { type: 'positional', required: true, description: 'the bucket' },
    to: { type: 'string', valueHint: 'BACKEND', required: true, description: 'the backend of alyx.yml to move to' },
    grace: {
      type: 'string',
      valueHint: 'DURATION',
      description: 'how long originals stay for those who still read them',
      default: '15m',
    },
  },
  async run({ args }) {
    const { bucket, to } = args
    const grace = requireDuration('grace', args.grace)
    const stop = new AbortController()
    // Once each: a second Ctrl-C ends it at once, which is safe too.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    let bar: Progress | null = null
    const report = await withStore(args, async (alyx) => {
      requireTarget(alyx, bucket, to)
      return alyx.move({
        bucket,
        to,
        grace,
        signal: stop.signal,
        progress(done, all) {
          bar ??= createProgress(`${bucket} to ${to}`, all.bytes, systemClock)
          bar.update(done.bytes)
        },
      })
    }).finally(() => bar?.end())
    show(report, bucket, to, args.json)
    if (report.stopped) process.exitCode = EXIT.interrupted
    else if (report.failed.length > 0) process.exitCode = EXIT.failed
  },
})

/** Fails when the bucket or the backend is not declared, or when new files would still go elsewhere. */
function requireTarget({ schema, config }: Alyx, name: string, to: string): void {
  const bucket = schema.buckets.get(name)
  if (bucket === undefined)
    throw notFound(
      `there is no bucket ${name}${didYouMean(name, [...schema.buckets.keys()])}`,
      'alyx migrate-backend moves buckets of schema.yaml.',
    )
  const backends = [...config.storage.backends.keys()]
  if (!backends.includes(to))
    throw notFound(
      `there is no backend ${to}${didYouMean(to, backends)}`,
      'Declare it below storage.backends of alyx.yml.',
    )
  if (bucket.backend !== to)
    throw failed(
      `new files of ${name} still go to ${bucket.backend}`,
      `Set backend: ${to} for the bucket in schema.yaml, restart the servers, then run this again.`,
    )
}

function show(report: MoveReport, bucket: string, to: string, json: boolean | undefined): void {
  const { moved, bytes, passed, failed, left, uploads, stopped, originalsUntil } = report
  if (json) {
    printJson({ bucket, to, moved, bytes, passed, failed, left, uploads, stopped, originals_until: originalsUntil })
    return
  }
  for (const { id, backend, code, message } of failed) note(`${bucket}:${id} stays in ${backend}: ${code}, ${message}`)
  print(`${moved} ${moved === 1 ? 'file' : 'files'} moved to ${to}, ${formatSize(bytes)}; ${left} left elsewhere`)
  if (stopped) note('stopped: run it again to go on')
  if (moved > 0) note(`the originals are removed by sweeps from ${originalsUntil} on`)
  if (uploads > 0) note(`${uploads} unfinished uploads will still become files elsewhere: run it again later`)
}
