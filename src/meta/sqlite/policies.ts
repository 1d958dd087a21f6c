// What an owner may have at this moment: the row of _alyx_storages over its tier in alyx.yml.
import type { Database } from 'better-sqlite3'
import type { PoliciesConfig } from '../../config/model.ts'
import { fail } from '../../core/errors.ts'
import type { Policy, StorageRow, UnknownTier } from '../policies.ts'
import type { storages } from './policy-tables.ts'

export type StoredStorage = typeof storages.$inferSelect

export interface Policies {
  storage(ownerId: string): StorageRow | null
  /** Nobody (null) has no limits. Within a transaction it is what the transaction must obey. */
  of(ownerId: string | null): Policy
  /** Of transforms in a month, by all owners together. */
  readonly monthLimit: number | null
  unknownTiers(): readonly UnknownTier[]
}

const DAY = 86_400_000
const NO_LIMITS: Policy = {
  tier: null,
  maxStorage: null,
  maxFilesPerField: null,
  maxFieldBytes: null,
  retention: null,
  transformLimit: null,
}

/** Prepares the reads on a connection. Without `config` no owner has limits. */
export function createPolicies(db: Database, config: PoliciesConfig | null): Policies {
  const find = db.prepare<[string], StoredStorage>(
    'SELECT owner_id, tier, max_storage, max_files_per_field, max_field_bytes, retention_days, transform_limit, transform_used FROM _alyx_storages WHERE owner_id = ?',
  )
  const tiers = db.prepare<[], string>(TIERS).pluck()
  const ownersIn = db.prepare<[string], number>('SELECT count(*) FROM _alyx_storages WHERE tier = ?').pluck()
  const fallback = config === null ? null : { name: config.defaultTier, tier: config.tiers.get(config.defaultTier) }
  if (fallback !== null && fallback.tier === undefined)
    throw fail('config_invalid', `policies.default_tier: there is no tier ${fallback.name}`)

  return {
    monthLimit: config?.transformMonthLimit ?? null,
    storage(ownerId) {
      const row = find.get(ownerId)
      return row ? storageRow(row) : null
    },
    of(ownerId) {
      if (config === null || ownerId === null) return NO_LIMITS
      const row = find.get(ownerId)
      const named = row?.tier ?? config.defaultTier
      // A tier that was taken out of alyx.yml, or misspelt by hand: nobody gets more by it than a newcomer.
      const [name, tier] = config.tiers.has(named)
        ? [named, config.tiers.get(named)!]
        : [fallback!.name, fallback!.tier!]
      return {
        tier: name,
        maxStorage: least(row?.max_storage ?? tier.maxStorage, config.hardMaxStorage),
        maxFilesPerField: row?.max_files_per_field ?? tier.maxFilesPerField,
        maxFieldBytes: row?.max_field_bytes ?? tier.maxFieldBytes,
        retention: row?.retention_days ? row.retention_days * DAY : tier.retention,
        transformLimit: row?.transform_limit ?? tier.transformLimit,
      }
    },
    unknownTiers() {
      const unknown = config === null ? [] : tiers.all().filter((tier) => !config.tiers.has(tier))
      return unknown.map((tier) => ({ tier, owners: ownersIn.get(tier) ?? 0 }))
    },
  }
}

// DISTINCT would read every row; this jumps in the index from one tier to the next.
const TIERS = `
  WITH RECURSIVE t (tier) AS (
    SELECT min(tier) FROM _alyx_storages
    UNION ALL SELECT (SELECT min(tier) FROM _alyx_storages WHERE tier > t.tier) FROM t WHERE t.tier IS NOT NULL
  )
  SELECT tier FROM t WHERE tier IS NOT NULL ORDER BY 1`

/** The smaller of two limits, where null is none. */
export function least(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b)
}

/** The row as other rooms know it. */
export function storageRow(row: StoredStorage): StorageRow {
  return {
    ownerId: row.owner_id,
    tier: row.tier,
    maxStorage: row.max_storage,
    maxFilesPerField: row.max_files_per_field,
    maxFieldBytes: row.max_field_bytes,
    retentionDays: row.retention_days,
    transformLimit: row.transform_limit,
    transformUsed: row.transform_used,
  }
}
