// Decompressors that are used again: what was wrong with one frame must not reach the next.
import { constants, createZstdDecompress, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { createDecompressionLanes } from '../../src/blobs/decompression-lanes.ts'
import { release } from '../../src/blobs/spent.ts'
import { seededText } from '../contract/codec.ts'
import { createChance, seededBytes } from '../support/random.ts'

const SIZE = 64 * 1024
const frameOf = (content: Buffer): Buffer =>
  zstdCompressSync(content, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })

describe('lanes that decompress', () => {
  let made = 0
  const lanes = createDecompressionLanes(SIZE, () => {
    made++
    return createZstdDecompress({ chunkSize: SIZE })
  })
  const contents = Array.from({ length: 40 }, (_, seed) => seededText(seed, SIZE))
  const frames = contents.map(frameOf)

  it('give back what was compressed, one after the other and side by side, and are few', async () => {
    for (const [at, frame] of frames.entries()) {
      const content = await lanes.run(frame)
      expect(content?.equals(contents[at]!)).toBe(true)
      // As readers do with what they have copied.
      release(content!)
    }
    expect(made).toBe(1)
    for (let at = 0; at < frames.length; at += 3) {
      const some = await Promise.all([at, at + 1, at + 2].map((each) => lanes.run(frames[each % frames.length]!)))
      for (const [n, content] of some.entries()) {
        expect(content?.equals(contents[(at + n) % frames.length]!)).toBe(true)
      }
    }
    expect(made).toBe(3)
  })

  it('say null to what is no frame of exactly their size, and then go on', async () => {
    const frame = frames[0]!
    const chance = createChance(1)
    const damaged = Array.from({ length: 20 }, () => {
      const bytes = Buffer.from(frame)
      bytes[chance.below(bytes.length)]! ^= 1 << chance.below(8)
      return bytes
    })
    const wrong: Record<string, Buffer> = {
      nothing: Buffer.alloc(0),
      noise: seededBytes(1, 5000),
      'half a frame': frame.subarray(0, frame.length / 2),
      'a byte too many': Buffer.concat([frame, Buffer.from([1])]),
      'two frames': Buffer.concat([frame, frames[1]!]),
      'less content': frameOf(seededText(1, SIZE - 1)),
      'more content': frameOf(seededText(1, SIZE + 1)),
      'a bomb': frameOf(Buffer.alloc(64 * 1024 * 1024)),
      ...Object.fromEntries(damaged.map((bytes, at) => [`a flipped bit, ${at}`, bytes])),
    }
    for (const [what, bytes] of Object.entries(wrong)) {
      expect(await lanes.run(bytes), what).toBe(null)
      const next = await lanes.run(frames[2]!)
      expect(next?.equals(contents[2]!), `after ${what}`).toBe(true)
    }
  })

  it('go on after a frame that was cut short within its checksum', async () => {
    for (const missing of [1, 2, 3, 4]) {
      await lanes.run(frames[0]!.subarray(0, -missing))
      for (const at of [1, 2, 3, 4, 5]) expect((await lanes.run(frames[at]!))?.equals(contents[at]!)).toBe(true)
    }
  })
})

describe('memory that is given back', () => {
  it('is that of bytes which have it for themselves', () => {
    const own = Buffer.allocUnsafeSlow(1000)
    release(own)
    expect(own).toHaveLength(0)
    const shared = Buffer.alloc(1000, 7)
    release(shared.subarray(0, 500))
    expect(shared.every((byte) => byte === 7)).toBe(true)
    const nothing = Buffer.alloc(0)
    release(nothing)
    release(nothing)
  })
})
