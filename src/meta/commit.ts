// What decides how a claim becomes a file.

/** How a claim becomes a file. */
export interface CommitOptions {
  /** Fails upload_locked unless it has the upload. */
  readonly holder?: string | null
  /** What the files of the bucket may have together, bytes; null = no limit. */
  readonly bucketTotal?: number | null
  /** Why the file is `quarantined` instead of `ready`. */
  readonly quarantine?: string | null
}
