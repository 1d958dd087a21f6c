// The tables of shares, as drizzle-kit reads them by way of tables.ts.
import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Grants over lists of files. `downloads` counts where `max_downloads` is a number; the token is nowhere. */
export const shares = sqliteTable(
  '_alyx_shares',
  {
    id: text('id').primaryKey().notNull(),
    owner_id: text('owner_id').notNull(),
    operation: text('operation'),
    max_downloads: integer('max_downloads'),
    downloads: integer('downloads').notNull(),
    note: text('note'),
    created_at: text('created_at').notNull(),
    expires_at: text('expires_at').notNull(),
    revoked_at: text('revoked_at'),
  },
  (t) => [
    index('_alyx_shares_owner').on(t.owner_id, t.id),
    index('_alyx_shares_expires').on(t.expires_at),
    index('_alyx_shares_revoked').on(t.revoked_at).where(sql`revoked_at IS NOT NULL`),
  ],
)

/** The files of a share. `left` is what was counted of a file and not sent, in bytes. */
export const shareFiles = sqliteTable(
  '_alyx_share_files',
  {
    share_id: text('share_id').notNull(),
    file_id: text('file_id').notNull(),
    bucket: text('bucket').notNull(),
    position: integer('position').notNull(),
    link_epoch: integer('link_epoch').notNull(),
    left: integer('left').notNull(),
  },
  (t) => [primaryKey({ columns: [t.share_id, t.file_id] })],
)
