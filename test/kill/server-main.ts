// The real product with an observer that counts durable steps and kills its own process at the N-th. `serve` runs it, `inspect [DIR]` sweeps and examines the store and the backup in DIR,
// `move BUCKET BACKEND…` moves a bucket from one to the next for ever, `rotate` rewraps for ever what is not under the first key.
// `sweep` makes work for sweeps and sweeps for ever, `backup DIR` backs up into it for ever.
// KILL_POINT and KILL_COUNT say where; counting starts at SIGUSR2, which is answered by a line; in `move` and
// `rotate` at once. KILL_LEASE is the lease time in milliseconds.
// KILL_S3_TIMES, JSON, is what an S3 server may take.
import { writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Alyx, createAlyx, serveAlyx } from '../../src/app.ts'
import { blobKey } from '../../src/blobs/keys.ts'
import type { S3Times } from '../../src/blobs/s3-limits.ts'
import { systemClock, timestamp } from '../../src/core/clock.ts'
import { createIds } from '../../src/core/ids.ts'
import { type Observer, silent } from '../../src/observe/observer.ts'
import { restoreTo } from '../../src/restore.ts'

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
} else if (positionals[0] === 'sweep') {
  armed = true
  const alyx = await createAlyx({ ...files, observer: executioner, leaseTime, offline: true, env: quiet })
  await sweepForEver(alyx)
} else if (positionals[0] === 'backup') {
  armed = true
  const alyx = await createAlyx({ ...files, observer: executioner, leaseTime, offline: true, env: quiet })
  for (;;) await alyx.backup({ dir: positionals[1] ?? '', includeS3: false, rate: null, signal })
} else {
  // A shorter lease than the dead server's, because a sweep waits several leases before it calls a deletion stuck.
  const alyx = await createAlyx({
    ...files,
    leaseTime: 50,
    s3Times,
    offline: true,
    env: quiet,
  })
  let swept = await alyx.sweep({ dryRun: false })
  // The server may be sweeping at this very moment.
  for (let i = 0; i < 600 && !swept.ran; i++) {
    await pause(100)
    swept = await alyx.sweep({ dryRun: false })
  }
  const report = await alyx.doctor({ readData: true, fix: false })
  await alyx.close()
  const [, dir] = positionals
  const saved = dir === undefined ? null : await verify(alyx.config, dir)
  process.stdout.write(`${JSON.stringify({ swept, report, saved })}\n`)
}

async function verify(config: Alyx['config'], dir: string): Promise<unknown> {
  return restoreTo({ config, clock: systemClock, observer: silent })({ dir, verify: true, rate: null, signal })
}

/** Files that live for a second, and claims of which nobody will ever hear again. */
async function sweepForEver(alyx: Alyx): Promise<never> {
  const nextId = createIds(systemClock)
  const [backend = ''] = alyx.config.storage.backends.keys()
  for (;;) {
    const now = timestamp(systemClock.now())
    const id = nextId()
    await alyx.meta.claim(
      {
        id,
        bucket: 'brief',
        name: id,
        path: id,
        protocol: 'put',
        size: 7,
        metadata: {},
        rules: null,
        ownerId: null,
        tenant: null,
        backend,
        key: blobKey('brief', id),
        checksum: null,
        fileLifetime: null,
        staging: null,
        expiresAt: now,
        createdAt: now,
        holder: 'nobody',
        leaseExpiresAt: now,
      },
      { bucketTotal: null, openUploads: null },
      { need: 7, want: 7 },
    )
    // The server may be the one that has just died.
    await fetch(`${alyx.config.server.publicUrl}/api/files/brief?name=${id}-file&expires_in=1`, {
      method: 'PUT',
      body: 'brief',
    }).catch(() => {})
    await alyx.sweep({ dryRun: false })
    await pause(10)
  }
}
