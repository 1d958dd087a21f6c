// API keys: rows of `_alyx_api_keys`, looked up by the hash of the key.
import type { Database } from 'better-sqlite3'
import type { ApiKeyRow, Scope } from '../../core/model.ts'
import type { apiKeys } from './tables.ts'

type StoredKey = typeof apiKeys.$inferSelect

const SELECT = 'SELECT id, hash, name, tenant, scopes, role, created_at, expires_at, revoked_at FROM _alyx_api_keys'

/** The verbs of MetaStore that change keys. Each must run inside a transaction. */
export function keyVerbs(db: Database) {
  const insert = db.prepare<[StoredKey]>(`
    INSERT INTO _alyx_api_keys (id, hash, name, tenant, scopes, role, created_at, expires_at, revoked_at)
    VALUES (@id, @hash, @name, @tenant, @scopes, @role, @created_at, @expires_at, @revoked_at)`)
  const revoke = db.prepare<[string, string, string]>(`
    UPDATE _alyx_api_keys SET revoked_at = ?
    WHERE id = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)`)
  return {
    addKey(key: ApiKeyRow): null {
      const { id, hash, name, tenant, role } = key
      const times = { created_at: key.createdAt, expires_at: key.expiresAt, revoked_at: key.revokedAt }
      insert.run({ id, hash, name, tenant, role, scopes: JSON.stringify(key.scopes), ...times })
      return null
    },

    revokeKey(id: string, now: string): boolean {
      return revoke.run(now, id, now).changes === 1
    },
  }
}

/** The reads of MetaStore on keys: by hash, and all of them in the order they were made. */
export function keyReads(db: Database) {
  const byHash = db.prepare<[string], StoredKey>(`${SELECT} WHERE hash = ?`)
  const all = db.prepare<[], StoredKey>(`${SELECT} ORDER BY created_at, id`)
  return {
    keyByHash: (hash: string): ApiKeyRow | null => {
      const row = byHash.get(hash)
      return row ? keyRow(row) : null
    },
    keys: (): readonly ApiKeyRow[] => all.all().map(keyRow),
  }
}

function keyRow(row: StoredKey): ApiKeyRow {
  return {
    id: row.id,
    hash: row.hash,
    name: row.name,
    tenant: row.tenant,
    scopes: JSON.parse(row.scopes) as readonly Scope[],
    role: row.role,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  }
}
