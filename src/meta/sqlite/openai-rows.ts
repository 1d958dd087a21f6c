// Rows of /v1 as they are stored and as the other rooms know them.
import type { Database } from 'better-sqlite3'
import type {
  OpenAiAuditQuery,
  OpenAiFile,
  OpenAiPart,
  OpenAiQuery,
  OpenAiReason,
  OpenAiStatus,
  OpenAiUpload,
} from '../openai.ts'
import type { openAiFiles, openAiParts, openAiUploads } from './tables.ts'

export type StoredOpenAiFile = typeof openAiFiles.$inferSelect
export type StoredOpenAiUpload = typeof openAiUploads.$inferSelect
export type StoredOpenAiPart = typeof openAiParts.$inferSelect
type Joined = StoredOpenAiFile & { readonly state: string | null; readonly file_expires_at: string | null }

const FILE = 'o.seq, o.id, o.file_id, o.account, o.tenant, o.key_id, o.bucket, o.filename, o.bytes, o.purpose'
const SELECT_FILE = `SELECT ${FILE}, o.created_at, o.expires_at, o.deleted_at, o.reason,
    f.state, f.expires_at AS file_expires_at FROM _alyx_openai_files o LEFT JOIN _alyx_files f ON f.id = o.file_id`
export const SELECT_OPENAI_UPLOAD = `SELECT id, claim_id, openai_file_id, account, tenant, key_id, bucket, filename, bytes, purpose,
    mime_type, lifetime, status, parts_key, created_at, expires_at FROM _alyx_openai_uploads`
const SELECT_PART = 'SELECT id, upload_id, claim_id, number, size, created_at FROM _alyx_openai_parts'
const LIVE = "(o.deleted_at IS NULL AND f.state = 'ready' AND (f.expires_at IS NULL OR f.expires_at > @now))"

/** Point reads, and what the sweep asks for. */
export function openAiReads(db: Database) {
  const file = db.prepare<[string], Joined>(`${SELECT_FILE} WHERE o.id = ?`)
  const upload = db.prepare<[string], StoredOpenAiUpload>(`${SELECT_OPENAI_UPLOAD} WHERE id = ?`)
  const parts = db.prepare<[string], StoredOpenAiPart>(`${SELECT_PART} WHERE upload_id = ? ORDER BY created_at, id`)
  const ended = db
    .prepare<[string], number>("SELECT count(*) FROM _alyx_openai_uploads WHERE expires_at < ? AND status <> 'pending'")
    .pluck()
  const expired = db.prepare<[string, number], StoredOpenAiUpload>(
    `${SELECT_OPENAI_UPLOAD} WHERE expires_at <= ? AND status = 'pending' ORDER BY expires_at LIMIT ?`,
  )
  return {
    openAiFile: (id: string): OpenAiFile | null => {
      const row = file.get(id)
      return row ? openAiFile(row) : null
    },
    openAiUpload: (id: string): OpenAiUpload | null => {
      const row = upload.get(id)
      return row ? openAiUpload(row) : null
    },
    openAiParts: (uploadId: string): readonly OpenAiPart[] => parts.all(uploadId).map(openAiPart),
    expiredOpenAiUploads: (now: string, limit: number): readonly OpenAiUpload[] =>
      expired.all(now, limit).map(openAiUpload),
    countEndedOpenAiUploads: (before: string): number => ended.get(before) ?? 0,
  }
}

/** Pages, which may be long: for a thread of their own. */
export function openAiLists(db: Database) {
  const page = (where: readonly string[], query: OpenAiQuery, values: Readonly<Record<string, unknown>>) => {
    const { descending, after, limit, now } = query
    const way = descending ? 'DESC' : 'ASC'
    const all =
      after === null ? where : [...where, `(o.created_at, o.seq) ${descending ? '<' : '>'} (@createdAt, @seq)`]
    const statement = db.prepare<[Record<string, unknown>], Joined>(
      `${SELECT_FILE} WHERE ${all.join(' AND ') || '1'} ORDER BY o.created_at ${way}, o.seq ${way} LIMIT @limit`,
    )
    const position = after === null ? {} : { createdAt: after.createdAt, seq: after.seq }
    return statement.all({ ...values, ...position, limit, now }).map(openAiFile)
  }
  return {
    openAiFiles(account: string, purpose: string | null, query: OpenAiQuery): readonly OpenAiFile[] {
      const where = ['o.account = @account', LIVE, ...(purpose === null ? [] : ['o.purpose = @purpose'])]
      return page(where, query, { account, ...(purpose === null ? {} : { purpose }) })
    },
    openAiAudit(query: OpenAiAuditQuery): readonly OpenAiFile[] {
      const { state, tenant } = query
      const where = [
        ...(state === 'all' ? [] : [state === 'active' ? LIVE : `${LIVE} IS NOT TRUE`]),
        ...(tenant === null ? [] : ['o.tenant = @tenant']),
      ]
      return page(where, query, tenant === null ? {} : { tenant })
    },
  }
}

function owned(row: StoredOpenAiFile | StoredOpenAiUpload) {
  const { account, tenant, key_id: keyId, bucket, filename, bytes, purpose } = row
  return { account, tenant, keyId, bucket, filename, bytes, purpose }
}

function openAiFile(row: Joined): OpenAiFile {
  return {
    id: row.id,
    fileId: row.file_id,
    ...owned(row),
    createdAt: row.created_at,
    expiresAt: row.state === null ? row.expires_at : row.file_expires_at,
    deletedAt: row.deleted_at,
    reason: row.reason as OpenAiReason | null,
    ready: row.deleted_at === null && row.state === 'ready',
    seq: row.seq,
  }
}

/** The row as other rooms know it. */
export function openAiUpload(row: StoredOpenAiUpload): OpenAiUpload {
  return {
    id: row.id,
    claimId: row.claim_id,
    fileId: row.openai_file_id,
    ...owned(row),
    mimeType: row.mime_type,
    lifetime: row.lifetime,
    status: row.status as OpenAiStatus,
    partsKey: row.parts_key,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }
}

function openAiPart(row: StoredOpenAiPart): OpenAiPart {
  return {
    id: row.id,
    uploadId: row.upload_id,
    claimId: row.claim_id,
    number: row.number,
    size: row.size,
    createdAt: row.created_at,
  }
}
