// The tables of policies and transforms, as drizzle-kit reads them by way of tables.ts.
import { sql } from 'drizzle-orm'
import { check, index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** What owners may have, where it is not what their tier says: null = the tier's value, no tier = policies.default_tier. Sizes in bytes.
 *  Operators write here with SQL, so the table itself refuses what makes no sense. */
export const storages = sqliteTable(
  '_alyx_storages',
  {
    owner_id: text('owner_id').primaryKey().notNull(),
    tier: text('tier'),
    max_storage: integer('max_storage'),
    max_files_per_field: integer('max_files_per_field'),
    max_field_bytes: integer('max_field_bytes'),
    retention_days: integer('retention_days'),
    transform_limit: integer('transform_limit'),
    transform_used: integer('transform_used').notNull().default(0),
  },
  (t) => [
    index('_alyx_storages_tier').on(t.tier),
    check('_alyx_storages_max_storage', sql`max_storage BETWEEN 0 AND 9007199254740991`),
    check('_alyx_storages_max_files_per_field', sql`max_files_per_field BETWEEN 0 AND 9007199254740991`),
    check('_alyx_storages_max_field_bytes', sql`max_field_bytes BETWEEN 0 AND 9007199254740991`),
    check('_alyx_storages_retention_days', sql`retention_days BETWEEN 1 AND 36500`),
    check('_alyx_storages_transform_limit', sql`transform_limit BETWEEN 0 AND 9007199254740991`),
    check('_alyx_storages_transform_used', sql`transform_used BETWEEN 0 AND 9007199254740991`),
  ],
)

/** Transforms that are being made, charged already: a failed one is refunded, and so is one whose process died. */
export const transforms = sqliteTable(
  '_alyx_transforms',
  {
    id: text('id').primaryKey().notNull(),
    owner_id: text('owner_id'),
    month: text('month').notNull(),
    holder: text('holder').notNull(),
    lease_expires_at: text('lease_expires_at').notNull(),
  },
  (t) => [index('_alyx_transforms_holder').on(t.holder), index('_alyx_transforms_lease').on(t.lease_expires_at)],
)

/** Transforms charged in a calendar month of UTC, `2026-01`, those being made included. */
export const transformMonths = sqliteTable('_alyx_transform_months', {
  month: text('month').primaryKey().notNull(),
  used: integer('used').notNull(),
})
