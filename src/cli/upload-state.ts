// Where interrupted uploads are remembered: one small file each, so that no crash and no second `put` can spoil another's.
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { PreviousUpload, UrlStorage } from 'tus-js-client'
import { note } from './terminal.ts'

/** `$XDG_STATE_HOME/alyx/uploads`, else `~/.local/state/alyx/uploads` (XDG Base Directory Specification). */
export function uploadStateFolder(env: Readonly<Record<string, string | undefined>>): string {
  const state = env.XDG_STATE_HOME
  return join(state?.startsWith('/') ? state : join(homedir(), '.local', 'state'), 'alyx', 'uploads')
}

/** What makes an upload the same one again: server, place and an unchanged file. */
export function uploadFingerprint(parts: readonly (string | number | null)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/**
 * A store for tus-js-client, files of mode 0600 named by fingerprint and replaced whole. It never rejects:
 * an upload that cannot be remembered still runs, it only cannot be resumed later.
 */
export function createUploadState(folder: string): UrlStorage {
  const fileOf = (fingerprint: string) => join(folder, `${fingerprint}.json`)
  const find = async (fingerprint: string): Promise<PreviousUpload[]> => {
    try {
      return [
        { ...(JSON.parse(await readFile(fileOf(fingerprint), 'utf8')) as PreviousUpload), urlStorageKey: fingerprint },
      ]
    } catch {
      return []
    }
  }
  return {
    findUploadsByFingerprint: find,
    async findAllUploads() {
      const names = await readdir(folder).catch(() => [])
      return (await Promise.all(names.map((name) => find(name.replace(/\.json$/, ''))))).flat()
    },
    async addUpload(fingerprint, upload) {
      const draft = join(folder, `.${fingerprint}.${randomBytes(6).toString('hex')}`)
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        await writeFile(draft, JSON.stringify(upload), { mode: 0o600, flag: 'wx' })
        await rename(draft, fileOf(fingerprint))
      } catch (error) {
        note(`this upload cannot be resumed later: ${(error as Error).message}`)
      }
      return fingerprint
    },
    async removeUpload(fingerprint) {
      await rm(fileOf(fingerprint), { force: true }).catch(() => {})
    },
  }
}
