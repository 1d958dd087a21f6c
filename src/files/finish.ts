// The end of a resumable upload: the gathered bytes become a blob, the claim becomes a file. Or nothing of it stays.
import { Readable } from 'node:stream'
import { timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { Call, FileRow, UploadRow } from '../core/model.ts'
import type { Bucket } from '../schema/model.ts'
import { extendHead, type Gathered, type Gathering, NOTHING_GATHERED } from './gathering.ts'
import { type InspectedFacts, inspectedFile } from './inspection.ts'
import { requireCreate, requireType } from './limits.ts'
import type { FileDeps } from './lookup.ts'
import { sniff } from './sniff.ts'
import type { Spool } from './spool.ts'
import { type CodecNames, chooseCodecs, plainFacts, type StoredFacts, storeCoded } from './stored.ts'

export interface Finish {
  /** `gathered` as remembered at the full length, or null to read it back. A refusal removes the upload; a fault of the server keeps it. */
  finish(call: Call, bucket: Bucket, upload: UploadRow, gathered: Gathered | null): Promise<FileRow>
  /** Discards an upload that was refused for good; after a fault of the server it stays and can be continued. */
  refuse(upload: UploadRow, error: unknown): Promise<void>
  /** The claim is given up, then its bytes go; what cannot be done now stays for the sweep. Nothing happens when another process has taken
   *  the upload over meanwhile: the bytes are its own, and may be a file by now. */
  discard(upload: UploadRow): Promise<void>
}

/** Wires the end of resumable uploads. */
export function createFinish(deps: FileDeps & { readonly spool: Spool }, gathering: Gathering): Finish {
  const { meta, blobs, access, leases, clock, observer, spool } = deps

  /** What arrived, deciphered. */
  async function spooled({ id, bucket, size }: UploadRow, { encryption: encrypted }: Bucket): Promise<Readable> {
    return size === 0 ? Readable.from([]) : spool.read(id, { bucket, encrypted })
  }

  async function readBack(upload: UploadRow, bucket: Bucket): Promise<Gathered> {
    const gathered = NOTHING_GATHERED()
    for await (const chunk of (await spooled(upload, bucket)) as AsyncIterable<Buffer>) {
      await gathered.digest.update(chunk)
      gathered.head = extendHead(gathered.head, chunk)
    }
    return gathered
  }

  async function store(upload: UploadRow, bucket: Bucket, names: CodecNames, crc32: number): Promise<StoredFacts> {
    const { backend, key, id } = upload
    const size = upload.size!
    // Whoever stood still for too long must not touch what another process has made of the upload.
    const holder = (await meta.upload(id))?.holder
    if (holder !== leases.holder) throw fail('upload_locked', 'another process has taken the upload over')
    if (names.length === 0 && size > 0) {
      const file = await spool.plainFile(id)
      if (file !== null && (await blobs.adopt(backend, key, file))) return plainFacts(size, crc32)
    }
    // An attempt that was cut off may have left its blob: it was never visible, and a key is written once.
    await blobs.remove(backend, key)
    const body = await spooled(upload, bucket)
    if (names.length > 0) return storeCoded(blobs, upload, body, names, () => size)
    await blobs.write(backend, key, body, size, new AbortController().signal)
    return plainFacts(size, crc32)
  }

  async function check(
    call: Call,
    bucket: Bucket,
    upload: UploadRow,
    gathered: Gathered,
  ): Promise<{ mimeType: string; codecs: CodecNames; checksum: string; crc32: number }> {
    const mimeType = gathered.told?.mimeType ?? (await sniff(gathered.head, upload.size))
    const codecs = gathered.told?.codecs ?? chooseCodecs(bucket, mimeType, gathered.head)
    requireType(bucket, mimeType, null)
    requireCreate(access, call, bucket, { ...upload, path: upload.path ?? '', mimeType })
    const { checksum, crc32 } = await gathered.digest.finish()
    if (upload.checksum !== null && upload.checksum !== checksum) {
      throw fail('checksum_mismatch', 'the bytes do not have the announced SHA-256', {
        details: { expected: upload.checksum, actual: checksum },
      })
    }
    return { mimeType, codecs, checksum, crc32 }
  }

  /** Before it is stored: what was refused never gets to a backend, and after a fault the spool has all that is needed to go on. */
  async function inspected(bucket: Bucket, upload: UploadRow, facts: InspectedFacts): Promise<string | null> {
    try {
      return (await deps.inspect?.(inspectedFile(upload, facts), () => spooled(upload, bucket))) ?? null
    } catch (error) {
      await refuse(upload, error)
      throw error
    }
  }

  async function discard(upload: UploadRow): Promise<void> {
    gathering.drop(upload.id)
    try {
      if (!(await meta.abandon(upload.id, timestamp(clock.now()), leases.holder))) return
      await spool.remove(upload.id)
      await blobs.remove(upload.backend, upload.key)
      await meta.forget(upload.id)
    } catch (error) {
      observer.event('storage_error', { backend: upload.backend, operation: 'discard', id: upload.id, error })
      await leases.giveUp(upload.id)
    }
  }

  const tell = (upload: UploadRow, result: string, bytes: number): void =>
    observer.event('upload', { bucket: upload.bucket, protocol: 'tus', result, bytes, id: upload.id })

  async function refuse(upload: UploadRow, error: unknown): Promise<void> {
    if (!isFailure(error) || error.status >= 500) return
    await discard(upload)
    tell(upload, error.code, 0)
  }

  return {
    discard,
    refuse,
    async finish(call, bucket, upload, remembered) {
      const size = upload.size!
      const gathered = remembered?.digest.count === size ? remembered : await readBack(upload, bucket)
      const { mimeType, codecs, checksum, crc32 } = await check(call, bucket, upload, gathered).catch(
        async (error: unknown) => {
          await refuse(upload, error)
          throw error
        },
      )
      const quarantine = await inspected(bucket, upload, { size, mimeType, checksum })
      const stored = await store(upload, bucket, codecs, crc32)
      observer.event('step', { point: 'stored', id: upload.id })
      const file = await meta.commit(upload.id, { mimeType, checksum, ...stored }, timestamp(clock.now()), {
        holder: leases.holder,
        quarantine,
      })
      observer.event('step', { point: 'committed', id: upload.id })
      tell(upload, 'stored', size)
      gathering.drop(upload.id)
      // The file is safe: a spool that will not go is left to the sweep.
      await spool
        .remove(upload.id)
        .catch((error: unknown) => observer.event('storage_error', { backend: 'spool', operation: 'remove', error }))
      return file
    },
  }
}
