// Where the bytes of resumable uploads gather until the last one is there: one file per upload.
import { constants, copyFile, lstat, rename, unlink } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { createDirectories } from '../blobs/directories.ts'
import { diskFailure, orFail } from '../blobs/disk-errors.ts'
import {
  closeFile,
  type Durability,
  type OpenFile,
  openForReading,
  openForWriting,
  syncFile,
  truncateFile,
  writeBatch,
} from '../blobs/disk-file.ts'
import { fileStream } from '../blobs/file-stream.ts'
import { unlessGone, walkFiles } from '../blobs/files-below.ts'
import { gather } from '../blobs/gather.ts'
import { openRoot } from '../blobs/root.ts'
import { fail, isFailure, systemCode } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { ByteRange } from '../core/model.ts'
import type { Observer } from '../observe/observer.ts'

export interface AppendOptions {
  /** Most bytes to take from this body: what is still missing of the upload. */
  readonly max: number
  readonly signal: AbortSignal
  /** Sees every chunk in order while it is being written; what it promises is waited for. After a failure it may have seen more than was kept: compare with `offset`. */
  readonly tap?: ((chunk: Buffer) => Promise<void> | undefined) | undefined
  /** Every so many bytes what has arrived is made durable, and `reached` is told how far that is; nothing is written meanwhile.
   *  When it rejects, the append ends with that error. */
  readonly checkpoint?: { readonly every: number; readonly reached: (durable: number) => Promise<void> } | undefined
}

export interface Appended {
  /** Bytes of the upload that are durable now; never less than the offset the append began at or the last checkpoint. */
  readonly offset: number
  /** The body ended cleanly. */
  readonly complete: boolean
  /** Why it did not: the body's own error, the signal's reason, body_too_large, storage_full or storage_unavailable, what `reached`
   *  rejected with; null when it did. */
  readonly error: unknown
}

export interface SpoolEntry {
  readonly id: string
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number
}

/** One writer per upload at a time: the caller holds its lock. Fails storage_full, storage_unavailable, blob_missing; internal for what is no id. */
export interface Spool {
  /** Cuts the file back to `offset` (the database's, which is the truth), appends what arrives and syncs it. What arrived before the body
   *  broke is kept. The body is left paused, not destroyed. Rejects, with nothing read, when the file cannot be opened or cut, and with
   *  blob_missing when it holds fewer than `offset` bytes. */
  append(id: string, offset: number, body: Readable, options: AppendOptions): Promise<Appended>
  /** The bytes of `range`, or all. Opened with the first read; errors with blob_missing. Consume or destroy the stream. */
  read(id: string, range?: ByteRange | null): Readable
  /** Puts a copy in the file's place, durably: whoever has the old one open writes into nothing from now on. Nothing happens when there
   *  is no file. */
  renew(id: string): Promise<void>
  /** Where the file is, for a backend that takes it over. */
  path(id: string): string
  /** Bytes in the file; null when there is none. */
  size(id: string): Promise<number | null>
  /** Cuts the file to `size` bytes, which it must have. */
  truncate(id: string, size: number): Promise<void>
  /** Removing what is not there is success. */
  remove(id: string): Promise<void>
  /** Everything in the spool that has an id for a name. */
  entries(): AsyncIterable<SpoolEntry>
  /** Removes files last modified before `olderThan` (milliseconds since the epoch) that `isWanted` does not claim; how many. */
  sweep(olderThan: number, isWanted: (id: string) => Promise<boolean>): Promise<number>
}

export interface SpoolOptions {
  /** Made (mode 0700) where it is missing. */
  readonly dir: string
  readonly durability: Durability
  readonly observer: Observer
}

