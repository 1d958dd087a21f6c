// The real product with an observer that counts durable steps and kills its own process at the N-th. `serve` runs it, `inspect` sweeps and examines the store,
// `move BUCKET BACKEND…` moves a bucket from one to the next for ever, `rotate` rewraps for ever what is not under the first key.
// KILL_POINT and KILL_COUNT say where; counting starts at SIGUSR2, which is answered by a line; in `move` and
// `rotate` at once. KILL_LEASE is the lease time in milliseconds.
// KILL_S3_TIMES, JSON, is what an S3 server may take.
import { writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createAlyx, serveAlyx } from '../../src/app.ts'
import type { S3Times } from '../../src/blobs/s3-limits.ts'
import type { Observer } from '../../src/observe/observer.ts'

const { values, positionals } = parseArgs({
  options: { config: { type: 'string' }, schema: { type: 'string' } },
  allowPositionals: true,
})
const point = process.env.KILL_POINT ?? ''
const count = Number(process.env.KILL_COUNT ?? '1')
const s3Times = JSON.parse(process.env.KILL_S3_TIMES ?? '{}') as Partial<S3Times>
const leaseTime = Number(process.env.KILL_LEASE ?? '500')
let armed = false
let seen = 0

const executioner: Observer = {
  event(name, fields) {
    if (!armed || name !== 'step' || fields.point !== point) return
    seen += 1
    if (seen < count) return
    writeSync(2, `KILLED AT ${point} ${count}\n`)
    process.kill(process.pid, 'SIGKILL')
    // SIGKILL is delivered when this thread returns to the kernel; nothing may be done in between.
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
  },
}

const quiet = { ...process.env, ALYX_LOGGING_LEVEL: 'warn' }
const signal = new AbortController().signal
const files = { configFile: values.config ?? 'alyx.yml', schemaFile: values.schema ?? 'schema.yaml' }

if (positionals[0] === 'serve') {
  process.on('SIGUSR2', () => {
    armed = true
    writeSync(2, 'ARMED\n')
  })
  const alyx = await createAlyx({ ...files, observer: executioner, leaseTime, s3Times, migrate: true })
  const server = await serveAlyx(alyx)
  writeSync(2, `alyx serves ${server.url}\n`)
  process.on('SIGTERM', () => {
    void server
      .close()
      .then(() => alyx.close())
      .then(() => process.exit(0))
  })
} else if (positionals[0] === 'move' || positionals[0] === 'rotate') {
  const [work, bucket = '', ...backends] = positionals
  armed = true
  const alyx = await createAlyx({ ...files, observer: executioner, leaseTime, s3Times, offline: true, env: quiet })
  for (let turn = 0; ; turn += 1) {
    if (work === 'rotate') await alyx.rotate({ dryRun: false, signal, batchSize: 2 })
    else await alyx.move({ bucket, to: backends[turn % backends.length] ?? '', grace: 1, signal })
    await pause(20)
  }
} else {
  // A shorter lease than the dead server's, because a sweep waits several leases before it calls a deletion stuck.
  const alyx = await createAlyx({
    ...files,
    leaseTime: 50,
    s3Times,
    offline: true,
    env: quiet,
  })
  const swept = await alyx.sweep({ dryRun: false })
  const report = await alyx.doctor({ readData: true, fix: false })
  await alyx.close()
  process.stdout.write(`${JSON.stringify({ swept, report })}\n`)
}
