// Files that are there and seen by nobody: into the trash and back, out of quarantine.
import type { Database } from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { FileRow } from '../../core/model.ts'
import { type Due, due, NOT_WITHOUT } from './due.ts'
import type { EventWriter } from './outbox.ts'
import type { Paths } from './paths.ts'
import type { References } from './references.ts'
import { fileRow, isOver, SELECT_FILE, type StoredFile } from './rows.ts'

export const PURGEABLE_FILES = `${SELECT_FILE} WHERE purge_at <= @time AND state = 'trashed' AND ${NOT_WITHOUT} ORDER BY purge_at, id LIMIT @limit`

/** Puts ready files into the trash. */
export interface Trash {
  /** Must run inside a transaction. */
  put(row: StoredFile, purgeAt: string, now: string): void
}

/** Prepares the statement on the writer's connection. */
export function createTrash(db: Database, events: EventWriter): Trash {
  // No path of a user begins with a slash.
  const hide = db.prepare<[string, string, string]>(`
    UPDATE _alyx_files SET state = 'trashed', hidden_path = path, path = '//' || id, hidden_at = ?, purge_at = ? WHERE id = ?`)
  return {
    put({ id }, purgeAt, now) {
      hide.run(now, purgeAt, id)
      events.file('file.deleted', id, now, { permanent: false, purge_at: purgeAt })
    },
  }
}

/** The verbs of HiddenFileStore that change files. Each must run inside a transaction. */
export function hiddenFileVerbs(db: Database, paths: Paths, references: References, trash: Trash, events: EventWriter) {
  const find = db.prepare<[string, string], StoredFile>(`${SELECT_FILE} WHERE id = ? AND bucket = ?`)
  const show = db.prepare<[StoredFile]>(`
    UPDATE _alyx_files SET state = 'ready', path = @path, hidden_path = NULL, hidden_at = NULL, hidden_reason = NULL, purge_at = NULL,
      version = @version, updated_at = @updated_at WHERE id = @id`)

  const requireHidden = (bucket: string, id: string, state: 'trashed' | 'quarantined', now: string): StoredFile => {
    const row = find.get(id, bucket)
    if (row?.state !== state || isOver(row, now)) throw fail('file_not_found', 'there is no such file')
    return row
  }
  const shown = (row: StoredFile, path: string, now: string): FileRow => {
    const hidden = { hidden_at: null, hidden_path: null, hidden_reason: null, purge_at: null }
    const ready: StoredFile = { ...row, ...hidden, state: 'ready', path, version: row.version + 1, updated_at: now }
    show.run(ready)
    return fileRow(ready)
  }

  return {
    trash(bucket: string, id: string, purgeAt: string, now: string): boolean {
      const row = find.get(id, bucket)
      if (row?.state !== 'ready') return row?.state === 'trashed'
      references.requireUnrestricted(id)
      trash.put(row, purgeAt, now)
      return true
    },

    untrash(bucket: string, id: string, path: string | null, now: string): FileRow {
      const row = requireHidden(bucket, id, 'trashed', now)
      const wanted = path ?? row.hidden_path ?? row.path
      paths.free(bucket, wanted, row.owner_id, now)
      const file = shown(row, wanted, now)
      events.file('file.restored', id, now)
      return file
    },

    clear(bucket: string, id: string, now: string): FileRow {
      const row = requireHidden(bucket, id, 'quarantined', now)
      const file = shown(row, row.path, now)
      events.file('file.created', id, now)
      return file
    },
  }
}

/** Prepares the read of HiddenFileStore. */
export function hiddenFileReads(db: Database) {
  const purgeable = db.prepare<[Due], StoredFile>(PURGEABLE_FILES)
  return {
    purgeableFiles: (...asked: Parameters<typeof due>): readonly FileRow[] => purgeable.all(due(...asked)).map(fileRow),
  }
}
