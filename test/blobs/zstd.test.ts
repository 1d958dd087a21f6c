// What zstd stores is the public seekable format: `zstd -d` restores it, and its table says where every frame is.
import { spawnSync } from 'node:child_process'
import { crc32, zstdDecompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { codedPart, createCompression } from '../../src/blobs/compress.ts'
import { FRAME_SIZE } from '../../src/blobs/frame-format.ts'
import { ZSTD } from '../../src/blobs/zstd.ts'
import { bodyOf, bytesOf } from '../contract/backend.ts'
import { freshPlace, seededText } from '../contract/codec.ts'
import { seededBytes } from '../support/random.ts'

const SIZES = [0, 1, 1000, FRAME_SIZE - 1, FRAME_SIZE, FRAME_SIZE + 1, 9 * FRAME_SIZE + 5]

async function encoded(content: Buffer, frameSize?: number) {
  const { stream, use } = createCompression(ZSTD, frameSize).encode(freshPlace())
  const bytes = await bytesOf(bodyOf(content).pipe(stream))
  return { bytes, use: use() }
}

describe('an object of the codec zstd', () => {
  it('ends with the table of the Zstandard seekable format, which is right about every frame', async () => {
    for (const content of SIZES.flatMap((size) => [seededText(size, size), seededBytes(size, size)])) {
      const { bytes } = await encoded(content)
      const footer = bytes.subarray(-9)
      expect(footer.readUInt32LE(5)).toBe(0x8f92eab1)
      expect(footer[4]).toBe(0x80)
      const frames = footer.readUInt32LE(0)
      const table = bytes.subarray(bytes.length - 9 - frames * 12 - 8)
      expect(table.readUInt32LE(0)).toBe(0x184d2a5e)
      expect(table.readUInt32LE(4)).toBe(table.length - 8)
      let at = 0
      const parts: Buffer[] = []
      for (let frame = 0; frame < frames; frame++) {
        const [stored, size, checksum] = [0, 4, 8].map((field) => table.readUInt32LE(8 + frame * 12 + field))
        const part = bytes.subarray(at, at + stored!)
        at += stored!
        if (size === 0) {
          expect(part.readUInt32LE(0) >>> 4).toBe(0x184d2a5) // skippable, and as long as it says
          expect(part.readUInt32LE(4)).toBe(part.length - 8)
          continue
        }
        expect(part.readUInt32LE(0)).toBe(0xfd2fb528)
        expect(part.readUInt32LE(part.length - 4)).toBe(checksum)
        const found = zstdDecompressSync(part)
        expect(found).toHaveLength(size!)
        parts.push(found)
      }
      expect(at).toBe(bytes.length - table.length)
      expect(Buffer.concat(parts).equals(content)).toBe(true)
    }
  })

  it('says in every frame how large its content is', async () => {
    const { bytes } = await encoded(seededText(1, 2 * FRAME_SIZE + 9))
    const descriptor = bytes[4]!
    expect(descriptor & 0b0000_0100).toBe(0b100) // checksum
    expect(descriptor & 0b0010_0000).toBe(0b10_0000) // single segment: the content size is there, the window is no larger
    expect(bytes.readUInt32LE(5)).toBe(FRAME_SIZE)
  })

  const tool = spawnSync('zstd', ['--version'])
  it.skipIf(tool.error !== undefined)('is restored by `zstd -d` (skipped where zstd is not installed)', async () => {
    for (const content of SIZES.flatMap((size) => [seededText(size, size), seededBytes(size, size)])) {
      for (const frameSize of [FRAME_SIZE, 1000]) {
        const { bytes } = await encoded(content, frameSize)
        const { status, stdout } = spawnSync('zstd', ['-dc'], { input: bytes, maxBuffer: 2 ** 30 })
        expect(status).toBe(0)
        expect(stdout.equals(content)).toBe(true)
      }
    }
  })

  it('begins with its content in the content coding zstd when that is one frame, which every client reads', async () => {
    for (const size of SIZES) {
      const content = seededText(size, size)
      const { bytes, use } = await encoded(content)
      const part = codedPart(ZSTD, use, bytes.length)
      expect(part !== null).toBe(size > 0 && size <= FRAME_SIZE)
      if (part === null) continue
      const coded = bytes.subarray(0, part.size)
      expect(crc32(coded)).toBe(part.crc32)
      expect(coded.length).toBeGreaterThan(bytes.length - 500)
      expect(zstdDecompressSync(coded).equals(content)).toBe(true)
    }
  })
})
