// The usage counters: they move in the transaction that moves the rows, so they equal the sums at every moment.
import type { Database } from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { Drift, Reservation, Usage } from '../store.ts'

/** Whose bytes they are: every amount counts for the bucket and, when there is one, the owner. */
export interface Account {
  readonly bucket: string
  readonly owner_id: string | null
}

/** Bytes that the scopes of an account may have; null = no limit. */
export interface Totals {
  readonly bucket: number | null
  readonly owner: number | null
}

export interface Counters {
  usage(scope: string): Usage
  /** Adds to (or, negative, takes from) the counters of both scopes. Fails quota_exceeded past 2^53 − 1 bytes. */
  move(account: Account, used: number, reserved: number, files: number): void
  /** Bytes to set aside beside the `held` ones: as many as `want` asks and the ceilings leave, at least `need`. Fails quota_exceeded. */
  room(account: Account, totals: Totals, reservation: Reservation, held: number): number
}

const NOTHING: Usage = { used: 0, reserved: 0, files: 0 }
const MOST = Number.MAX_SAFE_INTEGER

/** Prepares the statements on a connection. `move` must run inside a transaction. */
export function createCounters(db: Database): Counters {
  const read = db.prepare<[string], Usage>('SELECT used, reserved, files FROM _alyx_usage WHERE scope = ?')
  const add = db.prepare<[string, number, number, number], { total: number }>(`
    INSERT INTO _alyx_usage (scope, used, reserved, files) VALUES (?, ?, ?, ?)
    ON CONFLICT (scope) DO UPDATE
    SET used = used + excluded.used, reserved = reserved + excluded.reserved, files = files + excluded.files
    RETURNING used + reserved AS total`)
  const usage = (scope: string): Usage => read.get(scope) ?? NOTHING
  return {
    usage,
    move(account, used, reserved, files) {
      for (const scope of scopes(account)) {
        const total = add.get(scope, used, reserved, files)?.total ?? 0
        if (total > MOST) throw exceeded(scope, MOST, usage(scope), used)
      }
    },
    room(account, totals, { need, want }, held) {
      const missing = need - held
      let room = Math.max(want, need) - held
      // Whoever has used up their own share is told so, rather than what all others have in the bucket.
      for (const scope of scopes(account).toReversed()) {
        // Without a ceiling it is the largest number that JSON carries exactly.
        const limit = (scope === bucketScope(account.bucket) ? totals.bucket : totals.owner) ?? MOST
        const found = usage(scope)
        const left = limit - found.used - found.reserved
        if (missing > Math.max(left, 0)) throw exceeded(scope, limit, found, missing)
        room = Math.min(room, left)
      }
      return Math.max(room, 0)
    },
  }
}

/** Every scope whose counter is not the sum of its rows. `fix` (inside a transaction) writes the sums. */
export function findDrift(db: Database, fix: boolean): readonly Drift[] {
  // 64-bit integers: a counter gone wrong may be anything, and must not be rounded into looking right.
  const rows = db.prepare<[], Record<string, bigint | string>>(COUNTERS_AND_SUMS).safeIntegers().all()
  const put = db.prepare('INSERT OR REPLACE INTO _alyx_usage (scope, used, reserved, files) VALUES (?, ?, ?, ?)')
  return rows.map((row) => {
    if (fix) put.run(row.scope, row.sum_used, row.sum_reserved, row.sum_files)
    return {
      scope: String(row.scope),
      counter: { used: Number(row.used), reserved: Number(row.reserved), files: Number(row.files) },
      sum: { used: Number(row.sum_used), reserved: Number(row.sum_reserved), files: Number(row.sum_files) },
    }
  })
}

const COUNTERS_AND_SUMS = `
  WITH amounts (scope, used, reserved, files) AS (
    SELECT 'bucket:' || bucket, size, 0, 1 FROM _alyx_files
    UNION ALL SELECT 'owner:' || owner_id, size, 0, 1 FROM _alyx_files WHERE owner_id IS NOT NULL
    UNION ALL SELECT 'bucket:' || bucket, 0, reserved, 0 FROM _alyx_uploads
    UNION ALL SELECT 'owner:' || owner_id, 0, reserved, 0 FROM _alyx_uploads WHERE owner_id IS NOT NULL
  ), sums AS (
    SELECT scope, sum(used) AS used, sum(reserved) AS reserved, sum(files) AS files FROM amounts GROUP BY scope
  ), pairs AS (
    SELECT coalesce(u.scope, s.scope) AS scope,
      coalesce(u.used, 0) AS used, coalesce(u.reserved, 0) AS reserved, coalesce(u.files, 0) AS files,
      coalesce(s.used, 0) AS sum_used, coalesce(s.reserved, 0) AS sum_reserved, coalesce(s.files, 0) AS sum_files
    FROM _alyx_usage u FULL JOIN sums s ON s.scope = u.scope
  )
  SELECT * FROM pairs WHERE (used, reserved, files) IS NOT (sum_used, sum_reserved, sum_files) ORDER BY scope`

function bucketScope(bucket: string): string {
  return `bucket:${bucket}`
}

function scopes(account: Account): readonly string[] {
  const bucket = bucketScope(account.bucket)
  return account.owner_id === null ? [bucket] : [bucket, `owner:${account.owner_id}`]
}

function exceeded(scope: string, limit: number, { used, reserved }: Usage, requested: number) {
  return fail('quota_exceeded', `${scope} has no room for ${requested} more bytes`, {
    details: { scope, limit, used, reserved, requested },
  })
}
