// Uploads in parts that backends have begun: rows of `_alyx_multiparts`.
import type { Database } from 'better-sqlite3'
import type { BlobKey } from '../../core/model.ts'
import type { Multipart } from '../blob-places.ts'
import { type Due, due, NOT_WITHOUT } from './due.ts'

const SELECT = 'SELECT m.backend, m.key, m.upload_id AS uploadId FROM _alyx_multiparts m'
/** A blob's key ends with the id of its file, which is also that of its upload. */
const ID = 'substr(m.key, -36)'

/** The verbs of MetaStore that change them. Each must run inside a transaction. */
export function multipartVerbs(db: Database) {
  const insert = db.prepare<[string, string, string, string]>(
    'INSERT OR IGNORE INTO _alyx_multiparts (backend, key, upload_id, created_at) VALUES (?, ?, ?, ?)',
  )
  const remove = db.prepare<[string, string, string]>(
    'DELETE FROM _alyx_multiparts WHERE backend = ? AND key = ? AND upload_id = ?',
  )
  return {
    openMultipart(backend: string, key: BlobKey, uploadId: string, now: string): null {
      insert.run(backend, key, uploadId, now)
      return null
    },

    closeMultipart(backend: string, key: BlobKey, uploadId: string): null {
      remove.run(backend, key, uploadId)
      return null
    },
  }
}

/** Prepares the reads of MetaStore on them. */
export function multipartReads(db: Database) {
  const ofBlob = db.prepare<[string, string], Multipart>(`${SELECT} WHERE m.backend = ? AND m.key = ?`)
  const stray = db.prepare<[Due], Multipart>(`${SELECT} WHERE m.created_at < @time AND ${NOT_WITHOUT}
    AND NOT EXISTS (SELECT 1 FROM _alyx_uploads u WHERE u.id = ${ID})
    AND NOT EXISTS (SELECT 1 FROM _alyx_spares s WHERE s.backend = m.backend AND s.key = m.key) LIMIT @limit`)
  return {
    multiparts: (backend: string, key: BlobKey): readonly Multipart[] => ofBlob.all(backend, key),
    strayMultiparts: (...asked: Parameters<typeof due>): readonly Multipart[] => stray.all(due(...asked)),
  }
}
