// Files by their path, read part by part.
import { ReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AlyxError } from '../errors.ts'
import type { Source } from '../source.ts'
import { sliceOf } from '../stream.ts'

/** `path` may be a `file:` URL. It stays open until `close`. Fails: source_unreadable. */
export async function openFile(path: string): Promise<Source> {
  const file = resolve(path.startsWith('file:') ? fileURLToPath(path) : path)
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw unreadable(file, error)
  })
  const facts = await handle.stat()
  if (!facts.isFile()) {
    await handle.close()
    throw new AlyxError('source_unreadable', `${file} is not a file`)
  }
  const { size, mtimeMs } = facts
  return {
    size,
    name: basename(file),
    type: '',
    identity: async () => JSON.stringify(['path', file, size, mtimeMs]),
    async slice(start, end) {
      const bytes = new Uint8Array(end - start)
      let at = 0
      while (at < bytes.length) {
        const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at).catch((error: unknown) => {
          throw unreadable(file, error)
        })
        if (bytesRead === 0) throw new AlyxError('source_unreadable', `${file} became shorter while it was sent`)
        at += bytesRead
      }
      return sliceOf(bytes)
    },
    close: () => void handle.close().catch(() => {}),
  }
}

/** The path of a stream that would read a whole file and has not begun: reading it by parts can be resumed. The stream is ended. */
export function fileOfStream(source: unknown): string | null {
  if (!(source instanceof ReadStream) || typeof source.path !== 'string' || source.bytesRead > 0) return null
  const { start, end } = source as { readonly start?: number; readonly end?: number }
  if ((start ?? 0) !== 0 || (end ?? Infinity) !== Infinity || source.readableFlowing !== null) return null
  source.on('error', () => {}).destroy()
  return source.path
}

function unreadable(file: string, cause: unknown): AlyxError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new AlyxError('source_unreadable', `${file} cannot be read: ${reason}`, { cause })
}
