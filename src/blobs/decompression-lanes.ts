// Decompressors of node:zlib that work on threads, kept from frame to frame and from file to file: setting one up costs more than a frame.
import type { Transform } from 'node:stream'

/** One that was made to flush after every write. */
export type Decompressor = Transform & { readonly bytesWritten: number }

export interface DecompressionLanes {
  /** The content of one frame, of exactly `size` bytes, in memory of its own; null for anything else. That the end of its checksum is
   *  missing is for the caller to see. */
  run(stored: Buffer): Promise<Buffer | null>
}

/** Idle ones that are kept, about half a megabyte each. */
const KEPT = 4

/** `newDecompressor` gives one whose chunks have `size` bytes. */
export function createDecompressionLanes(size: number, newDecompressor: () => Decompressor): DecompressionLanes {
  const idle: Lane[] = []
  const runOn = async (lane: Lane, stored: Buffer): Promise<Buffer | null> => {
    const content = await lane.run(stored)
    // Whatever went wrong must not meet the next frame.
    if (content === null || idle.length === KEPT) lane.close()
    else idle.push(lane)
    return content
  }
  const newLane = (): Lane => createLane(size, newDecompressor())
  return {
    async run(stored) {
      const used = idle.pop()
      const content = used === undefined ? null : await runOn(used, stored)
      // A used one may still wait for the end of a frame that was cut short: only a new one may say no.
      return content ?? runOn(newLane(), stored)
    },
  }
}

interface Lane {
  run(stored: Buffer): Promise<Buffer | null>
  close(): void
}

function createLane(size: number, decompressor: Decompressor): Lane {
  let pieces: Buffer[] = []
  let count = 0
  let settle: (isOver: boolean) => void = () => {}
  decompressor.on('data', (piece: Buffer) => {
    pieces.push(piece)
    count += piece.length
    // A frame that lies must not cost memory.
    if (count > size) decompressor.destroy()
  })
  decompressor.on('error', () => settle(false))
  decompressor.on('close', () => settle(false))
  return {
    run: (stored) =>
      new Promise((resolve) => {
        const before = decompressor.bytesWritten
        settle = (isOver) => {
          settle = () => {}
          const content = pieces.length === 1 ? pieces[0]! : null
          pieces = []
          const isWhole = isOver && count === size && decompressor.bytesWritten - before === stored.length
          count = 0
          resolve(isWhole ? content : null)
        }
        decompressor.write(stored, (error) => settle(!error))
      }),
    close: () => void decompressor.destroy(),
  }
}
