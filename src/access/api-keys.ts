// API keys: 32 random bytes shown once, known afterwards only by their SHA-256.
import { hash, randomBytes } from 'node:crypto'
import { type Clock, timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import type { ApiKeyRow, Scope } from '../core/model.ts'

const KEY = /^alyx_[A-Za-z0-9_-]{43}$/

export interface KeyDraft {
  readonly name: string | null
  readonly tenant: string | null
  readonly scopes: readonly Scope[]
  readonly role: string | null
  /** RFC 3339; null = never. */
  readonly expiresAt: string | null
}

export interface KeyTools {
  readonly clock: Clock
  /** `size` random bytes; node:crypto's unless given. */
  readonly random?: (size: number) => Buffer
}

/** A new key (`alyx_` and 43 base64url characters, to be shown once) and its row. Fails validation_failed: no scope, no valid expiry. */
export function createApiKey(draft: KeyDraft, tools: KeyTools): { readonly key: string; readonly row: ApiKeyRow } {
  const random = tools.random ?? randomBytes
  if (draft.scopes.length === 0 || draft.scopes.some((scope) => scope !== 'read' && scope !== 'write')) {
    throw fail('validation_failed', 'scopes of an API key are read, write or both', { details: { field: 'scopes' } })
  }
  const expiry = draft.expiresAt === null ? null : Date.parse(draft.expiresAt)
  if (expiry !== null && !(expiry > tools.clock.now())) {
    throw fail('validation_failed', 'expires_at of an API key is a time to come', { details: { field: 'expires_at' } })
  }
  const key = `alyx_${random(32).toString('base64url')}`
  const row: ApiKeyRow = {
    id: `key_${random(16).toString('hex')}`,
    hash: hashApiKey(key),
    name: draft.name,
    tenant: draft.tenant,
    scopes: [...new Set(draft.scopes)],
    role: draft.role,
    createdAt: timestamp(tools.clock.now()),
    expiresAt: expiry === null ? null : timestamp(expiry),
    revokedAt: null,
  }
  return { key, row }
}

/** SHA-256 of the whole key, 64 lower-case hex digits. */
export function hashApiKey(key: string): string {
  return hash('sha256', key, 'hex')
}

/** Whether text has the form of an API key; says nothing about whether it exists. */
export function isApiKey(text: string): boolean {
  return KEY.test(text)
}
