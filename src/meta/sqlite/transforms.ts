// Transforms by owner and month: charged before they are made, refunded when they come to nothing.
import type { Database } from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { Policies } from './policies.ts'
import type { transforms } from './policy-tables.ts'

type StoredTransform = typeof transforms.$inferSelect

/** Refunded at most with one charge: it is others who wait for it. */
const MOST_WITH_A_CHARGE = 50

/** The verbs of PolicyStore on transforms, and what leases do to them. Each must run inside a transaction. */
export function createTransforms(db: Database, policies: Policies) {
  const insert = db.prepare<[StoredTransform]>(
    'INSERT INTO _alyx_transforms (id, owner_id, month, holder, lease_expires_at) VALUES (@id, @owner_id, @month, @holder, @lease_expires_at)',
  )
  const remove = db.prepare<[string], StoredTransform>('DELETE FROM _alyx_transforms WHERE id = ? RETURNING *')
  const removeOf = db.prepare<[string], StoredTransform>('DELETE FROM _alyx_transforms WHERE holder = ? RETURNING *')
  const removeDead = db.prepare<[string, number], StoredTransform>(
    'DELETE FROM _alyx_transforms WHERE id IN (SELECT id FROM _alyx_transforms WHERE lease_expires_at <= ? ORDER BY lease_expires_at LIMIT ?) RETURNING *',
  )
  const prolong = db.prepare<[string, string]>('UPDATE _alyx_transforms SET lease_expires_at = ? WHERE holder = ?')
  const openOf = db.prepare<[string], number>('SELECT count(*) FROM _alyx_transforms WHERE owner_id = ?').pluck()
  const openIn = db.prepare<[string], number>('SELECT count(*) FROM _alyx_transforms WHERE month = ?').pluck()
  const usedIn = db.prepare<[string], number>('SELECT used FROM _alyx_transform_months WHERE month = ?').pluck()
  const chargeOwner = db.prepare<[string]>(`
    INSERT INTO _alyx_storages (owner_id, transform_used) VALUES (?, 1)
    ON CONFLICT (owner_id) DO UPDATE SET transform_used = transform_used + 1`)
  const chargeMonth = db.prepare<[string]>(`
    INSERT INTO _alyx_transform_months (month, used) VALUES (?, 1) ON CONFLICT (month) DO UPDATE SET used = used + 1`)
  // An operator may have set the counter back meanwhile.
  const refundOwner = db.prepare<[string]>(
    'UPDATE _alyx_storages SET transform_used = max(0, transform_used - 1) WHERE owner_id = ?',
  )
  const refundMonth = db.prepare<[string]>('UPDATE _alyx_transform_months SET used = max(0, used - 1) WHERE month = ?')

  const refund = (rows: readonly StoredTransform[]): number => {
    for (const { owner_id, month } of rows) {
      if (owner_id !== null) refundOwner.run(owner_id)
      refundMonth.run(month)
    }
    return rows.length
  }
  const requireRoom = (scope: string, limit: number | null, used: number, open: () => number): void => {
    if (limit === null || used < limit) return
    const reserved = Math.min(open(), used)
    throw fail('quota_exceeded', `${limit} transforms are used up`, {
      details: { scope, limit, used: used - reserved, reserved, requested: 1 },
    })
  }

  return {
    renewOf: (holder: string, leaseExpiresAt: string): void => void prolong.run(leaseExpiresAt, holder),
    refundOf: (holder: string): void => void refund(removeOf.all(holder)),
    verbs: {
      chargeTransform(id: string, ownerId: string | null, holder: string, leaseExpiresAt: string, now: string): null {
        refund(removeDead.all(now, MOST_WITH_A_CHARGE))
        const month = monthOf(now)
        if (ownerId !== null) {
          const used = policies.storage(ownerId)?.transformUsed ?? 0
          requireRoom('transforms', policies.of(ownerId).transformLimit, used, () => openOf.get(ownerId) ?? 0)
          chargeOwner.run(ownerId)
        }
        requireRoom('transforms_month', policies.monthLimit, usedIn.get(month) ?? 0, () => openIn.get(month) ?? 0)
        chargeMonth.run(month)
        insert.run({ id, owner_id: ownerId, month, holder, lease_expires_at: leaseExpiresAt })
        return null
      },

      settleTransform(id: string): null {
        remove.get(id)
        return null
      },

      refundTransform(id: string): null {
        refund(remove.all(id))
        return null
      },

      refundDeadTransforms: (now: string, limit: number): number => refund(removeDead.all(now, limit)),
    },
  }
}

/** Those of a month that are left, or null without a limit. */
export function monthRemaining(db: Database, policies: Policies): (now: string) => number | null {
  const used = db.prepare<[string], number>('SELECT used FROM _alyx_transform_months WHERE month = ?').pluck()
  return (now) =>
    policies.monthLimit === null ? null : Math.max(0, policies.monthLimit - (used.get(monthOf(now)) ?? 0))
}

/** The calendar month of UTC. */
function monthOf(now: string): string {
  return now.slice(0, 7)
}
