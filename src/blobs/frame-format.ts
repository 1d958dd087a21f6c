// What a compressed format must offer so that its objects can be read in parts: frames of a fixed content size that stand alone, and a tail.
import type { CodecUse } from '../core/model.ts'

/** Content bytes in a frame; the last has fewer. Twice as many compress text 5 % better and make a range of 64 KiB a third dearer. */
export const FRAME_SIZE = 128 * 1024
/** Frames that are compressed or decompressed at the same time. */
export const LANES = 2

export interface StoredFrame {
  /** The frame as it is stored, in pieces. */
  readonly pieces: readonly Buffer[]
  /** 32 bits that tell its content from another frame's. */
  readonly checksum: number
}

/** One object being written. */
export interface FrameWriter {
  /** At most LANES calls at a time; `content` must not change meanwhile. */
  compress(content: Buffer): Promise<StoredFrame>
  /** What completes the frames for a foreign tool; after the last frame. */
  foot(): Buffer
  /** Frees its threads' memory; a compression under way rejects. */
  close(): void
}

/** Where things are in the tail of an object of so many frames. Positions count from the beginning of the tail. */
export interface TailLayout {
  readonly size: number
  readonly indexAt: number
  segmentAt(segment: number): number
}

export interface FrameFormat {
  readonly name: CodecUse['name']
  /** Bytes before the first frame. */
  readonly head: Buffer
  /** Bytes after the last frame and before the tail. */
  readonly footSize: number
  /** Objects of more frames are read by `gunzip` or `zstd -d`, but not by every client of the HTTP content coding. */
  readonly mostCodedFrames: number
  open(): FrameWriter
  /** The content of a frame, exactly `size` bytes in memory of their own, or null when the frame is damaged or another one. */
  decompress(stored: Buffer, size: number, checksum: number): Promise<Buffer | null>
  tail(frames: number): TailLayout
  /** The tail around the segments of the seek table and their index, as `tail` says. */
  wrapTail(segments: readonly Buffer[], index: Buffer): readonly Buffer[]
}
