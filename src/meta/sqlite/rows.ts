// Rows as they are stored and rows as the other rooms know them. Mapped by hand: this runs for every file of every list.
import { timestamp } from '../../core/clock.ts'
import type {
  BlobKey,
  CodecUse,
  FileRow,
  FileState,
  Metadata,
  OwnRules,
  Protocol,
  UploadRow,
} from '../../core/model.ts'
import type { files, uploads } from './tables.ts'

export type StoredFile = typeof files.$inferSelect
export type StoredUpload = typeof uploads.$inferSelect

/** In the order of the table. */
export const FILE_COLUMNS: readonly (keyof StoredFile)[] = [
  'id',
  'bucket',
  'name',
  'path',
  'mime_type',
  'size',
  'checksum',
  'compressed',
  'compression_type',
  'encrypted',
  'original_size',
  'stored_size',
  'stored_crc32',
  'metadata',
  'version',
  'owner_id',
  'tenant',
  'backend',
  'key',
  'codecs',
  'state',
  'rules',
  'link_epoch',
  'expires_at',
  'created_at',
  'updated_at',
  'staged_until',
  'hidden_at',
  'hidden_path',
  'hidden_reason',
  'purge_at',
  'expiry_asked',
]

/** In the order of the table. */
export const UPLOAD_COLUMNS: readonly (keyof StoredUpload)[] = [
  'id',
  'bucket',
  'filename',
  'path',
  'size',
  'offset',
  'metadata',
  'protocol',
  'owner_id',
  'tenant',
  'backend',
  'key',
  'checksum',
  'rules',
  'file_lifetime',
  'reserved',
  'state',
  'holder',
  'lease_expires_at',
  'release_requested',
  'expires_at',
  'created_at',
  'updated_at',
  'staging',
  'lifetime_asked',
]

/** `SELECT … FROM _alyx_files`, columns named so that a later migration cannot change what arrives. */
export const SELECT_FILE = `SELECT ${FILE_COLUMNS.map((name) => `"${name}"`).join(', ')} FROM _alyx_files`
export const SELECT_UPLOAD = `SELECT ${UPLOAD_COLUMNS.map((name) => `"${name}"`).join(', ')} FROM _alyx_uploads`
export const INSERT_FILE = insert('_alyx_files', FILE_COLUMNS)
export const INSERT_UPLOAD = insert('_alyx_uploads', UPLOAD_COLUMNS)

const NO_METADATA: Metadata = Object.freeze({})
const NO_CODECS: readonly CodecUse[] = Object.freeze([])

/** The row as other rooms know it, always with every field. Throws when a JSON column holds something else. */
export function fileRow(row: StoredFile): FileRow {
  return {
    id: row.id,
    bucket: row.bucket,
    name: row.name,
    path: row.hidden_path ?? row.path,
    mimeType: row.mime_type,
    size: row.size,
    originalSize: row.original_size,
    storedSize: row.stored_size,
    storedCrc32: row.stored_crc32,
    checksum: row.checksum,
    codecs: row.codecs === '[]' ? NO_CODECS : (JSON.parse(row.codecs) as readonly CodecUse[]),
    metadata: metadata(row.metadata),
    version: row.version,
    ownerId: row.owner_id,
    tenant: row.tenant,
    backend: row.backend,
    key: row.key as BlobKey,
    state: row.state as FileState,
    rules: row.rules === null ? null : (JSON.parse(row.rules) as OwnRules),
    linkEpoch: row.link_epoch,
    expiresAt: row.expires_at,
    stagedUntil: row.staged_until,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    hidden: row.hidden_at === null ? null : { at: row.hidden_at, purgeAt: row.purge_at, reason: row.hidden_reason },
  }
}

/** As fileRow, for claims. */
export function uploadRow(row: StoredUpload): UploadRow {
  return {
    id: row.id,
    bucket: row.bucket,
    name: row.filename,
    path: row.path,
    protocol: row.protocol as Protocol,
    size: row.size,
    metadata: metadata(row.metadata),
    rules: row.rules === null ? null : (JSON.parse(row.rules) as OwnRules),
    ownerId: row.owner_id,
    tenant: row.tenant,
    backend: row.backend,
    key: row.key as BlobKey,
    checksum: row.checksum,
    fileLifetime: row.file_lifetime,
    staging: row.staging,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
    offset: row.offset,
    reserved: row.reserved,
    state: row.state as UploadRow['state'],
    holder: row.holder,
    leaseExpiresAt: row.lease_expires_at,
    updatedAt: row.updated_at,
  }
}

/** What a file's time hangs on. */
export type StoredTimes = Pick<StoredFile, 'expires_at' | 'staged_until' | 'purge_at'>

/** Whether a file's time is over: it has expired, no record has named it while it was staged, or it was in the trash for long enough. */
export function isOver(row: StoredTimes, now: string): boolean {
  return isExpired(row, now) || (row.purge_at !== null && row.purge_at <= now)
}

/** The same, whatever the trash says. */
export function isExpired(row: Omit<StoredTimes, 'purge_at'>, now: string): boolean {
  return (row.expires_at !== null && row.expires_at <= now) || (row.staged_until !== null && row.staged_until <= now)
}

/** When a tombstone was touched last, now that one more wants its file gone: later than it was, and no time that anybody remembers. */
export function touchedAt(row: Pick<StoredFile, 'updated_at'>, now: string): string {
  return timestamp(Math.max(Date.parse(row.updated_at), Date.parse(now)) + 1)
}

function metadata(text: string): Metadata {
  return text === '{}' ? NO_METADATA : (JSON.parse(text) as Metadata)
}

function insert(table: string, columns: readonly string[]): string {
  const names = columns.map((name) => `"${name}"`).join(', ')
  return `INSERT INTO ${table} (${names}) VALUES (${columns.map((name) => `@${name}`).join(', ')})`
}
