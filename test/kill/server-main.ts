// The real product with an observer that counts durable steps and kills its own process at the N-th. `serve` runs it, `inspect` sweeps and examines the store.
// KILL_POINT and KILL_COUNT say where; counting starts at SIGUSR2. KILL_LEASE is the lease time in milliseconds.
import { writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createAlyx, serveAlyx } from '../../src/app.ts'
import type { Observer } from '../../src/observe/observer.ts'

const { values, positionals } = parseArgs({
  options: { config: { type: 'string' }, schema: { type: 'string' } },
  allowPositionals: true,
})
const point = process.env.KILL_POINT ?? ''
const count = Number(process.env.KILL_COUNT ?? '1')
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

const files = { configFile: values.config ?? 'alyx.yml', schemaFile: values.schema ?? 'schema.yaml' }

if (positionals[0] === 'serve') {
  process.on('SIGUSR2', () => {
    armed = true
  })
  const alyx = await createAlyx({ ...files, observer: executioner, leaseTime, migrate: true })
  const server = await serveAlyx(alyx)
  writeSync(2, `alyx serves ${server.url}\n`)
  process.on('SIGTERM', () => {
    void server
      .close()
      .then(() => alyx.close())
      .then(() => process.exit(0))
  })
} else {
  // A shorter lease than the dead server's, because a sweep waits several leases before it calls a deletion stuck.
  const alyx = await createAlyx({
    ...files,
    leaseTime: 50,
    offline: true,
    env: { ...process.env, ALYX_LOGGING_LEVEL: 'warn' },
  })
  const swept = await alyx.sweep({ dryRun: false })
  const report = await alyx.doctor({ readData: true, fix: false })
  await alyx.close()
  process.stdout.write(`${JSON.stringify({ swept, report })}\n`)
}
