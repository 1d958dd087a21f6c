// The bytes of a backup: the blobs that a snapshot speaks of, copied as they are stored, checked on their way, and listed.
import { createHash } from 'node:crypto'
import { pipeline, Readable, Transform } from 'node:stream'
import type { Backend } from '../blobs/backend.ts'
import type { BackedBlob, BackupFolder, Manifest } from '../blobs/backup-folder.ts'
import type { Pace } from '../blobs/pace.ts'
import type { BlobStore } from '../blobs/store.ts'
import { isFailure } from '../core/errors.ts'
import type { CodecUse, FileRow } from '../core/model.ts'
import type { Snapshot } from '../meta/sqlite/snapshot.ts'
import type { Observer } from '../observe/observer.ts'

export interface BackedUp {
  /** Files whose blobs belong to the backup, and their stored bytes. */
  readonly files: number
  readonly bytes: number
  /** Blobs that were copied now. */
  readonly copied: number
  readonly copiedBytes: number
  /** Blobs that an earlier backup had copied. */
  readonly kept: number
  /** Blobs that are only named. */
  readonly named: number
  /** Files whose bytes were missing or damaged before, so that they are not in the backup: all of them, and the first 1,000. */
  readonly missingFiles: number
  readonly missing: readonly {
    readonly id: string
    readonly bucket: string
    readonly code: string
    readonly message: string
  }[]
  /** Ids of the keys that encrypted files need. */
  readonly encryptionKeys: readonly string[]
  /** Of the list. */
  readonly sha256: string
}

export interface CopyBlobsOptions {
  readonly blobs: Pick<BlobStore, 'readStored'>
  readonly folder: BackupFolder
  readonly snapshot: Snapshot
  readonly earlier: Manifest | null
  /** The file of the list to write. */
  readonly list: string
  /** Whether blobs of a backend are named and not copied. */
  readonly isNamed: (backend: string) => boolean
  readonly pace: Pace
  readonly signal: AbortSignal
  readonly progress: ((done: number, all: number) => void) | undefined
  readonly observer: Observer
}

const BATCH = 200
const AT_ONCE = 8
const MOST_MISSING = 1000

/** Fails as the backends and the folder do; a file that has no bytes to save is counted. */
export async function copyBlobs(options: CopyBlobsOptions): Promise<BackedUp> {
  const { blobs, folder, snapshot, earlier, list, isNamed, pace, signal, progress, observer } = options
  const known = earlier === null ? null : followList(folder.list(earlier.blobs.file))
  const missing: BackedUp['missing'][number][] = []
  const keys = new Set<string>()
  const count = { files: 0, bytes: 0, copied: 0, copiedBytes: 0, kept: 0, named: 0, missingFiles: 0 }
  const all = snapshot.storedBytes()

  /** Null for a file that has no bytes to save. */
  async function back(file: FileRow, before: BackedBlob | null): Promise<BackedBlob | null> {
    const { id, backend, key, storedSize: size, storedCrc32: crc32, codecs, checksum } = file
    const blob = { id, backend, key, size, crc32 }
    if (isNamed(backend)) {
      count.named += 1
      return { ...blob, sha256: codecs.length === 0 ? checksum : null, copied: false }
    }
    try {
      const target = await folder.blobs(backend)
      const held = (await target.stat?.(key)) ?? null
      if (held?.size === size && before?.key === key && before.backend === backend && before.copied) {
        count.kept += 1
        return { ...before, ...blob }
      }
      // What a killed backup left, or none of us has written.
      if (held !== null) await target.delete(key)
      const sha256 = await copy(file, target)
      count.copied += 1
      count.copiedBytes += size
      return { ...blob, sha256, copied: true }
    } catch (error) {
      if (!isFailure(error, 'blob_missing', 'file_corrupt')) throw error
      count.missingFiles += 1
      const { code, message } = error
      if (missing.length < MOST_MISSING) missing.push({ id, bucket: file.bucket, code, message })
      return null
    }
  }

  async function copy(file: FileRow, target: Backend): Promise<string> {
    const hash = createHash('sha256')
    const tap = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk)
        pace(chunk.length, signal).then(() => done(null, chunk), done)
      },
    })
    const source = file.storedSize === 0 ? Readable.from([]) : await blobs.readStored(file, null, signal)
    // Its error reaches the put through the tap.
    pipeline(source, tap, () => {})
    await target.put(file.key, tap, { size: file.storedSize, signal })
    return hash.digest('hex')
  }

  async function listAll(add: (blobs: readonly BackedBlob[]) => Promise<void>): Promise<void> {
    progress?.(0, all)
    for (let after = ''; ; ) {
      const files = snapshot.files(after, BATCH)
      for (let at = 0; at < files.length; at += AT_ONCE) {
        signal.throwIfAborted()
        const some: (readonly [FileRow, BackedBlob | null])[] = []
        for (const file of files.slice(at, at + AT_ONCE)) some.push([file, (await known?.(file.id)) ?? null])
        const backed = (await Promise.all(some.map(([file, before]) => back(file, before)))).filter(
          (one) => one !== null,
        )
        await add(backed)
        count.files += backed.length
        count.bytes += backed.reduce((sum, { size }) => sum + size, 0)
        progress?.(count.bytes, all)
        observer.event('step', { point: 'backup.copied' })
      }
      for (const { codecs } of files) for (const id of keyIds(codecs)) keys.add(id)
      if (files.length < BATCH) return
      after = files.at(-1)!.id
    }
  }

  const writer = await folder.writeList(list)
  let sha256 = ''
  try {
    await listAll(writer.add)
  } finally {
    sha256 = await writer.close()
  }
  return { ...count, missing, encryptionKeys: [...keys].sort(), sha256 }
}

/** Finds ids in a list that is in their order, asked for in that order, without ever holding it. */
function followList(list: AsyncGenerator<BackedBlob>): (id: string) => Promise<BackedBlob | null> {
  let current: BackedBlob | null = null
  let over = false
  return async (id) => {
    while (!over && (current === null || current.id < id)) {
      const { done, value } = await list.next()
      if (done) over = true
      else current = value
    }
    return current?.id === id ? current : null
  }
}

function keyIds(codecs: readonly CodecUse[]): readonly string[] {
  return codecs.flatMap(({ params }) => (typeof params.key_id === 'string' ? [params.key_id] : []))
}
