// Bytes that have arrived and wait to be cut into frames: added as they come, taken in exact counts, hardly ever copied.

/** Chunks below this are gathered: their objects would weigh more than their bytes. */
const SMALL = 4 * 1024
const BLOCK = 16 * 1024

export interface PieceQueue {
  /** Bytes waiting. */
  readonly size: number
  add(chunk: Buffer): void
  /** The next `count` bytes in pieces; null, with nothing taken, while fewer wait. */
  take(count: number): Buffer[] | null
}

/** An empty queue. */
export function createPieceQueue(): PieceQueue {
  let pieces: Buffer[] = []
  let head = 0
  let size = 0
  let block: Buffer | null = null
  let filled = 0

  const gather = (chunk: Buffer): void => {
    if (block === null || filled + chunk.length > BLOCK) {
      block = Buffer.allocUnsafe(BLOCK)
      filled = 0
      pieces.push(block)
    }
    chunk.copy(block, filled)
    filled += chunk.length
    pieces[pieces.length - 1] = block.subarray(0, filled)
  }

  return {
    get size() {
      return size
    },
    add(chunk) {
      if (chunk.length === 0) return
      size += chunk.length
      if (chunk.length < SMALL) return gather(chunk)
      block = null
      pieces.push(chunk)
    },
    take(count) {
      if (count > size) return null
      size -= count
      // What was handed out must not grow any more.
      block = null
      const taken: Buffer[] = []
      let missing = count
      while (missing > 0) {
        const piece = pieces[head]!
        if (piece.length > missing) {
          taken.push(piece.subarray(0, missing))
          pieces[head] = piece.subarray(missing)
          break
        }
        taken.push(piece)
        missing -= piece.length
        head++
      }
      if (head > 64 || head === pieces.length) {
        pieces = pieces.slice(head)
        head = 0
      }
      return taken
    },
  }
}

/** The pieces in one buffer; copied only where there are several. */
export function joined(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
}
