// One process at a time in a folder. What a killed process held is free at once: a lock names its owner.
import { createHash } from 'node:crypto'
import { lstat, mkdir, readdir, readFile, readlink, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AlyxError } from '../errors.ts'
import { isGone, newToken } from './owner.ts'

/** Nobody works this long under a lock, milliseconds. */
const FOREIGN_LIMIT = 60_000
const LONGEST_WAIT = 120_000

export interface FolderLock {
  /** Runs `work` alone over all processes; inside one process in the order asked. Fails: timeout, and as `work` does. */
  alone<T>(work: () => Promise<T>): Promise<T>
  /** Removes what killed processes left beside the lock. Only under the lock. */
  tidy(): Promise<void>
}

/** The lock of `folder`, which is made. */
export async function folderLock(folder: string): Promise<FolderLock> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const main = join(folder, 'lock')
  let last: Promise<unknown> = Promise.resolve()

  async function run<T>(work: () => Promise<T>): Promise<T> {
    const token = await acquire(folder, main)
    try {
      return await work()
    } finally {
      await release(main, token)
    }
  }

  return {
    alone(work) {
      const turn = last.then(() => run(work))
      last = turn.catch(() => {})
      return turn
    },
    async tidy() {
      for (const name of await readdir(folder)) {
        const path = join(folder, name)
        const held = path === main ? null : await holderOf(path)
        if (held !== null && isGone(held.token, held)) await rm(path, { force: true })
      }
    },
  }
}

async function acquire(folder: string, path: string): Promise<string> {
  const token = newToken()
  const until = performance.now() + LONGEST_WAIT
  for (;;) {
    try {
      await write(path, token)
      return token
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const held = await holderOf(path)
    if (held === null) continue
    if (isGone(held.token, held)) await breakOpen(folder, path, held.token)
    else if (performance.now() > until) {
      throw new AlyxError('timeout', `${path} has been held by another process for ${LONGEST_WAIT} ms`)
    } else await sleep(2 + Math.ceil((performance.now() % 1) * 10))
  }
}

/** Removes the lock of a dead owner. Two that want to must not both: the second would remove the lock of whoever came in between. So
 *  each lock that is broken has a lock of its own, by its owner's unique name. */
async function breakOpen(folder: string, path: string, dead: string): Promise<void> {
  const guard = join(folder, `break-${createHash('sha256').update(`${path}\n${dead}`).digest('hex').slice(0, 24)}`)
  const token = await acquire(folder, guard)
  try {
    if ((await holderOf(path))?.token === dead) await unlink(path)
  } finally {
    await release(guard, token)
  }
}

async function release(path: string, token: string): Promise<void> {
  // After a suspension of minutes another host may have taken it for abandoned.
  if ((await holderOf(path))?.token === token) await rm(path, { force: true })
}

/** A symbolic link is made whole or not at all, and on a full disk too. */
function write(path: string, token: string): Promise<void> {
  return process.platform === 'win32' ? writeFile(path, token, { flag: 'wx' }) : symlink(token, path)
}

async function holderOf(path: string): Promise<{ token: string; age: number; foreign: number } | null> {
  try {
    const { mtimeMs } = await lstat(path)
    const token = process.platform === 'win32' ? await readFile(path, 'utf8') : await readlink(path)
    return { token, age: Date.now() - mtimeMs, foreign: FOREIGN_LIMIT }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
