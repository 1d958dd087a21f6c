// Time is given, not taken: everything that needs "now" receives a Clock.

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

export const systemClock: Clock = { now: () => Date.now() }

/** Milliseconds since the process began, whatever becomes of the time of day: for how long something takes. */
export const steadyClock: Clock = { now: () => performance.now() }

/** RFC 3339 in UTC with milliseconds; sorts as text in the order of time. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString()
}
