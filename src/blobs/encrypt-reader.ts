// Encrypted content for callers that bring their own buffers: stored frames are read into one buffer again and again, without a stream.
import { fail } from '../core/errors.ts'
import type { ByteRange } from '../core/model.ts'
import type { BlobReader } from './backend.ts'
import { type FrameCipher, frameCount, SEALED_FRAME, STORED_FRAME, sealedSize } from './sealed-frames.ts'
import { release } from './spent.ts'

/** Stored frames that are fetched by one read. */
const BATCH = 8

const NOTHING = Buffer.alloc(0)

/** The content of `range` (null = all of its `size` bytes) behind a reader of its `sealedRange`, which it closes. A read fails
 *  file_corrupt in place of the first byte that is not right. */
export function openedReader(
  reader: BlobReader,
  cipher: FrameCipher,
  size: number,
  range: ByteRange | null,
): BlobReader {
  const from = range?.start ?? 0
  const to = range?.end ?? size - 1
  const lastFrame = Math.max(0, Math.floor(to / SEALED_FRAME))
  const end = frameCount(size) - 1
  const first = Math.floor(from / SEALED_FRAME)
  const stored = Buffer.allocUnsafeSlow(Math.min(BATCH, lastFrame - first + 1) * STORED_FRAME)
  let index = first
  let at = 0
  let filled = 0
  /** What was opened last, and what of it was not asked for yet. */
  let opened: Buffer = NOTHING
  let content: Buffer = NOTHING

  /** Opens the next frame; false after the last. */
  const open = async (): Promise<boolean> => {
    if (index > lastFrame) return false
    if (at === filled) {
      filled = await reader.read(stored)
      at = 0
    }
    const length = index === end ? sealedSize(size) - end * STORED_FRAME : STORED_FRAME
    const pieces = at + length <= filled ? cipher.open(index, index === end, [stored.subarray(at, at + length)]) : null
    if (pieces === null) throw fail('file_corrupt', 'the stored bytes are not the ones that were written')
    const start = index * SEALED_FRAME
    release(opened)
    opened = pieces[0] ?? NOTHING
    content = opened.subarray(Math.max(0, from - start), Math.max(0, to + 1 - start))
    at += length
    index++
    return true
  }

  return {
    async read(into) {
      let count = 0
      while (count < into.length) {
        if (content.length === 0) {
          if (!(await open())) break
          continue
        }
        const copied = content.copy(into, count)
        count += copied
        content = content.subarray(copied)
      }
      return count
    },
    close: () => reader.close(),
  }
}
