// The directory everything of one store lives in: made, resolved and checked once.
import { constants } from 'node:fs'
import { access, mkdir, realpath, stat } from 'node:fs/promises'
import { dirname, parse } from 'node:path'
import { fail, systemCode } from '../core/errors.ts'
import type { Observer } from '../observe/observer.ts'
import { syncDirectory } from './directories.ts'
import { diskFailure } from './disk-errors.ts'
import type { Durability } from './disk-file.ts'

/** Faults of the configured path itself; others are the disk's. */
const OPERATOR: ReadonlySet<string> = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EEXIST',
  'ELOOP',
  'ENAMETOOLONG',
  'ENOENT',
])

export interface RootOptions {
  readonly path: string
  readonly durability: Durability
  readonly observer: Observer
}

/** Makes the directory (mode 0700) where it is missing and returns its real path, so that a link moved later changes nothing.
 *  Fails config_invalid for `/` and for what is not a writable directory; emits config_warning when everyone may write to it. */
export async function openRoot({ path, durability, observer }: RootOptions): Promise<string> {
  try {
    const made = await mkdir(path, { recursive: true, mode: 0o700 })
    const root = await realpath(path)
    if (root === parse(root).root)
      throw fail('config_invalid', `${path} is the root of the file system: name a directory`)
    const stats = await stat(root)
    if (!stats.isDirectory()) throw fail('config_invalid', `${path} is not a directory`)
    await access(root, constants.R_OK | constants.W_OK | constants.X_OK)
    if ((stats.mode & 0o002) !== 0) {
      observer.event('config_warning', { message: `${path} may be written to by every user of this machine`, path })
    }
    if (made !== undefined && durability === 'full') {
      // `made` is the first directory that was missing: it and all below it are new names in their parents.
      const above = dirname(await realpath(made))
      for (let parent = dirname(root); parent.length >= above.length; parent = dirname(parent)) {
        await syncDirectory(parent)
        if (parent === dirname(parent)) break
      }
    }
    return root
  } catch (error) {
    const code = systemCode(error)
    if (code !== null && OPERATOR.has(code)) {
      throw fail('config_invalid', `${path} cannot be used as a directory to write to (${code})`, { cause: error })
    }
    throw diskFailure(error, 'open its directory')
  }
}
