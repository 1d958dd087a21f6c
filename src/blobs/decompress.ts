// Reading what gzip and zstd have compressed: whole and verified to the last byte, or only the frames that a range touches.
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { type AppError, fail } from '../core/errors.ts'
import type { ByteRange, CodecUse } from '../core/model.ts'
import type { ByteSource } from './codec.ts'
import { decodedStream, exactly, type Pull } from './decoded-stream.ts'
import { type FrameFormat, LANES } from './frame-format.ts'
import { createPieceQueue, joined, type PieceQueue } from './piece-queue.ts'
import {
  contentOf,
  createSegmentCache,
  MAX_FRAMES,
  openSeekTable,
  type SeekTable,
  type SegmentStore,
  type TableFacts,
} from './seek-table.ts'

/** Objects up to this size are fetched by one read: more reads would cost more than the bytes. */
const SMALL_OBJECT = 256 * 1024
/** Frames of more than this are not ours. */
const MAX_FRAME_SIZE = 8 * 1024 * 1024

/** What was recorded when the object was written. */
export interface CompressedFacts {
  readonly size: number
  readonly frameSize: number
  readonly codedCrc32: number
  readonly indexCrc32: number
  readonly tailCrc32: number
}

/** Fails file_corrupt when the parameters are damaged, or say another size (null = any). */
export function readParams({ params }: CodecUse, size: number | null): CompressedFacts {
  const whole = (name: string): number => {
    const value = params[name]
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    throw fail('file_corrupt', 'what was recorded of the file’s compression is damaged')
  }
  const facts: CompressedFacts = {
    size: whole('size'),
    frameSize: whole('frame_size'),
    codedCrc32: whole('coded_crc32'),
    indexCrc32: whole('index_crc32'),
    tailCrc32: whole('tail_crc32'),
  }
  const { frameSize } = facts
  const possible = frameSize > 0 && frameSize <= MAX_FRAME_SIZE && facts.size <= frameSize * MAX_FRAMES
  if (!possible || (size !== null && facts.size !== size)) {
    throw fail('file_corrupt', 'what was recorded of the file’s compression is damaged')
  }
  return facts
}

/** The content behind a compressed object; ranges keep what they read of its table. Fails file_corrupt. */
export function compressedSource(
  format: FrameFormat,
  source: ByteSource,
  facts: CompressedFacts,
  kept: SegmentStore,
): ByteSource {
  const { size, frameSize } = facts
  const frames = Math.ceil(size / frameSize)
  const layout = format.tail(frames)
  const tailAt = source.size - layout.size
  const framesEnd = tailAt - format.footSize
  if (framesEnd < format.head.length || (frames === 0 && framesEnd > format.head.length)) throw corrupt()
  const object: CompressedObject = { ...facts, format, frames, layout, tailAt, framesAt: format.head.length, framesEnd }
  return {
    size,
    async read(range, signal) {
      const stored = source.size <= SMALL_OBJECT ? await held(source, signal) : source
      const isWhole = range === null || (range.start === 0 && range.end === size - 1)
      return isWhole ? readWhole(object, stored, signal) : readRange(object, stored, range, kept, signal)
    },
  }
}

interface CompressedObject extends TableFacts {
  readonly format: FrameFormat
  readonly codedCrc32: number
}

/** Reads only the frames that hold the range. */
async function readRange(
  object: CompressedObject,
  source: ByteSource,
  { start, end }: ByteRange,
  kept: SegmentStore,
  signal: AbortSignal,
): Promise<Readable> {
  const { frameSize } = object
  const table = openSeekTable(source, object, kept, signal)
  const firstFrame = Math.floor(start / frameSize)
  const lastFrame = Math.floor(end / frameSize)
  const first = await table.entry(firstFrame)
  const last = await table.entry(lastFrame)
  const stored = await source.read({ start: first.at, end: last.at + last.stored - 1 }, signal)
  const waiting = createPieceQueue()
  const next = decodeFrames(object, table, firstFrame, lastFrame)
  return decodedStream(stored, signal, async (pull) => {
    const frame = await next(takingFrom(pull, waiting))
    if (frame === null) return null
    const at = frame.index * frameSize
    return [frame.content.subarray(Math.max(0, start - at), end + 1 - at)]
  })
}

/** Reads everything, and lets the last bytes through only once all of the stored ones are known to be right. */
async function readWhole(object: CompressedObject, source: ByteSource, signal: AbortSignal): Promise<Readable> {
  const { format, frames, tailAt } = object
  // Nothing that is to be verified may be taken on trust, and nothing that is read once need be kept.
  const table = openSeekTable(source, object, createSegmentCache(2).of(''), signal)
  const waiting = createPieceQueue()
  let crc = 0
  let begun = false
  let verified = false
  const next = decodeFrames(object, table, 0, frames - 1)
  const stored = tailAt === 0 ? Readable.from([]) : await source.read({ start: 0, end: tailAt - 1 }, signal)
  return decodedStream(stored, signal, async (pull) => {
    const take = takingFrom(async () => {
      const chunk = await pull()
      if (chunk !== null) crc = crc32(chunk, crc)
      return chunk
    }, waiting)
    if (!begun) await take(format.head.length)
    begun = true
    const frame = await next(take)
    if (!verified && (frame === null || frame.index === frames - 1)) {
      await take(format.footSize)
      if (crc !== object.codedCrc32) throw corrupt()
      await table.verify()
      verified = true
    }
    return frame && [frame.content]
  })
}

interface DecodedFrame {
  readonly index: number
  readonly content: Buffer
}

/** Gives one frame after the other, and null after the last; decodes a few ahead. */
function decodeFrames(
  object: CompressedObject,
  table: SeekTable,
  firstFrame: number,
  lastFrame: number,
): (take: Take) => Promise<DecodedFrame | null> {
  const decoding: { readonly index: number; readonly content: Promise<Buffer | null> }[] = []
  let index = firstFrame
  return async (take) => {
    while (decoding.length < LANES && index <= lastFrame) {
      const { stored, checksum } = await table.entry(index)
      const content = object.format.decompress(await take(stored), contentOf(object, index), checksum)
      decoding.push({ index: index++, content })
    }
    const decoded = decoding.shift()
    if (decoded === undefined) return null
    const content = await decoded.content
    if (content === null) throw corrupt()
    return { index: decoded.index, content }
  }
}

/** The next `count` stored bytes. Fails file_corrupt when there are no more. */
type Take = (count: number) => Promise<Buffer>

function takingFrom(pull: Pull, waiting: PieceQueue): Take {
  return async (count) => {
    for (;;) {
      const pieces = waiting.take(count)
      if (pieces !== null) return joined(pieces)
      const chunk = await pull()
      if (chunk === null) throw corrupt()
      waiting.add(chunk)
    }
  }
}

/** The source, held in memory. */
async function held(source: ByteSource, signal: AbortSignal): Promise<ByteSource> {
  const bytes = await exactly(await source.read(null, signal), source.size)
  if (bytes === null) throw corrupt()
  return {
    size: source.size,
    read: async (range) => Readable.from([range === null ? bytes : bytes.subarray(range.start, range.end + 1)]),
  }
}

function corrupt(): AppError {
  return fail('file_corrupt', 'the stored bytes are not the ones that were written')
}
