// What goes wrong on the disk of the staging folder, as an AlyxError.
import { AlyxError } from '../errors.ts'

/** Runs `work`. Fails: storage_full when there is no room, storage_unavailable for anything else of the disk. */
export async function onDisk<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (error instanceof AlyxError || typeof code !== 'string') throw error
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new AlyxError('storage_full', `there is no room left in ${folder}`, {
        cause: error,
        hint: 'Nothing was staged. Free space, for example with cleanUp({ force: true }), and stage it again.',
      })
    }
    throw new AlyxError('storage_unavailable', `the staging folder ${folder} does not work: ${message}`, {
      cause: error,
    })
  }
}
