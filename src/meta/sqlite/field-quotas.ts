// How much an owner's policy lets one field of a record hold. Who fills a field is asked, not whose files they are.
import type { Database } from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { Policies } from './policies.ts'
import type { FileColumn } from './record-table.ts'

export interface FieldQuotas {
  /** Fails quota_exceeded (details.field) where a field is to hold more files or bytes than `by` may put into one, and more than it did. */
  require(by: string | null, column: FileColumn, before: ReadonlySet<string>, after: ReadonlySet<string>): void
}

/** Prepares the statement on a connection; `require` must run in the transaction of the write. */
export function createFieldQuotas(db: Database, policies: Policies): FieldQuotas {
  const bytesOf = db
    .prepare<[string], number>(
      'SELECT coalesce(sum(size), 0) FROM _alyx_files WHERE id IN (SELECT value FROM json_each(?))',
    )
    .pluck()
  const bytes = (ids: ReadonlySet<string>): number => bytesOf.get(JSON.stringify([...ids])) ?? 0

  return {
    require(by, { name }, before, after) {
      if (by === null) return
      const { maxFilesPerField, maxFieldBytes } = policies.of(by)
      if (maxFilesPerField !== null) requireWithin(name, 'files', maxFilesPerField, before.size, after.size)
      if (maxFieldBytes !== null) requireWithin(name, 'bytes', maxFieldBytes, bytes(before), bytes(after))
    },
  }
}

/** A field that is over its limit already may become smaller. */
function requireWithin(field: string, unit: 'files' | 'bytes', limit: number, before: number, after: number): void {
  if (after <= limit || after <= before) return
  throw fail('quota_exceeded', `${field} may hold ${limit} ${unit} by your storage policy, not ${after}`, {
    details: { scope: `field:${field}`, limit, used: before, reserved: 0, requested: after - before, field, unit },
  })
}
