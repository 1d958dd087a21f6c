// The seek table of a compressed object: for every frame its stored size and checksum, in segments, and an index of the segments.
import { crc32 } from 'node:zlib'
import { type AppError, fail } from '../core/errors.ts'
import type { ByteSource } from './codec.ts'
import { exactly } from './decoded-stream.ts'
import type { TailLayout } from './frame-format.ts'

/** Per frame: stored size, content size, checksum; 32 bits each, little-endian, as the Zstandard seekable format has it. */
export const ENTRY_BYTES = 12
export const SEGMENT_FRAMES = 2048
const SEGMENT_BYTES = SEGMENT_FRAMES * ENTRY_BYTES
/** Per segment: where its first frame is (64 bits) and the CRC-32 of its entries. */
export const INDEX_ENTRY_BYTES = 12
/** What the index of one gzip member can hold; the same for all. */
export const MAX_FRAMES = 5460 * SEGMENT_FRAMES
/** A tail up to this size is fetched at once, by one read for the index and all entries. */
const SMALL_TAIL = 128 * 1024

export interface SeekTableWriter {
  /** Adds the next frame. Fails file_too_large when the table is full. */
  add(storedSize: number, contentSize: number, checksum: number): void
  finish(): { readonly segments: readonly Buffer[]; readonly index: Buffer }
}

/** A table whose first frame begins at `start`. Holds 12 bytes a frame. */
export function createSeekTable(start: number): SeekTableWriter {
  const segments: Buffer[] = []
  const starts: number[] = []
  let frames = 0
  let position = start
  return {
    add(storedSize, contentSize, checksum) {
      if (frames === MAX_FRAMES)
        throw fail('file_too_large', 'the file has more frames than a compressed file can have')
      const at = (frames % SEGMENT_FRAMES) * ENTRY_BYTES
      if (at === 0) {
        // Small files have few frames: their table grows as they do.
        segments.push(Buffer.allocUnsafeSlow(frames === 0 ? 16 * ENTRY_BYTES : SEGMENT_BYTES))
        starts.push(position)
      }
      let segment = segments.at(-1)!
      if (at === segment.length) {
        segment = Buffer.concat([segment], Math.min(SEGMENT_BYTES, at * 4))
        segments[segments.length - 1] = segment
      }
      segment.writeUInt32LE(storedSize, at)
      segment.writeUInt32LE(contentSize, at + 4)
      segment.writeUInt32LE(checksum, at + 8)
      position += storedSize
      frames++
    },
    finish() {
      const used = ((frames - 1) % SEGMENT_FRAMES) + 1
      const full = segments.map((segment, at) =>
        at === segments.length - 1 ? segment.subarray(0, used * ENTRY_BYTES) : segment,
      )
      const index = Buffer.alloc(full.length * INDEX_ENTRY_BYTES)
      for (const [at, segment] of full.entries()) {
        index.writeBigUInt64LE(BigInt(starts[at]!), at * INDEX_ENTRY_BYTES)
        index.writeUInt32LE(crc32(segment), at * INDEX_ENTRY_BYTES + 8)
      }
      return { segments: full, index }
    },
  }
}

/** What is recorded of an object, and what follows from it. Positions count from the beginning of the object. */
export interface TableFacts {
  readonly frames: number
  readonly frameSize: number
  /** Content bytes. */
  readonly size: number
  readonly layout: TailLayout
  readonly tailAt: number
  readonly tailCrc32: number
  readonly indexCrc32: number
  readonly framesAt: number
  readonly framesEnd: number
}

export interface FrameEntry {
  /** Position of the stored frame. */
  readonly at: number
  readonly stored: number
  readonly checksum: number
}

export interface SeekTable {
  /** Reads what it must. Fails file_corrupt for a table that was damaged or cannot be. */
  entry(frame: number): Promise<FrameEntry>
  /** Reads the whole tail. Fails file_corrupt unless it is as it was written. */
  verify(): Promise<void>
}

/** A part of a table that was read and checked. */
interface Segment {
  readonly entries: DataView
  /** Positions of the frames, and of what follows the last. */
  readonly positions: Float64Array
}

/** Segments that were read, of one object. */
export interface SegmentStore {
  get(segment: number): Segment | undefined
  set(segment: number, read: Segment): void
}

export interface SegmentCache {
  /** What is kept of the object of this identity, which says all that its table depends on. */
  of(identity: string): SegmentStore
}

