// What a record's change does to files: those it names are claimed, those that nobody names any more go with it.
import type { Database } from 'better-sqlite3'
import { timestamp } from '../../core/clock.ts'
import { fail } from '../../core/errors.ts'
import type { FileRow } from '../../core/model.ts'
import type { Trash } from './hidden-files.ts'
import type { FileColumn } from './record-table.ts'
import type { References } from './references.ts'
import { fileRow, isOver, SELECT_FILE, type StoredFile, touchedAt } from './rows.ts'

export interface RecordFiles {
  /** The file now belongs to a record: it is staged no longer. Fails file_reference_invalid, in the same words whatever is wrong. */
  claim(fileId: string, column: FileColumn, now: string): void
  /** Puts those into the trash that no record names, or, where the bucket has none, turns them into tombstones and returns them. One that is
   *  a tombstone already is its maker's affair, but for bringing it back; one in the trash stays there. */
  condemn(fileIds: Iterable<string>, now: string): readonly FileRow[]
}

/** Milliseconds that deleted files of a bucket can be restored, of those that have a trash. */
export type TrashTimes = Readonly<Record<string, number>>

/** Prepares the statements on the writer's connection. Both verbs must run inside a transaction. */
export function createRecordFiles(
  db: Database,
  references: References,
  trash: Trash,
  trashTimes: TrashTimes,
): RecordFiles {
  const find = db.prepare<[string], StoredFile>(`${SELECT_FILE} WHERE id = ?`)
  const unstage = db.prepare<[string]>('UPDATE _alyx_files SET staged_until = NULL WHERE id = ?')
  const turn = db.prepare<[string, string]>("UPDATE _alyx_files SET state = 'deleting', updated_at = ? WHERE id = ?")
  return {
    claim(fileId, { name, reference }, now) {
      const row = find.get(fileId)
      if (row?.state !== 'ready' || row.bucket !== reference.bucket || isOver(row, now))
        throw fail('file_reference_invalid', `${name} names no file of bucket ${reference.bucket} that you may use`, {
          details: { field: name },
        })
      if (row.staged_until !== null) unstage.run(fileId)
    },
    condemn(fileIds, now) {
      const condemned: FileRow[] = []
      for (const id of new Set(fileIds)) {
        if (references.isWanted(id)) continue
        const row = find.get(id)
        if (!row || row.state === 'trashed') continue
        const kept = trashTimes[row.bucket]
        if (row.state === 'ready' && kept !== undefined && !isOver(row, now)) {
          trash.put(row, timestamp(Date.parse(now) + kept), now)
          continue
        }
        turn.run(row.state === 'ready' ? now : touchedAt(row, now), id)
        if (row.state !== 'ready') continue
        condemned.push(fileRow({ ...row, state: 'deleting', updated_at: now }))
      }
      return condemned
    },
  }
}
