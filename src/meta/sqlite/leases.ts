// Who works on what: the lock of an upload and the named leases, both over all processes on the database.
import type { Database } from 'better-sqlite3'
import { timestamp } from '../../core/clock.ts'
import { SELECT_UPLOAD, type StoredUpload } from './rows.ts'
import type { createTransforms } from './transforms.ts'

type Transforms = ReturnType<typeof createTransforms>

/** The verbs of MetaStore on locks and leases. Each must run inside a transaction. */
export function leaseVerbs(db: Database, transforms: Pick<Transforms, 'renewOf' | 'refundOf'>) {
  const find = db.prepare<[string], StoredUpload>(`${SELECT_UPLOAD} WHERE id = ?`)
  const take = db.prepare<[string, string, number, string]>(
    'UPDATE _alyx_uploads SET holder = ?, lease_expires_at = ?, release_requested = ? WHERE id = ?',
  )
  const ask = db.prepare<[string]>('UPDATE _alyx_uploads SET release_requested = 1 WHERE id = ?')
  const drop = db.prepare<[string, string]>(
    'UPDATE _alyx_uploads SET holder = NULL, lease_expires_at = NULL, release_requested = 0 WHERE id = ? AND holder = ?',
  )
  const prolong = db.prepare<[string, string]>('UPDATE _alyx_uploads SET lease_expires_at = ? WHERE holder = ?')
  const dropAll = db.prepare<[string]>(
    'UPDATE _alyx_uploads SET holder = NULL, lease_expires_at = NULL, release_requested = 0 WHERE holder = ?',
  )
  const takeNamed = db.prepare<[string, string, string, string, string]>(`
    INSERT INTO _alyx_leases (name, holder, expires_at) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE holder = excluded.holder OR expires_at <= ? OR expires_at > ?`)
  const dropNamed = db.prepare<[string, string]>('DELETE FROM _alyx_leases WHERE name = ? AND holder = ?')

  return {
    lock(id: string, holder: string, leaseExpiresAt: string, now: string): boolean | null {
      const row = find.get(id)
      if (!row) return null
      const own = row.holder === holder
      const free = row.holder === null || row.lease_expires_at === null || row.lease_expires_at <= now
      if (own || free) {
        // Whoever asked the same holder to let go is still waiting.
        take.run(holder, leaseExpiresAt, own ? row.release_requested : 0, id)
        return true
      }
      ask.run(id)
      return false
    },

    unlock(id: string, holder: string): null {
      drop.run(id, holder)
      return null
    },

    renew(holder: string, leaseExpiresAt: string): null {
      prolong.run(leaseExpiresAt, holder)
      transforms.renewOf(holder, leaseExpiresAt)
      return null
    },

    release(holder: string): null {
      dropAll.run(holder)
      transforms.refundOf(holder)
      return null
    },

    lease(name: string, holder: string, expiresAt: string, now: string): boolean {
      const ends = Date.parse(expiresAt)
      const tooFar = timestamp(ends + 10 * (ends - Date.parse(now)))
      return takeNamed.run(name, holder, expiresAt, now, tooFar).changes === 1
    },

    releaseLease(name: string, holder: string): null {
      dropNamed.run(name, holder)
      return null
    },
  }
}
