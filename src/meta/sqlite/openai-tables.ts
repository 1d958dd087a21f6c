// The tables of /v1, as tables.ts has the others.
import { sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** Of a file and of the upload it comes from: whose it is, and what it was said to be. */
const owned = () => ({
  account: text('account').notNull(),
  tenant: text('tenant'),
  key_id: text('key_id').notNull(),
  bucket: text('bucket').notNull(),
  filename: text('filename').notNull(),
  bytes: integer('bytes').notNull(),
  purpose: text('purpose').notNull(),
})

/** Files of /v1, those that are gone included: `deleted_at` and `reason` say since when and why. `seq` orders what has the same time. */
export const openAiFiles = sqliteTable(
  '_alyx_openai_files',
  {
    seq: integer('seq').primaryKey({ autoIncrement: true }).notNull(),
    id: text('id').notNull(),
    file_id: text('file_id').notNull(),
    ...owned(),
    created_at: text('created_at').notNull(),
    expires_at: text('expires_at'),
    deleted_at: text('deleted_at'),
    reason: text('reason'),
  },
  (t) => [
    uniqueIndex('_alyx_openai_files_id').on(t.id),
    uniqueIndex('_alyx_openai_files_file').on(t.file_id),
    index('_alyx_openai_files_account').on(t.account, t.created_at, t.seq).where(sql`deleted_at IS NULL`),
    index('_alyx_openai_files_purpose').on(t.account, t.purpose, t.created_at, t.seq).where(sql`deleted_at IS NULL`),
    index('_alyx_openai_files_created').on(t.created_at, t.seq),
  ],
)

/** Uploads of /v1. `claim_id` names the claim of the file to be, `lifetime` is that of the file in milliseconds, `parts_key` what it was completed with. */
export const openAiUploads = sqliteTable(
  '_alyx_openai_uploads',
  {
    id: text('id').primaryKey().notNull(),
    claim_id: text('claim_id').notNull(),
    openai_file_id: text('openai_file_id').notNull(),
    ...owned(),
    mime_type: text('mime_type').notNull(),
    lifetime: integer('lifetime').notNull(),
    status: text('status').notNull(),
    parts_key: text('parts_key'),
    created_at: text('created_at').notNull(),
    expires_at: text('expires_at').notNull(),
  },
  (t) => [
    index('_alyx_openai_uploads_expires').on(t.expires_at),
    index('_alyx_openai_uploads_pending').on(t.account, t.expires_at).where(sql`status = 'pending'`),
  ],
)

/** Parts that have arrived for a pending upload of /v1. The bytes are in the spool, under a claim of the part's own. */
export const openAiParts = sqliteTable(
  '_alyx_openai_parts',
  {
    id: text('id').primaryKey().notNull(),
    upload_id: text('upload_id').notNull(),
    claim_id: text('claim_id').notNull(),
    number: integer('number'),
    size: integer('size').notNull(),
    created_at: text('created_at').notNull(),
  },
  (t) => [
    index('_alyx_openai_parts_upload').on(t.upload_id, t.created_at, t.id),
    uniqueIndex('_alyx_openai_parts_number').on(t.upload_id, t.number).where(sql`number IS NOT NULL`),
  ],
)
