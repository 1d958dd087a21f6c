// Pre-signed addresses of /v1 uploads: whoever has one may add numbered parts to that upload until it expires, and nothing else.
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import { deriveKey } from './links.ts'

export interface PartUrls {
  /** The query, to which `&part_number=N` is added. `expires` in whole seconds since the epoch. */
  sign(uploadId: string, expires: number): string
  /** Whether `signature` is that of this upload and expiry; whether it has expired is for the caller to see. */
  verify(uploadId: string, expires: number, signature: string): boolean
}

/** Signed by HMAC-SHA-256 under a key of their own, derived from the secret. */
export function createPartUrls(secret: string): PartUrls {
  const key = createSecretKey(deriveKey(secret, 'upload part'))
  const macOf = (uploadId: string, expires: number): string =>
    createHmac('sha256', key)
      .update(JSON.stringify([uploadId, expires]))
      .digest('base64url')
  return {
    sign: (uploadId, expires) => `expires=${expires}&signature=${macOf(uploadId, expires)}`,
    verify(uploadId, expires, signature) {
      const mac = Buffer.from(macOf(uploadId, expires))
      const given = Buffer.from(signature)
      return given.length === mac.length && timingSafeEqual(given, mac)
    },
  }
}
