// How often something may happen per key: fixed windows in a bounded table.

import type { Rate } from '../config/model.ts'
import type { Clock } from '../core/clock.ts'

const MAX_KEYS = 20_000

export interface RateLimit {
  /** Counts one event. Returns 0 while within the limit, else the seconds until the window ends. */
  hit(key: string): number
  /** Counts further events of a key whose first was within the limit: they are taken, and the next is not once they are too many. */
  charge(key: string, count: number): void
}

interface Window {
  readonly endsAt: number
  count: number
}

/** With null nothing is limited. When the table is full the older half goes: dropping one at a time would look through what was dropped before. */
export function createRateLimit(rate: Rate | null, clock: Clock): RateLimit {
  if (rate === null) return { hit: () => 0, charge: () => {} }
  let young = new Map<string, Window>()
  let old = new Map<string, Window>()

  function put(key: string, window: Window): Window {
    if (young.size >= MAX_KEYS / 2) {
      old = young
      young = new Map()
    }
    young.set(key, window)
    return window
  }
  function find(key: string, now: number): Window {
    const known = young.get(key) ?? old.get(key)
    if (known === undefined || known.endsAt <= now) return put(key, { endsAt: now + rate!.window, count: 0 })
    // Whoever comes again and again must not be forgotten because others came once.
    return young.has(key) ? known : put(key, known)
  }

  return {
    hit(key) {
      const now = clock.now()
      const window = find(key, now)
      window.count += 1
      return window.count <= rate.count ? 0 : Math.max(1, Math.ceil((window.endsAt - now) / 1000))
    },
    charge(key, count) {
      find(key, clock.now()).count += count
    },
  }
}
