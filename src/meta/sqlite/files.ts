// Changes of finished files: condemn → bury or restore, update, revokeLinks.
import type { Database } from 'better-sqlite3'
import { timestamp } from '../../core/clock.ts'
import { fail } from '../../core/errors.ts'
import type { FileRow, FileState } from '../../core/model.ts'
import type { FilePatch } from '../store.ts'
import type { Counters } from './counters.ts'
import { createOpenAiEnds } from './openai-ends.ts'
import type { EventWriter } from './outbox.ts'
import type { Paths } from './paths.ts'
import type { Policies } from './policies.ts'
import type { References } from './references.ts'
import { fileRow, isExpired, isOver, SELECT_FILE, type StoredFile, touchedAt } from './rows.ts'

/** The verbs of MetaStore on files. Each must run inside a transaction. */
export function fileVerbs(
  db: Database,
  counters: Counters,
  paths: Paths,
  references: References,
  policies: Policies,
  events: EventWriter,
) {
  const find = db.prepare<[string, string], StoredFile>(`${SELECT_FILE} WHERE id = ? AND bucket = ?`)
  const turn = db.prepare<[string, string, string]>('UPDATE _alyx_files SET state = ?, updated_at = ? WHERE id = ?')
  const remove = db.prepare<[string]>('DELETE FROM _alyx_files WHERE id = ?')
  const raiseEpoch = db.prepare<[string, string]>(
    'UPDATE _alyx_files SET link_epoch = link_epoch + 1, updated_at = ? WHERE id = ?',
  )
  const change = db.prepare<[StoredFile]>(`
    UPDATE _alyx_files SET name = @name, path = @path, metadata = @metadata, expires_at = @expires_at,
      expiry_asked = @expiry_asked, rules = @rules, version = @version, updated_at = @updated_at WHERE id = @id`)

  const recordEnd = createOpenAiEnds(db)

  const requireReady = (bucket: string, id: string): StoredFile => {
    const row = find.get(id, bucket)
    if (row?.state !== 'ready') throw fail('file_not_found', 'there is no such file')
    return row
  }

  return {
    condemn(bucket: string, id: string, now: string, force: boolean): FileRow | null {
      const row = find.get(id, bucket)
      if (!row) return null
      if (row.state === 'deleting') {
        const touched = touchedAt(row, now)
        turn.run('deleting', touched, id)
        return fileRow({ ...row, updated_at: touched })
      }
      // Since it was found its life may have been prolonged, or a record may have claimed it.
      if (force && !isOver(row, now)) return null
      if (!force) references.requireUnrestricted(id)
      turn.run('deleting', now, id)
      return fileRow({ ...row, state: 'deleting', updated_at: now })
    },

    restore(bucket: string, id: string, condemnedAt: string, now: string): boolean {
      const row = find.get(id, bucket)
      if (row?.state !== 'deleting' || row.updated_at !== condemnedAt) return false
      turn.run(stateBefore(row), now, id)
      return true
    },

    bury(bucket: string, id: string): null {
      const row = find.get(id, bucket)
      if (row?.state !== 'deleting') return null
      if (isExpired(row, row.updated_at)) events.file('file.expired', id, row.updated_at)
      else events.file('file.deleted', id, row.updated_at, { permanent: true })
      references.release(id)
      recordEnd(row)
      remove.run(id)
      counters.move(row, -row.size, 0, -1)
      return null
    },

    unname(bucket: string, id: string): null {
      if (find.get(id, bucket)?.state === 'deleting') references.release(id)
      return null
    },

    update(bucket: string, id: string, patch: FilePatch, now: string, ifVersion: number | null): FileRow {
      const row = requireReady(bucket, id)
      if (ifVersion !== null && ifVersion !== row.version)
        throw fail('precondition_failed', `the file is at version ${row.version}`, {
          details: { version: row.version },
        })
      if (patch.path !== undefined && patch.path !== row.path) paths.free(bucket, patch.path, row.owner_id, now)
      const datesAnew = patch.expiresAt !== undefined && patch.expiresAt !== row.expires_at
      if (datesAnew) requireInTime(row, patch.expiresAt ?? null, policies.of(row.owner_id).retention)
      const changed: StoredFile = {
        ...row,
        name: patch.name ?? row.name,
        path: patch.path ?? row.path,
        metadata: patch.metadata === undefined ? row.metadata : JSON.stringify(patch.metadata),
        expires_at: patch.expiresAt === undefined ? row.expires_at : patch.expiresAt,
        expiry_asked: datesAnew ? 1 : row.expiry_asked,
        rules: patch.rules === undefined ? row.rules : patch.rules && JSON.stringify(patch.rules),
        version: row.version + 1,
        updated_at: now,
      }
      change.run(changed)
      events.file('file.updated', id, now)
      return fileRow(changed)
    },

    revokeLinks(bucket: string, id: string, now: string): null {
      requireReady(bucket, id)
      raiseEpoch.run(now, id)
      return null
    },
  }
}

/** What a tombstone was, when its bytes would not go. */
function stateBefore({ purge_at, hidden_at }: StoredFile): FileState {
  if (purge_at !== null) return 'trashed'
  return hidden_at === null ? 'ready' : 'quarantined'
}

/** The policy of a file's owner bounds its life, whoever changes it. Fails: invalid_expiry. */
function requireInTime(row: StoredFile, expiresAt: string | null, retention: number | null): void {
  if (retention === null) return
  const latest = timestamp(Date.parse(row.created_at) + retention)
  if (expiresAt !== null && expiresAt <= latest) return
  throw fail('invalid_expiry', "expires_at is beyond the maximum of the owner's storage policy", {
    details: { latest },
  })
}
