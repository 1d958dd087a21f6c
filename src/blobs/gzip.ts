// gzip: one member whose deflate stream is flushed whole between frames, so that each inflates alone; `gunzip` reads it. The seek table
// follows in members without content. One member and not one a frame: browsers and curl stop reading after the first.
import type { Transform } from 'node:stream'
import { promisify } from 'node:util'
import { constants, crc32, createDeflateRaw, createInflateRaw, inflateRaw } from 'node:zlib'
import { createLanes } from './compression-lanes.ts'
import { createDecompressionLanes } from './decompression-lanes.ts'
import { FRAME_SIZE, type FrameFormat, type TailLayout } from './frame-format.ts'
import { ENTRY_BYTES, INDEX_ENTRY_BYTES, SEGMENT_FRAMES } from './seek-table.ts'

const inflate = promisify(inflateRaw)

/** Nearly the ratio of zlib's own default of 6 at twice the speed. */
const LEVEL = 4

const HEADER_BYTES = 10
/** A final block without content. */
const END_OF_STREAM = Buffer.from([3, 0])
/** CRC-32 and length of the content. */
const TRAILER_BYTES = 8
/** Header flag: an extra field follows. */
const EXTRA = 4
/** The extra field's length, and its one subfield's id and length. */
const EXTRA_HEADER_BYTES = 6
const DATA_AT = HEADER_BYTES + EXTRA_HEADER_BYTES
const MEMBER_BYTES = DATA_AT + END_OF_STREAM.length + TRAILER_BYTES

/** For frames of the usual size; the others, at the ends of files, are few. */
const lanes = createDecompressionLanes(FRAME_SIZE, () =>
  createInflateRaw({ flush: constants.Z_SYNC_FLUSH, chunkSize: FRAME_SIZE }),
)

/** The format of the codec gzip. A frame's checksum is the CRC-32 of its content. */
export const GZIP: FrameFormat = {
  name: 'gzip',
  head: memberHeader(0),
  footSize: END_OF_STREAM.length + TRAILER_BYTES,
  mostCodedFrames: Number.POSITIVE_INFINITY,
  open() {
    const lanes = createLanes(newCompressor)
    let crc = 0
    let size = 0
    return {
      async compress(content) {
        const compressing = lanes.run(content)
        const checksum = crc32(content)
        crc = crc32(content, crc)
        size += content.length
        return { pieces: await compressing, checksum }
      },
      foot: () => Buffer.concat([END_OF_STREAM, trailer(crc, size)]),
      close: () => lanes.close(),
    }
  },
  async decompress(stored, size, checksum) {
    const options = { maxOutputLength: size, chunkSize: size + 64, finishFlush: constants.Z_SYNC_FLUSH }
    const content = await (size === FRAME_SIZE ? lanes.run(stored) : inflate(stored, options).catch(() => null))
    return content?.length === size && crc32(content) === checksum ? content : null
  },
  tail: layout,
  wrapTail: (segments, index) => [
    ...segments.flatMap((segment) => emptyMember('T', segment)),
    ...emptyMember('I', index),
  ],
}

function layout(frames: number): TailLayout {
  const segments = Math.ceil(frames / SEGMENT_FRAMES)
  const entries = frames * ENTRY_BYTES + segments * MEMBER_BYTES
  return {
    size: entries + MEMBER_BYTES + segments * INDEX_ENTRY_BYTES,
    indexAt: entries + DATA_AT,
    segmentAt: (segment) => segment * (SEGMENT_FRAMES * ENTRY_BYTES + MEMBER_BYTES) + DATA_AT,
  }
}

function newCompressor(frameSize: number): Transform {
  // A full flush after every write forgets what came before and ends at a whole byte.
  return createDeflateRaw({ flush: constants.Z_FULL_FLUSH, level: LEVEL, chunkSize: frameSize + 1024 })
}

function memberHeader(flags: number): Buffer {
  // Deflate, no time, unknown system: the same content gives the same bytes everywhere.
  return Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255])
}

function trailer(crc: number, size: number): Buffer {
  const bytes = Buffer.alloc(TRAILER_BYTES)
  bytes.writeUInt32LE(crc, 0)
  bytes.writeUInt32LE(size % 2 ** 32, 4)
  return bytes
}

/** A member without content that carries up to 65,531 bytes where gunzip does not look. */
function emptyMember(kind: 'T' | 'I', data: Buffer): Buffer[] {
  const extra = Buffer.alloc(EXTRA_HEADER_BYTES)
  extra.writeUInt16LE(data.length + 4, 0)
  extra.write(`A${kind}`, 2, 'latin1')
  extra.writeUInt16LE(data.length, 4)
  return [memberHeader(EXTRA), extra, data, END_OF_STREAM, trailer(0, 0)]
}
