// How busy the event loop is: whether what it could read itself, in a fraction of a millisecond, is better read by another thread.
import { availableParallelism } from 'node:os'
import { type EventLoopUtilization, performance } from 'node:perf_hooks'

/** Milliseconds between two looks. */
const INTERVAL = 100
/** Shares of the time. Between them it stays as it was. */
const BUSY = 0.8
const IDLE = 0.5

/** Asks at most every 100 ms how busy the loop was since. Never crowded where there is but one processor. */
export function createCrowd(): () => boolean {
  if (availableParallelism() < 2) return () => false
  let crowded = false
  let lookedAt = performance.now()
  let seen: EventLoopUtilization = performance.eventLoopUtilization()
  return () => {
    const now = performance.now()
    if (now - lookedAt < INTERVAL) return crowded
    const since = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(since, seen)
    crowded = utilization > (crowded ? IDLE : BUSY)
    lookedAt = now
    seen = since
    return crowded
  }
}
