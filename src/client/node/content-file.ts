// Contents as files: a second name of one, one put in the place of another, and what they come to.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, link, rename } from 'node:fs/promises'
import { AlyxError } from '../errors.ts'
import { temporaryPath } from './temporary.ts'

/** SHA-256 of a file, hex. */
export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(path)) hash.update(part as Buffer)
  return hash.digest('hex')
}

/** Replaces `to` whole by the content of `from`. */
export async function put(from: string, temporaries: string, to: string): Promise<void> {
  await using place = await temporaryPath(temporaries, 'content')
  await linked(from, place.path)
  await rename(place.path, to)
}

/** A second name of the same content. Fails: source_unreadable when there is no `from`. */
export async function linked(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') {
      throw new AlyxError('source_unreadable', 'this is not staged any more', {
        cause: error,
        hint: 'Stage it again, for longer or with persist.',
      })
    }
    if (code === 'ENOSPC' || code === 'EDQUOT') throw error
    // File systems without hard links.
    await copyFile(from, to)
  }
}
