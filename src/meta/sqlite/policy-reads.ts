// What owners may have and have used, as they and operators see it.
import type { Database } from 'better-sqlite3'
import type { PolicyUse, StorageRow, UnknownTier } from '../policies.ts'
import type { Policies } from './policies.ts'
import { monthRemaining } from './transforms.ts'

/** Prepares the reads of PolicyStore. */
export function policyReads(db: Database, policies: Policies) {
  const remaining = monthRemaining(db, policies)
  const dead = db.prepare<[string], number>('SELECT count(*) FROM _alyx_transforms WHERE lease_expires_at <= ?').pluck()
  return {
    storage: (ownerId: string): StorageRow | null => policies.storage(ownerId),
    policy: (ownerId: string, now: string): PolicyUse => ({
      ...policies.of(ownerId),
      transformUsed: policies.storage(ownerId)?.transformUsed ?? 0,
      transformMonthRemaining: remaining(now),
    }),
    countDeadTransforms: (now: string): number => dead.get(now) ?? 0,
    unknownTiers: (): readonly UnknownTier[] => policies.unknownTiers(),
  }
}
