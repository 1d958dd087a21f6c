// Encryption of uploads that are not finished: a spool file of the same length and offsets, and beside it the sealed segments it is made of.
//
// Every append, and every part of one that is made durable, is a segment: one AES-256-GCM message with a nonce of its own, under a key of
// this upload alone. So a region that is cut back and written again never meets the same keystream. The side file is the upload's header
// and one record a segment (start, end, nonce, tag, checksum); a record counts once its bytes and it are durable, and a spool is cut back
// only to where a segment ends, which is where every acknowledged offset is.
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto'
import { Transform } from 'node:stream'
import { crc32 } from 'node:zlib'
import { type AppError, fail } from '../core/errors.ts'
import type { BlobPlace } from './codec.ts'
import { type Keyring, newDataKey, unwrapKey, wrapKey } from './keyring.ts'

/** Bytes at the beginning of the side file. */
export const SPOOL_HEADER = 256
/** Bytes of a segment's record. */
export const SPOOL_RECORD = 64

const MAGIC = 'alyx spool v1\n'
const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const OPTIONS = { authTagLength: TAG_BYTES }
/** Far below what one GCM message may hold (64 GiB). */
const MAX_SEGMENT = 16 * 1024 ** 3

export type SpoolPlace = Pick<BlobPlace, 'fileId' | 'bucket'>

/** A segment that is written: the upload's bytes from `start` up to `end`. */
export interface SpoolSegment {
  readonly start: number
  readonly end: number
  readonly nonce: Buffer
  readonly tag: Buffer
}

export interface SegmentCipher {
  /** Where the segment ends so far. */
  readonly end: number
  /** The bytes to write at the same offset, as many. */
  update(chunk: Buffer): Buffer
  /** Ends the segment and gives its record (64 bytes); null when it has no bytes. Nothing may follow. */
  seal(): Buffer | null
}

export interface SpoolCipher {
  /** The beginning of the side file, SPOOL_HEADER bytes; written before the first record. */
  readonly header: Buffer
  /** A new segment that begins at an offset of the upload. */
  segment(start: number): SegmentCipher
  /** The bytes of consecutive segments in, the upload's bytes out. Errors with file_corrupt when the bytes are not those of the segments, in place of
   *  the last ones of the first segment that is wrong: what came before from that segment must not be believed either. */
  open(segments: readonly SpoolSegment[]): Transform
}

/** For an upload that begins: a new key. */
export function createSpoolCipher(keyring: Keyring, place: SpoolPlace): SpoolCipher {
  const key = newDataKey()
  const { keyId, wrapped } = wrapKey(keyring, key, contextOf(place))
  const header = Buffer.alloc(SPOOL_HEADER, ' ')
  header.write(`${MAGIC}${keyId} ${wrapped}\n`, 'latin1')
  return cipherOf(key, header, place)
}

/** For an upload that goes on; `header` is the beginning of its side file. Fails decrypt_failed. */
export function openSpoolCipher(keyring: Keyring, place: SpoolPlace, header: Buffer): SpoolCipher {
  const [keyId, wrapped] = headerWords(header)
  if (keyId === undefined || wrapped === undefined) throw fail('decrypt_failed', 'the upload’s key is missing')
  return cipherOf(unwrapKey(keyring, { keyId, wrapped }, contextOf(place)), header.subarray(0, SPOOL_HEADER), place)
}

/** The id of the key that an upload's own is wrapped by, out of the beginning of its side file; null where that is damaged. */
export function spoolKeyId(header: Buffer): string | null {
  return headerWords(header)[0] ?? null
}

function headerWords(header: Buffer): string[] {
  const text = header.toString('latin1', 0, SPOOL_HEADER)
  return text.startsWith(MAGIC) ? text.slice(MAGIC.length).split('\n', 1)[0]!.split(' ') : []
}

/** The segments that make up the first `offset` bytes of the upload, out of the side file; the side file is to be cut to
 *  SPOOL_HEADER + SPOOL_RECORD × their number before the next record is added. Records behind them are of bytes that were never
 *  acknowledged. Fails blob_missing when the segments do not reach `offset` exactly. */
