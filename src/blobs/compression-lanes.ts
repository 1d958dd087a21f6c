// Compressors of node:zlib that work on threads, kept from frame to frame: setting one up costs as much as a small frame.
import type { Transform } from 'node:stream'
import { fail } from '../core/errors.ts'
import { LANES } from './frame-format.ts'

export interface CompressionLanes {
  /** What a compressor makes of the frame. At most LANES at a time, to be awaited in order. */
  run(frame: Buffer): Promise<readonly Buffer[]>
  /** Runs that are under way reject. */
  close(): void
}

type Lane = Pick<CompressionLanes, 'run' | 'close'>

/** `newCompressor` gives one that flushes after every write, so that each becomes a frame. It is made when first needed, and told the
 *  bytes of the largest frame to come. */
export function createLanes(newCompressor: (frameSize: number) => Transform): CompressionLanes {
  const lanes: Lane[] = []
  let runs = 0
  return {
    run(frame) {
      const turn = runs++ % LANES
      lanes[turn] ??= createLane(newCompressor(frame.length))
      return lanes[turn].run(frame)
    },
    close() {
      for (const lane of lanes) lane.close()
    },
  }
}

function createLane(compressor: Transform): Lane {
  let pieces: Buffer[] = []
  let giveUp: ((error: Error) => void) | null = null
  compressor.on('data', (piece: Buffer) => pieces.push(piece))
  compressor.on('error', (error) => giveUp?.(error))
  // A write that is under way when the compressor is closed is never called back.
  compressor.on('close', () => giveUp?.(fail('internal', 'the compressor was closed')))
  return {
    run: (frame) =>
      new Promise((resolve, reject) => {
        giveUp = reject
        compressor.write(frame, (error) => {
          giveUp = null
          if (error) return reject(error)
          resolve(pieces)
          pieces = []
        })
      }),
    close: () => void compressor.destroy(),
  }
}
