// Files on their way from one backend to another, and the blobs that are no file's: rows of `_alyx_spares`.
import type { Database } from 'better-sqlite3'
import type { BlobKey, FileRow } from '../../core/model.ts'
import type { Kept, SpareBlob } from '../blob-places.ts'
import { type Due, due, NOT_WITHOUT } from './due.ts'
import { fileRow, SELECT_FILE, type StoredFile } from './rows.ts'

export const FILES_IN = `${SELECT_FILE} WHERE bucket = ? AND backend = ? AND state <> 'deleting' AND id > ? ORDER BY id LIMIT ?`
export const DUE_SPARES = `SELECT backend, key FROM _alyx_spares WHERE due_at <= @time AND ${NOT_WITHOUT} ORDER BY due_at LIMIT @limit`
/** A blob's key ends with the id of its file. */
const ID_LENGTH = 36

/** The verbs of MetaStore that change them. Each must run inside a transaction. */
export function spareVerbs(db: Database) {
  const announce = db.prepare<[string, string, string]>(
    `INSERT INTO _alyx_spares (backend, key, due_at, taken) VALUES (?, ?, ?, 0)
      ON CONFLICT (backend, key) DO UPDATE SET due_at = excluded.due_at WHERE taken = 0`,
  )
  const take = db.prepare<[string, string]>('UPDATE _alyx_spares SET taken = 1 WHERE backend = ? AND key = ?')
  const remove = db.prepare<[string, string]>('DELETE FROM _alyx_spares WHERE backend = ? AND key = ?')
  const adopt = db.prepare<[string, string]>('DELETE FROM _alyx_spares WHERE backend = ? AND key = ? AND taken = 0')
  const holder = db.prepare<[string], string>('SELECT backend FROM _alyx_files WHERE id = ?').pluck()
  const find = db
    .prepare<[string, string, string], string>(
      "SELECT key FROM _alyx_files WHERE id = ? AND bucket = ? AND backend = ? AND state <> 'deleting'",
    )
    .pluck()
  const move = db.prepare<[string, string]>('UPDATE _alyx_files SET backend = ? WHERE id = ?')

  return {
    announceCopy: (backend: string, key: BlobKey, dueAt: string): boolean =>
      announce.run(backend, key, dueAt).changes === 1,

    moveFile(bucket: string, id: string, from: string, to: string, dueAt: string): boolean {
      const key = find.get(id, bucket, from)
      if (key === undefined || adopt.run(to, key).changes === 0) return false
      move.run(to, id)
      announce.run(from, key, dueAt)
      return true
    },

    takeSpare(backend: string, key: BlobKey): boolean {
      if (holder.get(key.slice(-ID_LENGTH)) !== backend) return take.run(backend, key).changes === 1
      remove.run(backend, key)
      return false
    },

    forgetSpare(backend: string, key: BlobKey): null {
      remove.run(backend, key)
      return null
    },
  }
}

/** Prepares the reads of MetaStore on them. */
export function spareReads(db: Database) {
  const kept = db.prepare<[string], Kept>(
    `SELECT backend, count(*) AS files, sum(stored_size) AS bytes FROM _alyx_files
      WHERE bucket = ? AND state <> 'deleting' GROUP BY backend ORDER BY backend`,
  )
  const filesIn = db.prepare<[string, string, string, number], StoredFile>(FILES_IN)
  const spare = db.prepare<[string, string], unknown>('SELECT 1 FROM _alyx_spares WHERE backend = ? AND key = ?')
  const over = db.prepare<[Due], SpareBlob>(DUE_SPARES)
  return {
    kept: (bucket: string): readonly Kept[] => kept.all(bucket),
    filesIn: (bucket: string, backend: string, afterId: string, limit: number): readonly FileRow[] =>
      filesIn.all(bucket, backend, afterId, limit).map(fileRow),
    isSpare: (backend: string, key: BlobKey): boolean => spare.get(backend, key) !== undefined,
    dueSpares: (...asked: Parameters<typeof due>): readonly SpareBlob[] => over.all(due(...asked)),
  }
}
