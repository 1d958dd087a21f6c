// How a file goes: condemn → remove → bury. A tombstone before the bytes, the row after them.
import { timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { Call, FileRow } from '../core/model.ts'
import { type FileDeps, isVisible, requireBucket, requireFile } from './lookup.ts'

export interface Removal {
  /** Fails: storage_delete_failed (the file is kept), storage_unavailable (unknown: hidden, retried by the sweep). */
  remove(call: Call, bucket: string, id: string): Promise<void>
}

/** The verb `remove`; see FileService. */
export function createRemoval(deps: FileDeps): Removal {
  const erase = createErase(deps)
  return {
    async remove(call, bucket, id) {
      requireBucket(deps.schema, bucket)
      const file = isId(id) ? await deps.meta.file(bucket, id) : null
      // A tombstone is finished rather than refused: a DELETE whose answer was lost can be sent again.
      if (file === null || (file.state === 'ready' && !isVisible(file, deps.clock))) {
        throw fail('file_not_found', 'there is no such file')
      }
      requireFile(deps.access, call, 'delete', file)
      await erase(file)
      deps.observer.event('delete', { bucket, id, size: file.size })
    },
  }
}

/** Takes a file and its bytes away. */
export type Erase = (file: FileRow) => Promise<void>

/** Takes a file away, rights being settled. Twice is once. */
export function createErase(deps: Pick<FileDeps, 'meta' | 'blobs' | 'clock' | 'observer'>): Erase {
  const { meta, blobs, clock, observer } = deps
  return async (file) => {
    const condemned = await meta.condemn(file.bucket, file.id, timestamp(clock.now()))
    if (condemned === null) return
    observer.event('step', { point: 'condemned', id: file.id })
    try {
      await blobs.remove(file.backend, file.key)
    } catch (error) {
      const there = await blobs.exists(file.backend, file.key).catch(() => null)
      if (there === null) throw error
      if (there) {
        await meta.restore(file.bucket, file.id, timestamp(clock.now()))
        throw fail('storage_delete_failed', 'the backend did not delete the file', { cause: error })
      }
    }
    await meta.bury(file.bucket, file.id)
    observer.event('step', { point: 'buried', id: file.id })
  }
}
