// One request at a time per upload. A newcomer waits; a request whose client went silent is made to let go.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../core/clock.ts'
import { fail } from '../core/errors.ts'

export interface Turn {
  /** Aborts when somebody else needs the upload and this request has gone silent. */
  readonly signal: AbortSignal
  /** Says that bytes are still coming. */
  touch(): void
  leave(): void
}

export interface Turns {
  /** Fails upload_locked when the request before it goes on working for longer than the patience. */
  enter(id: string): Promise<Turn>
  /** Makes the request that has `id` let go if it has gone silent. False when nobody has it. */
  nudge(id: string): boolean
}

export interface TurnTimes {
  /** Milliseconds without a byte after which a request counts as dead. */
  readonly silence: number
  /** Milliseconds a newcomer waits for a living one. */
  readonly patience: number
}

interface Holder {
  touched: number
  readonly abort: AbortController
  readonly left: Promise<void>
}

const LOOK_AGAIN = 100

/** The turns of this process; other processes are held off by the lock in the database. */
export function createTurns(clock: Clock, times: TurnTimes): Turns {
  const holders = new Map<string, Holder>()

  function nudge(id: string): boolean {
    const holder = holders.get(id)
    if (holder === undefined) return false
    if (clock.now() - holder.touched >= times.silence) holder.abort.abort()
    return true
  }

  return {
    nudge,
    async enter(id) {
      const giveUp = clock.now() + times.patience
      for (let holder = holders.get(id); holder !== undefined; holder = holders.get(id)) {
        if (clock.now() >= giveUp) throw fail('upload_locked', 'another request is writing this upload')
        nudge(id)
        await Promise.race([holder.left, sleep(LOOK_AGAIN, undefined, { ref: false })])
      }
      const { promise, resolve } = Promise.withResolvers<void>()
      const holder: Holder = { touched: clock.now(), abort: new AbortController(), left: promise }
      holders.set(id, holder)
      return {
        signal: holder.abort.signal,
        touch() {
          holder.touched = clock.now()
        },
        leave() {
          if (holders.get(id) === holder) holders.delete(id)
          resolve()
        },
      }
    },
  }
}
