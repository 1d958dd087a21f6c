// The part of the contract that jobs need of a store that is in use: who works on it, when it was swept last, and a copy of it as it is.

/** A lease by its name, dead or alive. `expiresAt` is RFC 3339. */
export interface NamedLease {
  readonly name: string
  readonly holder: string
  readonly expiresAt: string
}

/** What is remembered of the clock from one sweep to the next; times are RFC 3339. */
export interface SweepClock {
  /** What the clock said when it was looked at last. */
  readonly seenAt: string
  /** Since when it is not believed, by its own word; null while it is. */
  readonly heldAt: string | null
  /** What time it was then as far as is known; null while the clock is believed. */
  readonly heldFrom: string | null
}

/** Named leases whose holders have something to say to everybody. */
export const LEASES = {
  /** While it is held, bytes of files that were finished stay where they are. */
  backup: 'backup',
  /** One sweep at a time. */
  sweep: 'sweep',
} as const

export interface UpkeepStore {
  /** All of them. */
  namedLeases(): Promise<readonly NamedLease[]>
  /** Whether somebody holds the lease at `now`. Sees what any process has committed. */
  isLeased(name: string, now: string): Promise<boolean>
  /** Fields of records that name a `deleting` file become null, or lose the element, as with `bury`; its row stays, and its bytes. Twice is once. */
  unname(bucket: string, id: string): Promise<void>
  /** Null before the first sweep. */
  sweepClock(): Promise<SweepClock | null>
  setSweepClock(clock: SweepClock): Promise<void>
  /** Writes all that is committed to a new file, a SQLite database by itself, durable when it resolves; others read and write meanwhile.
   *  Fails: storage_full, storage_unavailable, database_busy. Then nothing of use is in the file. */
  snapshot(file: string): Promise<void>
}
