// Ids: UUIDv7 text (RFC 9562 §5.7), strictly increasing within a process, 74 random bits.
import { randomFillSync } from 'node:crypto'
import type { Clock } from './clock.ts'

export type NextId = () => string

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** Whether text is one of our ids. Check it before any look-up. */
export function isId(text: string): boolean {
  return UUID.test(text)
}

/** A source of ids. Within one millisecond the 12-bit counter of `rand_a` rises; when it runs out the time is borrowed. */
export function createIds(clock: Clock): NextId {
  const pool = Buffer.allocUnsafe(10 * 256)
  let unused = 0
  let last = 0
  let counter = 0
  return () => {
    if (unused === 0) {
      randomFillSync(pool)
      unused = 256
    }
    const at = --unused * 10
    const now = clock.now()
    if (now > last) {
      last = now
      counter = pool.readUInt16BE(at) & 0x7ff // half of the range, so that a burst has room to rise
    } else if (++counter > 0xfff) {
      last += 1
      counter = 0
    }
    const time = last.toString(16).padStart(12, '0')
    pool[at + 2] = (pool[at + 2]! & 0x3f) | 0x80
    const tail = pool.toString('hex', at + 2, at + 10)
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${tail.slice(0, 4)}-${tail.slice(4)}`
  }
}
