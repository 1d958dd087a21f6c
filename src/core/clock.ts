// Time is given, not taken: everything that needs "now" receives a Clock.

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

export const systemClock: Clock = { now: () => Date.now() }

/** RFC 3339 in UTC with milliseconds; sorts as text in the order of time. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString()
}
