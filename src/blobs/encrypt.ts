// The codec aes-256-gcm: a data key per file, wrapped by the keyring, and frames that cannot be changed, cut off, reordered or moved.
import { randomBytes } from 'node:crypto'
import { Transform } from 'node:stream'
import { type AppError, fail } from '../core/errors.ts'
import type { CodecUse } from '../core/model.ts'
import type { BlobPlace, ByteSource, Codec, Encoder } from './codec.ts'
import { decodedStream } from './decoded-stream.ts'
import { type Keyring, newDataKey, unwrapKey, type WrappedKey, wrapKey } from './keyring.ts'
import { createPieceQueue } from './piece-queue.ts'
import {
  createFrameCipher,
  type FrameCipher,
  frameCount,
  MAX_CONTENT,
  SALT_BYTES,
  SEALED_FRAME,
  STORED_FRAME,
  sealedRange,
  sealedSize,
} from './sealed-frames.ts'

const NAME = 'aes-256-gcm'

/** Recorded as `key_id`, `wrapped`, `salt` (base64) and `size` (content bytes). Without a keyring nothing is encoded, and decoding fails
 *  decrypt_failed. */
export function createEncryption(keyring: Keyring | null): Codec {
  return {
    name: NAME,
    encode(place) {
      if (keyring === null) throw fail('internal', 'there is no key to encrypt with')
      return encode(keyring, place)
    },
    async decode(source, use, place, size) {
      return decoded(source, openFrames(keyring, use, place, size, source.size), size)
    },
  }
}

/** What opens the frames of a file of `size` bytes stored in `storedSize`. Fails decrypt_failed; file_corrupt when the sizes do not fit. */
export function openFrames(
  keyring: Keyring | null,
  use: CodecUse,
  place: BlobPlace,
  size: number,
  storedSize: number,
): FrameCipher {
  if (keyring === null) throw fail('decrypt_failed', 'no encryption key is configured')
  const { key, salt } = readParams(use)
  const dataKey = unwrapKey(keyring, key, contextOf(place))
  if (use.params.size !== size || storedSize !== sealedSize(size)) {
    throw corrupt('do not have the length they were written with')
  }
  return createFrameCipher(dataKey, salt, contextOf(place))
}

/** The same use with its data key under the active key; `use` itself when it is already. The stored bytes stay as they are.
 *  Fails decrypt_failed. */
export function rewrap(use: CodecUse, place: BlobPlace, keyring: Keyring): CodecUse {
  const { key } = readParams(use)
  if (key.keyId === keyring.active.id) return use
  const { keyId, wrapped } = wrapKey(keyring, unwrapKey(keyring, key, contextOf(place)), contextOf(place))
  return { name: use.name, params: { ...use.params, key_id: keyId, wrapped } }
}

function encode(keyring: Keyring, place: BlobPlace): Encoder {
  const context = contextOf(place)
  const dataKey = newDataKey()
  const { keyId, wrapped } = wrapKey(keyring, dataKey, context)
  const salt = randomBytes(SALT_BYTES)
  const cipher = createFrameCipher(dataKey, salt, context)
  const waiting = createPieceQueue()
  let index = 0
  let size = 0

  const seal = (content: readonly Buffer[], last: boolean): void => {
    for (const piece of cipher.seal(index++, last, content)) stream.push(piece)
  }
  const stream = new Transform({
    readableHighWaterMark: 4 * SEALED_FRAME,
    writableHighWaterMark: 4 * SEALED_FRAME,
    transform(chunk: Buffer, _encoding, done) {
      waiting.add(chunk)
      size += chunk.length
      if (size > MAX_CONTENT) return done(fail('file_too_large', 'an encrypted file has at most 256 TiB'))
      // The last frame is known only when nothing comes after it.
      while (waiting.size > SEALED_FRAME) seal(waiting.take(SEALED_FRAME)!, false)
      done()
    },
    flush(done) {
      seal(waiting.take(waiting.size)!, true)
      done()
    },
  })
  return {
    stream,
    use: () => ({ name: NAME, params: { key_id: keyId, wrapped, salt: salt.toString('base64'), size } }),
  }
}

function decoded(source: ByteSource, cipher: FrameCipher, size: number): ByteSource {
  const end = frameCount(size) - 1
  return {
    size,
    async read(range, signal) {
      const from = range?.start ?? 0
      const to = range?.end ?? size - 1
      const lastFrame = Math.max(0, Math.floor(to / SEALED_FRAME))
      const waiting = createPieceQueue()
      let index = Math.floor(from / SEALED_FRAME)
      let broken = false
      /** All frames that have arrived whole. */
      const open = (): Buffer[] => {
        const out: Buffer[] = []
        for (; index <= lastFrame; index++) {
          const frame = waiting.take(index === end ? source.size - end * STORED_FRAME : STORED_FRAME)
          if (frame === null) break
          const content = cipher.open(index, index === end, frame)
          if (content === null) {
            // The frames before it are right: they may still go out, and the stream breaks in its place.
            if (out.length > 0) broken = true
            else throw corrupt('are not the ones that were written')
            break
          }
          out.push(...within(content, index * SEALED_FRAME, from, to))
        }
        return out
      }
      const stored = await source.read(sealedRange(size, range), signal)
      return decodedStream(stored, signal, async (pull) => {
        while (!broken) {
          const out = open()
          if (out.length > 0) return out
          if (index > lastFrame) return null
          const chunk = await pull()
          if (chunk === null) throw corrupt('end too early')
          waiting.add(chunk)
        }
        throw corrupt('are not the ones that were written')
      })
    },
  }
}

/** What of the pieces, which begin at `start`, lies between `from` and `to`. */
function within(pieces: readonly Buffer[], start: number, from: number, to: number): Buffer[] {
  const out: Buffer[] = []
  let at = start
  for (const piece of pieces) {
    const part = piece.subarray(Math.max(0, from - at), Math.max(0, to + 1 - at))
    if (part.length > 0) out.push(part)
    at += piece.length
  }
  return out
}

function contextOf({ fileId, bucket }: BlobPlace): string {
  return `blob\0${fileId}\0${bucket}`
}

function readParams({ params }: CodecUse): { key: WrappedKey; salt: Buffer } {
  const { key_id: keyId, wrapped, salt } = params
  if (typeof keyId === 'string' && typeof wrapped === 'string' && typeof salt === 'string') {
    const bytes = Buffer.from(salt, 'base64')
    if (bytes.length === SALT_BYTES) return { key: { keyId, wrapped }, salt: bytes }
  }
  throw fail('decrypt_failed', 'what was recorded of the file’s encryption is damaged')
}

function corrupt(what: string): AppError {
  return fail('file_corrupt', `the stored bytes ${what}`)
}
