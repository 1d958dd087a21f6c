// What jobs need of the database: rows of `_alyx_leases` and the one row of `_alyx_sweep_clock`.
import type { Database } from 'better-sqlite3'
import type { NamedLease, SweepClock } from '../upkeep.ts'

/** The verb of MetaStore that changes them. It must run inside a transaction. */
export function upkeepVerbs(db: Database) {
  const put = db.prepare<[SweepClock]>(
    `INSERT OR REPLACE INTO _alyx_sweep_clock (id, seen_at, held_at, held_from) VALUES (1, @seenAt, @heldAt, @heldFrom)`,
  )
  return {
    setSweepClock(clock: SweepClock): null {
      put.run(clock)
      return null
    },
  }
}

/** Prepares the reads of MetaStore on them. */
export function upkeepReads(db: Database) {
  const all = db.prepare<[], NamedLease>('SELECT name, holder, expires_at AS expiresAt FROM _alyx_leases ORDER BY name')
  const held = db.prepare<[string, string], unknown>('SELECT 1 FROM _alyx_leases WHERE name = ? AND expires_at > ?')
  const clock = db.prepare<[], SweepClock>(
    'SELECT seen_at AS seenAt, held_at AS heldAt, held_from AS heldFrom FROM _alyx_sweep_clock',
  )
  return {
    namedLeases: (): readonly NamedLease[] => all.all(),
    isLeased: (name: string, now: string): boolean => held.get(name, now) !== undefined,
    sweepClock: (): SweepClock | null => clock.get() ?? null,
  }
}
