// Who holds a path. Files and claims share one name space per bucket; a dead claim and a file whose time is over give theirs up to whoever
// asks.
import type { Database } from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { Counters } from './counters.ts'
import type { EventWriter } from './outbox.ts'
import { isOver, SELECT_UPLOAD, type StoredFile, type StoredTimes, type StoredUpload } from './rows.ts'

export interface Paths {
  /** Makes sure that nothing holds the path: a dead claim that does is abandoned, a file that has expired or was staged for too
   *  long is condemned.
   *  Fails: file_exists with details.path, and details.upload_id when `ownerId` has the claim in the way. */
  free(bucket: string, path: string, ownerId: string | null, now: string): void
  /** Path and reservation return, the row stays until its blob is gone. */
  abandon(row: StoredUpload, now: string): void
}

/** Prepares the statements on a connection. Both verbs must run inside a transaction. */
export function createPaths(db: Database, counters: Counters, events: EventWriter): Paths {
  const fileAt = db.prepare<[string, string], Pick<StoredFile, 'id' | 'state'> & StoredTimes>(
    'SELECT id, state, expires_at, staged_until, purge_at FROM _alyx_files WHERE bucket = ? AND path = ?',
  )
  // No path of a user begins with a slash.
  const retire = db.prepare<[string, string]>(
    "UPDATE _alyx_files SET state = 'deleting', path = '//' || id, updated_at = ? WHERE id = ?",
  )
  const claimAt = db.prepare<[string, string], StoredUpload>(`${SELECT_UPLOAD} WHERE bucket = ? AND path = ?`)
  const leave = db.prepare<[string, string]>(
    "UPDATE _alyx_uploads SET state = 'abandoned', path = NULL, reserved = 0, updated_at = ? WHERE id = ?",
  )
  const abandon = (row: StoredUpload, now: string): void => {
    // Of one that cannot be resumed its client knows already.
    if (row.protocol === 'tus' && row.expires_at <= now) events.upload('upload.expired', row, now)
    leave.run(now, row.id)
    if (row.reserved > 0) counters.move(row, 0, -row.reserved, 0)
  }
  return {
    abandon,
    free(bucket, path, ownerId, now) {
      const file = fileAt.get(bucket, path)
      // For everybody it is gone already; the sweep only has not come by.
      if (file && file.state !== 'deleting' && isOver(file, now)) retire.run(now, file.id)
      else if (file) throw fail('file_exists', `${bucket} has a file at ${path}`, { details: { path } })
      const claim = claimAt.get(bucket, path)
      if (!claim) return
      if (isDead(claim, now)) return abandon(claim, now)
      const own = ownerId !== null && claim.owner_id === ownerId
      throw fail('file_exists', `an upload to ${path} in ${bucket} is under way`, {
        details: own ? { path, upload_id: claim.id } : { path },
      })
    },
  }
}

/** Nobody will finish it: its life is over or it cannot be resumed, and no process holds it. */
function isDead(row: StoredUpload, now: string): boolean {
  const leased = row.lease_expires_at !== null && row.lease_expires_at > now
  return !leased && (row.protocol === 'put' || row.expires_at <= now)
}
