// Whether a backup is still what was written: its two files, and every blob of its list.
import { createHash } from 'node:crypto'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Backend } from '../blobs/backend.ts'
import type { BackedBlob, BackupFolder, Manifest } from '../blobs/backup-folder.ts'
import { isBucketName } from '../blobs/keys.ts'
import { type AppError, fail, isFailure } from '../core/errors.ts'

export interface RestoreProblem {
  readonly kind: 'database_differs' | 'list_differs' | 'blob_missing' | 'size_differs' | 'checksum_differs'
  /** Of the file; `database` and `list` for these. */
  readonly id: string
  readonly detail: string
}

const AT_ONCE = 8

/** The two files that the manifest speaks of. */
export async function checkFiles(
  folder: BackupFolder,
  { database, blobs }: Manifest,
): Promise<readonly RestoreProblem[]> {
  const problems: RestoreProblem[] = []
  if ((await folder.digest(database.file)) !== database.sha256)
    problems.push({ kind: 'database_differs', id: 'database', detail: `${database.file} is not what was written` })
  if ((await folder.digest(blobs.file)) !== blobs.sha256)
    problems.push({ kind: 'list_differs', id: 'list', detail: `${blobs.file} is not what was written` })
  return problems
}

/** All blobs of the list, some at a time. Fails config_invalid for what was never written. */
export async function eachBlob(
  folder: BackupFolder,
  { blobs }: Manifest,
  signal: AbortSignal,
  work: (blob: BackedBlob) => Promise<void>,
): Promise<void> {
  const list = folder.list(blobs.file)
  const one = async (): Promise<void> => {
    for (;;) {
      signal.throwIfAborted()
      const { done, value } = await list.next()
      if (done) return
      if (!isBucketName(value.backend)) throw fail('config_invalid', 'the list of the backup names no backend')
      await work(value)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
}

/** Null when these are exactly the bytes that were backed up. */
export async function examine(
  open: () => Promise<Readable>,
  blob: BackedBlob,
  pace: (bytes: number) => Promise<void>,
): Promise<RestoreProblem | null> {
  const hash = createHash('sha256')
  let size = 0
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      size += chunk.length
      pace(chunk.length).then(() => done(), done)
    },
  })
  try {
    await pipeline(await open(), sink)
  } catch (error) {
    if (isFailure(error, 'blob_missing')) return missing(blob, `${blob.key} is missing in ${blob.backend}`)
    throw error
  }
  if (size !== blob.size)
    return { kind: 'size_differs', id: blob.id, detail: `${blob.key} has ${size} bytes instead of ${blob.size}` }
  if (hash.digest('hex') === blob.sha256) return null
  return { kind: 'checksum_differs', id: blob.id, detail: `the bytes of ${blob.key} are not those that were backed up` }
}

/** The stored bytes; those of an empty blob without asking for a range that is none. Fails blob_missing, storage_unavailable. */
export async function readBlob(backend: Backend, { key, size }: BackedBlob, signal: AbortSignal): Promise<Readable> {
  if (size > 0) return backend.get(key, { range: null, signal })
  if (await backend.exists(key)) return Readable.from([])
  throw fail('blob_missing', 'the blob is missing')
}

/** The problem of a blob that is not there. */
export function missing({ id }: BackedBlob, detail: string): RestoreProblem {
  return { kind: 'blob_missing', id, detail }
}

/** The failure for a blob of the backup that is not what it was. */
export function damaged({ key }: BackedBlob): AppError {
  return fail('file_corrupt', `the backup is damaged: the bytes of ${key} are not those that were backed up`)
}
