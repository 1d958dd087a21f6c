// One part of an unfinished upload on its way to a backend: announced, sealed where it must be, sent, kept.
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { crc32 } from 'node:zlib'
import { blobKey } from '../blobs/keys.ts'
import { SPOOL_HEADER, type SpoolCipher, spoolSegment } from '../blobs/spool-cipher.ts'
import type { BlobStore } from '../blobs/store.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { NextId } from '../core/ids.ts'
import type { PartStore, SpoolPart } from '../meta/spool-parts.ts'

/** Bytes of a part at most: one request, whose bytes are held until it is answered. */
export const PART = 8 * 1024 * 1024

export interface PartDeps {
  readonly meta: PartStore
  /** The backend under this name is the spool's alone. */
  readonly blobs: BlobStore
  readonly backend: string
  readonly nextId: NextId
  /** Told of each step that was passed. */
  readonly step: (point: string) => void
}

export interface PartPlace {
  readonly uploadId: string
  readonly bucket: string
  readonly holder: string
  /** Where in the upload the part begins. */
  readonly start: number
  /** Null for bytes that are not encrypted. */
  readonly cipher: SpoolCipher | null
}

/** A part that is being written. Fails storage_full, storage_unavailable; upload_locked when the holder has lost the upload. */
export interface PartWriter {
  /** The upload's bytes up to here were given to it. */
  readonly end: number
  /** At most PART bytes in all. */
  write(chunk: Buffer): Promise<void>
  /** Resolves once the part is durable and counts; when it rejects it does not count and its bytes are gone, or will be with whatever
   *  cuts or removes the upload. Nothing may follow. */
  keep(): Promise<void>
}

/** Begins a part: a row first, so that its bytes are never unknown. */
export async function beginPart(deps: PartDeps, place: PartPlace): Promise<PartWriter> {
  const { meta, blobs, backend, step } = deps
  const { uploadId, bucket, holder, start, cipher } = place
  const key = blobKey(bucket, deps.nextId())
  await meta.announcePart(uploadId, backend, key, start, holder)
  const segment = cipher?.segment(start) ?? null
  const stream = new PassThrough({ highWaterMark: 1024 * 1024 })
  // What has arrived is worth keeping whatever became of the request.
  const stored = blobs.write(backend, key, stream, null, new AbortController().signal)
  stored.catch(() => {})
  let end = start
  let crc = 0

  const forget = async (error: unknown): Promise<never> => {
    // A backend that could not be asked may hold the bytes, and the row says so; nobody waits for it any longer now.
    if (isFailure(error, 'storage_unavailable')) throw error
    await blobs
      .remove(backend, key)
      .then(() => meta.forgetPart(uploadId, key))
      .catch(() => {})
    throw error
  }
  return {
    get end() {
      return end
    },
    async write(chunk) {
      const out = segment?.update(chunk) ?? chunk
      crc = crc32(out, crc)
      end += chunk.length
      if (!stream.write(out)) await Promise.race([once(stream, 'drain'), stored])
    },
    async keep() {
      stream.end()
      await stored.catch(forget)
      step('spool.written')
      const record = segment?.seal() ?? null
      const sealed = record === null ? null : Buffer.concat([cipher!.header, record]).toString('base64')
      await meta.keepPart(uploadId, key, { end, storedCrc32: crc, sealed }, holder).catch(forget)
      step('spool.synced')
    },
  }
}

/** A part that counts. */
export interface KeptPart extends SpoolPart {
  readonly end: number
}

/** The parts that make up the first `offset` bytes of an upload (null = as many as there are without a gap), and all others. `parts` are
 *  in order of their starts. */
export function partsUpTo(
  parts: readonly SpoolPart[],
  offset: number | null,
): { readonly kept: readonly KeptPart[]; readonly others: readonly SpoolPart[]; readonly end: number } {
  const kept: KeptPart[] = []
  const others: SpoolPart[] = []
  let at = 0
  for (const part of parts) {
    if (isKept(part) && part.start === at && (offset === null || part.end <= offset)) {
      kept.push(part)
      at = part.end
    } else others.push(part)
  }
  return { kept, others, end: at }
}

/** The beginning of a side file, for openSpoolCipher, and the segment that the part is. Fails file_corrupt when they are not this part's. */
export function sealOf(part: KeptPart, sealed: string) {
  const bytes = Buffer.from(sealed, 'base64')
  const segment = spoolSegment(bytes.subarray(SPOOL_HEADER))
  if (segment === null || segment.start !== part.start || segment.end !== part.end) {
    throw fail('file_corrupt', 'what was recorded of the upload’s encryption is damaged')
  }
  return { header: bytes.subarray(0, SPOOL_HEADER), segment }
}

function isKept(part: SpoolPart): part is KeptPart {
  return part.end !== null
}
