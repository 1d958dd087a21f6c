// The contract of the metadata store: whole steps of the business, the same on every database.
// Each verb is one transaction that is durable when its promise resolves. test/contract/meta-store.ts is its executable form.
import type {
  ApiKeyRow,
  BlobKey,
  FileFacts,
  FileRow,
  Metadata,
  OwnRules,
  UploadDraft,
  UploadRow,
} from '../core/model.ts'
import type { OpenAiStore, OpenAiUploadDraft } from './openai.ts'
import type { RecordStore } from './records.ts'
import type { PartStore } from './spool-parts.ts'
import type { WrappedKeyStore } from './wrapped-keys.ts'

/** What a claim may not exceed; null = no limit. Bytes. */
export interface Ceilings {
  readonly bucketTotal: number | null
  /** Open uploads one owner may have at a time (tus only; anonymous callers share one owner). */
  readonly openUploads: number | null
}

/** Bytes to set aside: at least `need` or the step fails; up to `want` when there is room. */
export interface Reservation {
  readonly need: number
  readonly want: number
}

export interface FilePatch {
  readonly name?: string
  readonly path?: string
  readonly metadata?: Metadata
  readonly expiresAt?: string | null
  readonly rules?: OwnRules | null
}

export type SortField = 'created_at' | 'name' | 'size'

export interface FileQuery {
  readonly bucket: string
  readonly sort: SortField
  readonly descending: boolean
  readonly limit: number
  /** Position after which the page starts: the sort value and id of the last row seen. */
  readonly after: { readonly value: string | number; readonly id: string } | null
  /** Case-insensitive (ASCII) substring of the name; % and _ are literal. */
  readonly search: string | null
  /** `image/png` or `image/*`. */
  readonly mimeType: string | null
  readonly ownerId: string | null
  /** Staged files: those of one owner are listed too, or all, or none. */
  readonly staged: { readonly ownerId: string } | 'all' | 'none'
  /** RFC 3339: files expired by then are left out. */
  readonly now: string
}

export interface Usage {
  /** Bytes of committed files (tombstones included until buried). */
  readonly used: number
  /** Bytes set aside by open uploads. */
  readonly reserved: number
  readonly files: number
}

export interface Migration {
  readonly name: string
  /** Null while pending. */
  readonly appliedAt: string | null
}

/** An upload in parts that a backend has begun. */
export interface Multipart {
  readonly backend: string
  readonly key: BlobKey
  readonly uploadId: string
}

/** What a backend keeps of a bucket. */
export interface Kept {
  readonly backend: string
  readonly files: number
  /** As stored. */
  readonly bytes: number
}

/** A blob that is no file's: a copy that is not one yet, or an original that is one no more. */
export interface SpareBlob {
  readonly backend: string
  readonly key: BlobKey
}

/** A counter that does not equal the sum it stands for. */
export interface Drift {
  readonly scope: string
  readonly counter: Usage
  readonly sum: Usage
}

export interface MetaStore extends PartStore, WrappedKeyStore, OpenAiStore {
  readonly records: RecordStore

