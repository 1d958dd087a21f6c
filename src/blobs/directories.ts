// Directories below a root: made once, and synced once for everyone who waits at the same time.
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from '../core/errors.ts'
import { closeFile, type Durability, openDirectory, syncFile } from './disk-file.ts'

/** Directories known to be durable; forgotten all at once when there are too many, which costs a few syncs. */
const REMEMBERED = 4096

export interface Directories {
  /** Makes a directory below the root, which must be there (mode 0700), and sees to it that its entry and its parents' survive as the durability says. */
  ensure(directory: string): Promise<void>
  /** The directory was found missing: the next `ensure` makes it again. */
  forget(directory: string): void
  /** Makes changes of the directory's entries made before this call durable. Callers share one fsync that has not started yet.
   *  Rejects with ENOENT when the directory is missing. */
  sync(directory: string): Promise<void>
}

interface Turn {
  readonly now: Promise<void>
  next: Promise<void> | null
}

/** `root` exists and is durable itself. */
export function createDirectories(root: string, durability: Durability): Directories {
  const turns = new Map<string, Turn>()
  const known = new Map<string, Promise<void>>()

  const begin = (directory: string): Promise<void> => {
    const turn: Turn = { now: syncDirectory(directory), next: null }
    turns.set(directory, turn)
    const done = (): void => {
      if (turn.next === null) turns.delete(directory)
    }
    turn.now.then(done, done)
    return turn.now
  }
  const sync = (directory: string): Promise<void> => {
    if (durability === 'normal') return Promise.resolve()
    const turn = turns.get(directory)
    if (turn === undefined) return begin(directory)
    // The one that runs may have started before the caller's change: wait for the next, with all who come until then.
    turn.next ??= turn.now.then(
      () => begin(directory),
      () => begin(directory),
    )
    return turn.next
  }
  const make = async (directory: string): Promise<void> => {
    const levels: string[] = []
    for (let level = directory; level.length > root.length; level = dirname(level)) levels.unshift(level)
    // One by one, so that a root that has gone, with its disk perhaps, is not made anew in its place.
    for (const level of levels) {
      await mkdir(level, { mode: 0o700 }).catch((error: unknown) => {
        if (systemCode(error) !== 'EEXIST') throw error
      })
    }
    // Also when it was there already: another process may have made it and not yet synced it.
    await Promise.all(levels.map((level) => sync(dirname(level))))
  }

  return {
    ensure(directory) {
      const before = known.get(directory)
      if (before !== undefined) return before
      if (known.size >= REMEMBERED) known.clear()
      const made = make(directory)
      known.set(directory, made)
      made.catch(() => known.delete(directory))
      return made
    },
    forget(directory) {
      known.delete(directory)
    },
    sync,
  }
}

/** fsync of a directory; file systems that know no such thing are taken at their word. */
export async function syncDirectory(directory: string): Promise<void> {
  const fd = await openDirectory(directory)
  try {
    await syncFile(fd)
  } catch (error) {
    const code = systemCode(error)
    if (code !== 'EINVAL' && code !== 'ENOTSUP') throw error
  } finally {
    await closeFile(fd)
  }
}
