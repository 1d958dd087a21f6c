// What operators do to owners: set their rows, and have the expiry of their files computed anew.
import type { Database } from 'better-sqlite3'
import { timestamp } from '../../core/clock.ts'
import type { ExpiryBatch, ExpiryStep, StoragePatch, StorageRow } from '../policies.ts'
import { least, type Policies, type StoredStorage, storageRow } from './policies.ts'
import { isExpired, type StoredFile } from './rows.ts'

type Dated = Pick<StoredFile, 'id' | 'state' | 'created_at' | 'expires_at' | 'staged_until' | 'expiry_asked'>

/** The verbs of PolicyStore on rows and expiry. Each must run inside a transaction. */
export function storageVerbs(db: Database, policies: Policies) {
  const put = db.prepare<[StoredStorage], StoredStorage>(`
    INSERT OR REPLACE INTO _alyx_storages
      (owner_id, tier, max_storage, max_files_per_field, max_field_bytes, retention_days, transform_limit, transform_used)
    VALUES
      (@owner_id, @tier, @max_storage, @max_files_per_field, @max_field_bytes, @retention_days, @transform_limit, @transform_used)
    RETURNING *`)
  const filesAfter = db.prepare<[string, string, string, string, number], Dated>(FILES_OF_OWNER)
  const date = db.prepare<[string | null, string]>('UPDATE _alyx_files SET expires_at = ? WHERE id = ?')

  return {
    putStorage(ownerId: string, patch: StoragePatch): StorageRow {
      const old = policies.storage(ownerId)
      const set = <Name extends keyof StoragePatch>(name: Name, otherwise: StorageRow[Name]): StorageRow[Name] =>
        (patch[name] === undefined ? (old?.[name] ?? otherwise) : patch[name]) as StorageRow[Name]
      const row = put.get({
        owner_id: ownerId,
        tier: set('tier', null),
        max_storage: set('maxStorage', null),
        max_files_per_field: set('maxFilesPerField', null),
        max_field_bytes: set('maxFieldBytes', null),
        retention_days: set('retentionDays', null),
        transform_limit: set('transformLimit', null),
        transform_used: set('transformUsed', 0),
      })
      return storageRow(row!)
    },

    recomputeExpiry(step: ExpiryStep, now: string): ExpiryBatch {
      const { ownerId, bucket, after, limit } = step
      const { retention } = policies.of(ownerId)
      const rows = filesAfter.all(bucket, ownerId, after?.createdAt ?? '', after?.id ?? '', limit)
      let files = 0
      let updated = 0
      for (const row of rows) {
        // What has expired is gone for everybody: nothing brings it back.
        if (row.state !== 'ready' || isExpired(row, now)) continue
        files += 1
        const expiresAt = expiryOf(row, step, retention, now)
        if (expiresAt === row.expires_at) continue
        date.run(expiresAt, row.id)
        updated += 1
      }
      const last = rows.length < limit ? undefined : rows.at(-1)
      return { files, updated, retention, last: last ? { createdAt: last.created_at, id: last.id } : null }
    },
  }
}

/** A page of an owner's files in a bucket, answered by _alyx_files_owner_created. */
export const FILES_OF_OWNER = `
  SELECT id, state, created_at, expires_at, staged_until, expiry_asked FROM _alyx_files
  WHERE bucket = ? AND owner_id = ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?`

function expiryOf(row: Dated, step: ExpiryStep, retention: number | null, now: string): string | null {
  const asked = row.expiry_asked === 1
  const life = least(retention, asked ? step.bucketMax : step.bucketDefault)
  const end = life === null ? null : timestamp(Date.parse(row.created_at) + life)
  const earlier = end !== null && (row.expires_at === null || end < row.expires_at)
  if (!earlier) return asked ? row.expires_at : end
  const soonest = timestamp(Date.parse(now) + step.grace)
  const granted = end < soonest ? soonest : end
  return row.expires_at !== null && row.expires_at < granted ? row.expires_at : granted
}
