// The part of the contract about where blobs are: parts on their way to a backend, moves between backends, and what those leave.
import type { BlobKey, FileRow } from '../core/model.ts'

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

/** Verbs of MetaStore. */
export interface BlobPlaceStore {
  /** A backend began an upload in parts. Durable before the first part is sent. */
  openMultipart(backend: string, key: BlobKey, uploadId: string, now: string): Promise<void>
  /** It was completed or aborted. Forgetting what is not known is success. */
  closeMultipart(backend: string, key: BlobKey, uploadId: string): Promise<void>
  /** Those under way for a blob. */
  multiparts(backend: string, key: BlobKey): Promise<readonly Multipart[]>
  /** Those begun before `before` whose blob is neither being uploaded nor a spare one. */
  strayMultiparts(before: string, limit: number, without?: readonly string[]): Promise<readonly Multipart[]>

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
  dueSpares(now: string, limit: number, without?: readonly string[]): Promise<readonly SpareBlob[]>
  /** Whether its bytes may be removed now: then it becomes no file's any more. False when it is spare no longer. */
  takeSpare(backend: string, key: BlobKey): Promise<boolean>
  /** Its bytes are gone. Forgetting what is not known is success. */
  forgetSpare(backend: string, key: BlobKey): Promise<void>
}
