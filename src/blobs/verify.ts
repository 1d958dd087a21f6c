// Checks that the bytes of a whole blob are the ones that were stored, before the last of them is let through.
import { Transform } from 'node:stream'
import { crc32 } from 'node:zlib'
import { type AppError, fail } from '../core/errors.ts'
import type { BlobReader } from './backend.ts'

/** What is known of stored bytes. */
export interface Expected {
  readonly storedSize: number
  /** Null = unknown: only the length is checked. */
  readonly storedCrc32: number | null
}

/** Passes bytes on and errors with file_corrupt, in place of the last chunk, when length or CRC-32 differ. */
export function verifier(expected: Expected): Transform {
  let size = 0
  let crc = 0
  let last: Buffer | null = null
  return new Transform({
    highWaterMark: 256 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length
      if (expected.storedCrc32 !== null) crc = crc32(chunk, crc)
      if (size > expected.storedSize) return done(corrupt(expected, size))
      const before = last
      if (size === expected.storedSize) last = chunk
      if (before !== null) this.push(before)
      if (last === null) this.push(chunk)
      done()
    },
    flush(done) {
      if (!matches(expected, size, crc)) return done(corrupt(expected, size))
      if (last !== null) this.push(last)
      done()
    },
  })
}

/** The same check for a reader of the whole: the read that reaches the end fails file_corrupt instead of handing out the last bytes. */
export function verifiedReader(reader: BlobReader, expected: Expected): BlobReader {
  let size = 0
  let crc = 0
  return {
    async read(into) {
      const count = await reader.read(into)
      size += count
      if (expected.storedCrc32 !== null && count > 0) crc = crc32(into.subarray(0, count), crc)
      const over = count === 0 || size >= expected.storedSize
      if (over && !matches(expected, size, crc)) throw corrupt(expected, size)
      return count
    },
    close: () => reader.close(),
  }
}

/** The same check for bytes in one buffer. Fails file_corrupt. */
export function verifyBytes(bytes: Buffer, expected: Expected): Buffer {
  const crc = expected.storedCrc32 === null ? 0 : crc32(bytes)
  if (!matches(expected, bytes.length, crc)) throw corrupt(expected, bytes.length)
  return bytes
}

function matches(expected: Expected, size: number, crc: number): boolean {
  return size === expected.storedSize && (expected.storedCrc32 === null || crc === expected.storedCrc32)
}

function corrupt(expected: Expected, size: number): AppError {
  return fail('file_corrupt', 'the stored bytes are not the ones that were written', {
    details: { stored: expected.storedSize, found: size },
  })
}
