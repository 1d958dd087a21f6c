// The real server with a transformer: it gives the first `width` bytes of the original, fails for a width of 13, and for a width of 1 it
// never comes to an end.
import { writeSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { createAlyx, serveAlyx } from '../../src/app.ts'

const { values } = parseArgs({
  options: { config: { type: 'string' }, schema: { type: 'string' } },
  allowPositionals: true,
})
const alyx = await createAlyx({
  configFile: values.config ?? 'alyx.yml',
  schemaFile: values.schema ?? 'schema.yaml',
  migrate: true,
  transformer: {
    accepts: (mimeType) => mimeType === 'text/plain' || mimeType.startsWith('image/'),
    async transform({ body }, { width }) {
      if (width === 13) throw new Error('unlucky')
      if (width === 1) await new Promise(() => {})
      return (await buffer(body)).subarray(0, width ?? undefined)
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
