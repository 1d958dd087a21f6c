// alyx keys rotate as a process that dies after its second batch of five: node rotate-main.ts CONFIG SCHEMA.
import { createAlyx } from '../../src/app.ts'

const [configFile = '', schemaFile = ''] = process.argv.slice(2)
let batches = 0
const alyx = await createAlyx({
  configFile,
  schemaFile,
  offline: true,
  env: { ...process.env, ALYX_LOGGING_LEVEL: 'silent' },
  observer: {
    event(name, fields) {
      if (name !== 'step' || fields.point !== 'rewrapped') return
      batches += 1
      if (batches === 2) process.kill(process.pid, 'SIGKILL')
    },
  },
})
await alyx.rotate({ dryRun: false, signal: new AbortController().signal, batchSize: 5 })
await alyx.close()
