// The headers of every answer about file bytes, whoever asks and by which route (download, view, links, shares, /v1).
import type { FileRow } from '../core/model.ts'
import { contentDisposition } from '../core/paths.ts'
import type { Bucket } from '../schema/model.ts'
import type { DeliveryDecision } from './deliver.ts'
import { httpDate } from './http-date.ts'
import type { LinkOperation } from './model.ts'
import { inlineType, servedType } from './sniff.ts'

export interface ServingOptions {
  /** `view` is inline where the type is on the safe list; `download` never is. */
  readonly operation: LinkOperation
  readonly cache: Bucket['cache']
  readonly inlinePdf: boolean
  /** Other than 200 and 206 (default 200): what would describe the bytes is left out, so that an error body can describe itself. */
  readonly status?: DeliveryDecision['status']
}

export type ServedFile = Pick<
  FileRow,
  'name' | 'mimeType' | 'checksum' | 'updatedAt' | 'expiresAt' | 'stagedUntil' | 'rules'
>

const FIXED = {
  'accept-ranges': 'bytes',
  'x-content-type-options': 'nosniff',
  'content-security-policy':
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const

const VARY = 'Authorization, Cookie, X-File-Access-Token'
const NO_STORE = { ...FIXED, 'cache-control': 'private, no-store, max-age=0', vary: VARY } as const
const REVALIDATE = { ...FIXED, 'cache-control': 'private, no-cache', vary: VARY } as const

/** The strong entity tag of a content: `"<sha256>"`. */
export function entityTag(checksum: string): string {
  return `"${checksum}"`
}

/** API.md §3 "Serving headers" without length and range; names lower-case, values ASCII. */
export function servingHeaders(file: ServedFile, options: ServingOptions): Record<string, string> {
  const { operation, cache, inlinePdf, status = 200 } = options
  const headers: Record<string, string> = {
    ...cacheHeaders(file, status >= 412 ? { mode: 'no-store' } : cache),
    etag: entityTag(file.checksum),
    'last-modified': httpDate(file.updatedAt),
  }
  if (status !== 200 && status !== 206) return headers
  const inline = operation === 'view' && inlineType(file.mimeType, { inlinePdf })
  headers['content-type'] = servedType(file.mimeType)
  headers['content-disposition'] = contentDisposition(inline ? 'inline' : 'attachment', file.name)
  return headers
}

function cacheHeaders(file: ServedFile, cache: Bucket['cache']): Readonly<Record<string, string>> {
  if (cache.mode === 'no-store') return NO_STORE
  // A shared cache would go on serving what has expired here, or what a rule of its own or its being staged keeps from some.
  const lasting = file.expiresAt === null && file.stagedUntil === null
  const shared = cache.mode === 'public' && lasting && file.rules?.download === undefined
  if (!shared) return REVALIDATE
  // No Vary: what everyone may download is the same for everyone.
  return { ...FIXED, 'cache-control': `public, max-age=${Math.floor(cache.maxAge / 1000)}` }
}
