// What gzip stores is read by gunzip, and its first part by whatever reads one gzip member.
import { spawnSync } from 'node:child_process'
import { crc32, gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { codedPart, createCompression } from '../../src/blobs/compress.ts'
import { FRAME_SIZE } from '../../src/blobs/frame-format.ts'
import { GZIP } from '../../src/blobs/gzip.ts'
import { bodyOf, bytesOf } from '../contract/backend.ts'
import { freshPlace, seededText } from '../contract/codec.ts'
import { seededBytes } from '../support/random.ts'

const SIZES = [0, 1, 1000, FRAME_SIZE - 1, FRAME_SIZE, FRAME_SIZE + 1, 5 * FRAME_SIZE + 5]

async function encoded(content: Buffer, frameSize?: number) {
  const { stream, use } = createCompression(GZIP, frameSize).encode(freshPlace())
  const bytes = await bytesOf(bodyOf(content).pipe(stream))
  return { bytes, use: use() }
}

describe('an object of the codec gzip', () => {
  const tool = spawnSync('gunzip', ['--version'])
  it.skipIf(tool.error !== undefined)('is restored by gunzip (skipped where gunzip is not installed)', async () => {
    for (const content of SIZES.flatMap((size) => [seededText(size, size), seededBytes(size, size)])) {
      for (const frameSize of [FRAME_SIZE, 1000]) {
        const { bytes } = await encoded(content, frameSize)
        const { status, stdout } = spawnSync('gunzip', ['-c'], { input: bytes, maxBuffer: 2 ** 30 })
        expect(status).toBe(0)
        expect(stdout.equals(content)).toBe(true)
        expect(gunzipSync(bytes).equals(content)).toBe(true)
      }
    }
  })

  it('begins with its content in one member, which strict readers take for the content coding gzip', async () => {
    for (const size of SIZES) {
      const content = seededText(size, size)
      const { bytes, use } = await encoded(content)
      const part = codedPart(GZIP, use, bytes.length)
      expect(part !== null).toBe(size > 0)
      if (part === null) continue
      const coded = bytes.subarray(0, part.size)
      expect(crc32(coded)).toBe(part.crc32)
      const stream = new Blob([new Uint8Array(coded)]).stream().pipeThrough(new DecompressionStream('gzip'))
      expect(Buffer.from(await new Response(stream).arrayBuffer()).equals(content)).toBe(true)
    }
  })

  it('is the same bytes for the same content', async () => {
    const content = seededText(1, 3 * FRAME_SIZE)
    expect((await encoded(content)).bytes.equals((await encoded(content)).bytes)).toBe(true)
  })
})
