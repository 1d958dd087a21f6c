// Copies of sources on their way into the staging folder: callers who bring the same file at the same time share one.
import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { UploadSource } from '../platform.ts'
import { NODE } from './host.ts'
import { type Copy, copyOf } from './temporary.ts'

/** Released by each who began it; with the last the copy is gone. */
export interface SharedCopy extends AsyncDisposable {
  readonly done: Promise<Copy>
  /** Null where the source has none. */
  readonly name: string | null
}

/** Copies go into `folder`. */
export function createCopying(folder: string) {
  const running = new Map<string, { readonly copy: Promise<Copy>; users: number }>()

  return {
    async begin(source: UploadSource): Promise<SharedCopy> {
      const path = pathOf(source)
      // The same file by its place, size and time.
      const facts = path === null ? null : await stat(path, { bigint: true }).catch(() => null)
      const key = facts === null ? null : `${path}\n${facts.dev} ${facts.ino} ${facts.size} ${facts.mtimeNs}`
      const shared = (key === null ? undefined : running.get(key)) ?? {
        copy: copyOf(folder, 'content', path ?? source),
        users: 0,
      }
      shared.users += 1
      if (key !== null) running.set(key, shared)
      return {
        done: shared.copy,
        name: path === null ? nameOf(source) : basename(path),
        async [Symbol.asyncDispose]() {
          shared.users -= 1
          if (shared.users > 0) return
          if (key !== null && running.get(key) === shared) running.delete(key)
          const copy = await shared.copy.catch(() => null)
          await copy?.[Symbol.asyncDispose]()
        },
      }
    },
  }
}

/** Where the source is a whole file with a path, that. */
function pathOf(source: UploadSource): string | null {
  const href = (source as { readonly href?: unknown } | null | undefined)?.href
  const path = typeof source === 'string' ? source : typeof href === 'string' ? href : NODE.fileOf(source)
  return path === null ? null : resolve(path.startsWith('file:') ? fileURLToPath(path) : path)
}

function nameOf(source: UploadSource): string | null {
  const { name, path } = (source ?? {}) as { readonly name?: unknown; readonly path?: unknown }
  return typeof name === 'string' ? name : typeof path === 'string' ? path : null
}
