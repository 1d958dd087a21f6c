// The part of the contract about what owners may have: their policies, when their files expire, and their transforms.

/** A row of `_alyx_storages`: what an operator has set for one owner. Null = the tier's value; sizes in bytes. */
export interface StorageRow {
  readonly ownerId: string
  /** Null = policies.default_tier. */
  readonly tier: string | null
  readonly maxStorage: number | null
  readonly maxFilesPerField: number | null
  readonly maxFieldBytes: number | null
  readonly retentionDays: number | null
  readonly transformLimit: number | null
  readonly transformUsed: number
}

/** The columns that change; what is left out stays. */
export type StoragePatch = { readonly [Name in keyof Omit<StorageRow, 'ownerId'>]?: StorageRow[Name] | undefined }

/** What holds for an owner: the row over its tier, below policies.hard_max_storage. Null = no limit; without a `policies` block all are. */
export interface Policy {
  /** One that is declared: an owner whose tier is not has the default one. Null without a `policies` block. */
  readonly tier: string | null
  readonly maxStorage: number | null
  readonly maxFilesPerField: number | null
  readonly maxFieldBytes: number | null
  /** Milliseconds a file lives that asked for nothing, and the most it may ask for. */
  readonly retention: number | null
  readonly transformLimit: number | null
}

/** A policy and how much of its transforms is used. */
export interface PolicyUse extends Policy {
  readonly transformUsed: number
  /** What is left of policies.transform_month_limit in this month of UTC, for all owners together; null = no limit. */
  readonly transformMonthRemaining: number | null
}

/** One batch of an owner's files in one bucket, in order of creation. */
export interface ExpiryStep {
  readonly ownerId: string
  readonly bucket: string
  /** Milliseconds a new file of the bucket lives that asked for nothing, and the most one may ask for; null = for ever. */
  readonly bucketDefault: number | null
  readonly bucketMax: number | null
  /** Milliseconds: no file that is made to expire earlier does so before they are over. */
  readonly grace: number
  /** The last file of the batch before. */
  readonly after: FilePlace | null
  readonly limit: number
}

/** Where a file stands among those of its owner and bucket. */
export interface FilePlace {
  readonly createdAt: string
  readonly id: string
}

export interface ExpiryBatch {
  /** Readable files that were looked at, and those whose expires_at is another now. */
  readonly files: number
  readonly updated: number
  /** Of the owner's policy, as it was in this step. */
  readonly retention: number | null
  /** Null once there is nothing more. */
  readonly last: FilePlace | null
}

/** A tier that rows name and alyx.yml does not declare. */
export interface UnknownTier {
  readonly tier: string
  readonly owners: number
}

/** Verbs of MetaStore. Policies are read in the transaction that obeys them: whoever edits a row, the next request sees it. */
export interface PolicyStore {
  /** Null where nobody has set anything for the owner and nothing was transformed. */
  storage(ownerId: string): Promise<StorageRow | null>
  /** Makes the row where there is none. */
  putStorage(ownerId: string, patch: StoragePatch): Promise<StorageRow>
  policy(ownerId: string, now: string): Promise<PolicyUse>
  unknownTiers(): Promise<readonly UnknownTier[]>

  /** Sets expires_at as a new file of that time would get it now; one that a client asked for is only ever made earlier. */
  recomputeExpiry(step: ExpiryStep, now: string): Promise<ExpiryBatch>

  /** Charges one transform to the owner (null = nobody) and the month, until `refundTransform`. Transforms whose lease has run out are refunded
   *  first. Fails: quota_exceeded. */
  chargeTransform(
    id: string,
    ownerId: string | null,
    holder: string,
    leaseExpiresAt: string,
    now: string,
  ): Promise<void>
  /** It was made: the charge stays. */
  settleTransform(id: string): Promise<void>
  /** It was not: the charge is taken back. Twice is once. */
  refundTransform(id: string): Promise<void>
  /** Transforms whose process has died. */
  countDeadTransforms(now: string): Promise<number>
  /** Refunds them; how many. At most `limit`. */
  refundDeadTransforms(now: string, limit: number): Promise<number>
}