  /** Upload row + unique path + reservation, together or not at all. A path held by a claim whose lease or life has run out is taken over.
   *  Fails: file_exists (details.path, and details.upload_id when the holder has the same owner), quota_exceeded, rate_limited. */
  claim(draft: UploadDraft, ceilings: Ceilings, reservation: Reservation): Promise<UploadRow>
  /** `claim` of the file that an upload of /v1 will be, and the beginning of that upload, together or not at all. Returns the bytes reserved. Fails as `claim`, and rate_limited when
   *  the account has `mostPending` already. */
  beginOpenAiUpload(
    draft: UploadDraft,
    ceilings: Ceilings,
    reservation: Reservation,
    upload: OpenAiUploadDraft,
    mostPending: number,
  ): Promise<number>
  /** Raises a claim's reservation to at least `need` bytes in all. Returns the new reservation. Fails: quota_exceeded, upload_expired. */
  extend(id: string, ceilings: Ceilings, reservation: Reservation, now: string): Promise<number>
  /** Records durable bytes of a tus upload and prolongs its life. Fails: upload_locked when `holder` no longer has it, upload_not_found. */
  advance(id: string, holder: string, offset: number, expiresAt: string, now: string): Promise<void>
  /** The claim becomes a `ready` file; the reservation becomes usage. Twice is once; a swept claim fails upload_expired.
   *  `fileLifetime` of the draft becomes expires_at counted from `now`. Fails upload_locked when `holder` is given and does not have it. */
  commit(id: string, facts: FileFacts, now: string, holder?: string): Promise<FileRow>
  /** Path and reservation are free at once; the row stays (state abandoned) until `forget`, so that its bytes still have a row.
   *  True when the claim is abandoned now: only then may its bytes go. False when there is none any more, or it is a file by now, or
   *  `holder` is given and another has it. */
  abandon(id: string, now: string, holder?: string): Promise<boolean>
  /** The bytes of an uncommitted upload are gone: its row goes too, with what it still held. Never touches a file. */
  forget(id: string): Promise<void>

  /** Takes the upload for `holder` until `leaseExpiresAt`: true when taken (or already held by it), false when another live holder has it,
   *  which is then asked to let go; null when there is no such upload. */
  lock(id: string, holder: string, leaseExpiresAt: string, now: string): Promise<boolean | null>
  unlock(id: string, holder: string): Promise<void>
  /** Prolongs every lease of `holder`. */
  renew(holder: string, leaseExpiresAt: string): Promise<void>
  /** Ends everything `holder` has, as if it had let go: only for one that will never write again. */
  release(holder: string): Promise<void>
  /** Who holds a claim or a lock, dead or alive. */
  holders(): Promise<readonly string[]>
  /** Ids held by `holder` that another process asks for. */
  wanted(holder: string): Promise<readonly string[]>

  /** ready → deleting. Returns the row; null when absent. One that is deleting already is touched, so that nobody restores it. Records that name the file keep naming it until
   *  `bury`. Fails file_in_use when a field with on_file_delete: restrict names it. `force` passes over that, but is only for files whose
   *  time is over by `now` (expired, or staged for too long): a ready file of which that is not so is left alone, and null. */
  condemn(bucket: string, id: string, now: string, force: boolean): Promise<FileRow | null>
  /** deleting → ready: the bytes would not go. True when it is ready again: only as long as the tombstone is as `condemn` made it at
   *  `condemnedAt`, for whoever else wants the file gone may be removing its bytes, or have dropped its last reference. */
  restore(bucket: string, id: string, condemnedAt: string, now: string): Promise<boolean>
  /** Removes a `deleting` row and returns its bytes to the quotas; fields of records that name the file become null, or lose the element.
   *  Twice is once. */
  bury(bucket: string, id: string): Promise<void>

  /** version + 1. Fails: file_not_found (not ready), file_exists (path), precondition_failed (`ifVersion` given and different). */
  update(bucket: string, id: string, patch: FilePatch, now: string, ifVersion?: number): Promise<FileRow>
  /** Ends all signed links of a file. Fails: file_not_found. */
  revokeLinks(bucket: string, id: string, now: string): Promise<void>

  /** In any state; expired ones too. */
  file(bucket: string, id: string): Promise<FileRow | null>
  /** Those of `ids` that exist, whatever their bucket and state, in any order, in one query. */
  files(ids: readonly string[]): Promise<readonly FileRow[]>
  /** By id alone: for HEAD on a finished tus upload. */
  upload(id: string): Promise<UploadRow | null>
  /** Ready, unexpired files in order, at most `limit`. */
  list(query: FileQuery): Promise<readonly FileRow[]>
  /** How many `list` would find in all, `after` ignored. */
  count(query: FileQuery): Promise<number>
  /** `bucket:{name}` or `owner:{id}`. */
  usage(scope: string): Promise<Usage>

