// How a file goes: condemn → remove → bury. A tombstone before the bytes, the row after them.
import { timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { Call, FileRow } from '../core/model.ts'
import { LEASES } from '../meta/upkeep.ts'
import { absent, type FileDeps, findRow, requireBucket, requireFile } from './lookup.ts'
import { isInTrash, isKnown, isLive } from './visibility.ts'

export interface Removal {
  /** Fails: file_in_use, storage_delete_failed (the file is kept), storage_unavailable (unknown: hidden, retried by the sweep). */
  remove(call: Call, bucket: string, id: string, permanent?: boolean): Promise<void>
}

type RemovalDeps = Pick<FileDeps, 'meta' | 'blobs' | 'clock' | 'observer'>

/** The verb `remove`; see FileService. */
export function createRemoval(deps: FileDeps): Removal {
  const { meta, clock } = deps
  const erase = createErase(deps)

  async function discard({ bucket, id }: FileRow, keptFor: number): Promise<void> {
    const now = clock.now()
    await meta.trash(bucket, id, timestamp(now + keptFor), timestamp(now)).catch(toldInUse)
    deps.observer.event('step', { point: 'trashed', id })
  }

  return {
    async remove(call, bucket, id, permanent = false) {
      const file = await findRow(deps, bucket, id)
      // A tombstone is finished rather than refused: a DELETE whose answer was lost can be sent again.
      const isThere =
        file.state === 'deleting' || isLive(file, deps.clock) || (permanent && isInTrash(file, deps.clock))
      if (!isKnown(file, call.caller) || !isThere) throw absent()
      requireFile(deps.access, call, 'delete', file)
      const keptFor = permanent ? null : requireBucket(deps.schema, bucket).trash
      if (keptFor === null || file.state === 'deleting') await erase(file)
      else await discard(file, keptFor)
      deps.observer.event('delete', { bucket, id, size: file.size })
    },
  }
}

/** Takes a file away because its caller asked for it: what the backend will not delete is kept, unless others want it gone as well. */
export function createErase(deps: RemovalDeps): (file: FileRow) => Promise<void> {
  const { meta, blobs, clock, observer } = deps
  return async (file) => {
    const now = timestamp(clock.now())
    const condemned = await meta.condemn(file.bucket, file.id, now, false).catch(toldInUse)
    if (condemned === null) return
    // Since it was found it may have been moved.
    const { backend, key } = condemned
    observer.event('step', { point: 'condemned', id: file.id })
    // Asked after the tombstone is there: a backup that begins later does not know the file any more.
    if (await isKept(deps, condemned)) return
    try {
      await blobs.remove(backend, key)
    } catch (error) {
      const there = await blobs.exists(backend, key).catch(() => null)
      if (there === null) throw error
      if (there) {
        // A tombstone that is not this call's alone stays one: its record is gone, its time over, or another DELETE under way.
        if (!(await meta.restore(file.bucket, file.id, now, timestamp(clock.now())))) throw error
        throw fail('storage_delete_failed', 'the backend did not delete the file', { cause: error })
      }
    }
    observer.event('step', { point: 'reclaimed', id: file.id })
    await meta.bury(file.bucket, file.id)
    observer.event('step', { point: 'buried', id: file.id })
  }
}

/** Finishes what is decided: removes bytes and row of a tombstone, or of a file whose time is over. Nothing is restored: after a failure the
 *  tombstone stays for the next sweep. Twice is once. False when there is nothing to finish any more, or not now, as a backup is being made.
 *  Fails: storage_unavailable. */
export type Reclaim = (file: FileRow) => Promise<boolean>

/** For sweeps, and for the files that went with a record. No right is asked. */
export function createReclaim(deps: RemovalDeps): Reclaim {
  const { meta, blobs, clock, observer } = deps
  return async (file) => {
    const { bucket, id } = file
    // Since it was found it may have been moved.
    const condemned = file.state === 'deleting' ? file : await meta.condemn(bucket, id, timestamp(clock.now()), true)
    if (condemned === null) return false
    const { backend, key } = condemned
    observer.event('step', { point: 'condemned', id })
    if (await isKept(deps, condemned)) return false
    await blobs.remove(backend, key)
    observer.event('step', { point: 'reclaimed', id })
    await meta.bury(bucket, id)
    observer.event('step', { point: 'buried', id })
    return true
  }
}

function toldInUse(error: unknown): never {
  throw isFailure(error, 'file_in_use') ? inUse(error) : error
}

/** Whether the bytes stay for now, as a backup is being made: what was there when it began has to be copied. The file is gone all the same, for
 *  records too; the sweep does the rest. */
async function isKept({ meta, clock }: RemovalDeps, { bucket, id }: FileRow): Promise<boolean> {
  if (!(await meta.isLeased(LEASES.backup, timestamp(clock.now())))) return false
  await meta.unname(bucket, id)
  return true
}

/** Which record it is may not be the caller's to know: `references` tells those that are. */
function inUse(cause: unknown): Error {
  return fail('file_in_use', 'a record needs the file', {
    hint: 'Take the file out of the records first; GET …/references names those you may read.',
    cause,
  })
}
