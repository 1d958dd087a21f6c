// Decoded content for callers that bring their own buffers: what the codecs make is copied and its memory given back.

import type { ByteRange } from '../core/model.ts'
import type { BlobReader } from './backend.ts'
import type { ByteSource } from './codec.ts'
import { pulling } from './decoded-stream.ts'
import { release } from './spent.ts'

/** A reader of `range` (null = all). Every chunk of the source's streams must have memory of its own, as what codecs decode has. Rejects,
 *  and its reads fail, as the source does. */
export async function decodedReader(source: ByteSource, range: ByteRange | null): Promise<BlobReader> {
  const { signal } = new AbortController()
  const stream = await source.read(range, signal)
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
