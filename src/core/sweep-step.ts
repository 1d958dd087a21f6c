// What a sweep is made of: named steps. Whoever has something to clear adds a step; jobs/sweeps.ts runs them all, bounded, one process at a time.

/** What swept things count as, in the log line, the report and the metrics. */
export const SWEEP_KINDS = [
  'uploads',
  'deletions',
  'expired',
  'purged',
  'leftovers',
  'shares',
  'events',
  'transforms',
] as const
export type SweepKind = (typeof SWEEP_KINDS)[number]

/** One look of a step at what there is to do. */
export interface SweepMoment {
  /** RFC 3339: what was over by then is swept. Never later than the clock, and earlier while the clock is not believed. */
  readonly now: string
  /** The same in milliseconds since the epoch. */
  readonly time: number
  /** Most rows to find at once. */
  readonly limit: number
  /** Backends whose rows are left for later. */
  readonly without: readonly string[]
}

/** Finds rows in batches and clears them one by one. A row that could not be cleared is found again by a later run. */
export interface SweepStep<Row = unknown> {
  /** Unique, in snake_case; stable, as scripts read it. */
  readonly name: string
  readonly kind: SweepKind
  /** It takes away bytes of files that were finished once: it rests while a backup is being made. */
  readonly waitsForBackup: boolean
  /** At most `limit` rows, oldest first. Changes nothing: a dry run only looks. */
  next(moment: SweepMoment): Promise<readonly Row[]>
  /** Twice is once. False when meanwhile there was nothing to clear any more. Must itself make sure that it is still due. */
  clear(row: Row, moment: SweepMoment): Promise<boolean>
  /** Bytes that go with a row; default none. */
  bytes?(row: Row): number
  /** How many things a row stands for; default 1. */
  count?(row: Row): number
}
