// Gathers the chunks of a body into few large writes, with backpressure and without a promise per chunk.
import type { Readable } from 'node:stream'
import { type AppError, fail } from '../core/errors.ts'

/** Bytes per write where the source is fast; as many again may wait while one is being written. */
const BATCH = 1024 * 1024
/** Chunks per write where they are tiny: their objects weigh more than their bytes. */
const CHUNKS = 512
/** What a slow source has sent waits no longer than this many milliseconds in memory. */
const PATIENCE = 100

export interface GatherOptions {
  /** Most bytes to take; what comes after them is never written. Null = no limit. */
  readonly limit: number | null
  /** The failure for a body that goes on after the limit. */
  readonly excess: () => AppError
  readonly signal: AbortSignal
  /** Writes one batch behind what was written before; called one at a time, never with an empty batch. */
  readonly write: (batch: readonly Buffer[], bytes: number) => Promise<void>
}

export interface Gathered {
  /** Bytes whose write succeeded. */
  readonly written: number
  /** Null when the body ended cleanly; else the body's own error, the abort's reason, `excess()` or what `write` failed with. */
  readonly error: unknown
}

/** Reads a body until it ends, breaks, runs over or the signal aborts, and writes what arrived until then. Never rejects.
 *  The body is left paused, not destroyed: a request's body is also the connection its answer goes out on. */
export function gather(body: Readable, { limit, excess, signal, write }: GatherOptions): Promise<Gathered> {
  return new Promise((resolve) => {
    let batch: Buffer[] = []
    let waiting = 0
    let taken = 0
    let written = 0
    let writing = false
    let paused = false
    let over = false
    let error: unknown = null
    let patience: NodeJS.Timeout | null = null

    const flush = (): void => {
      const out = batch
      const bytes = waiting
      batch = []
      waiting = 0
      writing = true
      write(out, bytes).then(
        () => {
          writing = false
          written += bytes
          advance()
        },
        (fault: unknown) => {
          writing = false
          batch = []
          waiting = 0
          error = fault
          stop(fault)
          advance()
        },
      )
    }
    const advance = (): void => {
      if (writing) return
      if (waiting > 0 && (over || waiting >= BATCH || batch.length >= CHUNKS)) flush()
      else if (over) resolve({ written, error })
      if (paused && !over) {
        paused = false
        body.resume()
      }
    }
    const take = (chunk: Buffer | string): void => {
      let bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      const room = limit === null ? bytes.length : limit - taken
      const tooMuch = bytes.length > room
      if (tooMuch) bytes = bytes.subarray(0, room)
      if (bytes.length > 0) {
        batch.push(bytes)
        taken += bytes.length
        waiting += bytes.length
      }
      if (tooMuch) stop(excess())
      else if (waiting >= BATCH || batch.length >= CHUNKS) {
        if (!writing) flush()
        else {
          paused = true
          body.pause()
        }
      } else if (waiting === bytes.length) {
        if (patience === null) patience = setTimeout(hurry, PATIENCE)
        else patience.refresh()
      }
    }
    const hurry = (): void => {
      if (writing) patience?.refresh()
      else if (waiting > 0) flush()
    }
    const stop = (reason: unknown): void => {
      if (over) return
      over = true
      error ??= reason
      if (patience !== null) clearTimeout(patience)
      signal.removeEventListener('abort', aborted)
      body.off('data', take)
      if (reason !== null) body.pause()
      advance()
    }
    const aborted = (): void => stop(signal.reason)

    // These stay: a body that breaks after it was left would otherwise end the process.
    body.on('error', stop)
    body.on('end', () => stop(null))
    body.on('close', () => {
      if (!over) stop(fail('invalid_request', 'the body broke off before its end'))
    })
    if (body.errored) return stop(body.errored)
    if (body.readableEnded) return stop(null)
    if (body.destroyed) return stop(fail('invalid_request', 'the body broke off before it was read'))
    if (signal.aborted) return aborted()
    signal.addEventListener('abort', aborted, { once: true })
    body.on('data', take)
  })
}
