// A part of an open file as a stream that never ends early.
import { close, read } from 'node:fs'
import { Readable } from 'node:stream'
import { fail } from '../core/errors.ts'
import type { ByteRange } from '../core/model.ts'
import { diskFailure } from './disk-errors.ts'

/** Bytes per read. */
const CHUNK = 256 * 1024

/** An open descriptor and the part of it that is wanted. */
export interface FilePart {
  readonly fd: number
  readonly range: ByteRange
}

/** Streams a part of a file and owns its descriptor: closed on end, error and destroy. Given a function, opens it before the first read.
 *  Errors with file_corrupt when the file is shorter, storage_unavailable when the disk fails, the signal's reason on abort. */
export function fileStream(source: FilePart | (() => Promise<FilePart>), signal: AbortSignal | null): Readable {
  let part = typeof source === 'function' ? null : source
  let position = part?.range.start ?? 0
  let reading = false
  let whenRead: (() => void) | null = null

  const begin = (open: () => Promise<FilePart>, done: (error?: Error) => void): void => {
    open().then(
      (opened) => {
        part = opened
        position = opened.range.start
        done()
      },
      (error: Error) => done(error),
    )
  }
  const stream = new Readable({
    highWaterMark: CHUNK,
    // Only where there is something to open: it costs a turn of the event loop.
    ...(typeof source === 'function' && { construct: (done) => begin(source, done) }),
    read() {
      const { fd, range } = part!
      const want = Math.min(CHUNK, range.end - position + 1)
      if (want <= 0) {
        this.push(null)
        return
      }
      reading = true
      read(fd, Buffer.allocUnsafe(want), 0, want, position, (error, count, buffer) => {
        reading = false
        if (whenRead !== null) return whenRead()
        if (error !== null) return void this.destroy(diskFailure(error, 'read'))
        if (count === 0) return void this.destroy(fail('file_corrupt', 'the stored bytes end too early'))
        position += count
        this.push(count === want ? buffer : buffer.subarray(0, count))
        if (position > range.end) this.push(null)
      })
    },
    destroy(error, done) {
      signal?.removeEventListener('abort', abort)
      if (part === null) return done(error)
      const { fd } = part
      const finish = (): void => close(fd, (closing) => done(error ?? (closing && diskFailure(closing, 'read'))))
      // Closing under a running read could hand its descriptor number to another file.
      if (reading) whenRead = finish
      else finish()
    },
  })
  const abort = (): void => void stream.destroy(signal?.reason)
  if (signal?.aborted) abort()
  else signal?.addEventListener('abort', abort, { once: true })
  return stream
}
