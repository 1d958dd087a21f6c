// Walks the files below a directory without ever holding a whole listing.
import type { Stats } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { systemCode } from '../core/errors.ts'
import { diskFailure } from './disk-errors.ts'

export interface FoundFile {
  /** Relative to where the walk began, `/` between the parts. */
  readonly name: string
  readonly path: string
  readonly stats: Stats
}

/** Everything below `directory` that is not a directory, in no order; links are reported, never followed. What vanishes meanwhile is left out.
 *  Fails storage_unavailable. */
export async function* walkFiles(directory: string, prefix = ''): AsyncGenerator<FoundFile> {
  try {
    for await (const entry of await opendir(directory)) {
      const path = `${directory}/${entry.name}`
      const name = `${prefix}${entry.name}`
      if (entry.isDirectory()) yield* walkFiles(path, `${name}/`)
      else {
        const stats = await lstat(path).catch(unlessGone)
        if (stats !== null) yield { name, path, stats }
      }
    }
  } catch (error) {
    unlessGone(error)
  }
}

/** For `.catch()`: null when the error says there is no such file; else fails as the disk did. */
export function unlessGone(error: unknown): null {
  if (systemCode(error) === 'ENOENT') return null
  throw diskFailure(error, 'walk its files')
}
