// The way back: a deleted file of a bucket with a trash returns as it was, as long as its path is free and its time is not over.
import { timestamp } from '../core/clock.ts'
import { checkPath } from '../core/paths.ts'
import { absent, type FileDeps, findRow, requireFile } from './lookup.ts'
import type { FileService } from './model.ts'
import { isInTrash, isKnown } from './visibility.ts'

/** The verb `restore`; see FileService. */
export function createRestore(deps: FileDeps): FileService['restore'] {
  return async (call, bucket, id, path) => {
    const file = await findRow(deps, bucket, id)
    if (!isInTrash(file, deps.clock) || !isKnown(file, call.caller)) throw absent()
    // Who may take it away may bring it back.
    requireFile(deps.access, call, 'delete', file)
    const wanted = path === null ? null : checkPath(path)
    const restored = await deps.meta.untrash(bucket, id, wanted, timestamp(deps.clock.now()))
    deps.observer.event('restore', { bucket, id, size: file.size })
    return restored
  }
}
