// How a file goes: condemn → remove → bury. A tombstone before the bytes, the row after them.
import { timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import type { Call, FileRow } from '../core/model.ts'
import { absent, type FileDeps, findRow, requireFile } from './lookup.ts'
import { isKnown, isLive } from './visibility.ts'

export interface Removal {
  /** Fails: file_in_use, storage_delete_failed (the file is kept), storage_unavailable (unknown: hidden, retried by the sweep). */
  remove(call: Call, bucket: string, id: string): Promise<void>
}

type RemovalDeps = Pick<FileDeps, 'meta' | 'blobs' | 'clock' | 'observer'>

/** The verb `remove`; see FileService. */
export function createRemoval(deps: FileDeps): Removal {
  const erase = createErase(deps)
  const reclaim = createReclaim(deps)
  return {
    async remove(call, bucket, id) {
      const file = await findRow(deps, bucket, id)
      // A tombstone is finished rather than refused: a DELETE whose answer was lost can be sent again.
      const condemned = file.state === 'deleting'
      if (!isKnown(file, call.caller) || !(condemned || isLive(file, deps.clock))) throw absent()
      requireFile(deps.access, call, 'delete', file)
      await (condemned ? reclaim : erase)(file)
      deps.observer.event('delete', { bucket, id, size: file.size })
    },
  }
}

/** Takes a ready file away because its caller asked for it: what the backend will not delete is kept. */
function createErase(deps: RemovalDeps): (file: FileRow) => Promise<void> {
  const { meta, blobs, clock, observer } = deps
  return async (file) => {
    const now = timestamp(clock.now())
    const condemned = await meta.condemn(file.bucket, file.id, now, false)
    if (condemned === null) return
    observer.event('step', { point: 'condemned', id: file.id })
    try {
      await blobs.remove(file.backend, file.key)
    } catch (error) {
      const there = await blobs.exists(file.backend, file.key).catch(() => null)
      // A tombstone that somebody else made stays one: its record is gone, or its time over.
      if (there === null || (there && condemned.updatedAt !== now)) throw error
      if (there) {
        await meta.restore(file.bucket, file.id, timestamp(clock.now()))
        throw fail('storage_delete_failed', 'the backend did not delete the file', { cause: error })
      }
    }
    observer.event('step', { point: 'reclaimed', id: file.id })
    await meta.bury(file.bucket, file.id)
    observer.event('step', { point: 'buried', id: file.id })
  }
}

/** Finishes what is decided: removes bytes and row of a tombstone, or of a file whose time is over. Nothing is restored: after a failure the
 *  tombstone stays for the next sweep. Twice is once. Fails: storage_unavailable. */
export type Reclaim = (file: FileRow) => Promise<void>

/** For sweeps, and for the files that went with a record. No right is asked. */
export function createReclaim(deps: RemovalDeps): Reclaim {
  const { meta, blobs, clock, observer } = deps
  return async (file) => {
    const { bucket, id, backend, key } = file
    if (file.state === 'ready' && (await meta.condemn(bucket, id, timestamp(clock.now()), true)) === null) return
    observer.event('step', { point: 'condemned', id })
    await blobs.remove(backend, key)
    observer.event('step', { point: 'reclaimed', id })
    await meta.bury(bucket, id)
    observer.event('step', { point: 'buried', id })
  }
}
