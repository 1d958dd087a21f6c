// Moves a bucket's files to another backend while they are in use: copy, prove, turn the row; the original goes later, with a sweep.
import { Readable } from 'node:stream'
import { type CopyTarget, copyBlob } from '../blobs/copy.ts'
import { blobKey } from '../blobs/keys.ts'
import type { BlobStore } from '../blobs/store.ts'
import { type Clock, timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { NextId } from '../core/ids.ts'
import type { FileRow } from '../core/model.ts'
import type { Leases } from '../files/leases.ts'
import type { Kept } from '../meta/blob-places.ts'
import type { MetaStore } from '../meta/store.ts'
import type { Observer } from '../observe/observer.ts'

export interface MoveOptions {
  readonly bucket: string
  /** The backend that all files shall be in. */
  readonly to: string
  /** Milliseconds for which originals stay: whoever has found a file's row before it was moved still reads it there. */
  readonly grace: number
  /** Ends the run: what was moved is moved, and the next run goes on with the rest. */
  readonly signal: AbortSignal
  /** Hears once what is to be moved, then after every file what was done. */
  readonly progress?: (done: MoveProgress, all: MoveProgress) => void
}

export interface MoveProgress {
  readonly files: number
  /** As stored. */
  readonly bytes: number
}

export interface MoveReport {
  readonly moved: number
  /** As stored. */
  readonly bytes: number
  /** Files that were deleted meanwhile, or whose bytes of an earlier move are just being removed: there is nothing to mend. */
  readonly passed: number
  /** Files that stay where they are, as their bytes are not what they should be. */
  readonly failed: readonly {
    readonly id: string
    readonly backend: string
    readonly code: string
    readonly message: string
  }[]
  /** Files that are still elsewhere. */
  readonly left: number
  /** Unfinished uploads that will become files elsewhere, as they were begun before the schema was changed. */
  readonly uploads: number
  /** The signal ended it. */
  readonly stopped: boolean
  /** RFC 3339: from then on a sweep removes the originals. */
  readonly originalsUntil: string
}

export interface MoveDeps {
  readonly meta: MetaStore
  readonly blobs: BlobStore
  readonly clock: Clock
  readonly nextId: NextId
  readonly observer: Observer
  readonly leases: Pick<Leases, 'holder'>
  /** Milliseconds a run's lease lasts. */
  readonly leaseTime: number
}

export type Move = (options: MoveOptions) => Promise<MoveReport>

const BATCH = 200
/** Files that are copied at a time. */
const AT_ONCE = 4
/** A copy that was not finished by then came to nothing. Milliseconds. */
const COPY_TIME = 24 * 3_600_000

/** Wires the mover. It may run beside serving processes; of one bucket, one run at a time. Fails storage_unavailable and storage_full as either
 *  backend does, database_busy while another process moves files of the bucket, and config_invalid when both backends are one place. */
export function createMove(deps: MoveDeps): Move {
  const { meta, blobs, clock, observer } = deps
  const later = (time: number): string => timestamp(clock.now() + time)

  return async ({ bucket, to, grace, signal, progress }) => {
    const failed: MoveReport['failed'][number][] = []
    let [moved, bytes, passed] = [0, 0, 0]
    const broken = new AbortController()
    const stop = AbortSignal.any([signal, broken.signal])
    const elsewhere = async (): Promise<readonly Kept[]> =>
      (await meta.kept(bucket)).filter(({ backend }) => backend !== to)
    const sources = await elsewhere()
    const all = { files: sum(sources, 'files'), bytes: sum(sources, 'bytes') }
    const tell = (): void => progress?.({ files: moved, bytes }, all)

    async function move(file: FileRow): Promise<void> {
      try {
        if (!(await meta.announceCopy(to, file.key, later(COPY_TIME)))) {
          passed += 1
          return
        }
        const from = reading(file, file.backend)
        await copyBlob(file.key, file, from, target(file, to), stop)
        observer.event('step', { point: 'move.copied', id: file.id })
        if (await meta.moveFile(bucket, file.id, file.backend, to, later(grace))) {
          observer.event('step', { point: 'move.turned', id: file.id })
          moved += 1
          bytes += file.storedSize
        } else passed += 1
        tell()
      } catch (error) {
        if (stop.aborted) return
        // What is wrong with one file is no reason to leave the others; what is wrong with a backend is.
        if (isFailure(error, 'file_corrupt', 'blob_missing')) {
          if ((await meta.file(bucket, file.id))?.backend !== file.backend) passed += 1
          else failed.push({ id: file.id, backend: file.backend, code: error.code, message: error.message })
        } else broken.abort(error)
      }
    }

    const end = await begin(bucket, (reason) => broken.abort(reason))
    try {
      tell()
      for (const { backend } of sources) await requireApart(bucket, backend, to)
      for (const { backend } of sources) await each(pages(bucket, backend), AT_ONCE, stop, move)
    } finally {
      await end()
    }
    broken.signal.throwIfAborted()
    return {
      moved,
      bytes,
      passed,
      failed,
      left: sum(await elsewhere(), 'files'),
      uploads: await unfinished(bucket, to),
      stopped: signal.aborted,
      originalsUntil: later(grace),
    }
  }

  /** Two copies of one file at a time could take each other away. Resolves with what ends the lease. */
  async function begin(bucket: string, lost: (reason: unknown) => void): Promise<() => Promise<void>> {
    const name = `move:${bucket}`
    const { holder } = deps.leases
    const prolong = (): Promise<boolean> => meta.lease(name, holder, later(deps.leaseTime), later(0))
    const busy = (): Error =>
      fail('database_busy', `another process is moving the files of ${bucket}`, {
        hint: `Wait until it has ended; what a killed one held is free after ${deps.leaseTime / 1000} seconds.`,
      })
    if (!(await prolong())) throw busy()
    const beat = setInterval(() => void prolong().then((held) => held || lost(busy()), lost), deps.leaseTime / 4)
    return async () => {
      clearInterval(beat)
      await meta.releaseLease(name, holder)
    }
  }

  /** Of two names of one place every copy would be its own original, and would be removed as that. Configuration cannot show it: one server
   *  answers under many addresses. */
  async function requireApart(bucket: string, from: string, to: string): Promise<void> {
    const key = blobKey(bucket, deps.nextId())
    const trace = Buffer.from('alyx migrate-backend\n')
    // Should this process die, a sweep finds it.
    await meta.announceCopy(to, key, later(COPY_TIME))
    await blobs.write(to, key, Readable.from([trace]), trace.length, new AbortController().signal)
    const isSame = await blobs.exists(from, key)
    await blobs.remove(to, key)
    await meta.forgetSpare(to, key)
    if (!isSame) return
    throw fail('config_invalid', `storage.backends: ${from} and ${to} keep their files in the same place`, {
      hint: 'There is nothing to move. To change how a backend is reached, change it under its name.',
    })
  }

  async function* pages(bucket: string, backend: string): AsyncGenerator<FileRow> {
    for (let after = ''; ; ) {
      const rows = await meta.filesIn(bucket, backend, after, BATCH)
      yield* rows
      if (rows.length < BATCH) return
      after = rows.at(-1)!.id
    }
  }

  async function unfinished(bucket: string, to: string): Promise<number> {
    let count = 0
    for (let after = ''; ; ) {
      const rows = await meta.scanUploads(after, BATCH)
      // A part of an upload of /v1 never becomes a file of its own.
      const found = rows.filter(({ state, protocol }) => state === 'open' && protocol !== 'part')
      count += found.filter((row) => row.bucket === bucket && row.backend !== to).length
      if (rows.length < BATCH) return count
      after = rows.at(-1)!.id
    }
  }

  function reading(file: FileRow, backend: string): Pick<CopyTarget, 'get'> {
    return { get: (_key, { signal }) => blobs.readStored({ ...file, backend }, null, signal) }
  }

  function target(file: FileRow, backend: string): CopyTarget {
    return {
      async get(key, options) {
        // Asked first, so that what is usual is no storage error in log and metrics.
        if (!(await blobs.exists(backend, key))) throw fail('blob_missing', 'there is no copy yet')
        return reading(file, backend).get(key, options)
      },
      put: async (key, body, { size, signal }) => ({
        size: (await blobs.write(backend, key, body, size, signal)).storedSize,
      }),
      delete: (key) => blobs.remove(backend, key),
    }
  }
}

function sum(kept: readonly Kept[], what: 'files' | 'bytes'): number {
  return kept.reduce((total, each) => total + each[what], 0)
}

/** Works on so many at a time, until the end or the signal. */
async function each<T>(
  items: AsyncGenerator<T>,
  atOnce: number,
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const one = async (): Promise<void> => {
    for (;;) {
      if (signal.aborted) return
      const { done, value } = await items.next()
      if (done) return
      await work(value)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}
