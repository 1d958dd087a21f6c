// Minting a JWT: for `alyx token` and for tests. Servers usually receive tokens from an identity provider.
import type { Clock } from '../core/clock.ts'

export interface TokenDraft {
  readonly secret: string
  readonly sub: string
  readonly role?: string | undefined
  readonly roles?: readonly string[] | undefined
  readonly tenant?: string | undefined
  readonly email?: string | undefined
  /** Set these to what auth.jwt.issuer and auth.jwt.audience demand. */
  readonly issuer?: string | null | undefined
  readonly audience?: string | null | undefined
  /** Milliseconds; tokens have whole seconds, rounded down. */
  readonly expiresIn: number
  readonly clock: Clock
}

/** A JWT (RFC 7519) signed with HS256, with sub, iat and exp. */
export async function mintToken(draft: TokenDraft): Promise<string> {
  const { SignJWT } = await import('jose')
  const { role, roles, tenant, email, issuer, audience } = draft
  const now = draft.clock.now()
  const claims = Object.entries({ role, roles, tenant, email, iss: issuer, aud: audience })
  return new SignJWT(Object.fromEntries(claims.filter(([, value]) => value !== undefined && value !== null)))
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(draft.sub)
    .setIssuedAt(Math.floor(now / 1000))
    .setExpirationTime(Math.floor((now + draft.expiresIn) / 1000))
    .sign(Buffer.from(draft.secret, 'utf8'))
}
