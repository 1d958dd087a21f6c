// What owners may have and have used, and what admins set for them.
import * as z from 'zod'
import type { StorageService } from '../../files/storage.ts'
import type { PolicyUse, StorageRow } from '../../meta/policies.ts'
import { json, type Route, route } from '../route.ts'

const TAG = 'Storage'
const ADMIN = '/api/admin/storage/{owner_id}'
const DAY = 86_400_000
const MOST = Number.MAX_SAFE_INTEGER

const amount = z.int().min(0).max(MOST)
const limit = amount.nullable().meta({ description: 'Null: no limit.' })
const policyShape = {
  tier: z.string().nullable().meta({ description: 'Null: this server has no policies.' }),
  max_storage: limit,
  max_files_per_field: limit,
  max_field_bytes: limit,
  retention_days: z.number().nullable().meta({ description: 'Null: files are kept.' }),
  transform_limit: limit,
  transform_used: amount,
  transform_month_remaining: amount.nullable().meta({ description: 'Of all owners together; null: no limit.' }),
}
const policySchema = z.object(policyShape).meta({ id: 'StoragePolicy' })

const useSchema = z
  .object({
    used: amount.meta({ description: 'Bytes of files, deleted ones included until their bytes are gone.' }),
    reserved: amount.meta({ description: 'Bytes set aside for uploads that are not finished.' }),
    limit,
    percentage: z.number().nullable().meta({ description: 'Of the limit that is used.' }),
    files: amount,
    policy: policySchema,
  })
  .meta({ id: 'StorageUse' })

const ownValue = (description: string) => amount.nullable().meta({ description: `${description} Null: as the tier.` })
const rowShape = {
  tier: z.string().min(1).max(255).nullable().meta({ description: 'Null: policies.default_tier.' }),
  max_storage: ownValue('Bytes.'),
  max_files_per_field: ownValue('Files in one field of a record.'),
  max_field_bytes: ownValue('Bytes of the files in one field of a record.'),
  retention_days: z.int().min(1).max(36_500).nullable().meta({ description: 'Null: as the tier.' }),
  transform_limit: ownValue('Transforms, ever.'),
  transform_used: amount,
}
const rowSchema = z.object({ owner_id: z.string(), ...rowShape }).meta({ id: 'StorageRow' })
const rowPatch = z.strictObject(rowShape).partial().meta({ id: 'StorageRowUpdate' })

const recomputeBody = z
  .strictObject({
    grace_days: z.int().min(0).max(36_500).meta({ description: 'Default 7.' }),
  })
  .partial()
  .meta({ id: 'RecomputeExpiry' })

/** What a caller asks about themselves. */
const OWN = { method: 'GET', tag: TAG, failures: ['unauthenticated', 'forbidden'] } as const
const ROW = { 200: { description: 'What is set for this owner.', schema: rowSchema } }

/** GET /api/storage, /api/storage/policy and /api/admin/storage/{owner_id} (API.md §7). */
export function storageRoutes(storage: StorageService): readonly Route[] {
  return [
    route({
      ...OWN,
      path: '/api/storage',
      summary: 'How much storage the caller uses',
      responses: { 200: { description: 'Bytes and files of the caller.', schema: useSchema } },
      async handler(exchange) {
        const { policy, ...use } = await storage.use(exchange.call())
        return json(200, { ...use, policy: viewPolicy(policy) })
      },
    }),
    route({
      ...OWN,
      path: '/api/storage/policy',
      summary: 'What the caller may have',
      responses: { 200: { description: 'The policy that holds for the caller.', schema: policySchema } },
      handler: async (exchange) => json(200, viewPolicy(await storage.policy(exchange.call()))),
    }),
    route({
      method: 'GET',
      path: ADMIN,
      summary: 'What is set for an owner (admins)',
      tag: TAG,
      responses: ROW,
      failures: ['unauthenticated', 'forbidden', 'not_found'],
      handler: async (exchange) => json(200, viewRow(await storage.row(exchange.call(), exchange.param('owner_id')))),
    }),
    route({
      method: 'PUT',
      path: ADMIN,
      summary: 'Set what an owner may have (admins)',
      tag: TAG,
      body: { kind: 'json', schema: rowPatch },
      responses: ROW,
      failures: ['unauthenticated', 'forbidden', 'not_found', 'not_implemented', 'database_busy'],
      async handler(exchange, { body }) {
        const row = await storage.edit(exchange.call(), exchange.param('owner_id'), {
          tier: body.tier,
          maxStorage: body.max_storage,
          maxFilesPerField: body.max_files_per_field,
          maxFieldBytes: body.max_field_bytes,
          retentionDays: body.retention_days,
          transformLimit: body.transform_limit,
          transformUsed: body.transform_used,
        })
        return json(200, viewRow(row))
      },
    }),
    route({
      method: 'POST',
      path: `${ADMIN}/recompute-expiry`,
      summary: "Give an owner's files the expiry of the policy of now (admins)",
      tag: TAG,
      body: { kind: 'json', schema: recomputeBody, optional: true },
      responses: {
        200: {
          description: 'Done, and safe to repeat.',
          schema: z
            .object({
              retention_days: z.number().nullable(),
              grace_days: z.int(),
              total_files: amount,
              updated_files: amount,
            })
            .meta({ id: 'RecomputedExpiry' }),
        },
      },
      failures: ['unauthenticated', 'forbidden', 'not_found', 'database_busy'],
      async handler(exchange, { body }) {
        const report = await storage.recomputeExpiry(
          exchange.call(),
          exchange.param('owner_id'),
          body.grace_days ?? null,
        )
        return json(200, {
          retention_days: days(report.retention),
          grace_days: report.graceDays,
          total_files: report.files,
          updated_files: report.updated,
        })
      },
    }),
  ]
}

function days(ms: number | null): number | null {
  return ms === null ? null : ms / DAY
}

function viewPolicy(policy: PolicyUse): z.infer<typeof policySchema> {
  return {
    tier: policy.tier,
    max_storage: policy.maxStorage,
    max_files_per_field: policy.maxFilesPerField,
    max_field_bytes: policy.maxFieldBytes,
    retention_days: days(policy.retention),
    transform_limit: policy.transformLimit,
    transform_used: policy.transformUsed,
    transform_month_remaining: policy.transformMonthRemaining,
  }
}

function viewRow(row: StorageRow): z.infer<typeof rowSchema> {
  return {
    owner_id: row.ownerId,
    tier: row.tier,
    max_storage: row.maxStorage,
    max_files_per_field: row.maxFilesPerField,
    max_field_bytes: row.maxFieldBytes,
    retention_days: row.retentionDays,
    transform_limit: row.transformLimit,
    transform_used: row.transformUsed,
  }
}
