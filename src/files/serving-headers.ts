// The headers of every answer about file bytes, whoever asks and by which route (download, view, links, shares, /v1).
import type { ContentCoding } from '../blobs/content.ts'
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
  /** The coding of the bytes in question; null or left out for bytes as they are. */
  readonly coding?: ContentCoding | null
  /** Whether others get the bytes in another form than these. */
  readonly hasForms?: boolean
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
const VARY_OF_FORMS = 'Accept-Encoding'
const NO_STORE = { ...FIXED, 'cache-control': 'private, no-store, max-age=0', vary: VARY } as const
const REVALIDATE = { ...FIXED, 'cache-control': 'private, no-cache', vary: VARY } as const

/** The strong entity tag of a content: `"<sha256>"`, and `"<sha256>-<coding>"` of its bytes in a content coding. */
export function entityTag(checksum: string, coding: ContentCoding | null = null): string {
  return coding === null ? `"${checksum}"` : `"${checksum}-${coding}"`
}

/** API.md §3 "Serving headers" without length and range; names lower-case, values ASCII. */
export function servingHeaders(file: ServedFile, options: ServingOptions): Record<string, string> {
  const { operation, cache, inlinePdf, status = 200, coding = null, hasForms = false } = options
  const headers: Record<string, string> = {
    ...cacheHeaders(file, status >= 412 ? { mode: 'no-store' } : cache),
    etag: entityTag(file.checksum, coding),
    'last-modified': httpDate(file.updatedAt),
  }
  if (hasForms) headers.vary = headers.vary === undefined ? VARY_OF_FORMS : `${headers.vary}, ${VARY_OF_FORMS}`
  if (status !== 200 && status !== 206) return headers
  if (coding !== null) headers['content-encoding'] = coding
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
  // No Vary by caller: what everyone may download is the same for everyone.
  return { ...FIXED, 'cache-control': `public, max-age=${Math.floor(cache.maxAge / 1000)}` }
}
