// A file that is complete and durable, or not there at all.
import { unlink } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { fail } from '../core/errors.ts'
import { diskFailure } from './disk-errors.ts'
import { closeFile, createFile, type Durability, syncFile, writeBatch } from './disk-file.ts'
import { gather } from './gather.ts'

export interface NewFileOptions {
  /** Exact bytes to come; null = unknown. */
  readonly size: number | null
  readonly signal: AbortSignal
  readonly durability: Durability
  /** Told of each step that was passed. */
  readonly step: (point: 'put.written' | 'put.synced') => void
}

/** Writes a body to a new file and resolves with its size once it is synced (not so the directory's entry). When it fails nothing is left.
 *  Fails: invalid_request (not `size` bytes), storage_full, storage_unavailable, the body's own error, the signal's reason. */
export async function writeNewFile(path: string, body: Readable, options: NewFileOptions): Promise<number> {
  const { size, signal, durability, step } = options
  const file: { fd: number | null; made: boolean } = { fd: null, made: false }
  const opened = async (): Promise<number> => {
    if (file.fd !== null) return file.fd
    file.fd = await createFile(path)
    file.made = true
    return file.fd
  }
  let position = 0
  const { written, error } = await gather(body, {
    limit: size,
    excess: () => fail('invalid_request', `more than the announced ${size} bytes arrived`, { details: { size } }),
    signal,
    // A small body is all here before its file is opened: a failed one costs no system call.
    write: async (batch, bytes) => {
      try {
        await writeBatch(await opened(), batch, position)
        position += bytes
      } catch (fault) {
        throw diskFailure(fault, 'write')
      }
    },
  })
  try {
    if (error !== null) throw error
    if (size !== null && written !== size) {
      throw fail('invalid_request', `${written} of the announced ${size} bytes arrived`, { details: { size, written } })
    }
    const fd = await opened()
    step('put.written')
    if (durability === 'full') {
      await syncFile(fd)
      step('put.synced')
    }
    file.fd = null // a close that fails has closed it all the same
    await closeFile(fd)
    return written
  } catch (fault) {
    if (file.fd !== null) await closeFile(file.fd).catch(() => {})
    if (file.made) await unlink(path).catch(() => {})
    throw fault === error ? fault : diskFailure(fault, 'write')
  }
}
