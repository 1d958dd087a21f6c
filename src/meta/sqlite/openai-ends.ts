// What stays of a file of /v1: when it went, and why.
import type { Database } from 'better-sqlite3'
import type { OpenAiReason } from '../openai.ts'
import type { StoredFile } from './rows.ts'

/** What a file of /v1 leaves behind when its row goes from the bucket, whoever removed it. */
export type RecordEnd = (row: Pick<StoredFile, 'id' | 'expires_at' | 'updated_at'>) => void

/** Prepares the statement on a connection. The end must be recorded inside the transaction that buries the file. */
export function createOpenAiEnds(db: Database): RecordEnd {
  const end = db.prepare<[string, OpenAiReason, string]>(
    'UPDATE _alyx_openai_files SET deleted_at = ?, reason = ? WHERE file_id = ? AND deleted_at IS NULL',
  )
  return ({ id, expires_at, updated_at }) => {
    const expired = expires_at !== null && expires_at <= updated_at
    end.run(updated_at, expired ? 'expired' : 'deleted', id)
  }
}
