// A source of bytes for codecs that counts what is read of it and can break, stop or hang.
import { Readable } from 'node:stream'
import type { ByteSource } from '../../src/blobs/codec.ts'
import type { ByteRange } from '../../src/core/model.ts'

export interface SourceOptions {
  /** Bytes per chunk. */
  readonly piece?: number
  /** After so many bytes of a read it errors with this. */
  readonly breaks?: { readonly after: number; readonly error: Error }
  /** After so many bytes of a read it ends. */
  readonly endsAfter?: number
  /** After so many bytes of a read nothing comes any more. */
  readonly hangsAfter?: number
}

export interface WatchedSource extends ByteSource {
  readonly reads: readonly (ByteRange | null)[]
  /** Bytes handed out by all reads. */
  readonly taken: number
  /** Streams that are neither ended nor destroyed. */
  readonly open: number
}

export function sourceOf(bytes: Buffer, options: SourceOptions = {}): WatchedSource {
  const {
    piece = 64 * 1024,
    breaks,
    endsAfter = Number.POSITIVE_INFINITY,
    hangsAfter = Number.POSITIVE_INFINITY,
  } = options
  const reads: (ByteRange | null)[] = []
  const streams = new Set<Readable>()
  let taken = 0
  return {
    size: bytes.length,
    get reads() {
      return reads
    },
    get taken() {
      return taken
    },
    get open() {
      return streams.size
    },
    async read(range, signal) {
      signal.throwIfAborted()
      reads.push(range)
      if (range !== null && !(range.start >= 0 && range.end >= range.start && range.end < bytes.length)) {
        throw new Error(`no such range: ${range.start}-${range.end} of ${bytes.length}`)
      }
      const part = range === null ? bytes : bytes.subarray(range.start, range.end + 1)
      let at = 0
      const stream = new Readable({
        highWaterMark: piece,
        read() {
          if (breaks !== undefined && at >= breaks.after) return void this.destroy(breaks.error)
          if (at >= hangsAfter) return
          const end = Math.min(at + piece, part.length, endsAfter, hangsAfter, breaks?.after ?? part.length)
          if (end === at) return void this.push(null)
          this.push(part.subarray(at, end))
          taken += end - at
          at = end
        },
        destroy(error, done) {
          signal.removeEventListener('abort', abort)
          streams.delete(stream)
          done(error)
        },
      })
      const abort = (): void => void stream.destroy(signal.reason)
      signal.addEventListener('abort', abort)
      streams.add(stream)
      return stream
    },
  }
}
