// How fast a job may read: so many bytes a second on average, and what it has not used in a while is not saved up.
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../core/clock.ts'

/** Resolves when these bytes may be thought of as read; rejects with the signal's reason. */
export type Pace = (bytes: number, signal: AbortSignal) => Promise<void>

/** The time to wait at once; less than this is not worth a timer. Milliseconds. */
const WORTH = 20
/** Bytes of a second that may come in one burst. */
const BURST = 0.25

/** `perSecond` in bytes; null = as fast as it goes. `steady` counts milliseconds. */
export function createPace(perSecond: number | null, steady: Clock): Pace {
  if (perSecond === null) return async (_, signal) => signal.throwIfAborted()
  let due = steady.now()
  return async (bytes, signal) => {
    signal.throwIfAborted()
    due = Math.max(due, steady.now() - BURST * 1000) + (bytes * 1000) / perSecond
    const wait = due - steady.now()
    if (wait > WORTH) await pause(wait, undefined, { signal })
  }
}
