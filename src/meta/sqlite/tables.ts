// The tables as drizzle-kit reads them. At run time only their types are used: the statements are hand-written and prepared once.
// SQLite knows STRICT tables and drizzle-kit does not: after `npm run generate:migrations`, add STRICT to every new table by hand.
import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

export { openAiFiles, openAiParts, openAiUploads } from './openai-tables.ts'
export * from './policy-tables.ts'
export * from './share-tables.ts'

/** Finished files and tombstones. Sizes in bytes, times RFC 3339 text, `metadata`, `codecs` and `rules` JSON text. What is in the trash has
 *  `hidden_at`, `purge_at` and, in `hidden_path`, the path it gave up; what is in quarantine `hidden_at` and `hidden_reason`. `expiry_asked`
 *  is 1 where a client chose expires_at. */
export const files = sqliteTable(
  '_alyx_files',
  {
    id: text('id').primaryKey().notNull(),
    bucket: text('bucket').notNull(),
    name: text('name').notNull(),
    path: text('path').notNull(),
    mime_type: text('mime_type').notNull(),
    size: integer('size').notNull(),
    checksum: text('checksum').notNull(),
    compressed: integer('compressed').notNull(),
    compression_type: text('compression_type'),
    encrypted: integer('encrypted').notNull(),
    original_size: integer('original_size'),
    stored_size: integer('stored_size').notNull(),
    stored_crc32: integer('stored_crc32'),
    metadata: text('metadata').notNull(),
    version: integer('version').notNull(),
    owner_id: text('owner_id'),
    tenant: text('tenant'),
    backend: text('backend').notNull(),
    key: text('key').notNull(),
    codecs: text('codecs').notNull(),
    state: text('state').notNull(),
    rules: text('rules'),
    link_epoch: integer('link_epoch').notNull(),
    expires_at: text('expires_at'),
    created_at: text('created_at').notNull(),
    updated_at: text('updated_at').notNull(),
    staged_until: text('staged_until'),
    hidden_at: text('hidden_at'),
    hidden_path: text('hidden_path'),
    hidden_reason: text('hidden_reason'),
    purge_at: text('purge_at'),
    expiry_asked: integer('expiry_asked'),
  },
  (t) => [
    uniqueIndex('_alyx_files_path').on(t.bucket, t.path),
    index('_alyx_files_created').on(t.bucket, t.created_at, t.id),
    index('_alyx_files_name').on(t.bucket, t.name, t.id),
    index('_alyx_files_size').on(t.bucket, t.size, t.id),
    index('_alyx_files_owner_created').on(t.bucket, t.owner_id, t.created_at, t.id).where(sql`owner_id IS NOT NULL`),
    index('_alyx_files_owner_name').on(t.bucket, t.owner_id, t.name, t.id).where(sql`owner_id IS NOT NULL`),
    index('_alyx_files_owner_size').on(t.bucket, t.owner_id, t.size, t.id).where(sql`owner_id IS NOT NULL`),
    index('_alyx_files_expires').on(t.expires_at).where(sql`expires_at IS NOT NULL`),
    index('_alyx_files_staged').on(t.staged_until).where(sql`staged_until IS NOT NULL`),
    index('_alyx_files_hidden').on(t.bucket, t.state, t.hidden_at, t.id).where(sql`hidden_at IS NOT NULL`),
    index('_alyx_files_purge').on(t.purge_at).where(sql`purge_at IS NOT NULL`),
    index('_alyx_files_backend').on(t.bucket, t.backend, t.id),
    index('_alyx_files_deleting').on(t.updated_at).where(sql`state = 'deleting'`),
  ],
)

/** Claims: uploads that are not finished. An abandoned one holds no path and no bytes, only the duty to remove its blob. */
export const uploads = sqliteTable(
  '_alyx_uploads',
  {
    id: text('id').primaryKey().notNull(),
    bucket: text('bucket').notNull(),
    filename: text('filename').notNull(),
    path: text('path'),
    size: integer('size'),
    offset: integer('offset').notNull(),
    metadata: text('metadata').notNull(),
    protocol: text('protocol').notNull(),
    owner_id: text('owner_id'),
    tenant: text('tenant'),
    backend: text('backend').notNull(),
    key: text('key').notNull(),
    checksum: text('checksum'),
    rules: text('rules'),
    file_lifetime: integer('file_lifetime'),
    reserved: integer('reserved').notNull(),
    state: text('state').notNull(),
    holder: text('holder'),
    lease_expires_at: text('lease_expires_at'),
    release_requested: integer('release_requested').notNull(),
    expires_at: text('expires_at').notNull(),
    created_at: text('created_at').notNull(),
    updated_at: text('updated_at').notNull(),
    staging: integer('staging'),
    lifetime_asked: integer('lifetime_asked'),
  },
  (t) => [
    uniqueIndex('_alyx_uploads_path').on(t.bucket, t.path),
    index('_alyx_uploads_expires').on(t.expires_at),
    index('_alyx_uploads_holder').on(t.holder),
    index('_alyx_uploads_owner').on(t.owner_id, t.expires_at).where(sql`state = 'open' AND protocol = 'tus'`),
    index('_alyx_uploads_put_lease').on(t.lease_expires_at).where(sql`protocol = 'put'`),
    index('_alyx_uploads_abandoned').on(t.id).where(sql`state = 'abandoned'`),
  ],
)

