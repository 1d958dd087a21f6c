// A folder that holds a backup: a copy of the database, a list of what belongs to it, and blobs as a filesystem backend lays them out.
import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fail, systemCode } from '../core/errors.ts'
import type { BlobKey } from '../core/model.ts'
import type { Observer } from '../observe/observer.ts'
import type { Backend } from './backend.ts'
import { orFail } from './disk-errors.ts'
import type { Durability } from './disk-file.ts'
import { openFilesystem } from './filesystem.ts'
import { fileOfKey } from './keys.ts'

/** A blob that belongs to the backup. One line of JSON each, in the order of ids. */
export interface BackedBlob {
  readonly id: string
  readonly backend: string
  readonly key: BlobKey
  /** Bytes as stored. */
  readonly size: number
  /** CRC-32 of the stored bytes; null when unknown. */
  readonly crc32: number | null
  /** SHA-256 of the stored bytes; null when they were not read. */
  readonly sha256: string | null
  /** Its bytes are in the folder; otherwise it is only named. */
  readonly copied: boolean
}

/** `manifest.json`: what of the folder is the backup. It is written last. */
export interface Manifest {
  readonly format: 1
  readonly created_at: string
  /** Which database it is of, whatever its place. */
  readonly origin: string
  readonly database: { readonly file: string; readonly sha256: string }
  readonly blobs: { readonly file: string; readonly sha256: string; readonly count: number; readonly bytes: number }
  /** Ids of the keys that are needed to read encrypted files. The keys are not in the backup. */
  readonly encryption_keys: readonly string[]
}

export interface BackupFolder {
  /** Null when there is no finished backup. Fails config_invalid when it cannot be understood. */
  manifest(): Promise<Manifest | null>
  /** Absolute path of a file of the folder. */
  path(file: string): string
  /** SHA-256 of a file of the folder, hex; null when it is missing. */
  digest(file: string): Promise<string | null>
  list(file: string): AsyncGenerator<BackedBlob>
  writeList(file: string): Promise<ListWriter>
  /** Where the blobs of a backend are. */
  blobs(backend: string): Promise<Backend>
  /** The copied bytes of a blob, without making anything. Fails blob_missing, storage_unavailable. Consume or destroy the stream. */
  read(blob: BackedBlob): Promise<Readable>
  /** From now on this is the backup; durable. Whatever belonged to an earlier one may go. */
  finish(manifest: Manifest): Promise<void>
  /** Removes databases and lists that are not of this manifest. */
  prune(manifest: Manifest): Promise<void>
}

export interface ListWriter {
  add(blobs: readonly BackedBlob[]): Promise<void>
  /** Durable; the SHA-256 of the file, hex. */
  close(): Promise<string>
}

const { O_NOFOLLOW, O_RDONLY } = constants
const MANIFEST = 'manifest.json'
const OWN = /^(manifest\.json(\.new)?|blobs|(alyx|blobs)-\d{8}T\d{9}Z\.(db|jsonl)(-journal|-wal|-shm)?)$/

/** Opens the folder; `make` creates it (0700) when it is missing. Fails config_invalid when there is something else in it. */
export async function openBackupFolder(
  dir: string,
  {
    make,
    durability,
    observer,
  }: { readonly make: boolean; readonly durability: Durability; readonly observer: Observer },
): Promise<BackupFolder> {
  const root = resolve(dir)
  if (make) await mkdir(root, { recursive: true, mode: 0o700 }).catch(orNoFolder)
  const strange = (await readdir(root).catch(orMissing)).find((name) => !OWN.test(name))
  if (strange !== undefined)
    throw fail('config_invalid', `${root} is no folder of backups: ${JSON.stringify(strange)} is in it`, {
      hint: 'Name a folder that is empty, or not there yet, or was made by alyx backup.',
    })
  const path = (file: string): string => join(root, file)
  const backends = new Map<string, Promise<Backend>>()

  return {
    path,

    async manifest() {
      const text = await readFile(path(MANIFEST), 'utf8').catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return null
        return orFail('read')(error)
      })
      return text === null ? null : parseManifest(text)
    },

    async digest(file) {
      const hash = createHash('sha256')
      try {
        for await (const chunk of createReadStream(path(file))) hash.update(chunk as Buffer)
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return null
        return orFail('read')(error)
      }
      return hash.digest('hex')
    },

    async *list(file) {
      const lines = createInterface({ input: createReadStream(path(file)), crlfDelay: Number.POSITIVE_INFINITY })
      for await (const line of lines) yield JSON.parse(line) as BackedBlob
    },

    async writeList(file) {
      const handle = await open(path(file), 'wx', 0o600).catch(orFail('make a file'))
      const hash = createHash('sha256')
      return {
        async add(blobs) {
          const text = blobs.map((blob) => `${JSON.stringify(blob)}\n`).join('')
          hash.update(text)
          await handle.writeFile(text).catch(orFail('write'))
        },
        async close() {
          await handle.sync().catch(orFail('sync'))
          await handle.close()
          return hash.digest('hex')
        },
      }
    },

    blobs(backend) {
      const opened =
        backends.get(backend) ?? openFilesystem({ root: join(root, 'blobs', backend), durability, observer })
      backends.set(backend, opened)
      return opened
    },

    async read({ backend, key }) {
      const { directory, name } = fileOfKey(key)
      const handle = await open(join(root, 'blobs', backend, directory, name), O_RDONLY | O_NOFOLLOW).catch(
        (error: unknown) => {
          if (systemCode(error) === 'ENOENT') throw fail('blob_missing', 'the blob is missing', { cause: error })
          return orFail('read')(error)
        },
      )
      return handle.createReadStream()
    },

    async finish(manifest) {
      const fresh = path(`${MANIFEST}.new`)
      try {
        const handle = await open(fresh, 'w', 0o600)
        await handle.writeFile(`${JSON.stringify(manifest, null, 2)}\n`)
        await handle.sync()
        await handle.close()
        await rename(fresh, path(MANIFEST))
        const directory = await open(root, 'r')
        await directory.sync()
        await directory.close()
      } catch (error) {
        orFail('write')(error)
      }
    },

    async prune({ database, blobs }) {
      for (const name of await readdir(root).catch(orMissing))
        if (/\.(db|jsonl)(-\w+)?$/.test(name) && name !== database.file && name !== blobs.file)
          await rm(path(name), { force: true }).catch(orFail('delete'))
    },
  }
}

function orMissing(error: unknown): never {
  if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR')
    throw fail('config_invalid', 'there is no such folder of backups', { cause: error })
  return orFail('list its files')(error)
}

/** Why a folder could not be made. */
function orNoFolder(error: unknown): never {
  const code = systemCode(error)
  if (code === 'EEXIST' || code === 'ENOTDIR')
    throw fail('config_invalid', 'a file is where the folder of backups should be', {
      hint: 'Name a folder that is empty, or not there yet, or was made by alyx backup.',
      cause: error,
    })
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    throw fail('config_invalid', 'the folder of backups cannot be made there: nothing may be written', { cause: error })
  return orFail('make a directory')(error)
}

function parseManifest(text: string): Manifest {
  try {
    const value = JSON.parse(text) as Partial<Manifest>
    const names = [value.database?.file, value.blobs?.file]
    if (value.format === 1 && names.every((name) => typeof name === 'string' && OWN.test(name)))
      return value as Manifest
  } catch {
    // Told below.
  }
  throw fail('config_invalid', 'manifest.json is not one that this version of Alyx understands')
}
