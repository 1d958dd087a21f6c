// The part of the contract about /v1: the files it shows, and its uploads in parts.
import type { FileFacts, FileRow } from '../core/model.ts'
import type { CommitOptions } from './commit.ts'

/** Whose a file or an upload of /v1 is, and which API key made it. */
export interface OpenAiOwner {
  /** `tenant:{name}`, or the id of a key that has no tenant: the owner of the file in its bucket. */
  readonly account: string
  readonly tenant: string | null
  readonly keyId: string
}

/** What /v1 knows of a file before it has its bytes. */
export interface OpenAiFileDraft extends OpenAiOwner {
  /** `file-` and 32 hex digits. */
  readonly id: string
  readonly purpose: string
  /** Milliseconds, counted from the commit. */
  readonly lifetime: number
}

export type OpenAiReason = 'deleted by tenant' | 'deleted' | 'expired'

/** A row of `_alyx_openai_files`. Times are RFC 3339. */
export interface OpenAiFile extends OpenAiOwner {
  readonly id: string
  /** Its id in the bucket. */
  readonly fileId: string
  readonly bucket: string
  readonly filename: string
  readonly bytes: number
  readonly purpose: string
  readonly createdAt: string
  /** As it stands on the file while there is one; null when that was taken away there. */
  readonly expiresAt: string | null
  /** Null while the file is there. */
  readonly deletedAt: string | null
  readonly reason: OpenAiReason | null
  /** The file in the bucket is `ready`; it may have expired all the same. */
  readonly ready: boolean
  /** Breaks ties of `createdAt`; rises with every file of every account. */
  readonly seq: number
}

/** Files in order of `createdAt` and `seq`, behind a file of that position. */
export interface OpenAiQuery {
  readonly descending: boolean
  readonly after: Pick<OpenAiFile, 'createdAt' | 'seq'> | null
  readonly limit: number
  /** RFC 3339: what has expired by then counts as gone. */
  readonly now: string
}

export interface OpenAiAuditQuery extends OpenAiQuery {
  readonly state: 'active' | 'deleted' | 'all'
  readonly tenant: string | null
}

export type OpenAiStatus = 'pending' | 'completed' | 'cancelled' | 'expired'

export interface OpenAiUploadDraft extends OpenAiFileDraft {
  readonly uploadId: string
  readonly mimeType: string
}

/** A row of `_alyx_openai_uploads`. Times are RFC 3339. */
export interface OpenAiUpload extends OpenAiOwner {
  /** `upload_` and 32 hex digits. */
  readonly id: string
  /** The claim of the file to be, and the file's id in the bucket. */
  readonly claimId: string
  /** The id that /v1 gives the file. */
  readonly fileId: string
  readonly bucket: string
  readonly filename: string
  readonly bytes: number
  readonly purpose: string
  readonly mimeType: string
  readonly lifetime: number
  /** As it is stored: a pending one may have expired. */
  readonly status: OpenAiStatus
  /** Tells whether a repeated completion is the same; null until completed. */
  readonly partsKey: string | null
  readonly createdAt: string
  readonly expiresAt: string
}

/** A part that has arrived. */
export interface OpenAiPart {
  /** `part_` and 32 hex digits. */
  readonly id: string
  readonly uploadId: string
  /** Its own claim, under which the spool keeps its bytes. */
  readonly claimId: string
  /** Given with the pre-signed URL; null for a part that was posted. */
  readonly number: number | null
  readonly size: number
  readonly createdAt: string
}

/** Verbs of MetaStore. An upload that is not pending any more fails invalid_request with details.code `upload_completed`, `upload_cancelled`
 *  or `upload_expired`; an unknown one upload_not_found. */
export interface OpenAiStore {
  /** Commits a claim together with what /v1 knows of it. As `commit`; never staged. Twice is once. */
  commitOpenAiFile(
    claimId: string,
    facts: FileFacts,
    draft: OpenAiFileDraft,
    now: string,
    options?: CommitOptions,
  ): Promise<FileRow>
  /** The account has deleted it: the row of /v1 says so, and the file becomes a tombstone, which is returned. Null when it is gone already.
   *  Fails: file_in_use. */
  removeOpenAiFile(id: string, account: string, now: string): Promise<FileRow | null>
  openAiFile(id: string): Promise<OpenAiFile | null>
  /** Files of one account that are there. */
  openAiFiles(account: string, purpose: string | null, query: OpenAiQuery): Promise<readonly OpenAiFile[]>
  /** Files of all accounts, those that are gone included. */
  openAiAudit(query: OpenAiAuditQuery): Promise<readonly OpenAiFile[]>

  openAiUpload(id: string): Promise<OpenAiUpload | null>
  /** Those that have arrived, in that order. */
  openAiParts(uploadId: string): Promise<readonly OpenAiPart[]>
  /** A part is durable in the spool under the claim that `holder` has. Returns the claim of the part whose number it takes over, now
   *  abandoned. Fails: invalid_request beyond `most` parts or bytes; upload_locked while the upload is being completed. */
  keepOpenAiPart(
    part: OpenAiPart,
    holder: string,
    most: { readonly parts: number; readonly bytes: number },
  ): Promise<string | null>
  /** Takes a pending upload for `holder`: false when another live holder has it. */
  holdOpenAiUpload(id: string, holder: string, leaseExpiresAt: string, now: string): Promise<boolean>
  /** Its claim, which `holder` has, becomes a file; its parts are abandoned. Twice is once. */
  completeOpenAiUpload(
    id: string,
    facts: FileFacts,
    partsKey: string,
    now: string,
    options?: CommitOptions,
  ): Promise<FileRow>
  /** Its claim, which `holder` has, and its parts are abandoned. */
  cancelOpenAiUpload(id: string, holder: string, now: string): Promise<void>

  /** Pending uploads whose time is over, oldest first. */
  expiredOpenAiUploads(now: string, limit: number): Promise<readonly OpenAiUpload[]>
  /** As cancelled, for one that has expired; nothing happens while it is being completed. */
  expireOpenAiUpload(id: string, now: string): Promise<void>
  /** What `pruneOpenAiUploads` would forget. */
  countEndedOpenAiUploads(before: string): Promise<number>
  /** Forgets uploads that ended and whose time was over before `before`; how many, at most `limit`. */
  pruneOpenAiUploads(before: string, limit: number): Promise<number>
}
