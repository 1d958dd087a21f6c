// From the text fields of an upload to values that may be stored; every protocol's fields pass here.
import { fail } from '../core/errors.ts'
import type { Metadata } from '../core/model.ts'
import { checkName, checkPath, extensionOf, fillPathTemplate } from '../core/paths.ts'
import { parseDuration } from '../core/units.ts'
import type { Bucket } from '../schema/model.ts'
import type { UploadFields } from './model.ts'

export interface ParsedFields {
  readonly name: string
  readonly path: string
  readonly metadata: Metadata
  /** Milliseconds; null = the file does not expire. */
  readonly fileLifetime: number | null
  /** The client has chosen it. */
  readonly lifetimeAsked: boolean
  readonly checksum: string | null
  /** Not yet checked: access decides whether they compile. */
  readonly rules: unknown
}

const METADATA_BYTES = 16 * 1024
const METADATA_DEPTH = 20
/** Longest life that can be asked for where a bucket names no maximum; keeps every date representable. */
const LONGEST_LIFE = 100 * 365 * 86_400_000

/** Fails: invalid_filename, invalid_path, invalid_metadata, invalid_expiry, invalid_request. */
export function parseFields(fields: UploadFields, bucket: Bucket, owner: string | null, id: string): ParsedFields {
  const name = checkName(fields.name)
  return {
    name,
    path:
      fields.path === undefined
        ? fillPathTemplate(bucket.path, { owner, name, id, bucket: bucket.name, ext: extensionOf(name) })
        : checkPath(fields.path),
    metadata: fields.metadata === undefined ? {} : parseMetadata(fields.metadata),
    fileLifetime: lifetime(fields.expires_in, bucket),
    lifetimeAsked: fields.expires_in !== undefined,
    checksum: fields.checksum === undefined ? null : parseChecksum(fields.checksum),
    rules: fields.rules === undefined ? null : parseRules(fields.rules),
  }
}

function parseChecksum(text: string): string {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) {
    throw fail('invalid_request', 'checksum is not a SHA-256 in hex', { hint: 'Send 64 hexadecimal digits.' })
  }
  return text.toLowerCase()
}

function parseMetadata(text: string): Metadata {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw fail('invalid_metadata', 'metadata is not JSON')
  }
  return checkMetadata(value)
}

/** A JSON object of at most 16 KiB and 20 levels. Fails: invalid_metadata. */
export function checkMetadata(value: unknown): Metadata {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fail('invalid_metadata', 'metadata is not a JSON object')
  }
  if (depth(value) > METADATA_DEPTH)
    throw fail('invalid_metadata', `metadata is nested deeper than ${METADATA_DEPTH} levels`)
  const bytes = Buffer.byteLength(JSON.stringify(value))
  if (bytes > METADATA_BYTES) {
    throw fail('invalid_metadata', `metadata has ${bytes} bytes`, { details: { limit: METADATA_BYTES, size: bytes } })
  }
  return value as Metadata
}

function depth(value: unknown, level = 1): number {
  if (typeof value !== 'object' || value === null || level > METADATA_DEPTH) return level
  let deepest = level
  for (const child of Object.values(value)) deepest = Math.max(deepest, depth(child, level + 1))
  return deepest
}

function parseRules(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw fail('invalid_request', 'rules is not JSON')
  }
}

/** Milliseconds a file lives that asked for nothing; null = for ever. A maximum without a default is the default too: not asking must not
 *  outlive what asking may get. */
export function defaultLifetime({ retention }: Bucket): number | null {
  return retention?.default ?? retention?.max ?? null
}

function lifetime(text: string | undefined, bucket: Bucket): number | null {
  const max = bucket.retention?.max ?? null
  if (text === undefined) return defaultLifetime(bucket)
  const ms = parseLifetime(text)
  const ceiling = max ?? LONGEST_LIFE
  if (ms === null || ms < 1000 || ms > ceiling) {
    throw fail(
      'invalid_expiry',
      `expires_in ${JSON.stringify(text.slice(0, 40))} is not between 1 second and the maximum`,
      {
        details: { max_seconds: Math.floor(ceiling / 1000) },
      },
    )
  }
  return ms
}

/** `90` (seconds) or `15m`; null when it is neither. Milliseconds. */
export function parseLifetime(text: string): number | null {
  if (/^\d{1,12}$/.test(text)) return Number(text) * 1000
  return parseDuration(text)
}

/** The expires_at of a PATCH, as RFC 3339 in UTC or null for never. Fails: invalid_expiry. */
export function checkExpiresAt(value: string | null, bucket: Bucket, createdAt: string, now: number): string | null {
  const max = bucket.retention?.max ?? null
  const latest = max === null ? null : Date.parse(createdAt) + max
  const details = latest === null ? {} : { details: { latest: new Date(latest).toISOString() } }
  if (value === null) {
    if (latest !== null) throw fail('invalid_expiry', `files of bucket ${bucket.name} must expire`, details)
    return null
  }
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value)
    ? Date.parse(value)
    : Number.NaN
  // A day that its month does not have is read as one of the next month.
  const day = value.slice(0, 10)
  if (Number.isNaN(time) || !new Date(`${day}T00:00:00Z`).toISOString().startsWith(day))
    throw fail('invalid_expiry', 'expires_at is not an RFC 3339 time')
  if (time <= now) throw fail('invalid_expiry', 'expires_at has passed already')
  if (latest !== null ? time > latest : time > now + LONGEST_LIFE)
    throw fail('invalid_expiry', 'expires_at is beyond the maximum', details)
  return new Date(time).toISOString()
}
