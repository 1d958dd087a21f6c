// The codecs gzip and zstd: content in compressed frames that stand alone, a seek table behind them, and what is recorded of both.
import { Transform } from 'node:stream'
import { crc32 } from 'node:zlib'
import type { CodecUse } from '../core/model.ts'
import type { Codec, Encoder } from './codec.ts'
import { compressedSource, readParams } from './decompress.ts'
import { FRAME_SIZE, type FrameFormat, LANES, type StoredFrame } from './frame-format.ts'
import { createSeekTable, createSegmentCache } from './seek-table.ts'

/** Content of up to this size gets no buffer of a whole frame. */
const SMALL_FRAME = 16 * 1024

/** Parts of seek tables that ranges leave in memory: at most 1.3 MiB. */
const KEPT_SEGMENTS = 32

interface Job {
  readonly size: number
  readonly stored: Promise<StoredFrame>
}

/** `frameSize` is for new files; old ones are read with their own. Recorded as `size` and `frame_size` in bytes of content, and the CRC-32s `coded_crc32` of what a foreign tool decodes, `index_crc32` and
 *  `tail_crc32`. */
export function createCompression(format: FrameFormat, frameSize: number = FRAME_SIZE): Codec {
  const cache = createSegmentCache(KEPT_SEGMENTS)
  return {
    name: format.name,
    encode: () => encode(format, frameSize),
    async decode(source, use, { key }, size) {
      const facts = readParams(use, size)
      // A key is written once, so what was read of its table stays true.
      const identity = [key, source.size, ...Object.values(facts)].join(' ')
      return compressedSource(format, source, facts, cache.of(identity))
    },
  }
}

/** The beginning of a stored object. */
export interface CodedPart {
  readonly size: number
  readonly crc32: number
}

/** The bytes that are the content in the content coding of the codec's name (RFC 9110 §8.4.1): all but the tail, which browsers and curl
 *  do not know. Null for no content, and for objects that not every client of the coding reads. Fails file_corrupt. */
export function codedPart(format: FrameFormat, use: CodecUse, storedSize: number): CodedPart | null {
  const { size, frameSize, codedCrc32 } = readParams(use, null)
  const frames = Math.ceil(size / frameSize)
  if (frames === 0 || frames > format.mostCodedFrames) return null
  return { size: storedSize - format.tail(frames).size, crc32: codedCrc32 }
}

function encode(format: FrameFormat, frameSize: number): Encoder {
  const writer = format.open()
  const table = createSeekTable(format.head.length)
  const buffers: Buffer[] = []
  const jobs: Job[] = []
  let begun = false
  let frames = 0
  let filled = 0
  let size = 0
  let codedCrc = 0
  let indexCrc = 0
  let tailCrc = 0

  const emit = (bytes: Buffer): void => {
    if (bytes.length === 0) return
    codedCrc = crc32(bytes, codedCrc)
    stream.push(bytes)
  }
  const begin = (): void => {
    if (!begun) emit(format.head)
    begun = true
  }
  /** Passes frames on, in order, until at most `most` are being compressed. */
  const drain = async (most: number): Promise<void> => {
    while (jobs.length > most) {
      const job = jobs.shift()!
      const { pieces, checksum } = await job.stored
      table.add(
        pieces.reduce((sum, piece) => sum + piece.length, 0),
        job.size,
        checksum,
      )
      begin()
      for (const piece of pieces) emit(piece)
    }
  }
  const compress = async (): Promise<void> => {
    await drain(LANES - 1)
    const content = current(0).subarray(0, filled)
    const stored = writer.compress(content)
    // It is awaited in its turn; until then a failure must not count as unheard.
    stored.catch(() => {})
    jobs.push({ size: filled, stored })
    frames++
    filled = 0
  }
  /** The buffer being filled, with room for `more`; the lanes work on the others. */
  const current = (more: number): Buffer => {
    const turn = frames % (LANES + 1)
    const held = buffers[turn]
    if (held !== undefined && held.length >= Math.min(frameSize, filled + more)) return held
    const isSmall = frames === 0 && filled + more <= SMALL_FRAME && SMALL_FRAME < frameSize
    const grown = Buffer.allocUnsafeSlow(isSmall ? SMALL_FRAME : frameSize)
    held?.copy(grown, 0, 0, filled)
    buffers[turn] = grown
    return grown
  }
  const take = async (chunk: Buffer): Promise<void> => {
    for (let at = 0; at < chunk.length; ) {
      const count = chunk.copy(current(chunk.length - at), filled, at)
      at += count
      filled += count
      size += count
      if (filled === frameSize) await compress()
    }
  }
  const finish = async (): Promise<void> => {
    if (filled > 0) await compress()
    await drain(0)
    begin()
    emit(writer.foot())
    const { segments, index } = table.finish()
    indexCrc = crc32(index)
    for (const bytes of format.wrapTail(segments, index)) {
      tailCrc = crc32(bytes, tailCrc)
      stream.push(bytes)
    }
  }

  const stream = new Transform({
    readableHighWaterMark: FRAME_SIZE,
    writableHighWaterMark: FRAME_SIZE,
    transform(chunk: Buffer, _encoding, done) {
      // Most chunks only fill the frame: no need to wait.
      if (filled + chunk.length < frameSize) {
        chunk.copy(current(chunk.length), filled)
        filled += chunk.length
        size += chunk.length
        done()
      } else take(chunk).then(() => done(), done)
    },
    flush(done) {
      finish().then(() => done(), done)
    },
    destroy(error, done) {
      writer.close()
      done(error)
    },
  })
  return {
    stream,
    use: () => ({
      name: format.name,
      params: { size, frame_size: frameSize, coded_crc32: codedCrc, index_crc32: indexCrc, tail_crc32: tailCrc },
    }),
  }
}
