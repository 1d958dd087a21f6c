// The steps of every sweep: uploads, deletions, files whose time is over, and what belongs to nothing.
import type { BlobStore } from '../blobs/store.ts'
import { timestamp } from '../core/clock.ts'
import type { FileRow, UploadRow } from '../core/model.ts'
import type { SweepStep } from '../core/sweep-step.ts'
import type { Reclaim } from '../files/removal.ts'
import type { Spool } from '../files/spool.ts'
import type { Multipart, SpareBlob } from '../meta/blob-places.ts'
import type { MetaStore } from '../meta/store.ts'
import type { Observer } from '../observe/observer.ts'

export interface FileStepsDeps {
  readonly meta: MetaStore
  readonly blobs: BlobStore
  readonly spool: Spool
  readonly reclaim: Reclaim
  readonly observer: Observer
  /** Milliseconds a claim's lease lasts: what is older and not renewed is dead. */
  readonly leaseTime: number
}

/** In the order in which they run. */
export function fileSteps({ meta, blobs, spool, reclaim, observer, leaseTime }: FileStepsDeps): readonly SweepStep[] {
  /** What is younger than this may still be going on in another process. */
  const cutOff = (time: number): string => timestamp(time - 3 * leaseTime)
  const passed = (point: string, id: string): void => observer.event('step', { point, id })

  /** Parts that a killed process sent to a backend and never put together. */
  async function abort({ backend, key, uploadId }: Multipart): Promise<void> {
    await blobs.abortLeftover(backend, key, uploadId)
    await meta.closeMultipart(backend, key, uploadId)
  }

  const uploads: SweepStep<UploadRow> = {
    name: 'uploads',
    kind: 'uploads',
    waitsForBackup: false,
    next: ({ now, limit, without }) => meta.deadUploads(now, limit, without),
    async clear({ id, backend, key }, { now }) {
      // It may have become a file since it was found.
      if (!(await meta.abandon(id, now))) return false
      passed('sweep.abandoned', id)
      await spool.remove(id)
      for (const part of await meta.multiparts(backend, key)) await abort(part)
      await blobs.remove(backend, key)
      passed('sweep.removed', id)
      await meta.forget(id)
      passed('sweep.forgotten', id)
      return true
    },
    bytes: ({ offset }) => offset,
  }

  const deletions: SweepStep<FileRow> = {
    name: 'deletions',
    kind: 'deletions',
    waitsForBackup: true,
    next: ({ time, limit, without }) => meta.stuckDeletions(cutOff(time), limit, without),
    clear: reclaim,
    bytes: ({ storedSize }) => storedSize,
  }

  const expired: SweepStep<FileRow> = {
    name: 'expired',
    kind: 'expired',
    waitsForBackup: true,
    next: ({ now, limit, without }) => meta.expiredFiles(now, limit, without),
    clear: reclaim,
    bytes: ({ storedSize }) => storedSize,
  }

  const trash: SweepStep<FileRow> = {
    name: 'trash',
    kind: 'purged',
    waitsForBackup: true,
    next: ({ now, limit, without }) => meta.purgeableFiles(now, limit, without),
    clear: reclaim,
    bytes: ({ storedSize }) => storedSize,
  }

  /** What a move to another backend left: the original, or a copy that came to nothing. */
  const spares: SweepStep<SpareBlob> = {
    name: 'spares',
    kind: 'leftovers',
    waitsForBackup: true,
    next: ({ now, limit, without }) => meta.dueSpares(now, limit, without),
    async clear({ backend, key }) {
      if (!(await meta.takeSpare(backend, key))) return false
      passed('sweep.taken', key)
      for (const part of await meta.multiparts(backend, key)) await abort(part)
      await blobs.remove(backend, key)
      passed('sweep.removed', key)
      await meta.forgetSpare(backend, key)
      return true
    },
  }

  const multiparts: SweepStep<Multipart> = {
    name: 'multiparts',
    kind: 'leftovers',
    waitsForBackup: false,
    next: ({ time, limit, without }) => meta.strayMultiparts(cutOff(time), limit, without),
    clear: (part) => abort(part).then(() => true),
  }

  /** Spools whose row is gone: a crash between the commit and their removal. */
  const spools: SweepStep<string> = {
    name: 'spools',
    kind: 'leftovers',
    waitsForBackup: false,
    async next({ limit }) {
      const orphans: string[] = []
      for await (const id of spool.ids()) {
        if ((await meta.upload(id)) === null) orphans.push(id)
        if (orphans.length === limit) break
      }
      return orphans
    },
    async clear(id) {
      if ((await meta.upload(id)) !== null) return false
      await spool.remove(id)
      passed('sweep.spool', id)
      return true
    },
  }

  /** Temporary files nobody writes, all of them as one row. */
  const temporary: SweepStep<{ readonly olderThan: number; readonly count: number }> = {
    name: 'temporary_files',
    kind: 'leftovers',
    waitsForBackup: false,
    async next({ time }) {
      const olderThan = time - 6 * leaseTime
      const count = await blobs.sweepTemporary(olderThan, true)
      return count === 0 ? [] : [{ olderThan, count }]
    },
    clear: ({ olderThan }) => blobs.sweepTemporary(olderThan, false).then((count) => count > 0),
    count: ({ count }) => count,
  }

  return [uploads, deletions, expired, trash, spares, multiparts, spools, temporary]
}
