// How a file looks to clients: the File object of the HTTP contract.
import * as z from 'zod'
import type { FileRow } from '../../core/model.ts'

const time = z.string().meta({ format: 'date-time' })
const bytes = z.int().min(0)

export const fileSchema = z
  .object({
    id: z.string().meta({ format: 'uuid' }),
    bucket: z.string(),
    name: z.string(),
    path: z.string().meta({ description: 'Unique in its bucket; for display, no folders exist.' }),
    mime_type: z.string().meta({ description: 'Taken from the bytes.' }),
    size: bytes.meta({ description: 'Bytes a download returns.' }),
    original_size: bytes.nullable().meta({ description: 'Bytes the client sent, where stored differently.' }),
    stored_size: bytes.meta({ description: 'Bytes the backend holds.' }),
    checksum: z.string().meta({ description: 'SHA-256 of the content, hex.' }),
    compressed: z.boolean(),
    compression_type: z.enum(['gzip', 'zstd']).nullable(),
    encrypted: z.boolean(),
    metadata: z.record(z.string(), z.unknown()),
    version: z.int().min(1),
    owner_id: z.string().nullable(),
    expires_at: time.nullable().meta({
      description: 'When the file goes; of a staged one, unless a record names it before.',
    }),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'File' })

export type FileView = z.infer<typeof fileSchema>

/** The File object of a row (API.md §3). Keys, backend, rules and epochs stay inside. */
export function viewFile(row: FileRow): FileView {
  let compression: 'gzip' | 'zstd' | null = null
  let encrypted = false
  for (const { name } of row.codecs) {
    if (name === 'aes-256-gcm') encrypted = true
    else compression = name
  }
  return {
    id: row.id,
    bucket: row.bucket,
    name: row.name,
    path: row.path,
    mime_type: row.mimeType,
    size: row.size,
    original_size: row.originalSize,
    stored_size: row.storedSize,
    checksum: row.checksum,
    compressed: compression !== null,
    compression_type: compression,
    encrypted,
    metadata: row.metadata,
    version: row.version,
    owner_id: row.ownerId,
    expires_at: earlier(row.expiresAt, row.stagedUntil),
    created_at: row.createdAt,
    updated_at: row.updatedAt,
  }
}

/** The same of a file in the trash: since when, and until when it can be restored. */
export function viewTrashed(row: FileRow): FileView & { readonly deleted_at?: string; readonly purge_at?: string } {
  const { at, purgeAt } = row.hidden ?? {}
  return { ...viewFile(row), ...(at && { deleted_at: at }), ...(purgeAt && { purge_at: purgeAt }) }
}

/** RFC 3339 in UTC: texts in the order of time. */
function earlier(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b
  return a < b ? a : b
}
