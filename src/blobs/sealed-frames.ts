// Content in frames of 64 KiB, each sealed with AES-256-GCM: what it is part of, its place and whether it is the last are sealed with it.
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import type { ByteRange } from '../core/model.ts'

/** Content bytes in a frame; the last has fewer, or none when the content is empty. */
export const SEALED_FRAME = 64 * 1024
export const TAG_BYTES = 16
/** Bytes of a frame as it is stored. */
export const STORED_FRAME = SEALED_FRAME + TAG_BYTES
export const SALT_BYTES = 7

const CIPHER = 'aes-256-gcm'
const OPTIONS = { authTagLength: TAG_BYTES }
/** Content bytes that the nonce's counter can count. */
export const MAX_CONTENT = 2 ** 32 * SEALED_FRAME

/** How many frames content of `size` bytes has: at least one. */
export function frameCount(size: number): number {
  return Math.max(1, Math.ceil(size / SEALED_FRAME))
}

/** Stored bytes of content of `size` bytes. */
export function sealedSize(size: number): number {
  return size + frameCount(size) * TAG_BYTES
}

/** The stored bytes that hold the range of content of `size` bytes; null = all. */
export function sealedRange(size: number, range: ByteRange | null): ByteRange | null {
  if (range === null) return null
  const storedSize = sealedSize(size)
  const start = Math.floor(range.start / SEALED_FRAME) * STORED_FRAME
  const end = Math.min((Math.floor(range.end / SEALED_FRAME) + 1) * STORED_FRAME, storedSize) - 1
  return start === 0 && end === storedSize - 1 ? null : { start, end }
}

export interface FrameCipher {
  /** The stored frame, in pieces. */
  seal(index: number, last: boolean, content: readonly Buffer[]): Buffer[]
  /** The content, in pieces; null unless every bit is right. `stored` holds at least a tag. */
  open(index: number, last: boolean, stored: readonly Buffer[]): Buffer[] | null
}

/** The nonce is the salt (7 bytes), the frame's index (4) and whether it is the last (1): `key` must be this content's own. */
export function createFrameCipher(key: KeyObject, salt: Buffer, context: string): FrameCipher {
  const nonce = Buffer.alloc(SALT_BYTES + 5)
  salt.copy(nonce)
  const prefix = Buffer.from(`alyx frame v1\0${context}\0`)
  const bound = Buffer.alloc(prefix.length + 5)
  prefix.copy(bound)
  const at = (index: number, last: boolean): void => {
    nonce.writeUInt32BE(index, SALT_BYTES)
    nonce[SALT_BYTES + 4] = last ? 1 : 0
    nonce.copy(bound, prefix.length, SALT_BYTES)
  }

  return {
    seal(index, last, content) {
      at(index, last)
      const cipher = createCipheriv(CIPHER, key, nonce, OPTIONS).setAAD(bound)
      const out = content.map((piece) => cipher.update(piece))
      cipher.final()
      out.push(cipher.getAuthTag())
      return out
    },
    open(index, last, stored) {
      at(index, last)
      const { body, tag } = splitTag(stored)
      const decipher = createDecipheriv(CIPHER, key, nonce, OPTIONS).setAAD(bound).setAuthTag(tag)
      const out = body.map((piece) => decipher.update(piece))
      try {
        decipher.final()
      } catch {
        return null
      }
      return out
    },
  }
}

function splitTag(stored: readonly Buffer[]): { body: readonly Buffer[]; tag: Buffer } {
  const end = stored.at(-1)!
  if (end.length < TAG_BYTES) return splitTag([Buffer.concat(stored)])
  const rest = end.subarray(0, -TAG_BYTES)
  const body = rest.length === 0 ? stored.slice(0, -1) : [...stored.slice(0, -1), rest]
  return { body, tag: end.subarray(-TAG_BYTES) }
}
