// How a small body becomes a blob: collected whole, then handed to the threads that write small files.
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { fail } from '../core/errors.ts'
import type { Directories } from './directories.ts'
import { diskFailure, orFail } from './disk-errors.ts'
import type { Durability } from './disk-file.ts'
import { gather } from './gather.ts'
import { createSmallFiles } from './small-files.ts'

/** Where a blob lies. */
export interface Place {
  readonly directory: string
  readonly path: string
}

export interface SmallStoreDeps {
  readonly directories: Directories
  /** The directory of unfinished files. */
  readonly unfinished: string
  readonly durability: Durability
  /** Told of the steps that were passed, once all of them were. */
  readonly step: (point: string) => void
}

/** Stores a body of exactly `size` bytes; resolves with the size. Fails as Backend.put does. */
export type SmallStore = (place: Place, body: Readable, size: number, signal: AbortSignal) => Promise<number>

/** The small store of one root. */
export function createSmallStore({ directories, unfinished, durability, step }: SmallStoreDeps): SmallStore {
  const smallFiles = createSmallFiles()
  return async (place, body, size, signal) => {
    const bytes = await collectExactly(body, size, signal)
    const file = { bytes, ...place, temporary: `${unfinished}/${randomUUID()}`, durable: durability === 'full' }
    await directories.ensure(place.directory).catch(orFail('make a directory'))
    let code = await smallFiles.write(file)
    if (code === 'ENOENT') {
      directories.forget(place.directory)
      await directories.ensure(place.directory).catch(orFail('make a directory'))
      code = await smallFiles.write(file)
    }
    if (code === 'EEXIST') throw fail('internal', 'this blob key has been written already')
    if (code !== null) throw diskFailure({ code }, 'write')
    step('put.written')
    if (file.durable) step('put.synced')
    step('put.linked')
    step('put.durable')
    return bytes.length
  }
}

async function collectExactly(body: Readable, size: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = []
  const { written, error } = await gather(body, {
    limit: size,
    excess: () => fail('invalid_request', `more than the announced ${size} bytes arrived`, { details: { size } }),
    signal,
    write: async (batch) => void chunks.push(...batch),
  })
  if (error !== null) throw error
  if (written !== size) {
    throw fail('invalid_request', `${written} of the announced ${size} bytes arrived`, { details: { size, written } })
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, written)
}
