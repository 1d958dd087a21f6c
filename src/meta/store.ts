// The contract of the metadata store: whole steps of the business, the same on every database.
// Each verb is one transaction that is durable when its promise resolves. test/contract/meta-store.ts is its executable form.
import type { ApiKeyRow, FileFacts, FileRow, Metadata, OwnRules, UploadDraft, UploadRow } from '../core/model.ts'
import type { BlobPlaceStore } from './blob-places.ts'
import type { CommitOptions } from './commit.ts'
import type { HiddenFileStore } from './hidden-files.ts'
import type { OpenAiStore, OpenAiUploadDraft } from './openai.ts'
import type { OutboxStore } from './outbox.ts'
import type { PolicyStore } from './policies.ts'
import type { RecordStore } from './records.ts'
import type { ShareStore } from './shares.ts'
import type { PartStore } from './spool-parts.ts'
import type { UpkeepStore } from './upkeep.ts'
import type { WrappedKeyStore } from './wrapped-keys.ts'

/** What a claim may not exceed beside the policy of its owner; null = no limit. Bytes. */
export interface Ceilings {
  readonly bucketTotal: number | null
  /** Open uploads one owner may have at a time (tus only; anonymous callers share one owner). */
  readonly openUploads: number | null
}

/** Bytes to set aside: `need`, or the step fails. Of those up to `want` it tells how many there is room for, and sets none of them aside: what
 *  is not sure to come must not be in the way of what is. */
export interface Reservation {
  readonly need: number
  readonly want: number
}

/** A claim as it was made. */
export interface Claim extends UploadRow {
  /** Bytes that fitted at that moment; more than `reserved` where more was wanted and nobody holds it. */
  readonly room: number
}

export interface FilePatch {
  readonly name?: string
  readonly path?: string
  readonly metadata?: Metadata
  readonly expiresAt?: string | null
  readonly rules?: OwnRules | null
}

/** `deleted_at`: since when it is hidden. */
export type SortField = 'created_at' | 'name' | 'size' | 'deleted_at'

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
  /** Those in the trash, or in quarantine, instead of the ready ones. */
  readonly hidden?: 'trashed' | 'quarantined'
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

/** A counter that does not equal the sum it stands for. */
export interface Drift {
  readonly scope: string
  readonly counter: Usage
  readonly sum: Usage
}

export interface MetaStore
  extends BlobPlaceStore,
    HiddenFileStore,
    OpenAiStore,
    OutboxStore,
    PartStore,
    PolicyStore,
    ShareStore,
    UpkeepStore,
    WrappedKeyStore {
  readonly records: RecordStore

  /** Upload row + unique path + reservation, together or not at all. A path held by a claim whose lease or life has run out is taken over.
   *  A life that the client did not ask for is shortened to the policy's. Fails: file_exists (details.path, and details.upload_id when the
   *  holder has the same owner), quota_exceeded, invalid_expiry (beyond the policy's maximum), rate_limited. */
  claim(draft: UploadDraft, ceilings: Ceilings, reservation: Reservation): Promise<Claim>
  /** `claim` of the file that an upload of /v1 will be, and the beginning of that upload, together or not at all. Fails as `claim`, and
   *  rate_limited when the account has `mostPending` already. */
  beginOpenAiUpload(
    draft: UploadDraft,
    ceilings: Ceilings,
    reservation: Reservation,
    upload: OpenAiUploadDraft,
    mostPending: number,
  ): Promise<Claim>
  /** Raises a claim's reservation to `need` bytes in all, and never lowers it. Returns how many would fit now, `want` at most and the reservation
   *  at least. Fails: quota_exceeded, upload_expired. */
  extend(id: string, ceilings: Ceilings, reservation: Reservation, now: string): Promise<number>
  /** Records durable bytes of a tus upload and prolongs its life. Fails: upload_locked when `holder` no longer has it, upload_not_found. */
  advance(id: string, holder: string, offset: number, expiresAt: string, now: string): Promise<void>
  /** The claim becomes a `ready` file; the reservation becomes usage. Twice is once; a swept claim fails upload_expired.
   *  `fileLifetime` of the draft becomes expires_at counted from `now`. What is more than the reservation needs room below the owner's limit
   *  and `bucketTotal`. Fails quota_exceeded, upload_locked. */
  commit(id: string, facts: FileFacts, now: string, options?: CommitOptions): Promise<FileRow>
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

  /** ready, trashed or quarantined → deleting. Returns the row; null when absent. One that is deleting already is touched, so that nobody restores it. Records that name the file keep naming it until
   *  `bury`. Fails file_in_use when a field with on_file_delete: restrict names it. `force` passes over that, but is only for files whose
   *  time is over by `now` (expired, staged or in the trash for too long): a file of which that is not so is left alone, and null. */
  condemn(bucket: string, id: string, now: string, force: boolean): Promise<FileRow | null>
  /** deleting → what it was: the bytes would not go. True when it is that again: only as long as the tombstone is as `condemn` made it at
   *  `condemnedAt`, for whoever else wants the file gone may be removing its bytes, or have dropped its last reference. */
  restore(bucket: string, id: string, condemnedAt: string, now: string): Promise<boolean>
  /** Removes a `deleting` row and returns its bytes to the quotas; fields of records that name the file become null, or lose the element.
   *  Twice is once. */
  bury(bucket: string, id: string): Promise<void>

  /** version + 1. Fails: file_not_found (not ready), file_exists (path), precondition_failed (`ifVersion` given and different),
   *  invalid_expiry (beyond the policy of the file's owner). */
  update(bucket: string, id: string, patch: FilePatch, now: string, ifVersion?: number): Promise<FileRow>
  /** Ends all signed links of a file. Fails: file_not_found. */
  revokeLinks(bucket: string, id: string, now: string): Promise<void>

  /** In any state; expired ones too. */
  file(bucket: string, id: string): Promise<FileRow | null>
  /** Those of `ids` that exist, whatever their bucket and state, in any order, in one query. */
  files(ids: readonly string[]): Promise<readonly FileRow[]>
  /** By id alone: for HEAD on a finished tus upload. */
  upload(id: string): Promise<UploadRow | null>
  /** Ready (or hidden), unexpired files in order, at most `limit`. */
  list(query: FileQuery): Promise<readonly FileRow[]>
  /** How many `list` would find in all, `after` ignored. */
  count(query: FileQuery): Promise<number>
  /** `bucket:{name}` or `owner:{id}`. */
  usage(scope: string): Promise<Usage>

  /** Claims to sweep: abandoned, or expired and without a live lease, or of protocol put with a dead lease. Oldest first. Here and below
   *  `without` names backends whose rows are left out; default none. */
  deadUploads(now: string, limit: number, without?: readonly string[]): Promise<readonly UploadRow[]>
  /** Tombstones last touched before `before`. */
  stuckDeletions(before: string, limit: number, without?: readonly string[]): Promise<readonly FileRow[]>
  /** Files (in the trash and in quarantine too) whose expires_at has passed, or that were staged and not named in time. */
  expiredFiles(now: string, limit: number, without?: readonly string[]): Promise<readonly FileRow[]>

  /** A named lease over all processes (sweeps). True when taken or prolonged; one that lasts ten times as long as what is asked for was taken
   *  by a clock that was ahead, and is not obeyed. */
  lease(name: string, holder: string, expiresAt: string, now: string): Promise<boolean>
  releaseLease(name: string, holder: string): Promise<void>

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