/** Keeps the `most` segments (40 KiB each) that were used last. */
export function createSegmentCache(most: number): SegmentCache {
  const kept = new Map<string, Segment>()
  return {
    of: (identity) => ({
      get(number) {
        const name = `${identity} ${number}`
        const segment = kept.get(name)
        if (segment !== undefined) {
          kept.delete(name)
          kept.set(name, segment)
        }
        return segment
      },
      set(number, segment) {
        if (kept.size >= most) kept.delete(kept.keys().next().value!)
        kept.set(`${identity} ${number}`, segment)
      },
    }),
  }
}

/** The table of one read; fetches with its signal what is not in `kept`. */
export function openSeekTable(
  source: ByteSource,
  facts: TableFacts,
  kept: SegmentStore,
  signal: AbortSignal,
): SeekTable {
  const { frames, frameSize, layout, tailAt } = facts
  const segments = Math.ceil(frames / SEGMENT_FRAMES)
  let tail: Buffer | null = null
  let index: Buffer | null = null

  const fetched = async (start: number, size: number): Promise<Buffer> => {
    const bytes = await exactly(await source.read({ start, end: start + size - 1 }, signal), size)
    if (bytes === null) throw corrupt()
    return bytes
  }
  const part = async (at: number, size: number): Promise<Buffer> => {
    if (layout.size > SMALL_TAIL) return fetched(tailAt + at, size)
    tail ??= await fetched(tailAt, layout.size)
    return tail.subarray(at, at + size)
  }
  const load = async (number: number): Promise<Segment> => {
    if (index === null) {
      index = await part(layout.indexAt, segments * INDEX_ENTRY_BYTES)
      if (crc32(index) !== facts.indexCrc32) throw corrupt()
    }
    const count = Math.min(SEGMENT_FRAMES, frames - number * SEGMENT_FRAMES)
    const bytes = await part(layout.segmentAt(number), count * ENTRY_BYTES)
    if (crc32(bytes) !== index.readUInt32LE(number * INDEX_ENTRY_BYTES + 8)) throw corrupt()
    const startOf = (at: number): number =>
      at === segments ? facts.framesEnd : Number(index!.readBigUInt64LE(at * INDEX_ENTRY_BYTES))
    // A copy: what is kept must not keep the whole tail.
    const entries = new DataView(Uint8Array.from(bytes).buffer)
    const positions = new Float64Array(count + 1)
    let position = startOf(number)
    for (let at = 0; at < count; at++) {
      positions[at] = position
      position += entries.getUint32(at * ENTRY_BYTES, true)
    }
    positions[count] = position
    if (position !== startOf(number + 1) || positions[0]! < facts.framesAt || position > facts.framesEnd)
      throw corrupt()
    if (number === 0 && positions[0] !== facts.framesAt) throw corrupt()
    return { entries, positions }
  }

  return {
    async entry(frame) {
      const number = Math.floor(frame / SEGMENT_FRAMES)
      let segment = kept.get(number)
      if (segment === undefined) {
        segment = await load(number)
        kept.set(number, segment)
      }
      const at = frame % SEGMENT_FRAMES
      const field = (offset: number): number => segment.entries.getUint32(at * ENTRY_BYTES + offset, true)
      const stored = field(0)
      // No format makes more of a frame than this; a table that says so must not cost memory.
      if (stored === 0 || stored > frameSize + (frameSize >> 6) + 1024) throw corrupt()
      if (field(4) !== contentOf(facts, frame)) throw corrupt()
      return { at: segment.positions[at]!, stored, checksum: field(8) }
    },
    async verify() {
      let crc = 0
      let size = 0
      const range = { start: tailAt, end: tailAt + layout.size - 1 }
      const chunks = tail === null ? await source.read(range, signal) : [tail]
      for await (const chunk of chunks as AsyncIterable<Buffer> | Iterable<Buffer>) {
        crc = crc32(chunk, crc)
        size += chunk.length
      }
      if (size !== layout.size || crc !== facts.tailCrc32) throw corrupt()
    },
  }
}

/** Content bytes of a frame. */
export function contentOf({ size, frameSize }: Pick<TableFacts, 'size' | 'frameSize'>, frame: number): number {
  return Math.min(frameSize, size - frame * frameSize)
}

function corrupt(): AppError {
  return fail('file_corrupt', 'the stored bytes are not the ones that were written: their seek table is damaged')
}
