// What owners may have and have used: their own view of it, and what admins do about it.
import { requireAdmin, requireScope } from '../access/admins.ts'
import { timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import type { Call } from '../core/model.ts'
import type { FilePlace, PolicyUse, StoragePatch, StorageRow } from '../meta/policies.ts'
import { defaultLifetime } from './fields.ts'
import type { FileDeps } from './lookup.ts'

export interface StorageUse {
  readonly used: number
  readonly reserved: number
  /** Null = no limit. */
  readonly limit: number | null
  /** Of the limit that is used, in percent, two decimals; null without a limit. */
  readonly percentage: number | null
  readonly files: number
  readonly policy: PolicyUse
}

export interface ExpiryReport {
  /** Milliseconds; null = files are kept. */
  readonly retention: number | null
  readonly graceDays: number
  /** Files that were looked at, and those whose expires_at is another now. */
  readonly files: number
  readonly updated: number
}

/** Every verb fails unauthenticated and forbidden. */
export interface StorageService {
  /** The caller's own. */
  use(call: Call): Promise<StorageUse>
  policy(call: Call): Promise<PolicyUse>
  /** For admins: what is set for an owner, who need not be known. */
  row(call: Call, ownerId: string): Promise<StorageRow>
  /** For admins. Fails: validation_failed (a tier that is not declared), not_implemented (no `policies` block). */
  edit(call: Call, ownerId: string, patch: StoragePatch): Promise<StorageRow>
  /** For admins: gives the owner's files the expiry that the policy of now has for them, in bounded steps. May be repeated. */
  recomputeExpiry(call: Call, ownerId: string, graceDays: number | null): Promise<ExpiryReport>
}

type StorageDeps = Pick<FileDeps, 'schema' | 'meta' | 'clock' | 'observer' | 'policies'>

const DAY = 86_400_000
/** Nobody loses files over night because an operator forgot to say how much time they have. */
const DEFAULT_GRACE_DAYS = 7

/** Wires the service. `batchSize`: files that are looked at in one transaction. */
export function createStorageService(deps: StorageDeps & { readonly batchSize: number }): StorageService {
  const { schema, meta, clock, observer } = deps
  const policies = deps.policies ?? null
  const now = (): string => timestamp(clock.now())
  const own = (call: Call): string => {
    requireScope(observer, call, 'read')
    return call.caller.id ?? ''
  }

  return {
    async use(call) {
      const id = own(call)
      const [{ used, reserved, files }, policy] = await Promise.all([meta.usage(`owner:${id}`), meta.policy(id, now())])
      const limit = policy.maxStorage
      return { used, reserved, limit, percentage: limit === null ? null : percentage(used, limit), files, policy }
    },

    policy: async (call) => meta.policy(own(call), now()),

    async row(call, ownerId) {
      requireAdmin(observer, call, 'read')
      return (await meta.storage(ownerId)) ?? nothingSet(ownerId)
    },

    async edit(call, ownerId, patch) {
      requireAdmin(observer, call, 'write')
      if (policies === null) {
        throw fail('not_implemented', 'owners have no policies on this server', {
          hint: 'Declare policies in alyx.yml and restart the server.',
        })
      }
      const { tier = null } = patch
      if (tier !== null && !policies.tiers.has(tier)) {
        const message = `is none of ${[...policies.tiers.keys()].join(', ')}`
        throw fail('validation_failed', `tier: ${message}`, { details: { fields: [{ path: 'tier', message }] } })
      }
      return meta.putStorage(ownerId, patch)
    },

    async recomputeExpiry(call, ownerId, graceDays) {
      requireAdmin(observer, call, 'write')
      const days = graceDays ?? DEFAULT_GRACE_DAYS
      let { retention } = await meta.policy(ownerId, now())
      let [files, updated] = [0, 0]
      for (const bucket of schema.buckets.values()) {
        for (let after: FilePlace | null = null; ; ) {
          // Whoever asked has gone: what is done is done, and asking again does the rest.
          if (call.signal.aborted) return { retention, graceDays: days, files, updated }
          const step = {
            ownerId,
            bucket: bucket.name,
            bucketDefault: defaultLifetime(bucket),
            bucketMax: bucket.retention?.max ?? null,
            grace: days * DAY,
            after,
            limit: deps.batchSize,
          }
          const batch = await meta.recomputeExpiry(step, now())
          files += batch.files
          updated += batch.updated
          retention = batch.retention
          if (batch.last === null) break
          after = batch.last
        }
      }
      return { retention, graceDays: days, files, updated }
    },
  }
}

function nothingSet(ownerId: string): StorageRow {
  return {
    ownerId,
    tier: null,
    maxStorage: null,
    maxFilesPerField: null,
    maxFieldBytes: null,
    retentionDays: null,
    transformLimit: null,
    transformUsed: 0,
  }
}

function percentage(used: number, limit: number): number {
  return limit === 0 ? 100 : Math.round((used / limit) * 10_000) / 100
}
