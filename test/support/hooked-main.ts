// A program that mounts Alyx with an `inspect` of its own and quick webhooks, as HOOKED_TIMES (JSON) says; HOOKED_POINT kills it at a durable step.
import { writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createAlyx, serveAlyx } from '../../src/app.ts'
import type { Inspect } from '../../src/files/inspection.ts'
import type { WebhookTimes } from '../../src/jobs/webhooks.ts'

const { values } = parseArgs({
  options: { config: { type: 'string' }, schema: { type: 'string' } },
  allowPositionals: true,
})
const point = process.env.HOOKED_POINT ?? ''
const webhookTimes = JSON.parse(process.env.HOOKED_TIMES ?? '{}') as Partial<WebhookTimes>

/** Files say in their first word what is to become of them. */
const inspect: Inspect = async (file) => {
  const chunks: Buffer[] = []
  for await (const chunk of await file.open()) chunks.push(chunk as Buffer)
  const [word = '', ...rest] = Buffer.concat(chunks).toString().split(' ')
  if (word === 'refuse' || word === 'quarantine') return { action: word, reason: rest.join(' ').trim() }
  return { action: 'allow' }
}

const alyx = await createAlyx({
  configFile: values.config ?? 'alyx.yml',
  schemaFile: values.schema ?? 'schema.yaml',
  migrate: true,
  webhookTimes,
  inspect,
  observer: {
    event(name, fields) {
      if (point === '' || name !== 'step' || fields.point !== point) return
      process.kill(process.pid, 'SIGKILL')
      for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
    },
  },
})
const server = await serveAlyx(alyx)
writeSync(2, `alyx serves ${server.url}\n`)
process.on('SIGTERM', () => {
  void server
    .close()
    .then(() => alyx.close())
    .then(() => process.exit(0))
})
