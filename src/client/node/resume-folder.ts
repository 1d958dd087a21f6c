// Where unfinished uploads are remembered on disk: one small file each, so that no crash and no second process can spoil another's.
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { ResumeStore } from '../resume-store.ts'

/** `~/.local/state/alyx/client` (XDG Base Directory Specification). */
export function stateFolder(): string {
  return join(homedir(), '.local', 'state', 'alyx', 'client')
}

/** Files of mode 0600 in `folder`, replaced whole. Never rejects: an upload that cannot be remembered still runs. */
export function folderStore(folder: string): ResumeStore {
  const fileOf = (key: string) => join(folder, `${createHash('sha256').update(key).digest('hex')}.json`)
  return {
    get: (key) => readFile(fileOf(key), 'utf8').catch(() => null),
    async set(key, value) {
      const draft = `${fileOf(key)}.${randomBytes(6).toString('hex')}`
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        await writeFile(draft, value, { mode: 0o600, flag: 'wx' })
        await rename(draft, fileOf(key))
      } catch {
        await rm(draft, { force: true }).catch(() => {})
      }
    },
    remove: (key) => rm(fileOf(key), { force: true }).catch(() => {}),
  }
}
