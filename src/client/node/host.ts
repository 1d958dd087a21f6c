// What Node, Bun and Deno give the client: paths of files, and streams as bodies of requests.
import { Readable } from 'node:stream'
import type { Host } from '../source.ts'
import { fileOfStream, openFile } from './file-source.ts'

export const NODE: Host = {
  bytesOnly: true,
  openPath: openFile,
  fileOf: fileOfStream,
  streamBody: (chunks: AsyncIterator<Uint8Array>, fail: (error: unknown) => void) =>
    Readable.from({ [Symbol.asyncIterator]: () => chunks }, { objectMode: false }).on('error', fail),
}
