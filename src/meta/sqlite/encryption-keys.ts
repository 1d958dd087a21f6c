// What is known of the keys of storage.encryption: rows of `_alyx_encryption_keys`. No key is stored, only what tells it from another.
import type { Database } from 'better-sqlite3'

/** The verb of MetaStore on them. It must run inside a transaction. */
export function encryptionKeyVerbs(db: Database) {
  const insert = db.prepare<[string, string, string]>(
    'INSERT OR IGNORE INTO _alyx_encryption_keys (id, check_value, created_at) VALUES (?, ?, ?)',
  )
  const find = db.prepare<[string], { readonly check_value: string }>(
    'SELECT check_value FROM _alyx_encryption_keys WHERE id = ?',
  )
  return {
    settleEncryptionKey(id: string, checkValue: string, now: string): string {
      insert.run(id, checkValue, now)
      return find.get(id)?.check_value ?? checkValue
    },
  }
}
