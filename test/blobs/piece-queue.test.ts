// Bytes come out of the queue as they went in, whatever their pieces.
import { describe, expect, it } from 'vitest'
import { createPieceQueue, joined } from '../../src/blobs/piece-queue.ts'
import { createChance, seededBytes } from '../support/random.ts'

describe('a queue of pieces', () => {
  it('gives exactly what is asked for, in order, or nothing', () => {
    const chance = createChance(1)
    const bytes = seededBytes(1, 4_000_000)
    const queue = createPieceQueue()
    let added = 0
    let taken = 0
    const kept: { at: number; pieces: Buffer[] }[] = []
    while (taken < bytes.length) {
      const most = chance.pick([2, 100, 5000, 100_000])
      for (let round = chance.below(20); round > 0 && added < bytes.length; round--) {
        const size = chance.below(most)
        queue.add(bytes.subarray(added, added + size))
        added = Math.min(bytes.length, added + size)
      }
      expect(queue.size).toBe(added - taken)
      // Often nearly all: then the last piece, which may still grow, is cut.
      const nearly = Math.max(0, queue.size - chance.below(3))
      const count = Math.min(chance.pick([chance.below(70_000), nearly, nearly]), bytes.length - taken)
      const pieces = queue.take(count)
      if (count > added - taken) expect(pieces).toBeNull()
      else {
        kept.push({ at: taken, pieces: pieces! })
        taken += count
      }
    }
    // Compared at the end: what was handed out must not have changed since.
    for (const { at, pieces } of kept) {
      const found = joined(pieces)
      expect(found.equals(bytes.subarray(at, at + found.length))).toBe(true)
    }
    expect(kept.reduce((sum, { pieces }) => sum + joined(pieces).length, 0)).toBe(bytes.length)
  })

  it('gathers tiny pieces', () => {
    const queue = createPieceQueue()
    for (let at = 0; at < 65_536; at++) queue.add(Buffer.from([at & 255]))
    const pieces = queue.take(65_536)!
    expect(pieces.length).toBeLessThan(10)
    expect(joined(pieces)[65_535]).toBe(255)
    expect(queue.take(0)).toEqual([])
  })
})
