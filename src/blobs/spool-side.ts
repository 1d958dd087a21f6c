// The side file of an encrypted upload's spool (spool-cipher.ts says what is in it): opened, extended and cut in step with the spool.
import { constants, copyFile, lstat, rename, unlink } from 'node:fs/promises'
import type { Transform } from 'node:stream'
import { fail, isFailure, systemCode } from '../core/errors.ts'
import { diskFailure, orFail } from './disk-errors.ts'
import {
  closeFile,
  openForReading,
  openForWriting,
  readFully,
  syncFile,
  truncateFile,
  writeBatch,
} from './disk-file.ts'
import { unlessGone } from './files-below.ts'
import type { Keyring } from './keyring.ts'
import {
  createSpoolCipher,
  openSpoolCipher,
  SPOOL_HEADER,
  SPOOL_RECORD,
  type SpoolCipher,
  type SpoolPlace,
  sealedUpTo,
  spoolKeyId,
  spoolSegments,
} from './spool-cipher.ts'

/** One writer's hold on a side file. Fails storage_full, storage_unavailable. */
export interface SpoolSide {
  /** Bytes of the upload that were ciphered, ended segments or not. */
  readonly end: number
  /** The bytes to write in place of the batch, as many. */
  cipher(batch: readonly Buffer[]): readonly Buffer[]
  /** Ends the segment and writes its record, which counts once it and its bytes are synced. */
  record(): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/** Opens the side file for bytes that begin at `offset`, cut to what makes up the bytes before; at 0 it is made anew, with a new key.
 *  Fails blob_missing when it does not reach `offset`, decrypt_failed. */
export async function openSide(
  path: string,
  place: SpoolPlace,
  keyring: Keyring | null,
  offset: number,
): Promise<SpoolSide> {
  const keys = requireKeys(keyring)
  let cipher: SpoolCipher
  let at = SPOOL_HEADER
  if (offset === 0) cipher = createSpoolCipher(keys, place)
  else {
    const held = await readSide(path)
    cipher = openSpoolCipher(keys, place, held)
    at += spoolSegments(held, offset).length * SPOOL_RECORD
  }
  const { fd } = await openForWriting(path, offset === 0).catch(orFail('open the upload'))
  try {
    await truncateFile(fd, offset === 0 ? 0 : at)
    if (offset === 0) await writeBatch(fd, [cipher.header], 0)
  } catch (error) {
    await closeFile(fd)
    throw diskFailure(error, 'cut the upload')
  }
  let segment = cipher.segment(offset)
  return {
    get end() {
      return segment.end
    },
    cipher: (batch) => batch.map((chunk) => segment.update(chunk)),
    async record() {
      const { end } = segment
      const record = segment.seal()
      segment = cipher.segment(end)
      if (record === null) return
      await writeBatch(fd, [record], at).catch(orFail('write'))
      at += SPOOL_RECORD
    },
    sync: () => syncFile(fd),
    close: () => closeFile(fd),
  }
}

/** What deciphers the first `size` bytes of the upload. Fails blob_missing, decrypt_failed. */
export async function openSpooled(
  path: string,
  place: SpoolPlace,
  keyring: Keyring | null,
  size: number,
): Promise<Transform> {
  const held = await readSide(path)
  return openSpoolCipher(requireKeys(keyring), place, held).open(spoolSegments(held, size))
}

/** How many of the `size` bytes of a spool can be deciphered, should the key be there; all where there is no side file. */
export async function readableBytes(path: string, size: number): Promise<number> {
  return (await hasSide(path)) ? sealedUpTo(await readSide(path), size) : size
}

/** The id of the key that the upload's own is wrapped by; null where there is no side file, or a damaged one. */
export async function sideKeyId(path: string): Promise<string | null> {
  return (await hasSide(path)) ? spoolKeyId(await readSide(path)) : null
}

/** Whether there is a side file: the upload's bytes are ciphered then. */
export async function hasSide(path: string): Promise<boolean> {
  return (await lstat(path).catch(unlessGone)) !== null
}

/** Puts a copy in the place of a file of the spool, durably where asked, but for the directory: whoever has the old one open writes into
 *  nothing from now on. Nothing happens where there is none. */
export async function renewFile(path: string, durable: boolean): Promise<void> {
  const copy = `${path}.copy`
  await unlink(copy).catch(unlessGone)
  try {
    await copyFile(path, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw diskFailure(error, 'copy the upload')
  }
  const { fd } = await openForWriting(copy, false)
  try {
    if (durable) await syncFile(fd)
  } finally {
    await closeFile(fd)
  }
  await rename(copy, path)
}

/** For `.catch()` of opening a file of the spool: blob_missing when there is none, or something else in its place. */
export function orMissing(error: unknown): never {
  if (isFailure(error)) throw error
  const code = systemCode(error)
  if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENXIO') {
    throw fail('blob_missing', 'the bytes of the upload are missing', { cause: error })
  }
  throw diskFailure(error, 'open the upload')
}

function requireKeys(keyring: Keyring | null): Keyring {
  if (keyring === null) throw fail('decrypt_failed', 'the upload is encrypted and no encryption key is configured')
  return keyring
}

async function readSide(path: string): Promise<Buffer> {
  const { fd, stats } = await openForReading(path).catch(orMissing)
  try {
    const bytes = Buffer.alloc(stats.size)
    return bytes.subarray(0, await readFully(fd, bytes, 0).catch(orFail('read the upload')))
  } finally {
    await closeFile(fd)
  }
}
