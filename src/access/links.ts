// Signed links: a token that opens one file for one operation until one moment, and nothing else.
import { createHmac, createSecretKey, hkdfSync, timingSafeEqual } from 'node:crypto'
import { fail } from '../core/errors.ts'

const TOKEN = /^([A-Za-z0-9_-]{1,4000})\.([A-Za-z0-9_-]{43})$/

export interface LinkGrant {
  readonly fileId: string
  readonly bucket: string
  readonly operation: 'download' | 'view'
  /** Milliseconds since the epoch; at this very moment the link has expired. */
  readonly expiresAt: number
  /** Who signed; null for an anonymous caller. */
  readonly userId: string | null
  /** The file's link epoch at signing: a higher one on the file ends the link. */
  readonly epoch: number
}

export interface LinkDraft extends Omit<LinkGrant, 'expiresAt'> {
  /** Milliseconds since the epoch, or RFC 3339. */
  readonly expiresAt: number | string
}

export interface Links {
  /** `payload.mac`, both base64url without padding; the payload is readable by whoever holds it. Fails invalid_expiry. */
  mint(draft: LinkDraft): string
  /** What the token grants; whether it fits the request and the file's epoch is for the caller to check.
   *  `now` in milliseconds. Fails: invalid_token (malformed, tampered, over 4 KB), token_expired. */
  verify(token: string, now: number): LinkGrant
}

/** 32 bytes for one purpose: HKDF-SHA-256 (RFC 5869) of the secret with the label as info. Keys of two labels tell nothing about each other. */
export function deriveKey(secret: string, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'utf8'), Buffer.alloc(0), `alyx ${label}`, 32))
}

/** Links signed by HMAC-SHA-256 under a key of their own: neither a JWT nor a share token is ever a link, nor the reverse. */
export function createLinks(secret: string): Links {
  const key = createSecretKey(deriveKey(secret, 'signed link')) // a Buffer would be imported anew for every link, at six times the cost
  const sign = (payload: string): string => createHmac('sha256', key).update(payload).digest('base64url')

  return {
    mint(draft) {
      const expiresAt = typeof draft.expiresAt === 'number' ? draft.expiresAt : Date.parse(draft.expiresAt)
      if (!Number.isSafeInteger(expiresAt)) throw fail('invalid_expiry', 'a link needs the time at which it expires')
      const facts = [draft.fileId, draft.bucket, draft.operation, expiresAt, draft.userId, draft.epoch]
      const payload = Buffer.from(JSON.stringify(facts)).toString('base64url')
      return `${payload}.${sign(payload)}`
    },

    verify(token, now) {
      const [, payload, mac] = token.length <= 4096 ? (TOKEN.exec(token) ?? []) : []
      // The texts are compared, not the bytes they stand for: so only the one canonical spelling of a mac passes.
      if (
        payload === undefined ||
        mac === undefined ||
        !timingSafeEqual(Buffer.from(mac), Buffer.from(sign(payload)))
      ) {
        throw fail('invalid_token', 'the link is not valid')
      }
      const grant = parse(payload)
      if (now >= grant.expiresAt) throw fail('token_expired', 'the link has expired')
      return grant
    },
  }
}

/** Only ever sees what `mint` wrote. */
function parse(payload: string): LinkGrant {
  const facts = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Facts
  const [fileId, bucket, operation, expiresAt, userId, epoch] = facts
  return { fileId, bucket, operation, expiresAt, userId, epoch }
}

type Facts = readonly [string, string, 'download' | 'view', number, string | null, number]
