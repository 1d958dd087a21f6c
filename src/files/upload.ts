// One upload in one request: claim → put → commit. Whatever fails after the claim takes its bytes and its claim with it.
import { blobKey } from '../blobs/keys.ts'
import { timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { Call, FileFacts, FileRow } from '../core/model.ts'
import { parseFields } from './fields.ts'
import { createIngest, feed } from './ingest.ts'
import {
  ceilings,
  type DraftFacts,
  firstReservation,
  maxFileSize,
  nextReservation,
  requireCreate,
  requireOwnRules,
  requireSize,
  requireType,
  tellQuota,
} from './limits.ts'
import { type FileDeps, requireBucket } from './lookup.ts'
import type { FileService, UploadInput } from './model.ts'
import { sniff } from './sniff.ts'

/** The verb `upload`; see FileService. */
export function createUpload(deps: FileDeps): FileService['upload'] {
  const { schema, meta, blobs, access, leases, clock, nextId, observer } = deps

  return async (call, input) => {
    const bucket = requireBucket(schema, input.bucket)
    const id = nextId()
    const owner = call.caller.id
    const fields = parseFields(input.fields, bucket, owner, id)
    const limit = maxFileSize(bucket, deps.uploads.maxFileSize)
    const createdAt = timestamp(clock.now())
    const draft: DraftFacts = {
      id,
      name: fields.name,
      path: fields.path,
      size: input.size,
      mimeType: null,
      ownerId: owner,
      metadata: fields.metadata,
      createdAt,
    }
    requireCreate(access, call, bucket, draft)
    const rules = requireOwnRules(access, call, bucket, draft, fields.rules)
    if (input.size !== null) requireSize(bucket, limit, input.size)

    const bounds = ceilings(bucket, null)
    const key = blobKey(bucket.name, id)
    const release = leases.keep()
    try {
      const claim = await meta
        .claim(
          {
            id,
            bucket: bucket.name,
            name: fields.name,
            path: fields.path,
            protocol: 'put',
            size: input.size,
            metadata: fields.metadata,
            rules,
            ownerId: owner,
            tenant: call.caller.tenant,
            backend: bucket.backend,
            key,
            checksum: fields.checksum,
            fileLifetime: fields.fileLifetime,
            expiresAt: timestamp(clock.now() + deps.uploads.expiry),
            createdAt,
            holder: leases.holder,
            leaseExpiresAt: leases.until(),
          },
          bounds,
          firstReservation(input.size, input.sizeBound, limit),
        )
        .catch(tellQuota(observer, bucket))
      observer.event('step', { point: 'claimed', id })
      let facts: FileFacts
      try {
        facts = await receive(call, input, claim.reserved)
      } catch (error) {
        await discard()
        throw error
      }
      return await commit(facts)
    } finally {
      release()
    }

    async function receive(call: Call, input: UploadInput, firstReserved: number): Promise<FileFacts> {
      let reserved = firstReserved
      let mimeType = 'application/octet-stream'
      const { stream, digest } = createIngest({
        async head(head) {
          mimeType = await sniff(head, input.size)
          requireType(bucket, mimeType, input.declaredType)
          requireCreate(access, call, bucket, { ...draft, mimeType })
        },
        count(count) {
          requireSize(bucket, limit, count)
          if (count <= reserved || (bounds.bucketTotal === null && input.size === null)) return undefined
          if (input.size !== null) throw fail('invalid_request', `more than the announced ${input.size} bytes arrived`)
          return meta
            .extend(id, bounds, nextReservation(count, limit), timestamp(clock.now()))
            .catch(tellQuota(observer, bucket))
            .then((granted) => {
              reserved = granted
            })
        },
      })
      feed(input.body, stream)
      // Once the last byte is here the client's going away changes nothing; before, the body itself breaks.
      const { storedSize } = await blobs.write(bucket.backend, key, stream, input.size, new AbortController().signal)
      const { checksum, crc32 } = await digest.finish()
      requireCreate(access, call, bucket, { ...draft, mimeType, size: digest.count })
      if (fields.checksum !== null && fields.checksum !== checksum) {
        throw fail('checksum_mismatch', 'the bytes do not have the announced SHA-256', {
          details: { expected: fields.checksum, actual: checksum },
        })
      }
      return { mimeType, size: digest.count, originalSize: null, storedSize, storedCrc32: crc32, checksum, codecs: [] }
    }

    async function commit(facts: FileFacts): Promise<FileRow> {
      try {
        const file = await meta.commit(id, facts, timestamp(clock.now()))
        observer.event('step', { point: 'committed', id })
        return file
      } catch (error) {
        // The answer may have been lost, not the commit: ask before anything is taken away.
        const settled = await meta.file(bucket.name, id).catch(() => undefined)
        if (settled) return settled
        if (settled === null && isFailure(error)) await discard()
        throw error
      }
    }

    /** Bytes first, then the claim; what cannot be done now stays for the sweep, with its path free. */
    async function discard(): Promise<void> {
      try {
        await blobs.remove(bucket.backend, key)
        await meta.forget(id)
      } catch (error) {
        observer.event('storage_error', { backend: bucket.backend, operation: 'discard', id, error })
        await leases.giveUp(id)
      }
    }
  }
}
