// Reads by key and small scans: synchronous, on the main thread's connection, in microseconds.
import type { Database } from 'better-sqlite3'
import type { FileRow, UploadRow } from '../../core/model.ts'
import { type Due, due, NOT_WITHOUT } from './due.ts'
import { fileRow, SELECT_FILE, SELECT_UPLOAD, type StoredFile, type StoredUpload, uploadRow } from './rows.ts'

/** What the sweeps ask for, with the statement and the index that answers it. */
export const DEAD_UPLOADS = `${SELECT_UPLOAD} WHERE id IN (
    SELECT id FROM _alyx_uploads WHERE state = 'abandoned'
    UNION ALL
    SELECT id FROM _alyx_uploads WHERE expires_at <= @time AND (lease_expires_at IS NULL OR lease_expires_at <= @time)
    UNION ALL
    SELECT id FROM _alyx_uploads WHERE protocol = 'put' AND lease_expires_at <= @time
    UNION ALL
    SELECT id FROM _alyx_uploads WHERE protocol = 'put' AND lease_expires_at IS NULL
  ) AND ${NOT_WITHOUT} ORDER BY created_at, id LIMIT @limit`
export const STUCK_DELETIONS = `${SELECT_FILE} WHERE state = 'deleting' AND updated_at < @time AND ${NOT_WITHOUT} ORDER BY updated_at LIMIT @limit`
export const EXPIRED_FILES = `${SELECT_FILE} WHERE id IN (
    SELECT id FROM (SELECT id FROM _alyx_files WHERE expires_at <= @time AND state <> 'deleting' AND ${NOT_WITHOUT} ORDER BY expires_at LIMIT @limit)
    UNION
    SELECT id FROM (SELECT id FROM _alyx_files WHERE staged_until <= @time AND state <> 'deleting' AND ${NOT_WITHOUT} ORDER BY staged_until LIMIT @limit)
  ) ORDER BY min(coalesce(expires_at, staged_until), coalesce(staged_until, expires_at)), id LIMIT @limit`
export const FILES = `${SELECT_FILE} WHERE id IN (SELECT value FROM json_each(?))`

/** Prepares the reads of MetaStore on files and uploads. */
export function createReads(db: Database) {
  const file = db.prepare<[string, string], StoredFile>(`${SELECT_FILE} WHERE id = ? AND bucket = ?`)
  const files = db.prepare<[string], StoredFile>(FILES)
  const upload = db.prepare<[string], StoredUpload>(`${SELECT_UPLOAD} WHERE id = ?`)
  const holders = db.prepare<[], string>(
    'SELECT holder FROM _alyx_uploads WHERE holder IS NOT NULL UNION SELECT holder FROM _alyx_transforms',
  )
  const wanted = db.prepare<[string], string>('SELECT id FROM _alyx_uploads WHERE holder = ? AND release_requested = 1')
  const dead = db.prepare<[Due], StoredUpload>(DEAD_UPLOADS)
  const stuck = db.prepare<[Due], StoredFile>(STUCK_DELETIONS)
  const expired = db.prepare<[Due], StoredFile>(EXPIRED_FILES)
  const buckets = db.prepare<[], string>(BUCKETS).pluck()
  const backends = db.prepare<[], string>(BACKENDS).pluck()
  const scanFiles = db.prepare<[string, number], StoredFile>(`${SELECT_FILE} WHERE id > ? ORDER BY id LIMIT ?`)
  const scanUploads = db.prepare<[string, number], StoredUpload>(`${SELECT_UPLOAD} WHERE id > ? ORDER BY id LIMIT ?`)
  wanted.pluck()
  holders.pluck()

  return {
    file: (bucket: string, id: string): FileRow | null => one(file.get(id, bucket)),
    files: (ids: readonly string[]): readonly FileRow[] => files.all(JSON.stringify(ids)).map(fileRow),
    upload: (id: string): UploadRow | null => {
      const row = upload.get(id)
      return row ? uploadRow(row) : null
    },
    wanted: (holder: string): readonly string[] => wanted.all(holder),
    holders: (): readonly string[] => holders.all(),
    deadUploads: (...asked: Parameters<typeof due>): readonly UploadRow[] => dead.all(due(...asked)).map(uploadRow),
    stuckDeletions: (...asked: Parameters<typeof due>): readonly FileRow[] => stuck.all(due(...asked)).map(fileRow),
    expiredFiles: (...asked: Parameters<typeof due>): readonly FileRow[] => expired.all(due(...asked)).map(fileRow),
    inUse: (): { buckets: readonly string[]; backends: readonly string[] } => ({
      buckets: buckets.all(),
      backends: backends.all(),
    }),
    scanFiles: (afterId: string, limit: number): readonly FileRow[] => scanFiles.all(afterId, limit).map(fileRow),
    scanUploads: (afterId: string, limit: number): readonly UploadRow[] =>
      scanUploads.all(afterId, limit).map(uploadRow),
  }
}

function one(row: StoredFile | undefined): FileRow | null {
  return row ? fileRow(row) : null
}

// DISTINCT would read every row; this jumps in the index from one bucket to the next.
const BUCKETS = `
  WITH RECURSIVE
    f (bucket) AS (
      SELECT min(bucket) FROM _alyx_files
      UNION ALL SELECT (SELECT min(bucket) FROM _alyx_files WHERE bucket > f.bucket) FROM f WHERE f.bucket IS NOT NULL
    ),
    u (bucket) AS (
      SELECT min(bucket) FROM _alyx_uploads
      UNION ALL SELECT (SELECT min(bucket) FROM _alyx_uploads WHERE bucket > u.bucket) FROM u WHERE u.bucket IS NOT NULL
    )
  SELECT bucket FROM f WHERE bucket IS NOT NULL UNION SELECT bucket FROM u WHERE bucket IS NOT NULL ORDER BY 1`

const BACKENDS = `
  WITH RECURSIVE
    f (bucket, backend) AS (
      SELECT * FROM (SELECT bucket, backend FROM _alyx_files ORDER BY bucket, backend LIMIT 1)
      UNION ALL SELECT n.bucket, n.backend FROM f JOIN _alyx_files n ON n.rowid = (
        SELECT rowid FROM _alyx_files WHERE (bucket, backend) > (f.bucket, f.backend) ORDER BY bucket, backend LIMIT 1
      )
    ),
    s (backend) AS (
      SELECT min(backend) FROM _alyx_spares
      UNION ALL SELECT (SELECT min(backend) FROM _alyx_spares WHERE backend > s.backend) FROM s WHERE s.backend IS NOT NULL
    )
  SELECT backend FROM f UNION SELECT backend FROM s WHERE backend IS NOT NULL ORDER BY 1`
