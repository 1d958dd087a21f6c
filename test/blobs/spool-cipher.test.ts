// Unfinished uploads at rest: unreadable without the key, never the same keystream twice, and believed only when every bit is right.
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createKeyring } from '../../src/blobs/keyring.ts'
import {
  createSpoolCipher,
  openSpoolCipher,
  SPOOL_HEADER,
  SPOOL_RECORD,
  type SpoolCipher,
  spoolSegments,
} from '../../src/blobs/spool-cipher.ts'
import { bodyOf } from '../contract/backend.ts'
import { freshPlace, received } from '../contract/codec.ts'
import { createChance, seededBytes } from '../support/random.ts'

const keyring = createKeyring([{ id: 'k1', key: seededBytes(1, 32) }])
const place = freshPlace()
const corrupt = { error: expect.objectContaining({ code: 'file_corrupt' }) }

/** A spool file and its side file, as a server would keep them. */
function spoolOf(cipher: SpoolCipher = createSpoolCipher(keyring, place)) {
  let file = Buffer.alloc(0)
  let side = cipher.header
  return {
    get file() {
      return file
    },
    get side() {
      return side
    },
    /** Cuts back to `offset` and appends in pieces; without `seal` the power fails before the segment's end. */
    append(offset: number, bytes: Buffer, piece: number, seal = true): void {
      const kept = spoolSegments(side, offset)
      side = side.subarray(0, SPOOL_HEADER + SPOOL_RECORD * kept.length)
      const segment = openSpoolCipher(keyring, place, side).segment(offset)
      const out: Buffer[] = []
      for (let at = 0; at < bytes.length; at += piece) out.push(segment.update(bytes.subarray(at, at + piece)))
      file = Buffer.concat([file.subarray(0, offset), ...out])
      expect(segment.end).toBe(offset + bytes.length)
      if (seal) side = Buffer.concat([side, segment.seal() ?? Buffer.alloc(0)])
    },
    read(size: number, piece?: number) {
      const plain = openSpoolCipher(keyring, place, side).open(spoolSegments(side, size))
      return received(Promise.resolve(bodyOf(file.subarray(0, size), piece).pipe(plain)))
    },
  }
}

