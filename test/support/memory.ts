// Where tests keep what is neither large nor about what a loss of power leaves: in memory, so that thousands of syncs wait for no disk.
import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'

const MEMORY = '/dev/shm'
/** Bytes; a container may have a few only. */
const ENOUGH = 1024 ** 3

/** The folder to make one's own in: in memory where there is plenty, else the one for temporary files. */
export const MEMORY_DIR: string = hasPlenty() ? MEMORY : tmpdir()

function hasPlenty(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY)
    return bavail * bsize >= ENOUGH
  } catch {
    return false
  }
}
