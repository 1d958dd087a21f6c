// The bytes of an object as a stream that never ends early: where its connection breaks, it goes on with another.
import { Readable } from 'node:stream'
import type { ByteRange } from '../core/model.ts'
import { unavailable } from './s3-faults.ts'
import type { SentObject } from './s3-requests.ts'

/** How often a download is taken up again without getting any further. */
const RESUMES = 2
/** Bytes that count as getting further: a server cuts the connection of a slow reader again and again, and is right to. */
const PROGRESS = 64 * 1024
const CHUNK = 256 * 1024

/** Inclusive positions; without an end, everything from `start` on. */
export interface Part {
  readonly start: number
  readonly end: number | null
}

export interface BodyOptions {
  /** What the whole stream gives; null = everything, to the end the server announces. */
  readonly range: ByteRange | null
  /** Asks for a part of the same object; rejects with a failure. */
  readonly reopen: (part: Part, etag: string) => Promise<SentObject>
  readonly signal?: AbortSignal
  /** Milliseconds without a byte that was asked for. */
  readonly idle: number
}

/** Passes the bytes on. Errors: storage_unavailable where the server breaks off for good, the signal's reason on abort.
 *  Destroying it frees the connection. */
export function objectStream(first: SentObject, { range, reopen, signal, idle }: BodyOptions): Readable {
  const from = range?.start ?? 0
  const expected = first.length ?? (range && range.end - range.start + 1)
  let source: Readable | null = null
  let received = 0
  let resumed = 0
  /** Where the connection began. */
  let begun = 0

  const stream = new Readable({
    highWaterMark: CHUNK,
    read() {
      watch.refresh()
      source?.resume()
    },
    destroy(error, done) {
      clearTimeout(watch)
      signal?.removeEventListener('abort', abort)
      leave()
      done(error)
    },
  })
  // A source that nobody reads from is no sign of trouble: only one that was asked and says nothing.
  const watch = setTimeout(() => {
    if (source === null || source.isPaused()) return
    lost(unavailable('the storage backend stopped sending'))
  }, idle)
  const abort = (): void => void stream.destroy(signal?.reason)

  function attach({ body }: SentObject): void {
    source = body
    body.on('data', (chunk: Buffer) => {
      if (source !== body) return
      received += chunk.length
      if (received - begun >= PROGRESS) resumed = 0
      if (expected !== null && received > expected) {
        stream.destroy(unavailable('the storage backend sent more than there is'))
        return
      }
      watch.refresh()
      const more = stream.push(chunk)
      if (received === expected) end()
      else if (!more) body.pause()
    })
    body.on('end', () => {
      if (source !== body) return
      if (expected === null) end()
      else lost(unavailable('the storage backend broke off'))
    })
    body.on('error', (error) => {
      if (source === body) lost(error)
    })
    body.on('close', () => {
      if (source === body) lost(unavailable('the storage backend broke off'))
    })
    if (body.destroyed) lost(body.errored)
    else body.pause()
  }

  /** The source ends by itself now, which hands its connection back. */
  function end(): void {
    clearTimeout(watch)
    source?.resume()
    source = null
    stream.push(null)
  }

  function leave(): void {
    const left = source
    source = null
    left?.destroy()
  }

  function lost(cause: unknown): void {
    leave()
    const { etag } = first
    if (etag === null || expected === null || resumed === RESUMES || stream.destroyed) {
      stream.destroy(unavailable('the storage backend broke off', cause))
      return
    }
    resumed += 1
    begun = received
    reopen({ start: from + received, end: range?.end ?? null }, etag).then(
      (again) => {
        if (stream.destroyed) return void again.body.destroy()
        if (again.length !== null && again.length !== expected - received) {
          again.body.destroy()
          stream.destroy(unavailable('the storage backend went on with something else', cause))
          return
        }
        attach(again)
        watch.refresh()
        source?.resume()
      },
      (error: Error) => stream.destroy(error),
    )
  }

  if (signal?.aborted) {
    first.body.destroy()
    abort()
    return stream
  }
  signal?.addEventListener('abort', abort, { once: true })
  attach(first)
  if (expected === 0) end()
  return stream
}