export function spoolSegments(sideFile: Buffer, offset: number): SpoolSegment[] {
  const segments: SpoolSegment[] = []
  let end = 0
  for (let at = SPOOL_HEADER; end < offset; at += SPOOL_RECORD) {
    const segment = spoolSegment(sideFile.subarray(at, at + SPOOL_RECORD))
    if (segment === null || segment.start !== end || segment.end > offset) {
      throw fail('blob_missing', 'bytes of the upload that had arrived are missing')
    }
    segments.push(segment)
    end = segment.end
  }
  return segments
}

/** Where the last segment ends that lies within the first `size` bytes of the upload: as many can be deciphered. */
export function sealedUpTo(sideFile: Buffer, size: number): number {
  let end = 0
  for (let at = SPOOL_HEADER; ; at += SPOOL_RECORD) {
    const segment = spoolSegment(sideFile.subarray(at, at + SPOOL_RECORD))
    if (segment === null || segment.start !== end || segment.end > size) return end
    end = segment.end
  }
}

function cipherOf(key: KeyObject, header: Buffer, place: SpoolPlace): SpoolCipher {
  const context = contextOf(place)
  return {
    header,
    segment(start) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, key, nonce, OPTIONS).setAAD(bound(context, start))
      let end = start
      return {
        get end() {
          return end
        },
        update(chunk) {
          end += chunk.length
          if (end - start > MAX_SEGMENT) throw fail('internal', 'a segment of the spool is too long')
          return cipher.update(chunk)
        },
        seal() {
          cipher.final()
          return end === start ? null : writeRecord({ start, end, nonce, tag: cipher.getAuthTag() })
        },
      }
    },
    open(segments) {
      let number = 0
      let decipher = begin(segments[0])
      let at = segments[0]?.start ?? 0
      let held: Buffer | null = null
      function begin(segment: SpoolSegment | undefined) {
        if (segment === undefined) return null
        return createDecipheriv(CIPHER, key, segment.nonce, OPTIONS)
          .setAAD(bound(context, segment.start))
          .setAuthTag(segment.tag)
      }
      const release = (): void => {
        if (held !== null) stream.push(held)
        held = null
      }
      const take = (chunk: Buffer): void => {
        for (let from = 0; from < chunk.length; ) {
          const segment = segments[number]
          if (segment === undefined || decipher === null) throw corrupt()
          const part = chunk.subarray(from, from + segment.end - at)
          release()
          held = decipher.update(part)
          at += part.length
          from += part.length
          if (at < segment.end) continue
          try {
            decipher.final()
          } catch {
            throw corrupt()
          }
          release()
          decipher = begin(segments[++number])
        }
      }
      const stream = new Transform({
        readableHighWaterMark: 256 * 1024,
        writableHighWaterMark: 256 * 1024,
        transform(chunk: Buffer, _encoding, done) {
          try {
            take(chunk)
            done()
          } catch (error) {
            done(error as Error)
          }
        },
        flush: (done) => done(number === segments.length ? null : corrupt()),
      })
      return stream
    },
  }
}

function writeRecord({ start, end, nonce, tag }: SpoolSegment): Buffer {
  const record = Buffer.alloc(SPOOL_RECORD)
  record.writeBigUInt64LE(BigInt(start), 0)
  record.writeBigUInt64LE(BigInt(end), 8)
  nonce.copy(record, 16)
  tag.copy(record, 28)
  record.writeUInt32LE(crc32(record.subarray(0, SPOOL_RECORD - 4)), SPOOL_RECORD - 4)
  return record
}

/** What a record of SPOOL_RECORD bytes says; null when it was not written whole. */
export function spoolSegment(record: Buffer): SpoolSegment | null {
  if (record.length < SPOOL_RECORD) return null
  if (crc32(record.subarray(0, SPOOL_RECORD - 4)) !== record.readUInt32LE(SPOOL_RECORD - 4)) return null
  const start = Number(record.readBigUInt64LE(0))
  const end = Number(record.readBigUInt64LE(8))
  return end > start ? { start, end, nonce: record.subarray(16, 28), tag: record.subarray(28, 44) } : null
}

/** The length is part of what GCM authenticates anyway. */
function bound(context: string, start: number): Buffer {
  return Buffer.from(`alyx spool segment v1\0${context}\0${start}`)
}

function contextOf({ fileId, bucket }: SpoolPlace): string {
  return `spool\0${fileId}\0${bucket}`
}

function corrupt(): AppError {
  return fail('file_corrupt', 'the bytes of the upload are not the ones that arrived')
}
