// Shares: rows of `_alyx_shares` and `_alyx_share_files`. What a share still gives is decided here, inside the write transaction.
import type { Database } from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { LinkOperation } from '../../core/model.ts'
import type { ShareDraft, SharedFileRow, ShareGrant, ShareRow } from '../shares.ts'
import type { shares } from './tables.ts'

type StoredShare = typeof shares.$inferSelect
type FoundShare = StoredShare & { readonly files: number; readonly left: number }

const SELECT = `
  SELECT s.id, owner_id, operation, max_downloads, downloads, note, created_at, expires_at, revoked_at,
    (SELECT count(*) FROM _alyx_share_files WHERE share_id = s.id) AS files,
    (SELECT coalesce(sum("left"), 0) FROM _alyx_share_files WHERE share_id = s.id) AS "left"
  FROM _alyx_shares s`
const FILES = 'SELECT bucket, file_id AS fileId, link_epoch AS epoch, "left" FROM _alyx_share_files WHERE share_id = ?'
export const SHARES = `${SELECT} WHERE owner_id = ? AND id < ? ORDER BY id DESC LIMIT ?`
export const ENDED_SHARES = `
  SELECT id FROM (SELECT id FROM _alyx_shares WHERE expires_at <= @before ORDER BY expires_at LIMIT @limit)
  UNION
  SELECT id FROM (SELECT id FROM _alyx_shares WHERE revoked_at <= @before ORDER BY revoked_at LIMIT @limit)
  LIMIT @limit`
/** After every id. */
const LAST = 'g'

/** The verbs of MetaStore that change shares. Each must run inside a transaction. */
export function shareVerbs(db: Database) {
  const insert = db.prepare<[StoredShare]>(`
    INSERT INTO _alyx_shares (id, owner_id, operation, max_downloads, downloads, note, created_at, expires_at, revoked_at)
    VALUES (@id, @owner_id, @operation, @max_downloads, @downloads, @note, @created_at, @expires_at, @revoked_at)`)
  const grant = db.prepare<[string, string, string, number, number]>(`
    INSERT INTO _alyx_share_files (share_id, file_id, bucket, position, link_epoch, "left") VALUES (?, ?, ?, ?, ?, 0)`)
  const find = db.prepare<[string], StoredShare>('SELECT * FROM _alyx_shares WHERE id = ?')
  const findFile = db.prepare<[string, string], SharedFileRow>(`${FILES} AND file_id = ?`)
  const revoke = db.prepare<[string, string]>(
    'UPDATE _alyx_shares SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?',
  )
  const count = db.prepare<[number, string]>('UPDATE _alyx_shares SET downloads = ? WHERE id = ?')
  const keep = db.prepare<[number, string, string]>(
    'UPDATE _alyx_share_files SET "left" = ? WHERE share_id = ? AND file_id = ?',
  )
  const removeFiles = db.prepare<[string]>('DELETE FROM _alyx_share_files WHERE share_id = ?')
  const remove = db.prepare<[string]>('DELETE FROM _alyx_shares WHERE id = ?')

  return {
    addShare(draft: ShareDraft, grants: readonly ShareGrant[]): null {
      insert.run({
        id: draft.id,
        owner_id: draft.ownerId,
        operation: draft.operation,
        max_downloads: draft.maxDownloads,
        downloads: 0,
        note: draft.note,
        created_at: draft.createdAt,
        expires_at: draft.expiresAt,
        revoked_at: null,
      })
      for (const [at, { fileId, bucket, epoch }] of grants.entries()) grant.run(draft.id, fileId, bucket, at, epoch)
      return null
    },

    revokeShare: (id: string, now: string): boolean => revoke.run(now, id).changes === 1,

    takeDownload(id: string, fileId: string, bytes: number, size: number, now: string): null {
      const share = find.get(id)
      const file = findFile.get(id, fileId)
      if (!share || !file) throw fail('share_not_found', 'there is no such share of this file')
      if (share.revoked_at !== null) throw fail('share_revoked', 'the share was revoked')
      if (share.expires_at <= now) throw fail('share_expired', 'the share has expired')
      if (share.max_downloads === null) return null
      // An empty file has no bytes to come out of anything.
      const begins = file.left < bytes || bytes === 0
      if (begins && share.downloads >= share.max_downloads) throw fail('share_exhausted', 'the share is used up')
      if (begins) count.run(share.downloads + 1, id)
      keep.run(file.left + (begins ? size : 0) - bytes, id, fileId)
      return null
    },

    returnDownload(id: string, fileId: string, bytes: number, size: number): null {
      const share = find.get(id)
      const file = findFile.get(id, fileId)
      if (!share || !file || share.max_downloads === null) return null
      const left = file.left + bytes
      const whole = left >= size && share.downloads > 0
      if (whole) count.run(share.downloads - 1, id)
      keep.run(whole ? left - size : left, id, fileId)
      return null
    },

    removeShare(id: string): null {
      removeFiles.run(id)
      remove.run(id)
      return null
    },
  }
}

/** Prepares the reads of MetaStore on shares. */
export function shareReads(db: Database) {
  const share = db.prepare<[string], FoundShare>(`${SELECT} WHERE s.id = ?`)
  const files = db.prepare<[string], SharedFileRow>(`${FILES} ORDER BY position`)
  const file = db.prepare<[string, string], SharedFileRow>(`${FILES} AND file_id = ?`)
  const list = db.prepare<[string, string, number], FoundShare>(SHARES)
  const ended = db.prepare<[{ before: string; limit: number }], string>(ENDED_SHARES).pluck()
  return {
    share: (id: string): ShareRow | null => {
      const row = share.get(id)
      return row ? shareRow(row) : null
    },
    sharedFiles: (id: string): readonly SharedFileRow[] => files.all(id),
    sharedFile: (id: string, fileId: string): SharedFileRow | null => file.get(id, fileId) ?? null,
    shares: (ownerId: string, beforeId: string | null, limit: number): readonly ShareRow[] =>
      list.all(ownerId, beforeId ?? LAST, limit).map(shareRow),
    endedShares: (before: string, limit: number): readonly string[] => ended.all({ before, limit }),
  }
}

function shareRow(row: FoundShare): ShareRow {
  return {
    id: row.id,
    ownerId: row.owner_id,
    operation: row.operation as LinkOperation | null,
    maxDownloads: row.max_downloads,
    downloads: row.downloads,
    note: row.note,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    files: row.files,
    left: row.left,
  }
}
