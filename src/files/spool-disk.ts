// A spool on the disk: one file per upload, and one beside it where its bytes are encrypted.
import { lstat, unlink } from 'node:fs/promises'
import { pipeline } from 'node:stream'
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
  sideKeyId,
} from '../blobs/spool-side.ts'
import { fail } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { Observer } from '../observe/observer.ts'
import { type Spool, type SpoolOwner, unsealed } from './spool.ts'

export interface SpoolOptions {
  /** Made (mode 0700) where it is missing. */
  readonly dir: string
  readonly durability: Durability
  readonly observer: Observer
  /** Seals the uploads of encrypted buckets; null or left out when there is none. */
  readonly keyring?: Keyring | null
}

/** A spool whose uploads are files of this machine. */
export interface DiskSpool extends Spool {
  /** Where the file of an upload is. */
  path(id: string): string
}

/** What the name of a side file ends with. */
const SIDE = '.keys'

/** Opens the spool. Fails config_invalid when the directory cannot be used. */
export async function openSpool({ dir, durability, observer, keyring = null }: SpoolOptions): Promise<DiskSpool> {
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
  const ids = async function* (): AsyncGenerator<string> {
    for await (const { name } of walkFiles(root)) {
      const id = name.endsWith(SIDE) ? name.slice(0, -SIDE.length) : name
      if (isId(id) && (id === name || (await lstat(pathOf(id)).catch(unlessGone)) === null)) yield id
    }
  }
  const remove = async (id: string): Promise<void> => {
    const files = [pathOf(id), sideOf(id)].flatMap((path) => [path, `${path}.copy`])
    await Promise.all(files.map((path) => unlink(path).catch(unlessGone)))
  }
  /** Whether an upload's bytes are encrypted. What should be and is not must not be taken for plain: its keys are lost, or it is older than
   *  the encryption of its bucket. */
  const isSealed = async (id: string, { encrypted }: SpoolOwner): Promise<boolean> => {
    if (await hasSide(sideOf(id))) return true
    if (encrypted && (await lstat(pathOf(id)).catch(unlessGone)) !== null) throw unsealed()
    return false
  }
  const sideFor = async (id: string, offset: number, owner: SpoolOwner): Promise<SpoolSide | null> => {
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

    async read(id, owner) {
      const sealed = await isSealed(id, owner)
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
      const stats = await lstat(pathOf(id)).catch(unlessGone)
      if (stats !== null) return readableBytes(sideOf(id), stats.size)
      return (await hasSide(sideOf(id))) ? 0 : null
    },

    async renew(id) {
      await Promise.all([renewFile(pathOf(id), durability === 'full'), renewFile(sideOf(id), durability === 'full')])
      if (durability === 'full') await directories.sync(root)
    },

    async keysOf(id) {
      const keyId = await sideKeyId(sideOf(id))
      return keyId === null ? [] : [keyId]
    },
    remove,
    ids,
    close: async () => {},
  }
}