/** Opens the spool. Fails config_invalid when the directory cannot be used. */
export async function openSpool({ dir, durability, observer }: SpoolOptions): Promise<Spool> {
  const root = await openRoot({ path: dir, durability, observer })
  const directories = createDirectories(root, durability)
  const step = (point: string): void => observer.event('step', { point })

  const pathOf = (id: string): string => {
    if (!isId(id)) throw fail('internal', 'the spool knows uploads by their ids only')
    return `${root}/${id}`
  }
  const openAt = async (id: string, offset: number): Promise<OpenFile> => {
    const file = await openForWriting(pathOf(id), offset === 0).catch(missing)
    try {
      if (file.stats.size < offset) throw fail('blob_missing', 'bytes of the upload that had arrived are missing')
      if (file.stats.size > offset) await truncateFile(file.fd, offset)
      return file
    } catch (error) {
      await closeFile(file.fd)
      throw diskFailure(error, 'cut the upload')
    }
  }
  const secure = async (fd: number, isNew: boolean): Promise<void> => {
    if (durability === 'normal') return
    await Promise.all([syncFile(fd), isNew ? directories.sync(root) : null])
  }
  const entries = async function* (): AsyncGenerator<SpoolEntry> {
    for await (const { name, stats } of walkFiles(root)) {
      if (isId(name)) yield { id: name, size: stats.size, modifiedAt: stats.mtimeMs }
    }
  }
  const copyOf = (id: string): string => `${pathOf(id)}.copy`
  const remove = async (id: string): Promise<void> => {
    await Promise.all([unlink(pathOf(id)).catch(unlessGone), unlink(copyOf(id)).catch(unlessGone)])
  }
  const renew = async (id: string): Promise<void> => {
    const copy = copyOf(id)
    await unlink(copy).catch(unlessGone)
    await copyFile(pathOf(id), copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    const { fd } = await openForWriting(copy, false)
    try {
      await secure(fd, false)
    } finally {
      await closeFile(fd)
    }
    await rename(copy, pathOf(id))
    if (durability === 'full') await directories.sync(root)
  }

  return {
    async append(id, offset, body, { max, signal, tap, checkpoint }) {
      const { fd } = await openAt(id, offset)
      let written = offset
      let durable = offset
      let broken = false
      const makeDurable = async (): Promise<void> => {
        // What a sync refused may never be believed, nor may the descriptor that did.
        broken = true
        await secure(fd, durable === 0).catch(orFail('sync'))
        broken = false
        durable = written
      }
      let { error } = await gather(body, {
        limit: max,
        excess: () => fail('body_too_large', `more than the ${max} missing bytes arrived`, { details: { limit: max } }),
        signal,
        write: async (batch, bytes) => {
          const done = writeBatch(fd, batch, written).catch(orFail('write'))
          // Hashing takes as long as writing: let them run side by side.
          if (tap !== undefined) for (const chunk of batch) await tap(chunk)
          await done
          written += bytes
          if (checkpoint === undefined || written - durable < checkpoint.every) return
          await makeDurable()
          await checkpoint.reached(durable)
        },
      })
      step('spool.written')
      try {
        if (!broken && (durable < written || offset === 0)) await makeDurable()
        step('spool.synced')
      } catch (fault) {
        error = fault
      }
      await closeFile(fd).catch((fault: unknown) => {
        durable = offset
        error = diskFailure(fault, 'write')
      })
      return { offset: durable, complete: error === null, error }
    },

    read: (id, range = null) =>
      fileStream(async () => {
        const { fd, stats } = await openForReading(pathOf(id)).catch(missing)
        return { fd, range: range ?? { start: 0, end: stats.size - 1 } }
      }, null),

    path: pathOf,

    async size(id) {
      return (await lstat(pathOf(id)).catch(unlessGone))?.size ?? null
    },

    async truncate(id, size) {
      const { fd } = await openAt(id, size)
      try {
        await secure(fd, size === 0).catch(orFail('sync'))
      } finally {
        await closeFile(fd)
      }
    },

    async renew(id) {
      await renew(id).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT') throw diskFailure(error, 'copy the upload')
      })
    },

    remove,
    entries,

    async sweep(olderThan, isWanted) {
      let swept = 0
      for await (const { id, modifiedAt } of entries()) {
        if (modifiedAt >= olderThan || (await isWanted(id))) continue
        await remove(id)
        swept++
      }
      return swept
    },
  }
}

function missing(error: unknown): never {
  if (isFailure(error)) throw error
  const code = systemCode(error)
  if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENXIO') {
    throw fail('blob_missing', 'the bytes of the upload are missing', { cause: error })
  }
  throw diskFailure(error, 'open the upload')
}
