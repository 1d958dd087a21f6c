// How often something may happen per key: fixed windows in a bounded table.

import type { Rate } from '../config/model.ts'
import type { Clock } from '../core/clock.ts'

const MAX_KEYS = 20_000

export interface RateLimit {
  /** Counts one event. Returns 0 while within the limit, else the seconds until the window ends. */
  hit(key: string): number
}

interface Window {
  readonly endsAt: number
  count: number
}

/** With null nothing is limited. When the table is full the oldest windows go first. */
export function createRateLimit(rate: Rate | null, clock: Clock): RateLimit {
  if (rate === null) return { hit: () => 0 }
  const windows = new Map<string, Window>()
  return {
    hit(key) {
      const now = clock.now()
      let window = windows.get(key)
      if (window === undefined || window.endsAt <= now) {
        window = { endsAt: now + rate.window, count: 0 }
        // Re-inserted at the end, so that the table stays ordered by age.
        windows.delete(key)
        windows.set(key, window)
        if (windows.size > MAX_KEYS) windows.delete(windows.keys().next().value!)
      }
      window.count += 1
      return window.count <= rate.count ? 0 : Math.max(1, Math.ceil((window.endsAt - now) / 1000))
    },
  }
}
