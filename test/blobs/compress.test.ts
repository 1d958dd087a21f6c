// Compressed objects that are not what they say: long tables, lying tables, bombs. Nothing wrong comes out, and little is read.
import { crc32, deflateRawSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { ByteSource } from '../../src/blobs/codec.ts'
import { createCompression } from '../../src/blobs/compress.ts'
import { FRAME_SIZE, type FrameFormat } from '../../src/blobs/frame-format.ts'
import { GZIP } from '../../src/blobs/gzip.ts'
import { createSeekTable, ENTRY_BYTES, SEGMENT_FRAMES } from '../../src/blobs/seek-table.ts'
import { ZSTD } from '../../src/blobs/zstd.ts'
import type { ByteRange, CodecUse } from '../../src/core/model.ts'
import { bodyOf, bytesOf, never } from '../contract/backend.ts'
import { freshPlace, received, seededText } from '../contract/codec.ts'
import { sourceOf } from '../support/byte-source.ts'
import { createChance, seededBytes } from '../support/random.ts'

const place = freshPlace()
const corrupt = { code: 'file_corrupt' }

describe.each([ZSTD, GZIP])('an object compressed with $name', (format: FrameFormat) => {
  const encode = async (content: Buffer, frameSize?: number): Promise<{ bytes: Buffer; use: CodecUse }> => {
    const { stream, use } = createCompression(format, frameSize).encode(place)
    const bytes = await bytesOf(bodyOf(content).pipe(stream))
    return { bytes, use: use() }
  }
  const read = async (source: ByteSource, use: CodecUse, size: number, range: ByteRange | null = null) => {
    const decoded = await createCompression(format).decode(source, use, place, size)
    return decoded.read(range, never)
  }

  describe('in more frames than a table fits in one read', () => {
    const content = seededText(1, 64 * (5 * SEGMENT_FRAMES + 2000) + 7)
    const size = content.length
    const made = encode(content, 64)

    it('is read whole and in any part', async () => {
      const { bytes, use } = await made
      expect((await bytesOf(await read(sourceOf(bytes), use, size))).equals(content)).toBe(true)
      const chance = createChance(1)
      const border = 64 * SEGMENT_FRAMES
      const starts = [
        0,
        border - 1,
        border,
        2 * border - 70,
        size - 1,
        ...Array.from({ length: 40 }, () => chance.below(size)),
      ]
      for (const start of starts) {
        const range = { start, end: Math.min(size - 1, start + chance.below(300)) }
        const source = sourceOf(bytes, { piece: 1024 })
        const found = await bytesOf(await read(source, use, size, range))
        expect(found.equals(content.subarray(range.start, range.end + 1)), `${range.start}-${range.end}`).toBe(true)
        expect(source.taken).toBeLessThan(2 * SEGMENT_FRAMES * ENTRY_BYTES + 8 * 1024)
      }
    })

    it('is refused when any byte of its table is damaged', async () => {
      const { bytes, use } = await made
      const chance = createChance(2)
      const tail = format.tail(Math.ceil(size / 64)).size
      for (const at of [1, 5, tail - 10, tail, ...Array.from({ length: 5 }, () => 1 + chance.below(tail))]) {
        const damaged = Buffer.from(bytes)
        damaged[bytes.length - at]! ^= 1 << chance.below(8)
        const whole = await received(read(sourceOf(damaged), use, size))
        expect(whole.error, `${at}`).toMatchObject(corrupt)
        expect(whole.bytes.length).toBeLessThan(size)
        expect(whole.bytes.equals(content.subarray(0, whole.bytes.length))).toBe(true)
        const start = chance.below(size - 200)
        const part = await received(read(sourceOf(damaged), use, size, { start, end: start + 100 }))
        if (part.error !== null) expect(part.error).toMatchObject(corrupt)
        else expect(part.bytes.equals(content.subarray(start, start + 101))).toBe(true)
      }
    })
  })

  /** An object of the given frames with a table that says what it is told, and parameters that vouch for it. */
  const craft = (
    frames: readonly { stored: Buffer; storedSize?: number; contentSize?: number; checksum: number }[],
    size: number,
    change: (index: Buffer) => void = () => {},
  ): { bytes: Buffer; use: CodecUse } => {
    const table = createSeekTable(format.head.length)
    for (const { stored, storedSize = stored.length, contentSize = FRAME_SIZE, checksum } of frames) {
      table.add(storedSize, contentSize, checksum)
    }
    const { segments, index } = table.finish()
    change(index)
    const tail = Buffer.concat(format.wrapTail(segments, index))
    const coded = Buffer.concat([format.head, ...frames.map(({ stored }) => stored), Buffer.alloc(format.footSize)])
    const params = {
      size,
      frame_size: FRAME_SIZE,
      coded_crc32: crc32(coded),
      index_crc32: crc32(index),
      tail_crc32: crc32(tail),
    }
    return { bytes: Buffer.concat([coded, tail]), use: { name: format.name, params } }
  }
  const frameOf = async (content: Buffer) => {
    const writer = format.open()
    const { pieces, checksum } = await writer.compress(content)
    writer.close()
    return { stored: Buffer.concat(pieces), contentSize: content.length, checksum }
  }
  const content = seededText(3, 2 * FRAME_SIZE + 1000)
  const cut = (at: number): Buffer => content.subarray(at * FRAME_SIZE, (at + 1) * FRAME_SIZE)

  it('is read when it is crafted right', async () => {
    const { bytes, use } = craft(await Promise.all([0, 1, 2].map((at) => frameOf(cut(at)))), content.length)
    expect((await bytesOf(await read(sourceOf(bytes), use, content.length))).equals(content)).toBe(true)
  })

  it('is refused when its table lies, even when its checksums are right', async () => {
    const [a, b, c] = await Promise.all([0, 1, 2].map((at) => frameOf(cut(at))))
    const lies: Record<string, ReturnType<typeof craft>> = {
      'a frame too long': craft([{ ...a!, storedSize: a!.stored.length + 1 }, b!, c!], content.length),
      'a border moved': craft(
        [{ ...a!, storedSize: a!.stored.length + 5 }, { ...b!, storedSize: b!.stored.length - 5 }, c!],
        content.length,
      ),
      'a frame of 4 GiB': craft([{ ...a!, storedSize: 2 ** 32 - 1 }, b!, c!], content.length),
      'a frame of nothing': craft([{ ...a!, storedSize: 0 }, b!, c!], content.length),
      'another content size': craft([{ ...a!, contentSize: 5 }, b!, c!], content.length),
      'another checksum': craft([{ ...a!, checksum: b!.checksum }, b!, c!], content.length),
      'a frame short of content': craft(
        [a!, c!, b!].map((frame) => ({ ...frame, contentSize: FRAME_SIZE })),
        content.length,
      ),
      'a start elsewhere': craft([a!, b!, c!], content.length, (index) => void index.writeBigUInt64LE(1n, 0)),
      'a start far away': craft([a!, b!, c!], content.length, (index) => void index.writeBigUInt64LE(2n ** 63n, 0)),
    }
    for (const [lie, { bytes, use }] of Object.entries(lies)) {
      const whole = await received(read(sourceOf(bytes), use, content.length))
      expect(whole.bytes.equals(content.subarray(0, whole.bytes.length)), lie).toBe(true)
      expect(whole.error, lie).toMatchObject(corrupt)
      const part = await received(read(sourceOf(bytes), use, content.length, { start: 10, end: FRAME_SIZE + 10 }))
      expect(part.error, lie).toMatchObject(corrupt)
    }
  })

  it('never makes more of a frame than its recorded size', async () => {
    const bomb = Buffer.alloc(64 * 1024 * 1024)
    const stored = format === ZSTD ? zstdCompressSync(bomb) : deflateRawSync(bomb)
    const checksum = format === ZSTD ? stored.readUInt32LE(stored.length - 4) : crc32(bomb.subarray(0, FRAME_SIZE))
    const { bytes, use } = craft([{ stored, checksum }], FRAME_SIZE)
    const before = process.memoryUsage().arrayBuffers
    const { bytes: out, error } = await received(read(sourceOf(bytes), use, FRAME_SIZE))
    expect(error).toMatchObject(corrupt)
    expect(out).toHaveLength(0)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024)
  })

  it('is refused when what was recorded of it cannot be', async () => {
    const { bytes, use } = await encode(content)
    for (const params of [
      {},
      { ...use.params, frame_size: 0 },
      { ...use.params, frame_size: 2 ** 40 },
      { ...use.params, frame_size: 1.5 },
      { ...use.params, frame_size: 1 },
      { ...use.params, size: -1 },
      { ...use.params, size: '5' },
      { ...use.params, index_crc32: null },
      { ...use.params, coded_crc32: 0 },
      { ...use.params, tail_crc32: 0 },
      { ...use.params, index_crc32: 0 },
    ]) {
      const { error } = await received(read(sourceOf(bytes), { name: use.name, params }, content.length))
      expect(error, JSON.stringify(params)).toMatchObject(corrupt)
    }
  })

  it('is read with the frame size it was written with', async () => {
    for (const frameSize of [1000, 128 * 1024, 1024 * 1024]) {
      const { bytes, use } = await encode(content, frameSize)
      expect(use.params.frame_size).toBe(frameSize)
      expect((await bytesOf(await read(sourceOf(bytes), use, content.length))).equals(content)).toBe(true)
    }
  })

  it('is a quarter of a text, and hardly more than noise', async () => {
    const text = seededText(5, 2 * 1024 * 1024)
    expect((await encode(text)).bytes.length).toBeLessThan(text.length / 2)
    for (const size of [0, 10, 2 * 1024 * 1024]) {
      expect((await encode(seededBytes(size, size))).bytes.length).toBeLessThan(size * 1.001 + 150)
    }
  })
})