  /** Claims to sweep: abandoned, or expired and without a live lease, or of protocol put with a dead lease. Oldest first. */
  deadUploads(now: string, limit: number): Promise<readonly UploadRow[]>
  /** Tombstones last touched before `before`. */
  stuckDeletions(before: string, limit: number): Promise<readonly FileRow[]>
  /** Ready files whose expires_at has passed, or that were staged and not named in time. */
  expiredFiles(now: string, limit: number): Promise<readonly FileRow[]>

  /** A named lease over all processes (sweeps). True when taken or prolonged. */
  lease(name: string, holder: string, expiresAt: string, now: string): Promise<boolean>
  releaseLease(name: string, holder: string): Promise<void>

  /** A backend began an upload in parts. Durable before the first part is sent. */
  openMultipart(backend: string, key: BlobKey, uploadId: string, now: string): Promise<void>
  /** It was completed or aborted. Forgetting what is not known is success. */
  closeMultipart(backend: string, key: BlobKey, uploadId: string): Promise<void>
  /** Those under way for a blob. */
  multiparts(backend: string, key: BlobKey): Promise<readonly Multipart[]>
  /** Those begun before `before` whose blob is neither being uploaded nor a spare one. */
  strayMultiparts(before: string, limit: number): Promise<readonly Multipart[]>

  /** Where the ready files of a bucket are kept, by name of the backend. */
  kept(bucket: string): Promise<readonly Kept[]>
  /** Ready files of a bucket that are kept in a backend, in id order after `afterId`. */
  filesIn(bucket: string, backend: string, afterId: string, limit: number): Promise<readonly FileRow[]>
  /** Before a blob is copied: until `moveFile` makes the copy the file's, it is a spare one, due at `dueAt`. False, and nothing is done, while
   *  what was there before is being removed. */
  announceCopy(backend: string, key: BlobKey, dueAt: string): Promise<boolean>
  /** The file is kept in `to` from now on, and its blob in `from` is a spare one, due at `dueAt`. Version and times stay. False when it is
   *  not ready, not in `from`, or its copy in `to` is not announced or is being removed. */
  moveFile(bucket: string, id: string, from: string, to: string, dueAt: string): Promise<boolean>
  isSpare(backend: string, key: BlobKey): Promise<boolean>
  /** Spare blobs that are due, oldest first. */
  dueSpares(now: string, limit: number): Promise<readonly SpareBlob[]>
  /** Whether its bytes may be removed now: then it becomes no file's any more. False when it is spare no longer. */
  takeSpare(backend: string, key: BlobKey): Promise<boolean>
  /** Its bytes are gone. Forgetting what is not known is success. */
  forgetSpare(backend: string, key: BlobKey): Promise<void>

  addKey(key: ApiKeyRow): Promise<void>
  keyByHash(hash: string): Promise<ApiKeyRow | null>
  keys(): Promise<readonly ApiKeyRow[]>
  /** False when there is no such live key. */
  revokeKey(id: string, now: string): Promise<boolean>

  /** Buckets that have files or uploads, declared or not; and the backends of all files, and of blobs that are still to be removed. */
  inUse(): Promise<{ readonly buckets: readonly string[]; readonly backends: readonly string[] }>
  /** For doctor: rows in id order after `afterId`. */
  scanFiles(afterId: string, limit: number): Promise<readonly FileRow[]>
  scanUploads(afterId: string, limit: number): Promise<readonly UploadRow[]>
  /** Counters that differ from the sums of the rows; `fix` sets them right. */
  drift(fix: boolean): Promise<readonly Drift[]>
  /** Faults the database finds in itself; empty when sound. */
  integrity(): Promise<readonly string[]>

  migrations(): Promise<readonly Migration[]>
  /** Rejects with storage_unavailable when the database does not answer. */
  ready(): Promise<void>
  close(): Promise<void>
}
