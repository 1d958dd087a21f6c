// Streams, whatever kind they are: their bytes in order, and parts of them that can be sent again.
import { AlyxError } from './errors.ts'
import type { BlobLike, ReadableStreamLike } from './platform.ts'

/** Bytes that a request can send; `size` is what tus-js-client counts by. */
export type Slice = (Uint8Array | BlobLike) & { readonly size: number }

/** Parts of a stream whose length is known, forward only. What was given out last is kept until more is asked for, so that it can be
 *  sent again. Fails: source_unreadable. */
export function streamSlices(chunks: AsyncIterator<Uint8Array>, size: number) {
  let kept: Uint8Array = new Uint8Array(0)
  let keptFrom = 0
  let rest: Uint8Array = new Uint8Array(0)
  return {
    async slice(start: number, end: number): Promise<Slice> {
      if (start < keptFrom || start > keptFrom + kept.length) {
        throw new AlyxError('source_unreadable', 'the stream has moved past what has to be sent again')
      }
      const parts = [kept.subarray(start - keptFrom, end - keptFrom)]
      let length = parts[0]!.length
      while (length < end - start) {
        const part = rest.length > 0 ? rest : await nextOf(chunks)
        if (part === null) throw wrongLength(size, start + length)
        const taken = part.subarray(0, end - start - length)
        rest = part.subarray(taken.length)
        parts.push(taken)
        length += taken.length
      }
      kept = joined(parts)
      keptFrom = start
      if (end === size && (rest.length > 0 || (await nextOf(chunks)) !== null)) throw wrongLength(size, size + 1)
      return sliceOf(kept)
    },
    close: (): void => void Promise.resolve(chunks.return?.()).catch(() => {}),
  }
}

/** Reads at most `most` bytes; `done` says whether that was all. What came beyond is in `bytes` too. */
export async function readStart(
  chunks: AsyncIterator<Uint8Array>,
  most: number,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly done: boolean }> {
  const parts: Uint8Array[] = []
  let length = 0
  while (length <= most) {
    const part = await nextOf(chunks)
    if (part === null) return { bytes: joined(parts), done: true }
    parts.push(part)
    length += part.length
  }
  return { bytes: joined(parts), done: false }
}

/** The next bytes; null at the end. Fails: source_unreadable. */
export async function nextOf(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | null> {
  try {
    const { done, value } = await chunks.next()
    return done ? null : value
  } catch (error) {
    if (error instanceof AlyxError) throw error
    throw new AlyxError('source_unreadable', 'the stream broke off', { cause: error })
  }
}

/** Bytes with the `size` that requests look for. */
export function sliceOf(bytes: Uint8Array): Slice {
  return Object.assign(bytes, { size: bytes.length })
}

/** The bytes of a web stream, a Node stream or any asynchronous sequence; null for anything else. Texts are UTF-8. */
export function chunksOf(source: unknown): AsyncIterator<Uint8Array> | null {
  const stream = source as Partial<AsyncIterable<unknown> & ReadableStreamLike> | null
  if (typeof stream?.[Symbol.asyncIterator] === 'function') return asBytes(stream[Symbol.asyncIterator]!())
  if (typeof stream?.getReader !== 'function') return null
  const reader = stream.getReader()
  return asBytes({
    next: async () => {
      const { done, value } = await reader.read()
      return done ? { done, value: undefined } : { done: false, value }
    },
    return: async () => {
      await reader.cancel()
      return { done: true, value: undefined }
    },
  })
}

async function* asBytes(values: AsyncIterator<unknown>): AsyncGenerator<Uint8Array> {
  try {
    for (let { done, value } = await values.next(); !done; { done, value } = await values.next()) {
      if (typeof value === 'string') yield new TextEncoder().encode(value)
      else if (ArrayBuffer.isView(value)) {
        yield new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength)
      } else if (value instanceof ArrayBuffer) yield new Uint8Array(value)
      else throw new AlyxError('source_unreadable', 'the stream gives something else than bytes')
    }
  } finally {
    await values.return?.()
  }
}

/** Copies: a caller who reuses the buffers of its stream must not change what is sent again. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function wrongLength(size: number, found: number): AlyxError {
  const fault = found > size ? `has more than the announced ${size} bytes` : `ended after ${found} of ${size} bytes`
  return new AlyxError('source_unreadable', `the stream ${fault}`, { details: { size } })
}

/** What was read from a stream, followed by the rest of it. */
export async function* rejoined(start: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield start
  for (let part = await nextOf(rest); part !== null; part = await nextOf(rest)) yield part
}

/** A stream as a Blob, which browsers keep outside of the memory of the page. */
export async function gathered(chunks: AsyncIterator<Uint8Array>): Promise<BlobLike> {
  let whole = new Blob([])
  let parts: Uint8Array<ArrayBuffer>[] = []
  let length = 0
  for (let part = await nextOf(chunks); part !== null; part = await nextOf(chunks)) {
    parts.push(part.slice())
    length += part.length
    if (length < GATHERED) continue
    whole = new Blob([whole, ...parts])
    parts = []
    length = 0
  }
  return new Blob([whole, ...parts]) as BlobLike
}

const GATHERED = 8 * 1024 * 1024

/** A part as bytes. Fails: source_unreadable. */
export async function bytesOf(part: Slice): Promise<Uint8Array> {
  if (part instanceof Uint8Array) return part
  return new Uint8Array(
    await part.arrayBuffer().catch((error: unknown) => {
      throw new AlyxError('source_unreadable', 'the file cannot be read', { cause: error })
    }),
  )
}
