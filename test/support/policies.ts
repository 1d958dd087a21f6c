// Tiers for tests of policies, as alyx.yml says them and as they are understood; and what an operator does by hand.
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { PoliciesConfig, Tier } from '../../src/config/model.ts'

export const DAY = 86_400_000

/** A tier without limits, but for these. */
export function tier(limits: Partial<Tier> = {}): Tier {
  return {
    maxStorage: null,
    retention: null,
    maxFilesPerField: null,
    maxFieldBytes: null,
    transformLimit: null,
    ...limits,
  }
}

/** `free` is the default tier; more may be said. */
export function policies(tiers: Readonly<Record<string, Tier>>, more: Partial<PoliciesConfig> = {}): PoliciesConfig {
  return {
    defaultTier: 'free',
    hardMaxStorage: null,
    transformMonthLimit: null,
    tiers: new Map(Object.entries({ free: tier(), ...tiers })),
    ...more,
  }
}

/** Runs statements on a database that servers are using, as `sqlite3 data/alyx.db "…"` does. How many rows they changed. */
export function byHand(dir: string, sql: string, ...values: readonly unknown[]): number {
  const database = new Database(join(dir, 'alyx.db'), { timeout: 60_000 })
  try {
    return database.prepare<unknown[]>(sql).run(...values).changes
  } finally {
    database.close()
  }
}
