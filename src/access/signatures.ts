// Is this JWT signed by who we trust? HS256 under our secret, or RS256, ES256, EdDSA under the keys of a JWKS address.
import type { webcrypto } from 'node:crypto'
import type { JWTPayload, JWTVerifyGetKey, JWTVerifyOptions } from 'jose'
import type { AuthConfig } from '../config/model.ts'
import type { Clock } from '../core/clock.ts'
import { type AppError, fail, isFailure } from '../core/errors.ts'

type Jose = typeof import('jose')

const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)$/
const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA']

/** The payload of a token whose signature, issuer, audience, exp and nbf hold (RFC 7519, RFC 8725).
 *  Fails: invalid_token, token_expired, storage_unavailable when the JWKS address does not answer. */
export type Verify = (token: string) => Promise<JWTPayload>

/** The header's `alg` only chooses between the two kinds of keys; each kind has its own list of algorithms. */
export function createVerifier(jwt: AuthConfig['jwt'], clock: Clock): Verify {
  const { secret, jwksUrl, issuer, audience } = jwt
  let remote: JWTVerifyGetKey | null = null
  let imported: Promise<webcrypto.CryptoKey> | null = null
  let loaded: Promise<Jose> | null = null

  const options = (algorithms: readonly string[]): JWTVerifyOptions => ({
    algorithms: [...algorithms],
    requiredClaims: ['sub', 'exp'],
    currentDate: new Date(clock.now()),
    ...(issuer === null ? {} : { issuer }),
    ...(audience === null ? {} : { audience }),
  })

  async function payloadOf(token: string, jose: Jose): Promise<JWTPayload> {
    const { alg } = jose.decodeProtectedHeader(token)
    if (secret !== null && alg === 'HS256') {
      imported ??= importSecret(secret)
      return (await jose.jwtVerify(token, await imported, options(['HS256']))).payload
    }
    if (jwksUrl === null) throw invalid()
    remote ??= remoteKeys(jwksUrl, jose)
    return (await jose.jwtVerify(token, remote, options(ASYMMETRIC))).payload
  }

  return async (token) => {
    const signature = JWT.exec(token)?.[1]
    // The last character of a signature has spare bits: only its canonical spelling is the token that was issued.
    if (signature === undefined || Buffer.from(signature, 'base64url').toString('base64url') !== signature)
      throw invalid()
    loaded ??= import('jose') // not before the first token: it would take a good part of the start
    const jose = await loaded
    try {
      return await payloadOf(token, jose)
    } catch (cause) {
      if (isFailure(cause)) throw cause
      if (cause instanceof jose.errors.JWTExpired) throw fail('token_expired', 'the token has expired')
      throw invalid(cause)
    }
  }
}

function importSecret(secret: string): Promise<webcrypto.CryptoKey> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  return crypto.subtle.importKey('raw', Buffer.from(secret, 'utf8'), algorithm, false, ['verify'])
}

/** Tells a token that names no known key (its own fault) from a key set that cannot be had (ours). */
function remoteKeys(url: string, { createRemoteJWKSet, errors }: Jose): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(url))
  const ofTheToken = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported]
  return async (header, token) => {
    try {
      return await keys(header, token)
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
