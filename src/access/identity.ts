// Who is calling: the Authorization header, read once, strictly.
import { hash, timingSafeEqual } from 'node:crypto'
import type { AuthConfig } from '../config/model.ts'
import type { Clock } from '../core/clock.ts'
import { type AppError, fail } from '../core/errors.ts'
import { ANONYMOUS, type ApiKeyRow, type Caller } from '../core/model.ts'
import { createRecent } from '../core/recent.ts'
import { hashApiKey, isApiKey } from './api-keys.ts'
import { callerOf } from './claims.ts'
import { createVerifier } from './signatures.ts'

const MAX_TOKEN_BYTES = 8 * 1024
const BEARER = /^bearer +([A-Za-z0-9_.-]+)$/i

/** No header is anonymous; everything else is a caller or fails invalid_token or token_expired,
 *  or storage_unavailable while the key set of auth.jwt.jwks_url cannot be fetched. */
export type Identify = (authorization: string | undefined) => Promise<Caller>

/** The part of a stored key that identification needs. */
export type KnownKey = Pick<ApiKeyRow, 'id' | 'hash' | 'tenant' | 'scopes' | 'role' | 'expiresAt' | 'revokedAt'>

export interface IdentityDeps {
  readonly jwt: AuthConfig['jwt']
  readonly adminRoles: readonly string[]
  /** By SHA-256 hex of the key; asked on every request, so that a revocation is obeyed at once. */
  readonly keyByHash: (hash: string) => Promise<KnownKey | null>
  readonly clock: Clock
}

interface Known {
  readonly caller: Caller
  /** Milliseconds. */
  readonly expiresAt: number
}

/** JWTs are verified once and remembered by their digest until they expire (at most 5,000); refusals are not remembered. */
export function createIdentity(deps: IdentityDeps): Identify {
  const { clock, keyByHash } = deps
  const adminRoles = new Set(deps.adminRoles)
  const verify = createVerifier(deps.jwt, clock)
  const known = createRecent<string, Known>(5000)

  async function byToken(token: string): Promise<Caller> {
    const digest = hash('sha256', token, 'base64')
    const hit = known.get(digest)
    if (hit !== undefined) {
      if (clock.now() < hit.expiresAt) return hit.caller
      known.delete(digest)
      throw expired()
    }
    const found = callerOf(await verify(token), adminRoles, clock.now())
    known.set(digest, found)
    return found.caller
  }

  async function byKey(key: string): Promise<Caller> {
    const digest = hashApiKey(key)
    const row = await keyByHash(digest)
    if (row === null || !sameText(row.hash, digest) || row.revokedAt !== null) throw invalid('the API key is not valid')
    if (row.expiresAt !== null && !(clock.now() < Date.parse(row.expiresAt))) throw expired()
    const { id, tenant, scopes, role } = row
    return { ...ANONYMOUS, kind: 'key', id, tenant, scopes, role, admin: role !== null && adminRoles.has(role) }
  }

  return async (authorization) => {
    if (authorization === undefined) return ANONYMOUS
    if (authorization.length > MAX_TOKEN_BYTES + 'Bearer '.length)
      throw invalid(`a token has at most ${MAX_TOKEN_BYTES} bytes`)
    const credential = BEARER.exec(authorization)?.[1]
    if (credential === undefined) throw invalid('Authorization is not "Bearer" and one token')
    return isApiKey(credential) ? byKey(credential) : byToken(credential)
  }
}

function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

function invalid(message: string): AppError {
  return fail('invalid_token', message)
}

function expired(): AppError {
  return fail('token_expired', 'the credential has expired')
}
