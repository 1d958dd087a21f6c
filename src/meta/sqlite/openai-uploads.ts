// Uploads of /v1 in the writer: begin → parts → complete, cancel or expire. What a part's bytes hang on is a claim of its own.
import type { Database } from 'better-sqlite3'
import { type AppError, fail } from '../../core/errors.ts'
import type { FileFacts, FileRow, UploadDraft } from '../../core/model.ts'
import type { CommitOptions } from '../commit.ts'
import type { OpenAiPart, OpenAiStatus, OpenAiUploadDraft } from '../openai.ts'
import type { Ceilings, Reservation } from '../store.ts'
import type { claimVerbs, Granted } from './claims.ts'
import type { openAiFileVerbs } from './openai-files.ts'
import { SELECT_OPENAI_UPLOAD, type StoredOpenAiPart, type StoredOpenAiUpload } from './openai-rows.ts'
import { SELECT_UPLOAD, type StoredUpload } from './rows.ts'

/** The verbs of OpenAiStore on uploads. Each must run inside a transaction. */
export function openAiUploadVerbs(
  db: Database,
  claims: Pick<ReturnType<typeof claimVerbs>, 'claim' | 'abandon'>,
  files: Pick<ReturnType<typeof openAiFileVerbs>, 'commitOpenAiFile'>,
) {
  const find = db.prepare<[string], StoredOpenAiUpload>(`${SELECT_OPENAI_UPLOAD} WHERE id = ?`)
  const claimOf = db.prepare<[string], StoredUpload>(`${SELECT_UPLOAD} WHERE id = ?`)
  const pending = db
    .prepare<[string, string], number>(
      "SELECT count(*) FROM _alyx_openai_uploads WHERE account = ? AND status = 'pending' AND expires_at > ?",
    )
    .pluck()
  const insert = db.prepare<[StoredOpenAiUpload]>(`
    INSERT INTO _alyx_openai_uploads (id, claim_id, openai_file_id, account, tenant, key_id, bucket, filename, bytes, purpose, mime_type,
      lifetime, status, parts_key, created_at, expires_at)
    VALUES (@id, @claim_id, @openai_file_id, @account, @tenant, @key_id, @bucket, @filename, @bytes, @purpose, @mime_type,
      @lifetime, @status, @parts_key, @created_at, @expires_at)`)
  const turn = db.prepare<[OpenAiStatus, string | null, string]>(
    'UPDATE _alyx_openai_uploads SET status = ?, parts_key = ? WHERE id = ?',
  )
  const insertPart = db.prepare<[StoredOpenAiPart]>(`
    INSERT INTO _alyx_openai_parts (id, upload_id, claim_id, number, size, created_at)
    VALUES (@id, @upload_id, @claim_id, @number, @size, @created_at)`)
  const partAt = db.prepare<[string, number], Pick<StoredOpenAiPart, 'id' | 'claim_id'>>(
    'SELECT id, claim_id FROM _alyx_openai_parts WHERE upload_id = ? AND number = ?',
  )
  const removePart = db.prepare<[string]>('DELETE FROM _alyx_openai_parts WHERE id = ?')
  const sums = db.prepare<[string], { parts: number; bytes: number }>(
    'SELECT count(*) AS parts, coalesce(sum(size), 0) AS bytes FROM _alyx_openai_parts WHERE upload_id = ?',
  )
  const arrived = db.prepare<[number, number, string]>(`
    UPDATE _alyx_uploads SET size = ?, "offset" = ?, holder = NULL, lease_expires_at = NULL, release_requested = 0 WHERE id = ?`)
  const letGo = db.prepare<[string]>('UPDATE _alyx_uploads SET holder = NULL, lease_expires_at = NULL WHERE id = ?')
  const hold = db.prepare<[string, string, string]>(
    'UPDATE _alyx_uploads SET holder = ?, lease_expires_at = ?, release_requested = 0 WHERE id = ?',
  )
  // Parts reserve nothing, so no counter moves.
  const abandonParts = db.prepare<[string, string]>(`
    UPDATE _alyx_uploads SET state = 'abandoned', path = NULL, updated_at = ?
    WHERE id IN (SELECT claim_id FROM _alyx_openai_parts WHERE upload_id = ?)`)
  const removeParts = db.prepare<[string]>('DELETE FROM _alyx_openai_parts WHERE upload_id = ?')
  const prune = db.prepare<[string, number]>(`
    DELETE FROM _alyx_openai_uploads WHERE id IN (
      SELECT id FROM _alyx_openai_uploads WHERE expires_at < ? AND status <> 'pending' ORDER BY expires_at LIMIT ?)`)

  const requirePending = (id: string, now: string | null): StoredOpenAiUpload => {
    const row = find.get(id)
    if (!row) throw fail('upload_not_found', 'there is no such upload')
    if (row.status !== 'pending') throw ended(row.status)
    if (now !== null && row.expires_at <= now) throw ended('expired')
    return row
  }
  const isHeld = (row: StoredUpload | undefined, by: string | null, now: string): boolean =>
    row !== undefined &&
    row.holder !== null &&
    row.holder !== by &&
    row.lease_expires_at !== null &&
    row.lease_expires_at > now
  const end = (id: string, status: OpenAiStatus, partsKey: string | null, now: string): void => {
    abandonParts.run(now, id)
    removeParts.run(id)
    turn.run(status, partsKey, id)
  }

  return {
    beginOpenAiUpload(
      draft: UploadDraft,
      ceilings: Ceilings,
      reservation: Reservation,
      upload: OpenAiUploadDraft,
      mostPending: number,
    ): Granted {
      if ((pending.get(upload.account, draft.createdAt) ?? 0) >= mostPending) {
        throw fail('rate_limited', `${mostPending} uploads are pending: complete or cancel one`, { retryAfter: 60 })
      }
      const granted = claims.claim(draft, ceilings, reservation)
      // Nobody works on it yet: a holder's lease would be prolonged with all others of its process.
      letGo.run(draft.id)
      insert.run({
        id: upload.uploadId,
        claim_id: draft.id,
        openai_file_id: upload.id,
        account: upload.account,
        tenant: upload.tenant,
        key_id: upload.keyId,
        bucket: draft.bucket,
        filename: draft.name,
        bytes: draft.size ?? 0,
        purpose: upload.purpose,
        mime_type: upload.mimeType,
        lifetime: upload.lifetime,
        status: 'pending',
        parts_key: null,
        created_at: draft.createdAt,
        expires_at: draft.expiresAt,
      })
      return granted
    },

    keepOpenAiPart(part: OpenAiPart, holder: string, most: { parts: number; bytes: number }): string | null {
      const { uploadId, claimId, number, size, createdAt: now } = part
      const upload = requirePending(uploadId, now)
      if (isHeld(claimOf.get(upload.claim_id), null, now)) throw completing()
      const claim = claimOf.get(claimId)
      if (claim?.state !== 'open' || claim.holder !== holder) throw ended('expired')
      const replaced = number === null ? undefined : partAt.get(uploadId, number)
      if (replaced) {
        removePart.run(replaced.id)
        claims.abandon(replaced.claim_id, now, null)
      }
      const { parts, bytes } = sums.get(uploadId)!
      if (parts >= most.parts) throw fail('invalid_request', `an upload has at most ${most.parts} parts`)
      if (bytes + size > most.bytes) {
        throw fail('invalid_request', `the parts have far more than the ${upload.bytes} bytes of the upload`)
      }
      insertPart.run({ id: part.id, upload_id: uploadId, claim_id: claimId, number, size, created_at: now })
      arrived.run(size, size, claimId)
      return replaced?.claim_id ?? null
    },

    holdOpenAiUpload(id: string, holder: string, leaseExpiresAt: string, now: string): boolean {
      const { claim_id } = requirePending(id, now)
      const claim = claimOf.get(claim_id)
      if (claim?.state !== 'open') throw ended('expired')
      if (isHeld(claim, holder, now)) return false
      hold.run(holder, leaseExpiresAt, claim_id)
      return true
    },

    completeOpenAiUpload(id: string, facts: FileFacts, partsKey: string, now: string, options: CommitOptions): FileRow {
      // Its time may end while its bytes are being put together: that it is held is what counts.
      const row = requirePending(id, null)
      const { account, tenant, key_id: keyId, purpose, lifetime, openai_file_id } = row
      const draft = { id: openai_file_id, account, tenant, keyId, purpose, lifetime }
      const file = files.commitOpenAiFile(row.claim_id, facts, draft, now, options)
      end(id, 'completed', partsKey, now)
      return file
    },

    cancelOpenAiUpload(id: string, holder: string, now: string): null {
      const { claim_id } = requirePending(id, null)
      if (!claims.abandon(claim_id, now, holder)) throw completing()
      end(id, 'cancelled', null, now)
      return null
    },

    expireOpenAiUpload(id: string, now: string): null {
      const row = find.get(id)
      if (row?.status !== 'pending' || row.expires_at > now || isHeld(claimOf.get(row.claim_id), null, now)) return null
      claims.abandon(row.claim_id, now, null)
      end(id, 'expired', null, now)
      return null
    },

    pruneOpenAiUploads: (before: string, limit: number): number => prune.run(before, limit).changes,
  }
}

function ended(status: string): AppError {
  return fail('invalid_request', `the upload is ${status}`, { details: { code: `upload_${status}` } })
}

function completing(): AppError {
  return fail('upload_locked', 'the upload is being completed right now')
}
