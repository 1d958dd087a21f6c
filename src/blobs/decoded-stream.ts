// What a codec makes of a source, as a stream: decoded when asked for, freed when left, refused before its first byte where possible.
import { Readable } from 'node:stream'

/** Bytes that may wait decoded. */
const AHEAD = 256 * 1024

/** The next chunk of the source; null at its end. */
export type Pull = () => Promise<Buffer | null>

/** Resolves once the first bytes are decoded, and rejects when they cannot be. `next` is called one at a time and gives the next bytes,
 *  null at the end of the content; what it throws is the stream's error. Owns `source`: destroyed with the stream. */
export async function decodedStream(
  source: Readable,
  signal: AbortSignal,
  next: (pull: Pull) => Promise<readonly Buffer[] | null>,
): Promise<Readable> {
  const pull = pulling(source)
  let first: readonly Buffer[] | null | undefined
  try {
    first = await next(pull)
    signal.throwIfAborted()
  } catch (error) {
    source.destroy()
    throw error
  }

  let busy = false
  const give = (batch: readonly Buffer[] | null): void => {
    busy = false
    if (batch === null) stream.push(null)
    else for (const bytes of batch) stream.push(bytes)
  }
  const broken = (error: Error): void => void stream.destroy(error)
  const stream = new Readable({
    highWaterMark: AHEAD,
    read() {
      if (busy) return
      if (first !== undefined) {
        const batch = first
        first = undefined
        return give(batch)
      }
      busy = true
      next(pull).then(give, broken)
    },
    destroy(error, done) {
      signal.removeEventListener('abort', abort)
      source.destroy()
      done(error)
    },
  })
  const abort = (): void => void stream.destroy(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  return stream
}

/** One chunk after the other, as they are: iterating over the stream would copy those that wait into one. */
export function pulling(source: Readable): Pull {
  let chunk: Buffer | null = null
  let over = false
  let error: Error | null = null
  let begun = false
  let wake: (() => void) | null = null
  const woken = (): void => {
    wake?.()
    wake = null
  }
  // From the beginning: a source that breaks before it is pulled must not end the process.
  source.on('error', (fault) => {
    error = fault
    woken()
  })
  const ended = (): void => {
    over = true
    woken()
  }
  source.on('end', ended)
  source.on('close', ended)

  return async () => {
    if (!begun) {
      begun = true
      source.on('data', (arrived: Buffer) => {
        chunk = arrived
        source.pause()
        woken()
      })
    }
    if (chunk === null && error === null && !over) {
      source.resume()
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    const next = chunk
    chunk = null
    if (next === null && error !== null) throw error
    return next
  }
}

/** Exactly `size` bytes of a stream, or null when it holds fewer or more. Leaves it destroyed. */
export async function exactly(stream: Readable, size: number): Promise<Buffer | null> {
  const bytes = Buffer.allocUnsafeSlow(size)
  let count = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (count + chunk.length > size) return null
    count += chunk.copy(bytes, count)
  }
  return count === size ? bytes : null
}