/** Which field of which record names which file: written in the record's own transaction, one row per file and field. */
export const fileRefs = sqliteTable(
  '_alyx_file_refs',
  {
    file_id: text('file_id').notNull(),
    collection: text('collection').notNull(),
    record_id: text('record_id').notNull(),
    field: text('field').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.file_id, t.collection, t.record_id, t.field] }),
    index('_alyx_file_refs_record').on(t.collection, t.record_id),
  ],
)

/** The collections as they were last applied; `definition` is JSON, see collections.ts. */
export const collections = sqliteTable('_alyx_collections', {
  name: text('name').primaryKey().notNull(),
  definition: text('definition').notNull(),
  applied_at: text('applied_at').notNull(),
})

/** Migration files of the project that were applied; `checksum` is the SHA-256 of the file, hex. */
export const projectMigrations = sqliteTable('_alyx_project_migrations', {
  name: text('name').primaryKey().notNull(),
  checksum: text('checksum').notNull(),
  applied_at: text('applied_at').notNull(),
})

/** Uploads in parts that a backend has begun and not finished: what a killed process left there is aborted by their ids. */
export const multiparts = sqliteTable(
  '_alyx_multiparts',
  {
    backend: text('backend').notNull(),
    key: text('key').notNull(),
    upload_id: text('upload_id').notNull(),
    created_at: text('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.backend, t.key, t.upload_id] })],
)

/** Blobs that are no file's: copies that are not one yet, originals that are one no more. `taken` is 1 once their bytes are being removed. */
export const spares = sqliteTable(
  '_alyx_spares',
  {
    backend: text('backend').notNull(),
    key: text('key').notNull(),
    due_at: text('due_at').notNull(),
    taken: integer('taken').notNull(),
  },
  (t) => [primaryKey({ columns: [t.backend, t.key] }), index('_alyx_spares_due').on(t.due_at)],
)

/** Parts of unfinished uploads that are kept in a backend. `end` is null until a part is there; `sealed` holds, in base64, what deciphers it. */
export const spoolParts = sqliteTable(
  '_alyx_spool_parts',
  {
    upload_id: text('upload_id').notNull(),
    backend: text('backend').notNull(),
    key: text('key').notNull(),
    start: integer('start').notNull(),
    end: integer('end'),
    stored_crc32: integer('stored_crc32'),
    sealed: text('sealed'),
  },
  (t) => [primaryKey({ columns: [t.upload_id, t.key] })],
)

/** Events that webhooks are still to hear, written with the change they tell of; in `seq` order per `subject`, the id of a file or upload.
 *  `hook` names the webhook, `body` is sent as it is. With `dead_at` an event was given up. */
export const outbox = sqliteTable(
  '_alyx_outbox',
  {
    seq: integer('seq').primaryKey({ autoIncrement: true }).notNull(),
    event_id: text('event_id').notNull(),
    hook: text('hook').notNull(),
    type: text('type').notNull(),
    subject: text('subject').notNull(),
    body: text('body').notNull(),
    created_at: text('created_at').notNull(),
    attempts: integer('attempts').notNull(),
    next_at: text('next_at').notNull(),
    dead_at: text('dead_at'),
    last_error: text('last_error'),
  },
  (t) => [
    index('_alyx_outbox_due').on(t.hook, t.next_at, t.seq).where(sql`dead_at IS NULL`),
    index('_alyx_outbox_subject').on(t.hook, t.subject, t.seq).where(sql`dead_at IS NULL`),
    index('_alyx_outbox_dead').on(t.dead_at).where(sql`dead_at IS NOT NULL`),
  ],
)

/** One counter row per scope, `bucket:{name}` or `owner:{id}`. */
export const usage = sqliteTable('_alyx_usage', {
  scope: text('scope').primaryKey().notNull(),
  used: integer('used').notNull(),
  reserved: integer('reserved').notNull(),
  files: integer('files').notNull(),
})

/** Named leases over all processes. */
export const leases = sqliteTable('_alyx_leases', {
  name: text('name').primaryKey().notNull(),
  holder: text('holder').notNull(),
  expires_at: text('expires_at').notNull(),
})

/** What sweeps remember of the clock: one row, `id` 1. */
export const sweepClock = sqliteTable('_alyx_sweep_clock', {
  id: integer('id').primaryKey().notNull(),
  seen_at: text('seen_at').notNull(),
  held_at: text('held_at'),
  held_from: text('held_from'),
})

/** API keys by their SHA-256; the key itself is nowhere. `scopes` is a JSON array. */
export const apiKeys = sqliteTable(
  '_alyx_api_keys',
  {
    id: text('id').primaryKey().notNull(),
    hash: text('hash').notNull(),
    name: text('name'),
    tenant: text('tenant'),
    scopes: text('scopes').notNull(),
    role: text('role'),
    created_at: text('created_at').notNull(),
    expires_at: text('expires_at'),
    revoked_at: text('revoked_at'),
  },
  (t) => [uniqueIndex('_alyx_api_keys_hash').on(t.hash)],
)

/** Keys of storage.encryption that were ever in use, by their ids: what `keyCheck` made of each, to know a wrong one. */
export const encryptionKeys = sqliteTable('_alyx_encryption_keys', {
  id: text('id').primaryKey().notNull(),
  check_value: text('check_value').notNull(),
  created_at: text('created_at').notNull(),
})

/** What the runner in migrate.ts has applied; `checksum` is the SHA-256 of the file, hex. */
export const migrations = sqliteTable('_alyx_migrations', {
  name: text('name').primaryKey().notNull(),
  checksum: text('checksum').notNull(),
  applied_at: text('applied_at').notNull(),
})
