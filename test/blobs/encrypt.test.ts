// Encrypted content: keys that are missing, wrong or new, and frames that were cut off, moved or taken from elsewhere.
import { describe, expect, it } from 'vitest'
import type { BlobReader } from '../../src/blobs/backend.ts'
import type { BlobPlace } from '../../src/blobs/codec.ts'
import { createEncryption, openFrames, rewrap } from '../../src/blobs/encrypt.ts'
import { openedReader } from '../../src/blobs/encrypt-reader.ts'
import { createKeyring, type Keyring } from '../../src/blobs/keyring.ts'
import { SEALED_FRAME, STORED_FRAME, sealedRange, sealedSize } from '../../src/blobs/sealed-frames.ts'
import type { ByteRange, CodecUse } from '../../src/core/model.ts'
import { bodyOf, bytesOf, never } from '../contract/backend.ts'
import { freshPlace, received } from '../contract/codec.ts'
import { sourceOf } from '../support/byte-source.ts'
import { createChance, seededBytes } from '../support/random.ts'

const place = freshPlace()
const k1 = { id: 'k1', key: seededBytes(1, 32) }
const k2 = { id: 'k2', key: seededBytes(2, 32) }
const keyring = createKeyring([k1])
const SIZE = 3 * SEALED_FRAME + 100
const content = seededBytes(9, SIZE)

async function encrypted(bytes: Buffer = content, at: BlobPlace = place, keys: Keyring = keyring) {
  const { stream, use } = createEncryption(keys).encode(at)
  const stored = await bytesOf(bodyOf(bytes).pipe(stream))
  return { stored, use: use() }
}
const read = async (
  stored: Buffer,
  use: CodecUse,
  {
    at = place,
    keys = keyring,
    size = SIZE,
    range = null,
  }: {
    at?: BlobPlace
    keys?: Keyring | null
    size?: number
    range?: ByteRange | null
  } = {},
) => {
  const decoded = await createEncryption(keys).decode(sourceOf(stored), use, at, size)
  return decoded.read(range, never)
}
const ofSize = (use: CodecUse, size: number): CodecUse => ({ ...use, params: { ...use.params, size } })

