// The parts of an upload: each gathers in the spool under a claim of its own, so that whatever dies on the way is found and swept.
import { blobKey } from '../blobs/keys.ts'
import { timestamp } from '../core/clock.ts'
import { isFailure } from '../core/errors.ts'
import type { OpenAiUpload } from '../meta/openai.ts'
import type { Bucket } from '../schema/model.ts'
import { newPartId } from './ids.ts'
import type { OpenAiDeps, OpenAiUploads } from './model.ts'
import { tooLarge } from './refusals.ts'

export const MOST_PARTS = 10_000
/** Bytes of one part, inclusive. */
const MOST_BYTES = 64 * 1024 * 1024
/** A part whose answer was lost comes again, from the SDKs up to twice. */
const ATTEMPTS = 3
/** Spools that are removed at a time. */
const AT_ONCE = 8

export interface PartKeeper {
  readonly add: OpenAiUploads['addPart']
  /** Removes what the spool has under abandoned claims, and these; what cannot be done now is left to the sweep. */
  clear(claims: readonly string[]): Promise<void>
}

/** Wires the keeping of parts for the bucket of /v1. */
export function createPartKeeper(deps: OpenAiDeps, bucket: Bucket): PartKeeper {
  const { meta, spool, leases, clock, observer, nextId } = deps
  const now = (): string => timestamp(clock.now())

  async function drop(claimId: string): Promise<void> {
    try {
      if (!(await meta.abandon(claimId, now()))) return
      await spool.remove(claimId)
      await meta.forget(claimId)
    } catch (error) {
      observer.event('storage_error', { backend: 'spool', operation: 'discard', id: claimId, error })
    }
  }

  async function clear(claims: readonly string[]): Promise<void> {
    for (let at = 0; at < claims.length; at += AT_ONCE) await Promise.all(claims.slice(at, at + AT_ONCE).map(drop))
  }

  function claim(upload: OpenAiUpload, claimId: string): Promise<unknown> {
    const draft = {
      id: claimId,
      bucket: bucket.name,
      name: claimId,
      // No path of a user begins with a slash.
      path: `//${claimId}`,
      protocol: 'part' as const,
      size: null,
      metadata: {},
      rules: null,
      ownerId: upload.account,
      tenant: upload.tenant,
      backend: bucket.backend,
      key: blobKey(bucket.name, claimId),
      checksum: null,
      fileLifetime: null,
      staging: null,
      expiresAt: upload.expiresAt,
      createdAt: now(),
      holder: leases.holder,
      leaseExpiresAt: leases.until(),
    }
    // The upload has reserved its bytes already.
    return meta.claim(draft, { bucketTotal: null, openUploads: null }, { need: 0, want: 0 })
  }

  return {
    clear,
    async add(upload, { body, length, number }) {
      const most = Math.min(MOST_BYTES, upload.bytes)
      if (length !== null && length > most) throw tooLarge('data', most)
      const claimId = nextId()
      const release = leases.keep()
      try {
        await claim(upload, claimId)
        const { offset, error } = await spool.append(claimId, 0, body, {
          holder: leases.holder,
          max: most,
          signal: new AbortController().signal,
          owner: { bucket: bucket.name, encrypted: bucket.encryption },
        })
        if (isFailure(error, 'body_too_large')) throw tooLarge('data', most)
        if (error !== null) throw error
        const part = { id: newPartId(), uploadId: upload.id, claimId, number, size: offset, createdAt: now() }
        const bounds = { parts: MOST_PARTS, bytes: ATTEMPTS * upload.bytes }
        const replaced = await meta.keepOpenAiPart(part, leases.holder, bounds)
        observer.event('step', { point: 'part_kept', id: claimId })
        if (replaced !== null) await drop(replaced)
        return part
      } catch (error) {
        await drop(claimId)
        throw error
      } finally {
        release()
      }
    },
  }
}
