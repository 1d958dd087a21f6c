// Blobs as files below one directory: written aside, synced, linked into place.
import { randomUUID } from 'node:crypto'
import type { Stats } from 'node:fs'
import { link, lstat, mkdir, readdir, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fail, isFailure, systemCode } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { BlobKey, ByteRange } from '../core/model.ts'
import type { Observer } from '../observe/observer.ts'
import type { Backend, PutOptions } from './backend.ts'
import { createDirectories } from './directories.ts'
import { diskFailure, orFail } from './disk-errors.ts'
import { closeFile, type Durability, type OpenFile, openForReading, readFully } from './disk-file.ts'
import { fileReader } from './file-reader.ts'
import { fileStream } from './file-stream.ts'
import { unlessGone, walkFiles } from './files-below.ts'
import { fileOfKey, isBucketName } from './keys.ts'
import { writeNewFile } from './new-file.ts'
import { openRoot } from './root.ts'
import { createSmallStore, type Place } from './small-store.ts'

export interface FilesystemOptions {
  /** Made (mode 0700) where it is missing. */
  readonly root: string
  readonly durability: Durability
  readonly observer: Observer
}

/** Bodies of a known size up to this are written as one piece. */
const SMALL = 64 * 1024
/** Unfinished files; on the same file system as the finished ones, so that a link moves them. */
const UNFINISHED = '.tmp'
/** Blobs that belonged to nothing, for people to look at. No bucket has a name that begins with a dot. */
const LOST = '.lost'
const MISSING: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'])

/** Opens a directory as a backend. A blob lies at `{bucket}/{6 hex of its id}/{2 more}/{id}`: ids begin with their time, so uploads of
 *  the same minute share a directory and its fsync. Fails config_invalid when the directory cannot be used. */
