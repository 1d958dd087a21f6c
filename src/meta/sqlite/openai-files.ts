// Files of /v1 in the writer: committed and removed together with the file in its bucket.
import type { Database } from 'better-sqlite3'
import type { FileFacts, FileRow } from '../../core/model.ts'
import type { CommitOptions } from '../commit.ts'
import type { OpenAiFileDraft, OpenAiReason } from '../openai.ts'
import type { claimVerbs } from './claims.ts'
import type { fileVerbs } from './files.ts'
import type { StoredOpenAiFile } from './openai-rows.ts'

/** Processes whose clocks differ by less still give times that rise: what is newer is never listed before what is older. */
const CLOCKS_DIFFER = 1000

/** The verbs of OpenAiStore on files. Each must run inside a transaction. */
export function openAiFileVerbs(
  db: Database,
  claims: Pick<ReturnType<typeof claimVerbs>, 'commit'>,
  files: Pick<ReturnType<typeof fileVerbs>, 'condemn'>,
) {
  const find = db.prepare<[string], Pick<StoredOpenAiFile, 'file_id' | 'account' | 'bucket' | 'deleted_at'>>(
    'SELECT file_id, account, bucket, deleted_at FROM _alyx_openai_files WHERE id = ?',
  )
  const latest = db
    .prepare<[], string>('SELECT created_at FROM _alyx_openai_files ORDER BY created_at DESC, seq DESC LIMIT 1')
    .pluck()
  const insert = db.prepare<[Omit<StoredOpenAiFile, 'seq'>]>(`
    INSERT INTO _alyx_openai_files (id, file_id, account, tenant, key_id, bucket, filename, bytes, purpose, created_at, expires_at,
      deleted_at, reason)
    VALUES (@id, @file_id, @account, @tenant, @key_id, @bucket, @filename, @bytes, @purpose, @created_at, @expires_at,
      @deleted_at, @reason)`)
  const settle = db.prepare<[number, string]>('UPDATE _alyx_uploads SET file_lifetime = ?, staging = NULL WHERE id = ?')
  const mark = db.prepare<[string, OpenAiReason, string]>(
    'UPDATE _alyx_openai_files SET deleted_at = ?, reason = ? WHERE id = ?',
  )

  return {
    commitOpenAiFile(
      claimId: string,
      facts: FileFacts,
      draft: OpenAiFileDraft,
      now: string,
      options: CommitOptions,
    ): FileRow {
      const before = latest.get() ?? now
      const ahead = Date.parse(before) - Date.parse(now)
      settle.run(draft.lifetime, claimId)
      const file = claims.commit(claimId, facts, ahead > 0 && ahead <= CLOCKS_DIFFER ? before : now, options)
      if (find.get(draft.id)) return file
      insert.run({
        id: draft.id,
        file_id: file.id,
        account: draft.account,
        tenant: draft.tenant,
        key_id: draft.keyId,
        bucket: file.bucket,
        filename: file.name,
        bytes: file.size,
        purpose: draft.purpose,
        created_at: file.createdAt,
        expires_at: file.expiresAt,
        deleted_at: null,
        reason: null,
      })
      return file
    },

    removeOpenAiFile(id: string, account: string, now: string): FileRow | null {
      const row = find.get(id)
      if (row?.account !== account || row.deleted_at !== null) return null
      const file = files.condemn(row.bucket, row.file_id, now, false)
      if (file !== null) mark.run(now, 'deleted by tenant', id)
      return file
    },
  }
}
