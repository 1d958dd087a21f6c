// System calls on one open file, as promises: open without following links, write a batch, sync, close.
import { close, constants, fstatSync, fsync, ftruncate, open, read, type Stats, write, writev } from 'node:fs'
import { promisify } from 'node:util'
import { fail } from '../core/errors.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

/** `full`: what was acknowledged survives a power cut; `normal`: it survives the end of the process. */
export type Durability = 'full' | 'normal'

const openFd = promisify(open) as (path: string, flags: number, mode?: number) => Promise<number>
const readFd = promisify(read) as (
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesRead: number }>
const writeFd = promisify(write) as (
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesWritten: number }>
const writevFd = promisify(writev) as (
  fd: number,
  buffers: readonly Buffer[],
  position: number,
) => Promise<{ bytesWritten: number }>

/** Flushes a descriptor. After a failure its unsynced bytes must be taken for lost: discard, never sync again. */
export const syncFile: (fd: number) => Promise<void> = promisify(fsync)
export const closeFile: (fd: number) => Promise<void> = promisify(close)
export const truncateFile: (fd: number, length: number) => Promise<void> = promisify(ftruncate)

/** A new file for writing, mode 0600. Rejects with EEXIST when the name is taken, even by a dangling link. */
export function createFile(path: string): Promise<number> {
  return openFd(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
}

/** An open descriptor and what it stands for. */
export interface OpenFile {
  readonly fd: number
  readonly stats: Stats
}

/** An existing file for writing, or a new one (mode 0600) where `create`. Anything but a regular file is ENXIO, ELOOP or blob_missing. */
export async function openForWriting(path: string, create: boolean): Promise<OpenFile> {
  return regular(await openFd(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT : 0), 0o600))
}

/** A regular file for reading. ENOENT and ELOOP pass; directories, pipes and devices are blob_missing, without waiting for a writer. */
export async function openForReading(path: string): Promise<OpenFile> {
  return regular(await openFd(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
}

/** A directory, to be synced. */
export function openDirectory(path: string): Promise<number> {
  return openFd(path, O_RDONLY | constants.O_DIRECTORY)
}

async function regular(fd: number): Promise<OpenFile> {
  // The descriptor is open: its inode is in memory and asking for it waits for nothing.
  const stats = fstatSync(fd)
  if (stats.isFile()) return { fd, stats }
  await closeFile(fd)
  throw fail('blob_missing', 'what stands in the place of the blob is not a file')
}

/** Writes all buffers at `position`; a short write is continued until the disk takes the rest or says why not. */
export async function writeBatch(fd: number, batch: readonly Buffer[], position: number): Promise<void> {
  let rest = batch
  let at = position
  while (rest.length > 0) {
    const first = rest[0]!
    const { bytesWritten } =
      rest.length === 1 ? await writeFd(fd, first, 0, first.length, at) : await writevFd(fd, rest, at)
    at += bytesWritten
    rest = unwritten(rest, bytesWritten)
  }
}

function unwritten(batch: readonly Buffer[], written: number): readonly Buffer[] {
  let done = written
  let index = 0
  while (index < batch.length && done >= batch[index]!.length) done -= batch[index++]!.length
  if (index === batch.length) return []
  return [batch[index]!.subarray(done), ...batch.slice(index + 1)]
}

/** Fills `buffer` from `position` on; resolves with the bytes read, fewer only at the end of the file. */
export async function readFully(fd: number, buffer: Buffer, position: number): Promise<number> {
  let done = 0
  while (done < buffer.length) {
    const { bytesRead } = await readFd(fd, buffer, done, buffer.length - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}
