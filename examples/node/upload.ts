// Uploads a file and prints a link to it. Interrupt it and start it again: it goes on where it stopped.
//   ALYX_TOKEN=… node examples/node/upload.ts FILE
import { isAlyxError } from 'alyx/client'
import { createClient } from '../../generated/alyx.ts'

const [file] = process.argv.slice(2)
if (file === undefined) throw new Error('usage: upload.ts FILE')

const client = createClient({
  url: process.env.ALYX_URL ?? 'http://localhost:8080',
  token: () => process.env.ALYX_TOKEN ?? null,
})

const upload = client.storage.documents.upload(file, {
  metadata: { from: 'the example' },
  onProgress: ({ loaded, percent }) => process.stderr.write(`\r${percent} %  ${loaded} bytes `),
})

try {
  const stored = await upload
  console.log(`\n${stored.id} ${stored.mime_type} ${stored.checksum}`)
  console.log(await client.storage.documents.getUrl(stored.id, { expiry: '1h' }))
} catch (error) {
  if (!isAlyxError(error)) throw error
  console.error(`\n${error.code}: ${error.message}\n${error.hint}`)
  process.exitCode = 1
}
