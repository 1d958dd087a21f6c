// A disk that is soon full: a file system of its own, in memory.
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'vitest'

export interface SmallDisk {
  readonly dir: string
  /** Gives it so many MiB in all. */
  grow(mib: number): void
}

/** Runs `work` with a disk of `mib` MiB, which is gone afterwards. Skips the test, with the reason, where none can be mounted. */
export async function withSmallDisk(
  context: TestContext,
  mib: number,
  work: (disk: SmallDisk) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'alyx-full-'))
  const mount = (...how: readonly string[]): void => void execFileSync('mount', [...how, dir], { stdio: 'pipe' })
  try {
    mount('-t', 'tmpfs', '-o', `size=${mib}m`, 'none')
  } catch (error) {
    await rm(dir, { recursive: true })
    return context.skip(`a small file system cannot be mounted here: ${String(error).split('\n')[0]}`)
  }
  try {
    await work({ dir, grow: (more) => mount('-o', `remount,size=${more}m`) })
  } finally {
    execFileSync('umount', [dir])
    await rm(dir, { recursive: true })
  }
}
