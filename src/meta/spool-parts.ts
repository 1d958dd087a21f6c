// The part of the contract about unfinished uploads that a backend keeps: what is known of each of their parts.
import type { BlobKey } from '../core/model.ts'

/** What is known of a part of an unfinished upload once it is there. */
export interface PartFacts {
  /** The upload's bytes from `start` up to this. */
  readonly end: number
  readonly storedCrc32: number
  /** What deciphers it, in base64; null when it is plain. */
  readonly sealed: string | null
}

/** A part of an unfinished upload that a backend keeps, or will; then `end` and `storedCrc32` are null. */
export interface SpoolPart {
  readonly backend: string
  readonly key: BlobKey
  readonly start: number
  readonly end: number | null
  readonly storedCrc32: number | null
  readonly sealed: string | null
}

/** Verbs of MetaStore. A part has a row before it has bytes, and loses it after them. */
export interface PartStore {
  /** Before a part of an unfinished upload is sent to a backend. Fails: upload_locked when `holder` no longer has the upload,
   *  upload_not_found. */
  announcePart(uploadId: string, backend: string, key: BlobKey, start: number, holder: string): Promise<void>
  /** The part is durable. Fails as `announcePart`, and upload_locked when the part was forgotten meanwhile. */
  keepPart(uploadId: string, key: BlobKey, facts: PartFacts, holder: string): Promise<void>
  /** The parts that go past `offset` count no longer; those and all others that do not count, whose bytes may go now. Fails as
   *  `announcePart`. */
  cutParts(uploadId: string, offset: number, holder: string): Promise<readonly SpoolPart[]>
  /** Its bytes are gone, or never came. Forgetting what is not known is success. */
  forgetPart(uploadId: string, key: BlobKey): Promise<void>
  /** Those of one upload, by `start`. */
  spoolParts(uploadId: string): Promise<readonly SpoolPart[]>
  /** Ids of uploads that have parts, finished ones included, in order after `afterId`. */
  spooledUploads(afterId: string, limit: number): Promise<readonly string[]>
  /** A backend other than this that keeps parts; null when none does. */
  spoolElsewhere(backend: string | null): Promise<string | null>
}
