// A stream for callers that bring their own buffers: its chunks are copied, and their memory is given back at once.
import type { Readable } from 'node:stream'
import type { BlobReader } from './backend.ts'
import { pulling } from './decoded-stream.ts'
import { release } from './spent.ts'

/** Reads fail as the stream does. A chunk that is the whole of its memory must be nobody else's. */
export function readerOf(stream: Readable): BlobReader {
  const pull = pulling(stream)
  let chunk: Buffer | null = null
  let at = 0
  return {
    async read(into) {
      let count = 0
      while (count < into.length) {
        chunk ??= await pull()
        if (chunk === null) break
        const copied = chunk.copy(into, count, at)
        count += copied
        at += copied
        if (at < chunk.length) continue
        release(chunk)
        chunk = null
        at = 0
      }
      return count
    },
    async close() {
      stream.destroy()
    },
  }
}
