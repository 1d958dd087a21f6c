// Where the bytes of resumable uploads gather until the last one is there: one file per upload.
import { lstat, unlink } from 'node:fs/promises'
import { pipeline, type Readable } from 'node:stream'
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
import type { Keyring } from '../blobs/keyring.ts'
import { openRoot } from '../blobs/root.ts'
import {
  hasSide,
  openSide,
  openSpooled,
  orMissing,
  readableBytes,
  renewFile,
  type SpoolSide,
} from '../blobs/spool-side.ts'
import { fail } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { Observer } from '../observe/observer.ts'

/** Whose bytes they are, and whether an upload that begins is encrypted. One that goes on stays what it was. */
export interface SpoolOwner {
  readonly bucket: string
  readonly encrypted: boolean
}

export interface AppendOptions {
  /** Left out for bytes that are never encrypted. */
  readonly owner?: SpoolOwner | undefined
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
  /** Bytes that can be read back. */
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number
}

/** One writer per upload at a time: the caller holds its lock. Fails storage_full, storage_unavailable, blob_missing; internal for what is no id;
 *  decrypt_failed for an encrypted upload whose key is not there. */
export interface Spool {
  /** Cuts the file back to `offset` (the database's, which is the truth), appends what arrives and syncs it. What arrived before the body
   *  broke is kept. The body is left paused, not destroyed. Rejects, with nothing read, when the file cannot be opened or cut, and with
   *  blob_missing when it holds fewer than `offset` bytes. */
  append(id: string, offset: number, body: Readable, options: AppendOptions): Promise<Appended>
  /** All bytes as they arrived. Fails blob_missing too when there are none; errors with file_corrupt when they are others. Consume or
   *  destroy the stream. */
  read(id: string, owner?: SpoolOwner | null): Promise<Readable>
  /** Puts a copy in the file's place, durably: whoever has the old one open writes into nothing from now on. Nothing happens when there
   *  is no file. */
  renew(id: string): Promise<void>
  /** Where the file is. */
  path(id: string): string
  /** The same for a backend that takes the file over; null when its bytes are encrypted. */
  plainFile(id: string): Promise<string | null>
  /** Bytes in the file; null when there is none. */
  size(id: string): Promise<number | null>
  /** Removing what is not there is success. */
  remove(id: string): Promise<void>
  /** Everything in the spool that has an id for a name. */
  entries(): AsyncIterable<SpoolEntry>
}

export interface SpoolOptions {
  /** Made (mode 0700) where it is missing. */
  readonly dir: string
  readonly durability: Durability
  readonly observer: Observer
  /** Seals the uploads of encrypted buckets; null or left out when there is none. */
  readonly keyring?: Keyring | null
}

/** What the name of a side file ends with. */
const SIDE = '.keys'

/** Opens the spool. Fails config_invalid when the directory cannot be used. */
export async function openSpool({ dir, durability, observer, keyring = null }: SpoolOptions): Promise<Spool> {
  const root = await openRoot({ path: dir, durability, observer })
  const directories = createDirectories(root, durability)
  const step = (point: string): void => observer.event('step', { point })

  const pathOf = (id: string): string => {
    if (!isId(id)) throw fail('internal', 'the spool knows uploads by their ids only')
    return `${root}/${id}`
  }
  const sideOf = (id: string): string => `${pathOf(id)}${SIDE}`
  const openAt = async (id: string, offset: number): Promise<OpenFile> => {
    const file = await openForWriting(pathOf(id), offset === 0).catch(orMissing)
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
      const id = name.endsWith(SIDE) ? name.slice(0, -SIDE.length) : name
      if (!isId(id)) continue
      if (id === name) yield { id, size: await readableBytes(sideOf(id), stats.size), modifiedAt: stats.mtimeMs }
      else if ((await lstat(pathOf(id)).catch(unlessGone)) === null) yield { id, size: 0, modifiedAt: stats.mtimeMs }
    }
  }
  const remove = async (id: string): Promise<void> => {
    const files = [pathOf(id), sideOf(id)].flatMap((path) => [path, `${path}.copy`])
    await Promise.all(files.map((path) => unlink(path).catch(unlessGone)))
  }
  /** Whether an upload's bytes are encrypted. What should be and is not must not be taken for plain: its keys are lost. */
  const isSealed = async (id: string, { encrypted }: SpoolOwner): Promise<boolean> => {
    if (await hasSide(sideOf(id))) return true
    if (encrypted) throw fail('blob_missing', 'the keys of the upload are missing')
    return false
  }
  const sideFor = async (id: string, offset: number, owner: SpoolOwner | undefined): Promise<SpoolSide | null> => {
    if (owner === undefined) return null
    if (offset === 0 && !owner.encrypted) await unlink(sideOf(id)).catch(unlessGone)
    if (offset === 0 ? !owner.encrypted : !(await isSealed(id, owner))) return null
    return openSide(sideOf(id), { fileId: id, bucket: owner.bucket }, keyring, offset)
  }

  return {
    async append(id, offset, body, { owner, max, signal, tap, checkpoint }) {
      const side = await sideFor(id, offset, owner)
      const { fd } = await openAt(id, offset).catch(async (error: unknown) => {
        await side?.close()
        throw error
      })
      let written = offset
      let durable = offset
      let broken = false
      const makeDurable = async (): Promise<void> => {
        // What a sync refused may never be believed, nor may the descriptor that did.
        broken = true
        await side?.record()
        await Promise.all([secure(fd, durable === 0), durability === 'full' ? side?.sync() : null]).catch(
          orFail('sync'),
        )
        broken = false
        durable = written
      }
      let { error } = await gather(body, {
        limit: max,
        excess: () => fail('body_too_large', `more than the ${max} missing bytes arrived`, { details: { limit: max } }),
        signal,
        write: async (batch, bytes) => {
          // A segment that holds bytes which were not written can never be ended.
          if (side !== null) broken = true
          const done = writeBatch(fd, side?.cipher(batch) ?? batch, written).catch(orFail('write'))
          // Hashing takes as long as writing: let them run side by side.
          if (tap !== undefined) for (const chunk of batch) await tap(chunk)
          await done
          if (side !== null) broken = false
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
      await Promise.all([closeFile(fd), side?.close()]).catch((fault: unknown) => {
        durable = offset
        error = diskFailure(fault, 'write')
      })
      return { offset: durable, complete: error === null, error }
    },

    async read(id, owner = null) {
      const sealed = owner !== null && (await isSealed(id, owner))
      const { fd, stats } = await openForReading(pathOf(id)).catch(orMissing)
      const stored = fileStream({ fd, range: { start: 0, end: stats.size - 1 } }, null)
      if (!sealed) return stored
      try {
        const place = { fileId: id, bucket: owner.bucket }
        const content = await openSpooled(sideOf(id), place, keyring, stats.size)
        return pipeline(stored, content, () => {})
      } catch (error) {
        stored.destroy()
        throw error
      }
    },

    path: pathOf,

    async plainFile(id) {
      return (await hasSide(sideOf(id))) ? null : pathOf(id)
    },

    async size(id) {
      return (await lstat(pathOf(id)).catch(unlessGone))?.size ?? null
    },

    async renew(id) {
      await Promise.all([renewFile(pathOf(id), durability === 'full'), renewFile(sideOf(id), durability === 'full')])
      if (durability === 'full') await directories.sync(root)
    },

    remove,
    entries,
  }
}
