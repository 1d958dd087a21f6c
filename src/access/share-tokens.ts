// The token of a share: made from the share's id under a key of its own, so nothing of it is stored and it can be shown again.
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import { deriveKey } from './links.ts'

const TOKEN = /^[A-Za-z0-9_-]{43}$/

export interface ShareTokens {
  /** HMAC-SHA-256 of the id, base64url without padding: 43 characters. Always the same as long as the secret is. */
  mint(shareId: string): string
  /** Compared in constant time, without asking whether there is such a share. */
  verify(shareId: string, token: string): boolean
}

/** Tokens under a key made from `secret` for shares alone: neither a JWT nor a signed link is ever one, nor the reverse. */
export function createShareTokens(secret: string): ShareTokens {
  const key = createSecretKey(deriveKey(secret, 'share'))
  const mint = (shareId: string): string => createHmac('sha256', key).update(shareId).digest('base64url')
  return {
    mint,
    // The texts are compared, not the bytes they stand for: so only the one canonical spelling passes.
    verify: (shareId, token) => TOKEN.test(token) && timingSafeEqual(Buffer.from(token), Buffer.from(mint(shareId))),
  }
}