export async function openFilesystem({ root: path, durability, observer }: FilesystemOptions): Promise<Backend> {
  const root = await openRoot({ path, durability, observer })
  const unfinished = join(root, UNFINISHED)
  await mkdir(unfinished, { recursive: true, mode: 0o700 }).catch(orFail('make a directory'))
  const directories = createDirectories(root, durability)
  const step = (point: string): void => observer.event('step', { point })
  const storeSmall = createSmallStore({ directories, unfinished, durability, step })

  const placeOf = (key: BlobKey): Place => {
    const place = fileOfKey(key)
    const directory = `${root}/${place.directory}`
    return { directory, path: `${directory}/${place.name}` }
  }
  const enter = async (source: string, place: Place): Promise<void> => {
    await directories.ensure(place.directory)
    try {
      await link(source, place.path)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
      directories.forget(place.directory)
      await directories.ensure(place.directory)
      await link(source, place.path)
    }
  }
  const open = async (key: BlobKey, range: ByteRange | null): Promise<OpenFile & { readonly range: ByteRange }> => {
    const file = await openForReading(placeOf(key).path).catch((error: unknown) => {
      if (isFailure(error)) throw error
      if (MISSING.has(systemCode(error) ?? ''))
        throw fail('blob_missing', 'the stored bytes are missing', { cause: error })
      throw diskFailure(error, 'open a file')
    })
    const wanted = range ?? { start: 0, end: file.stats.size - 1 }
    if (wanted.end < file.stats.size) return { ...file, range: wanted }
    await closeFile(file.fd)
    throw fail('file_corrupt', 'fewer bytes are stored than should be')
  }
  const remove = async (key: BlobKey): Promise<void> => {
    const place = placeOf(key)
    try {
      await unlink(place.path).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT') throw error
      })
      step('delete.unlinked')
      // Also when it was gone: an earlier delete may have died before its sync.
      await directories.sync(place.directory)
      step('delete.durable')
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw diskFailure(error, 'delete')
    }
  }
  const store = async (place: Place, body: Readable, { size, signal }: PutOptions): Promise<number> => {
    if (size !== null && size <= SMALL) return storeSmall(place, body, size, signal)
    // Side by side with the bytes; a failure is found in enter(), and nothing goes on once this has settled.
    const ready = directories.ensure(place.directory).catch(() => {})
    const temporary = `${unfinished}/${randomUUID()}`
    const written = await writeNewFile(temporary, body, { size, signal, durability, step }).finally(() => ready)
    try {
      await enter(temporary, place)
    } catch (error) {
      await unlink(temporary).catch(() => {})
      if (systemCode(error) === 'EEXIST')
        throw fail('internal', 'this blob key has been written already', { cause: error })
      throw diskFailure(error, 'put a file in its place')
    }
    step('put.linked')
    try {
      // A temporary name that stays is swept: it is no reason to take the file back.
      await Promise.all([directories.sync(place.directory), unlink(temporary).catch(() => {})])
    } catch (error) {
      await unlink(place.path).catch(() => {})
      throw diskFailure(error, 'sync a directory')
    }
    step('put.durable')
    return written
  }

  return {
    async put(key, body, options) {
      try {
        return { size: await store(placeOf(key), body, options) }
      } catch (error) {
        body.destroy()
        throw error
      }
    },

    async get(key, { range, signal }) {
      signal.throwIfAborted()
      return fileStream(await open(key, range), signal)
    },

    async openReader(key, { range }) {
      const file = await open(key, range)
      return fileReader(file.fd, file.range)
    },

    async read(key, range, limit) {
      const file = await open(key, range)
      try {
        const { start, end } = file.range
        if (end - start + 1 > limit) throw fail('internal', 'the blob is too large to be read at once')
        const bytes = Buffer.allocUnsafe(end - start + 1)
        if ((await readFully(file.fd, bytes, start)) < bytes.length)
          throw fail('file_corrupt', 'the stored bytes end too early')
        return bytes
      } catch (error) {
        throw diskFailure(error, 'read')
      } finally {
        await closeFile(file.fd)
      }
    },

    delete: remove,

    async stat(key) {
      const entry = await entryAt(placeOf(key).path)
      return entry?.isFile() ? { size: entry.size } : null
    },

    async exists(key) {
      return (await entryAt(placeOf(key).path))?.isFile() ?? false
    },

    async adopt(key, source) {
      const place = placeOf(key)
      const [before, there] = await Promise.all([entryAt(source), entryAt(place.path)])
      if (before === null && there?.isFile() !== true) throw fail('blob_missing', 'the file to take over is missing')
      if (before !== null && !before.isFile()) throw fail('internal', 'only a regular file can be taken over')
      // Something else in its place, as when a copy was made in another try: the caller has to settle that.
      if (before !== null && there !== null && (before.ino !== there.ino || before.dev !== there.dev)) return false
      try {
        if (there === null) await enter(source, place)
        step('adopt.linked')
        await directories.ensure(place.directory)
        await directories.sync(place.directory)
        step('adopt.durable')
        return true
      } catch (error) {
        if (systemCode(error) === 'EXDEV') return false
        throw diskFailure(error, 'take over a file')
      }
    },

    async *entries() {
      // What an operator put beside the buckets is not ours to report.
      for (const top of await readdir(root).catch(orFail('list its files'))) {
        if (top !== UNFINISHED && !isBucketName(top)) continue
        for await (const { name, stats } of walkFiles(join(root, top))) {
          const id = name.slice(name.lastIndexOf('/') + 1)
          const key = `${top}/${top === UNFINISHED ? name : id}` as BlobKey
          if (top === UNFINISHED || (isId(id) && placeOf(key).path === `${root}/${top}/${name}`)) {
            yield { key, size: stats.size, modifiedAt: stats.mtimeMs }
          }
        }
      }
    },

    async removeEntry({ key }) {
      const [top, name = '', ...more] = key.split('/')
      if (top !== UNFINISHED) return remove(key)
      if (more.length > 0 || name === '' || name.startsWith('.'))
        throw fail('internal', 'this is not an unfinished file')
      await unlink(`${unfinished}/${name}`).catch(unlessGone)
    },

    async setAside(key) {
      const from = placeOf(key)
      const { directory, name } = fileOfKey(key)
      const to = `${root}/${LOST}/${directory}`
      try {
        await mkdir(to, { recursive: true, mode: 0o700 })
        await rename(from.path, `${to}/${name}`)
        await Promise.all([directories.sync(from.directory), directories.sync(to)])
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw diskFailure(error, 'set a file aside')
      }
    },

    async sweep(olderThan, dryRun) {
      let swept = 0
      for await (const { path, stats } of walkFiles(unfinished)) {
        if (stats.mtimeMs >= olderThan) continue
        if (!dryRun) await unlink(path).catch(unlessGone)
        swept++
      }
      return swept
    },

    async ready() {
      const probe = `${unfinished}/${randomUUID()}`
      try {
        await writeFile(probe, '', { flag: 'wx', mode: 0o600 })
        await unlink(probe)
      } catch (error) {
        const failure = diskFailure(error, 'answer')
        // A full disk still serves what it holds, and deleting is how it gets better.
        if (failure.code !== 'storage_full') throw failure
      }
    },
  }
}

/** What stands at a path, links not followed; null when nothing does. */
async function entryAt(path: string): Promise<Stats | null> {
  try {
    return await lstat(path)
  } catch (error) {
    if (MISSING.has(systemCode(error) ?? '')) return null
    throw diskFailure(error, 'look up a file')
  }
}
