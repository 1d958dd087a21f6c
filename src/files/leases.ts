// Keeps the claims of this process alive, and hears when another process wants one of them.
import { type Clock, timestamp } from '../core/clock.ts'
import type { MetaStore } from '../meta/store.ts'
import type { Observer } from '../observe/observer.ts'
import { enlist, type Holder, releaseGone } from './holder.ts'

export interface Leases {
  /** Names this process in claims and locks. */
  readonly holder: string
  /** RFC 3339 time until which a lease taken now holds. */
  until(): string
  /** Counts a claim of this process as alive until the returned function is called. */
  keep(): () => void
  /** Ends what holders that are certainly gone have; see Holder. */
  releaseGone(): Promise<void>
  /** Gives an own claim up: now or, while the database is in trouble, again with every beat. Until then its lease is prolonged with
   *  all others, so it would hold its path for as long as this process is busy. Never rejects. */
  giveUp(id: string): Promise<void>
  /** `release` is called (again and again) while another process waits for an upload this one holds. */
  onWanted(release: (id: string) => void): void
  close(): void
}

const ASK_EVERY = 200

/** Renews three times within `leaseTime` ms while anything is kept; idle processes do nothing. */
export function createLeases(deps: {
  meta: MetaStore
  clock: Clock
  observer: Observer
  holder: Holder
  leaseTime: number
}): Leases {
  const { meta, clock, observer, leaseTime } = deps
  const holder = deps.holder.name
  const leave = enlist(holder)
  const givenUp = new Set<string>()
  let kept = 0
  let release: ((id: string) => void) | null = null
  const until = (): string => timestamp(clock.now() + leaseTime)
  const report = (error: unknown): void =>
    observer.event('storage_error', { backend: 'database', operation: 'lease', error })

  const abandon = async (id: string): Promise<void> => {
    try {
      await meta.abandon(id, timestamp(clock.now()), holder)
      givenUp.delete(id)
    } catch (error) {
      report(error)
    }
  }
  const beat = setInterval(
    () => {
      if (kept > 0) meta.renew(holder, until()).catch(report)
      for (const id of givenUp) void abandon(id)
    },
    Math.max(50, leaseTime / 3),
  )
  beat.unref()
  const ask = setInterval(() => {
    if (kept === 0 || release === null) return
    meta.wanted(holder).then((ids) => {
      for (const id of ids) release?.(id)
    }, report)
  }, ASK_EVERY)
  ask.unref()

  return {
    holder,
    until,
    keep() {
      kept += 1
      let over = false
      return () => {
        if (!over) kept -= 1
        over = true
      }
    },
    releaseGone: () => releaseGone(meta, deps.holder),
    giveUp(id) {
      givenUp.add(id)
      return abandon(id)
    },
    onWanted(callback) {
      release = callback
    },
    close() {
      leave()
      clearInterval(beat)
      clearInterval(ask)
    },
  }
}
