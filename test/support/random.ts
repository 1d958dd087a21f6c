// Chance that repeats: a seeded generator, seeded bytes and seeded streams of any length.
import { createCipheriv, createHash } from 'node:crypto'
import { Readable } from 'node:stream'

export interface Chance {
  /** In [0, 1). */
  next(): number
  /** In [0, n). */
  below(n: number): number
  pick<T>(items: readonly T[]): T
  chance(probability: number): boolean
}

/** mulberry32: 32 bits of state, the same sequence for the same seed on every machine. */
export function createChance(seed: number): Chance {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (n: number): number => Math.floor(next() * n)
  return {
    next,
    below,
    pick: (items) => {
      const item = items[below(items.length)]
      if (item === undefined) throw new Error('nothing to pick from')
      return item
    },
    chance: (probability) => next() < probability,
  }
}

function keystream(seed: number): (size: number) => Buffer {
  const key = createHash('sha256').update(`seed ${seed}`).digest().subarray(0, 16)
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  return (size) => cipher.update(Buffer.alloc(size))
}

/** `size` incompressible bytes that depend on `seed` only. */
export function seededBytes(seed: number, size: number): Buffer {
  return keystream(seed)(size)
}

/** The same bytes as `seededBytes`, in pieces, so that gigabytes need no memory. */
export function seededStream(seed: number, size: number, chunk = 256 * 1024): Readable {
  const draw = keystream(seed)
  let left = size
  return new Readable({
    highWaterMark: chunk,
    read() {
      const n = Math.min(left, chunk)
      left -= n
      this.push(n === 0 ? null : draw(n))
    },
  })
}

/** SHA-256, lower-case hex. */
export function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex')
}

/** SHA-256 of `seededStream(seed, size)` without holding it. */
export async function sha256OfSeed(seed: number, size: number): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of seededStream(seed, size, 1024 * 1024)) hash.update(part as Buffer)
  return hash.digest('hex')
}
