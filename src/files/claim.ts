// The first half of every upload, whatever the protocol: understand the fields, ask the rule, hold path and quota. Nothing is read before it.
import { blobKey } from '../blobs/keys.ts'
import { timestamp } from '../core/clock.ts'
import type { Call, Protocol } from '../core/model.ts'
import type { Claim, MetaStore, Reservation } from '../meta/store.ts'
import type { Bucket } from '../schema/model.ts'
import { parseFields } from './fields.ts'
import {
  ceilings,
  type DraftFacts,
  maxFileSize,
  requireCreate,
  requireOwnRules,
  requireSize,
  tellQuota,
} from './limits.ts'
import type { FileDeps } from './lookup.ts'
import type { UploadFields } from './model.ts'

export interface ClaimInput {
  readonly bucket: Bucket
  readonly fields: UploadFields
  /** Declared bytes; null when unknown. */
  readonly size: number | null
  readonly protocol: Protocol
  readonly reservation: Reservation
  /** RFC 3339: until when this process is writing. */
  readonly leaseExpiresAt: string
  /** Milliseconds the claim lives; uploads.expiry unless given. */
  readonly expiry?: number
  /** Makes the claim together with what another protocol knows of it; `meta.claim` unless given. */
  readonly claim?: MetaStore['claim']
}

export interface Claimed {
  readonly upload: Claim
  /** What the rule was asked about; its size and type are judged again when they are known. */
  readonly draft: DraftFacts
}

/** Claims an upload. Fails: invalid_*, unauthenticated, forbidden, file_too_large, file_exists, quota_exceeded, rate_limited. */
export async function claimUpload(deps: FileDeps, call: Call, input: ClaimInput): Promise<Claimed> {
  const { meta, access, leases, clock, nextId, observer, uploads } = deps
  const { bucket, size, protocol } = input
  const id = nextId()
  const ownerId = call.caller.id
  const fields = parseFields(input.fields, bucket, ownerId, id)
  const createdAt = timestamp(clock.now())
  const { name, path, metadata, checksum, fileLifetime, lifetimeAsked } = fields
  const draft: DraftFacts = { id, name, path, size, mimeType: null, ownerId, metadata, createdAt }
  requireCreate(access, call, bucket, draft)
  const rules = requireOwnRules(access, call, bucket, draft, fields.rules)
  if (size !== null) requireSize(bucket, maxFileSize(bucket, uploads.maxFileSize), size)
  const claim = input.claim ?? meta.claim
  const upload = await claim(
    {
      id,
      bucket: bucket.name,
      name,
      path,
      protocol,
      size,
      metadata,
      rules,
      ownerId,
      tenant: call.caller.tenant,
      backend: bucket.backend,
      key: blobKey(bucket.name, id),
      checksum,
      fileLifetime,
      lifetimeAsked,
      staging: bucket.staging,
      expiresAt: timestamp(clock.now() + (input.expiry ?? uploads.expiry)),
      createdAt,
      holder: leases.holder,
      leaseExpiresAt: input.leaseExpiresAt,
    },
    ceilings(bucket, protocol === 'tus' ? uploads.maxOpenPerOwner : null),
    input.reservation,
  ).catch(tellQuota(observer, bucket))
  observer.event('step', { point: 'claimed', id })
  return { upload, draft }
}