describe('the spool of an encrypted bucket', () => {
  it('gives back what was appended in any pieces and cut back to any acknowledged offset', async () => {
    const chance = createChance(3)
    for (let round = 0; round < 20; round++) {
      const spool = spoolOf()
      const offsets = [0]
      let content = Buffer.alloc(0)
      for (let step = 0; step < 12; step++) {
        if (chance.chance(0.3)) offsets.length = 1 + chance.below(offsets.length)
        const offset = offsets.at(-1)!
        const bytes = seededBytes(round * 100 + step, chance.below(chance.pick([2, 3000, 200_000])))
        const sealed = chance.chance(0.8)
        spool.append(offset, bytes, 1 + chance.below(50_000), sealed)
        content = Buffer.concat([content.subarray(0, offset), sealed ? bytes : Buffer.alloc(0)])
        if (sealed && bytes.length > 0) offsets.push(content.length)
        expect(spool.file.length).toBe(offset + bytes.length)
      }
      expect(await spool.read(content.length, 1 + chance.below(100_000))).toEqual({ bytes: content, error: null })
    }
  })

  it('never uses a keystream twice, though a region is written again', () => {
    const spool = spoolOf()
    const [first, second] = [seededBytes(1, 1000), seededBytes(2, 1000)]
    spool.append(0, seededBytes(3, 500), 100)
    spool.append(500, first, 1000, false)
    const one = spool.file.subarray(500)
    spool.append(500, second, 1000)
    const other = spool.file.subarray(500)
    const [streamOne, streamOther] = [
      first.map((byte, at) => byte ^ one[at]!),
      second.map((byte, at) => byte ^ other[at]!),
    ]
    expect(Buffer.from(streamOne).equals(Buffer.from(streamOther))).toBe(false)
    let same = 0
    for (const [at, byte] of streamOne.entries()) if (byte === streamOther[at]) same++
    expect(same).toBeLessThan(30)
  })

  it('shows nothing of the content, and nothing of the key', () => {
    const spool = spoolOf()
    const text = Buffer.from('the content of an upload '.repeat(100))
    spool.append(0, text, 64)
    expect(spool.file.includes('content')).toBe(false)
    expect(spool.side.length).toBe(SPOOL_HEADER + SPOOL_RECORD)
  })

  it('is not believed when a bit is flipped, bytes are missing or segments have changed places', async () => {
    const spool = spoolOf()
    const content = seededBytes(5, 6000)
    for (const at of [0, 2000, 4000]) spool.append(at, content.subarray(at, at + 2000), 700)
    const { file, side } = spool
    const read = (bytes: Buffer, sideFile: Buffer = side, piece = 512) => {
      const plain = openSpoolCipher(keyring, place, sideFile).open(spoolSegments(sideFile, 6000))
      return received(Promise.resolve(bodyOf(bytes, piece).pipe(plain)))
    }
    expect(await read(file)).toEqual({ bytes: content, error: null })
    for (const at of [0, 1999, 2000, 3000, 5999]) {
      const flipped = Buffer.from(file)
      flipped[at]! ^= 4
      const found = await read(flipped)
      expect(found).toMatchObject(corrupt)
      // Of a segment that is wrong the last bytes never come out.
      expect(found.bytes.length).toBeLessThan(2000 * (Math.floor(at / 2000) + 1))
    }
    expect(await read(file.subarray(0, 5999))).toMatchObject(corrupt)
    expect(await read(file.subarray(0, 4000))).toMatchObject(corrupt)
    expect(await read(Buffer.concat([file, Buffer.alloc(1)]))).toMatchObject(corrupt)
    const swapped = Buffer.concat([file.subarray(2000, 4000), file.subarray(0, 2000), file.subarray(4000)])
    expect(await read(swapped)).toMatchObject(corrupt)
    expect(
      (await received(Promise.resolve(Readable.from([]).pipe(openSpoolCipher(keyring, place, side).open([]))))).error,
    ).toBeNull()
  })

  it('goes on only where a segment ends, and only as far as whole records reach', () => {
    const spool = spoolOf()
    for (const at of [0, 1000, 2000]) spool.append(at, seededBytes(at, 1000), 1000)
    const { side } = spool
    expect(spoolSegments(side, 0)).toEqual([])
    expect(spoolSegments(side, 2000).map(({ start, end }) => [start, end])).toEqual([
      [0, 1000],
      [1000, 2000],
    ])
    const missing = expect.objectContaining({ code: 'blob_missing' })
    expect(() => spoolSegments(side, 1500)).toThrow(missing)
    expect(() => spoolSegments(side, 3001)).toThrow(missing)
    expect(() => spoolSegments(side.subarray(0, -1), 3000)).toThrow(missing)
    expect(spoolSegments(side.subarray(0, -1), 2000)).toHaveLength(2)
    const damaged = Buffer.from(side)
    damaged[SPOOL_HEADER + SPOOL_RECORD + 20]! ^= 1
    expect(() => spoolSegments(damaged, 3000)).toThrow(missing)
    expect(spoolSegments(damaged, 1000)).toHaveLength(1)
    // Left over from before the upload was cut back: it does not follow on what stands before it.
    const stale = Buffer.concat([
      side.subarray(0, SPOOL_HEADER + SPOOL_RECORD),
      side.subarray(SPOOL_HEADER + 2 * SPOOL_RECORD),
    ])
    expect(() => spoolSegments(stale, 3000)).toThrow(missing)
  })

  it('opens with its key and for its upload only', () => {
    const { header } = createSpoolCipher(keyring, place)
    expect(header).toHaveLength(SPOOL_HEADER)
    expect(createSpoolCipher(keyring, place).header.equals(header)).toBe(false)
    const decryptFailed = expect.objectContaining({ code: 'decrypt_failed' })
    expect(() => openSpoolCipher(keyring, freshPlace(), header)).toThrow(decryptFailed)
    expect(() => openSpoolCipher(createKeyring([{ id: 'k2', key: seededBytes(2, 32) }]), place, header)).toThrow(
      decryptFailed,
    )
    expect(() => openSpoolCipher(createKeyring([{ id: 'k1', key: seededBytes(2, 32) }]), place, header)).toThrow(
      decryptFailed,
    )
    for (const other of [Buffer.alloc(0), Buffer.alloc(SPOOL_HEADER), header.subarray(0, 50)]) {
      expect(() => openSpoolCipher(keyring, place, other)).toThrow(decryptFailed)
    }
    const long = createKeyring([{ id: 'k'.repeat(64), key: seededBytes(1, 32) }])
    expect(openSpoolCipher(long, place, createSpoolCipher(long, place).header).header).toHaveLength(SPOOL_HEADER)
  })
})
