// What is staged, as one small file for each content: replaced whole, so that no crash and no second process can spoil it.
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { newToken } from './owner.ts'

/** Times are milliseconds since 1970. */
export interface Entry {
  readonly checksum: string
  readonly size: number
  readonly name: string
  readonly content_type: string
  readonly created_at: number
  /** Null = it stays until it is removed by name. */
  readonly expires_at: number | null
}

export interface Manifest {
  /** Null when nothing is known of it, or what was known is damaged. */
  get(checksum: string): Promise<Entry | null>
  /** Durable when resolved; on a failure what was there before stays. */
  set(entry: Entry): Promise<void>
  remove(checksum: string): Promise<void>
  /** `damaged` = checksums of entries that cannot be read; `drafts` = paths that a killed process may have left, by its token. */
  list(): Promise<{ entries: readonly Entry[]; damaged: readonly string[]; drafts: ReadonlyMap<string, string> }>
}

const ENTRY = /^([0-9a-f]{64})\.json$/
const DRAFT = /^draft-(.+)$/

/** In `folder`, which is made. */
export async function openManifest(folder: string): Promise<Manifest> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const pathOf = (checksum: string): string => join(folder, `${checksum}.json`)

  async function get(checksum: string): Promise<Entry | null> {
    const text = await readFile(pathOf(checksum), 'utf8').catch(() => '')
    return parsed(text, checksum)
  }

  return {
    get,
    async set(entry) {
      const draft = join(folder, `draft-${newToken()}`)
      try {
        await writeDurably(draft, JSON.stringify(entry))
        await rename(draft, pathOf(entry.checksum))
        await syncFolder(folder)
      } catch (error) {
        await rm(draft, { force: true }).catch(() => {})
        throw error
      }
    },
    remove: (checksum) => rm(pathOf(checksum), { force: true }),
    async list() {
      const names = await readdir(folder)
      const drafts = new Map(
        names.flatMap((name) => {
          const token = DRAFT.exec(name)?.[1]
          return token === undefined ? [] : [[join(folder, name), token] as const]
        }),
      )
      const entries: Entry[] = []
      const damaged: string[] = []
      for (const name of names) {
        const checksum = ENTRY.exec(name)?.[1]
        if (checksum === undefined) continue
        const text = await readFile(pathOf(checksum), 'utf8').catch(() => null)
        // Removed by another process meanwhile.
        if (text === null) continue
        const entry = parsed(text, checksum)
        if (entry === null) damaged.push(checksum)
        else entries.push(entry)
      }
      return { entries, damaged, drafts }
    },
  }
}

/** Renames in `folder` survive a loss of power. Where folders cannot be synced (Windows) nothing is done. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => null)
  await handle?.sync().catch(() => {})
  await handle?.close()
}

async function writeDurably(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function parsed(text: string, checksum: string): Entry | null {
  try {
    const entry = JSON.parse(text) as Entry
    const whole =
      entry.checksum === checksum &&
      Number.isSafeInteger(entry.size) &&
      typeof entry.name === 'string' &&
      typeof entry.content_type === 'string' &&
      isTime(entry.created_at) &&
      (entry.expires_at === null || isTime(entry.expires_at))
    return whole ? entry : null
  } catch {
    return null
  }
}

/** What a Date can hold. */
function isTime(ms: unknown): boolean {
  return typeof ms === 'number' && !Number.isNaN(new Date(ms).getTime())
}
