// From the claims of a verified token to a caller: every claim that is used is checked, whatever the library let pass.
import type { JWTPayload } from 'jose'
import { type AppError, fail } from '../core/errors.ts'
import type { Caller } from '../core/model.ts'

const MAX_LIFETIME_SECONDS = 10 * 366 * 24 * 3600
const CLOCK_SKEW_SECONDS = 60
const MAX_SUB_BYTES = 255
/** Named in Caller, so not repeated in its claims. */
const NAMED = new Set(['sub', 'exp', 'email', 'verified', 'role', 'roles', 'tenant'])
/** Would change what an object is, or how the rule engine sees it. */
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

/** The caller and when they stop being one (milliseconds). `now` in milliseconds. Fails: invalid_token, token_expired. */
export function callerOf(
  payload: JWTPayload,
  adminRoles: ReadonlySet<string>,
  now: number,
): { readonly caller: Caller; readonly expiresAt: number } {
  const seconds = now / 1000
  const { sub, exp, iat } = payload
  if (typeof sub !== 'string' || !isSubject(sub))
    throw invalid('sub must be 1 to 255 bytes of text without control characters')
  if (typeof exp !== 'number' || !Number.isFinite(exp)) throw invalid('exp must be a number')
  if (exp <= seconds) throw fail('token_expired', 'the token has expired')
  if (exp > seconds + MAX_LIFETIME_SECONDS) throw invalid('exp is more than 10 years away')
  if (iat !== undefined && !(typeof iat === 'number' && iat <= seconds + CLOCK_SKEW_SECONDS))
    throw invalid('iat is in the future')

  const role = text(payload, 'role')
  const roles = texts(payload, 'roles')
  const caller: Caller = {
    kind: 'user',
    id: sub,
    email: text(payload, 'email'),
    verified: flag(payload, 'verified'),
    role,
    roles,
    tenant: text(payload, 'tenant'),
    claims: Object.fromEntries(Object.entries(payload).filter(([name]) => !NAMED.has(name) && !FORBIDDEN.has(name))),
    scopes: null,
    admin: (role !== null && adminRoles.has(role)) || roles.some((each) => adminRoles.has(each)),
  }
  return { caller, expiresAt: exp * 1000 }
}

function isSubject(sub: string): boolean {
  return sub.length > 0 && Buffer.byteLength(sub) <= MAX_SUB_BYTES && !/\p{Cc}/u.test(sub) && sub.isWellFormed()
}

function claim(payload: JWTPayload, name: string): unknown {
  return Object.hasOwn(payload, name) ? payload[name] : null
}

function text(payload: JWTPayload, name: string): string | null {
  const value = claim(payload, name)
  if (value === null || typeof value === 'string') return value
  throw invalid(`${name} must be text`)
}

function flag(payload: JWTPayload, name: string): boolean | null {
  const value = claim(payload, name)
  if (value === null || typeof value === 'boolean') return value
  throw invalid(`${name} must be true or false`)
}

function texts(payload: JWTPayload, name: string): readonly string[] {
  const value = claim(payload, name)
  if (value === null) return []
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value
  throw invalid(`${name} must be a list of texts`)
}

function invalid(message: string): AppError {
  return fail('invalid_token', `the token is not valid: ${message}`)
}
