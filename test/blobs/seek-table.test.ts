// A seek table says where every frame is, reads little to know it, and is not believed when anything about it is wrong.
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  createSeekTable,
  createSegmentCache,
  ENTRY_BYTES,
  openSeekTable,
  SEGMENT_FRAMES,
  type TableFacts,
} from '../../src/blobs/seek-table.ts'
import { ZSTD } from '../../src/blobs/zstd.ts'
import { never } from '../contract/backend.ts'
import { sourceOf } from '../support/byte-source.ts'

const START = 10
const FRAME = 1000
const corrupt = { code: 'file_corrupt' }

/** An object of `frames` frames of 1 to 9 bytes, of which only the tail is really there. */
function objectOf(frames: number, change: (entries: Buffer, index: Buffer) => void = () => {}, resealed = true) {
  const writer = createSeekTable(START)
  const storedOf = (frame: number): number => 1 + ((frame * 7) % 9)
  let framesEnd = START
  for (let frame = 0; frame < frames; frame++) {
    writer.add(storedOf(frame), FRAME, frame)
    framesEnd += storedOf(frame)
  }
  const { segments, index } = writer.finish()
  const original = crc32(index)
  for (const [at, segment] of segments.entries()) {
    change(segment, index)
    if (resealed) index.writeUInt32LE(crc32(segment), at * 12 + 8)
  }
  const tail = Buffer.concat(ZSTD.wrapTail(segments, index))
  const facts: TableFacts = {
    frames,
    frameSize: FRAME,
    size: frames * FRAME,
    layout: ZSTD.tail(frames),
    tailAt: framesEnd,
    tailCrc32: crc32(tail),
    indexCrc32: resealed ? crc32(index) : original,
    framesAt: START,
    framesEnd,
  }
  return { source: sourceOf(Buffer.concat([Buffer.alloc(framesEnd), tail])), facts, storedOf }
}
const open = ({ source, facts }: ReturnType<typeof objectOf>, cache = createSegmentCache(8).of('')) =>
  openSeekTable(source, facts, cache, never)

describe('a seek table', () => {
  it('knows every frame, in one read where it is small and two where it is not', async () => {
    for (const [frames, reads] of [
      [1, 1],
      [SEGMENT_FRAMES, 1],
      [SEGMENT_FRAMES + 1, 1],
      [9 * SEGMENT_FRAMES + 5, 2],
    ] as const) {
      const object = objectOf(frames)
      const at = [START]
      for (let frame = 0; frame < frames; frame++) at.push(at[frame]! + object.storedOf(frame))
      const middle = Math.floor(frames / 2)
      expect(await open(object).entry(middle)).toEqual({
        at: at[middle],
        stored: object.storedOf(middle),
        checksum: middle,
      })
      expect(object.source.reads).toHaveLength(reads)
      const table = open(object)
      for (let frame = 0; frame < frames; frame++) expect((await table.entry(frame)).at).toBe(at[frame])
      await table.verify()
    }
  })

  it('is not believed when its checksums are wrong, or when it cannot be though they are right', async () => {
    const frames = SEGMENT_FRAMES + 10
    const first = (entries: Buffer): boolean => entries.length === SEGMENT_FRAMES * ENTRY_BYTES
    const lies: [string, (entries: Buffer, index: Buffer) => void, boolean][] = [
      ['an entry', (entries) => void (first(entries) && entries.writeUInt32LE(99, 8)), false],
      ['the index', (_, index) => void index.writeUInt32LE(1, 12), false],
      [
        'no bytes',
        (entries) => void (first(entries) && entries.writeUInt32LE(0, 0) && entries.writeUInt32LE(9, 12)),
        true,
      ],
      ['too many bytes', (entries) => void (first(entries) && entries.writeUInt32LE(5000, 0)), true],
      ['another content', (entries) => void (first(entries) && entries.writeUInt32LE(FRAME - 1, 4)), true],
      ['a start before', (_, index) => void index.writeBigUInt64LE(BigInt(START - 1), 0), true],
      ['a start behind', (_, index) => void index.writeBigUInt64LE(2n ** 40n, 0), true],
      ['a second start elsewhere', (_, index) => void index.writeBigUInt64LE(50n, 12), true],
    ]
    for (const [lie, change, resealed] of lies) {
      await expect(open(objectOf(frames, change, resealed)).entry(0), lie).rejects.toMatchObject(corrupt)
    }
    // Segments that fit one another, but lie where no frame is.
    for (const start of [2n ** 40n, 0n]) {
      const shifted = objectOf(3 * SEGMENT_FRAMES, (entries, index) => {
        const size = BigInt(
          Array.from({ length: SEGMENT_FRAMES }, (_, at) => entries.readUInt32LE(at * 12)).reduce((a, b) => a + b),
        )
        index.writeBigUInt64LE(start, 12)
        if (index.readUInt32LE(20) === crc32(entries)) index.writeBigUInt64LE(start + size, 24)
      })
      await expect(open(shifted).entry(SEGMENT_FRAMES)).rejects.toMatchObject(corrupt)
    }
    // Frames that all fit but one that is as long as all of them.
    const long = objectOf(1000)
    const { facts } = long
    const huge = openSeekTable(long.source, { ...facts, frameSize: 1, size: 1000 }, createSegmentCache(1).of(''), never)
    await expect(huge.entry(0)).rejects.toMatchObject(corrupt)
  })

  it('keeps the segments that were used last', async () => {
    const object = objectOf(20 * SEGMENT_FRAMES)
    const cache = createSegmentCache(2).of('one')
    const readsFor = async (segment: number): Promise<number> => {
      const before = object.source.reads.length
      await open(object, cache).entry(segment * SEGMENT_FRAMES)
      return object.source.reads.length - before
    }
    expect([await readsFor(1), await readsFor(2), await readsFor(1)]).toEqual([2, 2, 0])
    expect([await readsFor(3), await readsFor(1), await readsFor(2)]).toEqual([2, 0, 2])
    const other = createSegmentCache(2)
    await open(object, other.of('one')).entry(0)
    const before = object.source.reads.length
    await open(object, other.of('another')).entry(0)
    expect(object.source.reads.length).toBe(before + 2)
  })
})
