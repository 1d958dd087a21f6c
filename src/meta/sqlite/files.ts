// Changes of finished files: condemn → bury or restore, update, revokeLinks.
import type { Database } from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { FileRow } from '../../core/model.ts'
import type { FilePatch } from '../store.ts'
import type { Counters } from './counters.ts'
import { createOpenAiEnds } from './openai-ends.ts'
import type { Paths } from './paths.ts'
import type { References } from './references.ts'
import { fileRow, isOver, SELECT_FILE, type StoredFile, touchedAt } from './rows.ts'

/** The verbs of MetaStore on files. Each must run inside a transaction. */
export function fileVerbs(db: Database, counters: Counters, paths: Paths, references: References) {
  const find = db.prepare<[string, string], StoredFile>(`${SELECT_FILE} WHERE id = ? AND bucket = ?`)
  const turn = db.prepare<[string, string, string]>('UPDATE _alyx_files SET state = ?, updated_at = ? WHERE id = ?')
  const remove = db.prepare<[string]>('DELETE FROM _alyx_files WHERE id = ?')
  const raiseEpoch = db.prepare<[string, string]>(
    'UPDATE _alyx_files SET link_epoch = link_epoch + 1, updated_at = ? WHERE id = ?',
  )
  const change = db.prepare<[StoredFile]>(`
    UPDATE _alyx_files SET name = @name, path = @path, metadata = @metadata, expires_at = @expires_at, rules = @rules,
      version = @version, updated_at = @updated_at WHERE id = @id`)

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
      turn.run('ready', now, id)
      return true
    },

    bury(bucket: string, id: string): null {
      const row = find.get(id, bucket)
      if (row?.state !== 'deleting') return null
      references.release(id)
      recordEnd(row)
      remove.run(id)
      counters.move(row, -row.size, 0, -1)
      return null
    },

    update(bucket: string, id: string, patch: FilePatch, now: string, ifVersion: number | null): FileRow {
      const row = requireReady(bucket, id)
      if (ifVersion !== null && ifVersion !== row.version)
        throw fail('precondition_failed', `the file is at version ${row.version}`, {
          details: { version: row.version },
        })
      if (patch.path !== undefined && patch.path !== row.path) paths.free(bucket, patch.path, row.owner_id, now)
      const changed: StoredFile = {
        ...row,
        name: patch.name ?? row.name,
        path: patch.path ?? row.path,
        metadata: patch.metadata === undefined ? row.metadata : JSON.stringify(patch.metadata),
        expires_at: patch.expiresAt === undefined ? row.expires_at : patch.expiresAt,
        rules: patch.rules === undefined ? row.rules : patch.rules && JSON.stringify(patch.rules),
        version: row.version + 1,
        updated_at: now,
      }
      change.run(changed)
      return fileRow(changed)
    },

    revokeLinks(bucket: string, id: string, now: string): null {
      requireReady(bucket, id)
      raiseEpoch.run(now, id)
      return null
    },
  }
}