describe('content encrypted with aes-256-gcm', () => {
  it('is stored in 16 bytes more for each 64 KiB, and even nothing has a frame', async () => {
    for (const size of [0, 1, SEALED_FRAME - 1, SEALED_FRAME, SEALED_FRAME + 1, 2 * SEALED_FRAME]) {
      const { stored } = await encrypted(seededBytes(1, size))
      expect(stored.length).toBe(sealedSize(size))
      expect(stored.length).toBe(size + 16 * Math.max(1, Math.ceil(size / SEALED_FRAME)))
    }
  })

  it('has a key and a salt of its own each time', async () => {
    const [one, other] = [await encrypted(), await encrypted()]
    expect(one.stored.equals(other.stored)).toBe(false)
    expect(one.use.params.wrapped).not.toBe(other.use.params.wrapped)
    expect(one.use.params).toEqual({
      key_id: 'k1',
      wrapped: expect.stringMatching(/^[A-Za-z0-9+/]{80}$/),
      salt: expect.stringMatching(/^[A-Za-z0-9+/]{10}==$/),
      size: SIZE,
    })
    await expect(received(read(one.stored, other.use))).resolves.toMatchObject({ error: { code: 'file_corrupt' } })
  })

  it('cannot be read with an unknown key, a wrong key, damaged parameters or no key', async () => {
    const { stored, use } = await encrypted()
    const flipped = Buffer.from(use.params.wrapped as string, 'base64')
    flipped[30]! ^= 1
    const cases: [CodecUse, Keyring | null][] = [
      [use, createKeyring([k2])],
      [use, createKeyring([{ id: 'k1', key: k2.key }])],
      [use, null],
      [{ ...use, params: {} }, keyring],
      [{ ...use, params: { ...use.params, wrapped: flipped.toString('base64') } }, keyring],
      [{ ...use, params: { ...use.params, wrapped: '' } }, keyring],
      [{ ...use, params: { ...use.params, salt: 'AAAA' } }, keyring],
      [{ ...use, params: { ...use.params, key_id: 7 } }, keyring],
    ]
    for (const [given, keys] of cases) {
      await expect(read(stored, given, { keys })).rejects.toMatchObject({ code: 'decrypt_failed' })
    }
    const salted = { ...use, params: { ...use.params, salt: Buffer.alloc(7).toString('base64') } }
    await expect(read(stored, salted)).rejects.toMatchObject({ code: 'file_corrupt' })
  })

  it('is refused before its first byte when that is wrong, and breaks in its place when a later one is', async () => {
    const { stored, use } = await encrypted()
    for (const frame of [0, 1, 3]) {
      const damaged = Buffer.from(stored)
      damaged[frame * STORED_FRAME + 50]! ^= 1
      const reading = read(damaged, use)
      if (frame === 0) await expect(reading).rejects.toMatchObject({ code: 'file_corrupt' })
      else {
        const { bytes, error } = await received(reading)
        expect(error).toMatchObject({ code: 'file_corrupt' })
        expect(bytes.equals(content.subarray(0, frame * SEALED_FRAME))).toBe(true)
      }
      const elsewhere = { start: 2 * SEALED_FRAME, end: 3 * SEALED_FRAME - 1 }
      expect(
        (await bytesOf(await read(damaged, use, { range: elsewhere }))).equals(
          content.subarray(elsewhere.start, elsewhere.end + 1),
        ),
      ).toBe(true)
    }
  })

  it('is not whole without its last frame, even when its recorded size was cut too', async () => {
    const { stored, use } = await encrypted()
    for (const frames of [0, 1, 2, 3]) {
      const size = frames * SEALED_FRAME
      const cut = stored.subarray(0, frames * STORED_FRAME)
      const { bytes, error } = await received(read(cut, ofSize(use, size), { size }))
      expect(error).toMatchObject({ code: 'file_corrupt' })
      expect(bytes.length).toBeLessThanOrEqual(Math.max(0, frames - 1) * SEALED_FRAME)
    }
  })

  it('does not go on after its last frame', async () => {
    const whole = seededBytes(3, 2 * SEALED_FRAME)
    const { stored, use } = await encrypted(whole)
    const size = 3 * SEALED_FRAME
    const grown = Buffer.concat([stored, stored.subarray(STORED_FRAME)])
    const { bytes, error } = await received(read(grown, ofSize(use, size), { size }))
    expect(error).toMatchObject({ code: 'file_corrupt' })
    expect(bytes.length).toBe(SEALED_FRAME)
  })

  it('takes no frame of another file, not even of the same key and salt in another place', async () => {
    const { stored, use } = await encrypted()
    const other = await encrypted(seededBytes(4, SIZE))
    const mixed = Buffer.from(stored)
    other.stored.copy(mixed, STORED_FRAME, STORED_FRAME, 2 * STORED_FRAME)
    const { bytes, error } = await received(read(mixed, use))
    expect(error).toMatchObject({ code: 'file_corrupt' })
    expect(bytes.length).toBe(SEALED_FRAME)
    const moved = { ...place, fileId: freshPlace().fileId }
    await expect(read(stored, use, { at: moved })).rejects.toMatchObject({ code: 'decrypt_failed' })
  })

  it('is rewrapped under a new key without touching its bytes, and lost to the old one', async () => {
    const { stored, use } = await encrypted()
    const both = createKeyring([k2, k1])
    const rotated = rewrap(use, place, both)
    expect(rotated.params).toEqual({ ...use.params, key_id: 'k2', wrapped: expect.any(String) })
    expect(rewrap(rotated, place, both)).toBe(rotated)
    for (const keys of [both, createKeyring([k2])]) {
      expect((await bytesOf(await read(stored, rotated, { keys }))).equals(content)).toBe(true)
    }
    expect((await bytesOf(await read(stored, use, { keys: both }))).equals(content)).toBe(true)
    await expect(read(stored, rotated)).rejects.toMatchObject({ code: 'decrypt_failed' })
    const decryptFailed = expect.objectContaining({ code: 'decrypt_failed' })
    expect(() => rewrap(use, freshPlace(), both)).toThrow(decryptFailed)
    expect(() => rewrap(use, place, createKeyring([k2]))).toThrow(decryptFailed)
  })

  describe('and read into the buffers of a caller', () => {
    /** Reads it as a server does, in buffers of `piece` bytes. */
    const readInto = async (stored: Buffer, use: CodecUse, size: number, range: ByteRange | null, piece: number) => {
      const wanted = sealedRange(size, range) ?? { start: 0, end: stored.length - 1 }
      let at = wanted.start
      let closed = 0
      const below: BlobReader = {
        async read(into) {
          const count = stored.copy(into, 0, at, Math.min(at + into.length, wanted.end + 1))
          at += count
          return count
        },
        close: async () => void closed++,
      }
      const reader = openedReader(below, openFrames(keyring, use, place, size, stored.length), size, range)
      const chunks: Buffer[] = []
      let error: unknown = null
      try {
        for (;;) {
          const into = Buffer.alloc(piece)
          const count = await reader.read(into)
          if (count === 0) break
          chunks.push(into.subarray(0, count))
        }
      } catch (fault) {
        error = fault
      }
      await reader.close()
      expect(closed).toBe(1)
      return { bytes: Buffer.concat(chunks), error }
    }

    it('is the same, whole and in any part', async () => {
      const chance = createChance(5)
      for (const size of [0, 1, SEALED_FRAME, SEALED_FRAME + 1, 20 * SEALED_FRAME + 9]) {
        const bytes = seededBytes(6, size)
        const { stored, use } = await encrypted(bytes)
        for (const piece of [1000, SEALED_FRAME, 1024 * 1024]) {
          expect(await readInto(stored, use, size, null, piece)).toEqual({ bytes, error: null })
          if (size === 0) continue
          const start = chance.below(size)
          const range = { start, end: Math.min(size - 1, start + chance.below(3 * SEALED_FRAME)) }
          const part = bytes.subarray(start, range.end + 1)
          expect(await readInto(stored, use, size, range, piece)).toEqual({ bytes: part, error: null })
        }
      }
    })

    it('gives no byte of a frame that is not right', async () => {
      const { stored, use } = await encrypted()
      for (const frame of [0, 1, 3]) {
        const damaged = Buffer.from(stored)
        damaged[frame * STORED_FRAME + 7]! ^= 1
        const { bytes, error } = await readInto(damaged, use, SIZE, null, 5000)
        expect(error).toMatchObject({ code: 'file_corrupt' })
        expect(bytes.length).toBeLessThanOrEqual(frame * SEALED_FRAME)
        expect(bytes.equals(content.subarray(0, bytes.length))).toBe(true)
      }
      const short = stored.subarray(0, -1)
      expect(() => openFrames(keyring, use, place, SIZE, short.length)).toThrow(
        expect.objectContaining({ code: 'file_corrupt' }),
      )
    })
  })
})
