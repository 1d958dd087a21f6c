// The sweep: what died on the way is cleared, in bounded batches, by one process at a time. It never touches an active upload.
import type { BlobStore } from '../blobs/store.ts'
import { type Clock, timestamp } from '../core/clock.ts'
import type { FileRow, UploadRow } from '../core/model.ts'
import type { Leases } from '../files/leases.ts'
import type { Reclaim } from '../files/removal.ts'
import type { Spool } from '../files/spool.ts'
import type { MetaStore, Multipart, SpareBlob } from '../meta/store.ts'
import type { Observer } from '../observe/observer.ts'
import { createOpenAiSweep } from './openai-uploads.ts'

export interface SweepReport {
  readonly dryRun: boolean
  /** False when another process was sweeping; nothing was done then. */
  readonly ran: boolean
  /** Unfinished uploads removed, with the bytes that had arrived for them. */
  readonly uploads: number
  readonly uploadBytes: number
  /** Deletions finished that had been cut off, and files whose records took them along. */
  readonly deletions: number
  /** Files whose expires_at had passed, or that no record named while they were staged. */
  readonly expired: number
  /** Spools, temporary files, parts and blobs that belonged to nothing. */
  readonly leftovers: number
  readonly errors: number
  /** More is left: the batch or the time ran out. */
  readonly more: boolean
  readonly milliseconds: number
}

export interface SweepDeps {
  readonly meta: MetaStore
  readonly blobs: BlobStore
  readonly spool: Spool
  readonly reclaim: Reclaim
  readonly clock: Clock
  readonly observer: Observer
  readonly leases: Pick<Leases, 'holder' | 'releaseGone'>
  /** Milliseconds a claim's lease lasts: what is older and not renewed is dead. */
  readonly leaseTime: number
  readonly batchSize: number
  /** Milliseconds. */
  readonly maxRuntime: number
}

export type Sweep = (options: { readonly dryRun: boolean }) => Promise<SweepReport>

const LEASE = 'sweep'

/** Wires the sweep. Bounded by `batchSize` rows at a time and `maxRuntime` in all. */
export function createSweep(deps: SweepDeps): Sweep {
  const { meta, blobs, spool, reclaim, clock, observer } = deps
  const { holder, releaseGone } = deps.leases
  const openAi = createOpenAiSweep(meta, () => clock.now())

  return async ({ dryRun }) => {
    const started = clock.now()
    const now = (): string => timestamp(clock.now())
    const inTime = (): boolean => clock.now() - started < deps.maxRuntime
    const count = { uploads: 0, uploadBytes: 0, deletions: 0, expired: 0, leftovers: 0, errors: 0 }
    let more = false

    /** Takes batches until one makes no headway: a row that will not go must not be asked for again and again. */
    async function drain<T>(next: () => Promise<readonly T[]>, clear: (row: T) => Promise<void>): Promise<void> {
      for (;;) {
        const rows = await next()
        let gone = 0
        for (const row of rows) {
          if (!inTime()) {
            more = true
            return
          }
          try {
            await clear(row)
            gone += 1
          } catch (error) {
            count.errors += 1
            observer.event('storage_error', { backend: 'sweep', operation: 'clear', error })
          }
        }
        if (dryRun || gone < deps.batchSize) {
          if (rows.length === deps.batchSize) more = true
          return
        }
      }
    }

    async function clearUpload(upload: UploadRow): Promise<void> {
      if (!dryRun) {
        // It may have become a file since it was found.
        if (!(await meta.abandon(upload.id, now()))) return
        await spool.remove(upload.id)
        for (const part of await meta.multiparts(upload.backend, upload.key)) await abort(part)
        await blobs.remove(upload.backend, upload.key)
        await meta.forget(upload.id)
      }
      count.uploads += 1
      count.uploadBytes += upload.offset
    }

    /** Parts that a killed process sent to a backend and never put together. */
    async function abort({ backend, key, uploadId }: Multipart): Promise<void> {
      await blobs.abortLeftover(backend, key, uploadId)
      await meta.closeMultipart(backend, key, uploadId)
    }

    async function clearStray(part: Multipart): Promise<void> {
      if (!dryRun) await abort(part)
      count.leftovers += 1
    }

    /** What a move to another backend left: the original, or a copy that came to nothing. */
    async function clearSpare({ backend, key }: SpareBlob): Promise<void> {
      if (!dryRun) {
        if (!(await meta.takeSpare(backend, key))) return
        for (const part of await meta.multiparts(backend, key)) await abort(part)
        await blobs.remove(backend, key)
        await meta.forgetSpare(backend, key)
      }
      count.leftovers += 1
    }

    async function clearFile(file: FileRow, kind: 'deletions' | 'expired'): Promise<void> {
      if (!dryRun) await reclaim(file)
      count[kind] += 1
    }

    /** Spools whose row is gone (a crash between the commit and their removal) and temporary files nobody writes. */
    async function clearLeftovers(): Promise<void> {
      const old = clock.now() - 6 * deps.leaseTime
      for await (const id of spool.ids()) {
        if (!inTime()) {
          more = true
          return
        }
        if ((await meta.upload(id)) !== null) continue
        if (!dryRun) await spool.remove(id)
        count.leftovers += 1
      }
      count.leftovers += await blobs.sweepTemporary(old, dryRun)
    }

    const until = timestamp(started + 2 * deps.maxRuntime)
    const ran = dryRun || (await meta.lease(LEASE, holder, until, now()))
    if (ran) {
      try {
        if (!dryRun) await releaseGone()
        // Before their claims: a part that is given up here goes in the same run.
        if (!dryRun) await drain(() => openAi.expired(deps.batchSize), openAi.clear)
        if (!dryRun) await openAi.prune(deps.batchSize)
        await drain(() => meta.deadUploads(now(), deps.batchSize), clearUpload)
        // A deletion younger than this may still be going on in another process.
        const stuck = timestamp(started - 3 * deps.leaseTime)
        await drain(
          () => meta.stuckDeletions(stuck, deps.batchSize),
          (file) => clearFile(file, 'deletions'),
        )
        await drain(
          () => meta.expiredFiles(now(), deps.batchSize),
          (file) => clearFile(file, 'expired'),
        )
        await drain(() => meta.dueSpares(now(), deps.batchSize), clearSpare)
        await drain(() => meta.strayMultiparts(stuck, deps.batchSize), clearStray)
        await clearLeftovers()
      } finally {
        if (!dryRun) await meta.releaseLease(LEASE, holder)
      }
    }
    const report: SweepReport = { dryRun, ran, ...count, more, milliseconds: clock.now() - started }
    observer.event('sweep', { ...report })
    return report
  }
}
