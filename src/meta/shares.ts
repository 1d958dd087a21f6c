// The part of the contract about shares: what was granted, until when, and what has been taken of it.
import type { LinkOperation } from '../core/model.ts'

/** One file that a share opens. */
export interface ShareGrant {
  readonly bucket: string
  readonly fileId: string
  /** The file's link epoch when it was shared: a higher one on the file ends the grant. */
  readonly epoch: number
}

/** What is known of a share when it is made. Times are RFC 3339 with milliseconds. */
export interface ShareDraft {
  readonly id: string
  readonly ownerId: string
  /** Null allows both. */
  readonly operation: LinkOperation | null
  /** Null = no limit, and nothing is counted. */
  readonly maxDownloads: number | null
  readonly note: string | null
  readonly expiresAt: string
  readonly createdAt: string
}

/** A row of `_alyx_shares`. */
export interface ShareRow extends ShareDraft {
  readonly downloads: number
  readonly revokedAt: string | null
  /** How many files it was made for. */
  readonly files: number
  /** Bytes of counted downloads that were not sent, of all its files together. */
  readonly left: number
}

/** A row of `_alyx_share_files`. */
export interface SharedFileRow extends ShareGrant {
  /** Bytes of counted downloads of this file that were not sent: less than its size. */
  readonly left: number
}

/** Verbs of MetaStore. */
export interface ShareStore {
  /** The share with all its grants, in their order. */
  addShare(draft: ShareDraft, grants: readonly ShareGrant[]): Promise<void>
  /** In any state. */
  share(id: string): Promise<ShareRow | null>
  sharedFiles(id: string): Promise<readonly SharedFileRow[]>
  sharedFile(id: string, fileId: string): Promise<SharedFileRow | null>
  /** Those of one owner, the latest first, from the one before `beforeId` on. */
  shares(ownerId: string, beforeId: string | null, limit: number): Promise<readonly ShareRow[]>
  /** Twice is once, and the first time stays. False when there is no such share. */
  revokeShare(id: string, now: string): Promise<boolean>

  /** Before `bytes` of a file of `size` bytes are sent. They come out of downloads that are counted already, as far as those were not sent
   *  whole; where that is not enough one more download is counted. Nothing is counted where there is no limit.
   *  Fails: share_not_found (no share, or not of this file), share_revoked, share_expired, share_exhausted. */
  takeDownload(id: string, fileId: string, bytes: number, size: number, now: string): Promise<void>
  /** `bytes` that were taken were not sent after all. As many as the file has are one download less. */
  returnDownload(id: string, fileId: string, bytes: number, size: number): Promise<void>

  /** Ids of shares that expired or were revoked by `before`. */
  endedShares(before: string, limit: number): Promise<readonly string[]>
  /** With its grants. Removing what is not there is success. */
  removeShare(id: string): Promise<void>
}
