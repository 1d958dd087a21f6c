// Is this JWT signed by who we trust? HS256 under our secret, or RS256, ES256, EdDSA under the keys of a JWKS address.

import type { webcrypto } from 'node:crypto'
import {
  createRemoteJWKSet,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import type { AuthConfig } from '../config/model.ts'
import type { Clock } from '../core/clock.ts'
import { type AppError, fail, isFailure } from '../core/errors.ts'

const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)$/
const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA']

/** The payload of a token whose signature, issuer, audience, exp and nbf hold (RFC 7519, RFC 8725).
 *  Fails: invalid_token, token_expired, storage_unavailable when the JWKS address does not answer. */
export type Verify = (token: string) => Promise<JWTPayload>

/** The header's `alg` only chooses between the two kinds of keys; each kind has its own list of algorithms. */
export function createVerifier(jwt: AuthConfig['jwt'], clock: Clock): Verify {
  const { secret, jwksUrl, issuer, audience } = jwt
  const remote = jwksUrl === null ? null : remoteKeys(jwksUrl)
  let imported: Promise<webcrypto.CryptoKey> | null = null

  const options = (algorithms: readonly string[]): JWTVerifyOptions => ({
    algorithms: [...algorithms],
    requiredClaims: ['sub', 'exp'],
    currentDate: new Date(clock.now()),
    ...(issuer === null ? {} : { issuer }),
    ...(audience === null ? {} : { audience }),
  })

  async function payloadOf(token: string): Promise<JWTPayload> {
    const { alg } = decodeProtectedHeader(token)
    if (secret !== null && alg === 'HS256') {
      imported ??= importSecret(secret)
      return (await jwtVerify(token, await imported, options(['HS256']))).payload
    }
    if (remote === null) throw invalid()
    return (await jwtVerify(token, remote, options(ASYMMETRIC))).payload
  }

  return async (token) => {
    const signature = JWT.exec(token)?.[1]
    // The last character of a signature has spare bits: only its canonical spelling is the token that was issued.
    if (signature === undefined || Buffer.from(signature, 'base64url').toString('base64url') !== signature)
      throw invalid()
    try {
      return await payloadOf(token)
    } catch (cause) {
      if (isFailure(cause)) throw cause
      if (cause instanceof errors.JWTExpired) throw fail('token_expired', 'the token has expired')
      throw invalid(cause)
    }
  }
}

function importSecret(secret: string): Promise<webcrypto.CryptoKey> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  return crypto.subtle.importKey('raw', Buffer.from(secret, 'utf8'), algorithm, false, ['verify'])
}

/** Tells a token that names no known key (its own fault) from a key set that cannot be had (ours). */
function remoteKeys(url: string): ReturnType<typeof createRemoteJWKSet> | Parameters<typeof jwtVerify>[1] {
  const keys = createRemoteJWKSet(new URL(url))
  const ofTheToken = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported]
  return async (...args: Parameters<typeof keys>) => {
    try {
      return await keys(...args)
    } catch (cause) {
      if (ofTheToken.some((kind) => cause instanceof kind)) throw cause
      throw fail('storage_unavailable', 'the key set that tokens are checked with cannot be fetched', {
        cause,
        hint: 'Try again after Retry-After; auth.jwt.jwks_url must answer with a JWK set.',
        retryAfter: 5,
      })
    }
  }
}

function invalid(cause?: unknown): AppError {
  return fail('invalid_token', 'the token is not valid', { cause })
}
