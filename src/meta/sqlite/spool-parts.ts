// Parts of unfinished uploads that a backend keeps: rows of `_alyx_spool_parts`. A row before the bytes; it goes after them.
import type { Database } from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { BlobKey } from '../../core/model.ts'
import type { PartFacts, SpoolPart } from '../spool-parts.ts'

const COLUMNS = 'backend, key, start, "end", stored_crc32 AS storedCrc32, sealed'

/** The verbs of MetaStore that change them. Each must run inside a transaction. */
export function spoolPartVerbs(db: Database) {
  const holderOf = db.prepare<[string], { state: string; holder: string | null }>(
    'SELECT state, holder FROM _alyx_uploads WHERE id = ?',
  )
  const insert = db.prepare<[string, string, string, number]>(
    'INSERT INTO _alyx_spool_parts (upload_id, backend, key, start) VALUES (?, ?, ?, ?)',
  )
  const complete = db.prepare<[number, number, string | null, string, string]>(
    'UPDATE _alyx_spool_parts SET "end" = ?, stored_crc32 = ?, sealed = ? WHERE upload_id = ? AND key = ?',
  )
  const cut = db.prepare<[string, number]>(
    'UPDATE _alyx_spool_parts SET "end" = NULL WHERE upload_id = ? AND "end" > ?',
  )
  const uncounted = db.prepare<[string], SpoolPart>(
    `SELECT ${COLUMNS} FROM _alyx_spool_parts WHERE upload_id = ? AND "end" IS NULL`,
  )
  const remove = db.prepare<[string, string]>('DELETE FROM _alyx_spool_parts WHERE upload_id = ? AND key = ?')
  const requireHeld = (uploadId: string, holder: string): void => {
    const row = holderOf.get(uploadId)
    if (row?.state !== 'open') throw fail('upload_not_found', 'there is no such upload')
    if (row.holder !== holder) throw takenOver()
  }

  return {
    announcePart(uploadId: string, backend: string, key: BlobKey, start: number, holder: string): null {
      requireHeld(uploadId, holder)
      insert.run(uploadId, backend, key, start)
      return null
    },

    keepPart(uploadId: string, key: BlobKey, facts: PartFacts, holder: string): null {
      requireHeld(uploadId, holder)
      const { end, storedCrc32, sealed } = facts
      if (complete.run(end, storedCrc32, sealed, uploadId, key).changes === 0) throw takenOver()
      return null
    },

    cutParts(uploadId: string, offset: number, holder: string): readonly SpoolPart[] {
      requireHeld(uploadId, holder)
      cut.run(uploadId, offset)
      return uncounted.all(uploadId)
    },

    forgetPart(uploadId: string, key: BlobKey): null {
      remove.run(uploadId, key)
      return null
    },
  }
}

/** Prepares the reads of MetaStore on them. */
export function spoolPartReads(db: Database) {
  const ofUpload = db.prepare<[string], SpoolPart>(
    `SELECT ${COLUMNS} FROM _alyx_spool_parts WHERE upload_id = ? ORDER BY start, key`,
  )
  const uploads = db
    .prepare<[string, number], string>(
      'SELECT DISTINCT upload_id FROM _alyx_spool_parts WHERE upload_id > ? ORDER BY upload_id LIMIT ?',
    )
    .pluck()
  const elsewhere = db
    .prepare<[string | null], string>('SELECT backend FROM _alyx_spool_parts WHERE backend IS NOT ? LIMIT 1')
    .pluck()
  return {
    spoolParts: (uploadId: string): readonly SpoolPart[] => ofUpload.all(uploadId),
    spooledUploads: (afterId: string, limit: number): readonly string[] => uploads.all(afterId, limit),
    spoolElsewhere: (backend: string | null): string | null => elsewhere.get(backend) ?? null,
  }
}

function takenOver() {
  return fail('upload_locked', 'another process has taken the upload over')
}
