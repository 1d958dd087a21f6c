// One upload in one request: claim → put → commit. Whatever fails after the claim takes its bytes and its claim with it, at once or by the sweep.
import { Readable } from 'node:stream'
import { timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { Call, FileFacts, FileRow, UploadRow } from '../core/model.ts'
import type { Bucket } from '../schema/model.ts'
import { type Claimed, claimUpload } from './claim.ts'
import { createIngest, feed } from './ingest.ts'
import { inspectedFile } from './inspection.ts'
import {
  ceilings,
  firstReservation,
  maxFileSize,
  nextReservation,
  requireCreate,
  requireSize,
  requireType,
  tellQuota,
} from './limits.ts'
import { type FileDeps, requireBucket } from './lookup.ts'
import type { FileService, UploadInput } from './model.ts'
import { sniff } from './sniff.ts'
import { type CodecNames, chooseCodecs, plainFacts, storeCoded, usesCodecs } from './stored.ts'

/** The verb `upload`; see FileService. */
export function createUpload(deps: FileDeps): FileService['upload'] {
  const { schema, meta, blobs, access, leases, clock, observer } = deps

  /** Stores the body as a blob and finds out what it is. */
  async function receive(call: Call, bucket: Bucket, input: UploadInput, claimed: Claimed): Promise<FileFacts> {
    const { upload, draft } = claimed
    const limit = Math.min(maxFileSize(bucket, deps.uploads.maxFileSize), input.maxSize ?? Number.POSITIVE_INFINITY)
    const bounds = ceilings(bucket, null)
    const bounded = bounds.bucketTotal !== null || (upload.ownerId !== null && (deps.policies ?? null) !== null)
    const chosen = Promise.withResolvers<CodecNames>()
    if (!usesCodecs(bucket)) chosen.resolve([])
    // Without a length only what has been counted is set aside: the rest is asked for as it comes, and the commit has the last word.
    let { room } = upload
    let mimeType = 'application/octet-stream'
    const { stream, digest } = createIngest({
      async head(head) {
        mimeType = await sniff(head, input.size)
        requireType(bucket, mimeType, input.declaredType)
        requireCreate(access, call, bucket, { ...draft, mimeType })
        chosen.resolve(chooseCodecs(bucket, mimeType, head))
      },
      count(count) {
        requireSize(bucket, limit, count)
        if (count <= room || (!bounded && input.size === null)) return undefined
        if (input.size !== null) throw fail('invalid_request', `more than the announced ${input.size} bytes arrived`)
        return meta
          .extend(upload.id, bounds, nextReservation(count, limit), timestamp(clock.now()))
          .catch(tellQuota(observer, bucket))
          .then((granted) => {
            room = granted
          })
      },
    })
    stream.on('error', chosen.reject)
    feed(input.body, stream)
    const names = await chosen.promise
    const coded =
      names.length === 0
        ? null
        : await storeCoded(blobs, upload, stream, names, () => requireAll(input.size, digest.count))
    // Once the last byte is here the client's going away changes nothing; before, the body itself breaks.
    if (coded === null) await blobs.write(upload.backend, upload.key, stream, input.size, new AbortController().signal)
    const { checksum, crc32 } = await digest.finish()
    requireCreate(access, call, bucket, { ...draft, mimeType, size: digest.count })
    if (upload.checksum !== null && upload.checksum !== checksum) {
      throw fail('checksum_mismatch', 'the bytes do not have the announced SHA-256', {
        details: { expected: upload.checksum, actual: checksum },
      })
    }
    return { mimeType, checksum, ...(coded ?? plainFacts(digest.count, crc32)) }
  }

  /** Asks `inspect` about what is stored now; see Inspector. */
  async function inspected(upload: UploadRow, facts: FileFacts): Promise<string | null> {
    if (deps.inspect === undefined) return null
    return deps.inspect(inspectedFile(upload, facts), async (signal) =>
      facts.size === 0 ? Readable.from([]) : blobs.read({ ...upload, ...facts }, null, signal),
    )
  }

  async function commit(
    bucket: Bucket,
    upload: UploadRow,
    facts: FileFacts,
    quarantine: string | null,
    input: UploadInput,
  ): Promise<FileRow> {
    try {
      const options = { bucketTotal: bucket.maxTotalSize, quarantine }
      const committed =
        input.commit?.(upload.id, facts, options) ?? meta.commit(upload.id, facts, timestamp(clock.now()), options)
      const file = await committed.catch(tellQuota(observer, bucket))
      observer.event('step', { point: 'committed', id: upload.id })
      return file
    } catch (error) {
      // The answer may have been lost, not the commit: ask before anything is taken away.
      const settled = await meta.file(upload.bucket, upload.id).catch(() => undefined)
      if (settled) return settled
      if (settled === null && isFailure(error)) await discard(upload)
      throw error
    }
  }

  /** Bytes first, then the claim; what cannot be done now stays for the sweep, with its path free. */
  async function discard({ id, backend, key }: UploadRow): Promise<void> {
    try {
      await blobs.remove(backend, key)
      await meta.forget(id)
    } catch (error) {
      observer.event('storage_error', { backend, operation: 'discard', id, error })
      await leases.giveUp(id)
    }
  }

  return async (call, input) => {
    const bucket = requireBucket(schema, input.bucket)
    const { fields, size, sizeBound } = input
    const release = leases.keep()
    try {
      const claimed = await claimUpload(deps, call, {
        bucket,
        fields,
        size,
        protocol: 'put',
        reservation: firstReservation(size, sizeBound, maxFileSize(bucket, deps.uploads.maxFileSize)),
        leaseExpiresAt: leases.until(),
      })
      const { upload } = claimed
      const received = async (): Promise<{ facts: FileFacts; quarantine: string | null }> => {
        const facts = await receive(call, bucket, input, claimed)
        return { facts, quarantine: await inspected(upload, facts) }
      }
      const { facts, quarantine } = await received().catch(async (error: unknown) => {
        // Who cannot be written to cannot be asked to remove either: the sweep will, and nobody waits for it.
        if (isFailure(error, 'storage_unavailable')) await leases.giveUp(upload.id)
        else await discard(upload)
        throw error
      })
      return await commit(bucket, upload, facts, quarantine, input)
    } finally {
      release()
    }
  }
}

/** A backend that is told no length cannot say that some is missing. */
function requireAll(size: number | null, arrived: number): number {
  if (size === null || size === arrived) return arrived
  throw fail('invalid_request', `${arrived} of the announced ${size} bytes arrived`, {
    details: { size, written: arrived },
  })
}
