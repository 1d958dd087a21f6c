// The staging folder: one copy of each content, kept for as long as the last caller asked.
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { contentTypeOf } from '../content-type.ts'
import { AlyxError } from '../errors.ts'
import type { UploadSource } from '../platform.ts'
import { digestOf, linked, put } from './content-file.ts'
import { createCopying } from './copying.ts'
import { onDisk } from './disk-failure.ts'
import { folderLock } from './folder-lock.ts'
import { type Entry, openManifest, syncFolder } from './manifest.ts'
import { isGone } from './owner.ts'
import { livesFor, safeName } from './safe-name.ts'
import { tell } from './telling.ts'
import { removeAbandoned, type TemporaryFile, temporaryPath } from './temporary.ts'

export interface Staged {
  /** The same for the same content. */
  readonly id: string
  readonly name: string
  /** Of the copy; not to be written to. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly content_type: string
  /** SHA-256, hex. */
  readonly checksum: string
  readonly persist: boolean
  /** RFC 3339 in UTC. */
  readonly created_at: string
  /** Null = never. */
  readonly expires_at: string | null
}

export interface StageOptions {
  /** Default: that of the source, else `file`. Made harmless: no folders, no control characters. */
  readonly name?: string
  /** How long the copy stays: seconds, or `7d`. Never shorter than it would have stayed. */
  readonly ttl?: string | number
  /** It stays until `remove`; a later stage without it changes nothing about that. */
  readonly persist?: boolean
  /** SHA-256, hex, that the content must have. */
  readonly checksum?: string
}

export interface Cleaned {
  readonly removed: number
  readonly bytes: number
  /** What ended processes had left. */
  readonly temporary: number
}

export interface StagingMetrics {
  readonly count: number
  readonly bytes: number
  readonly persistent: number
  readonly expirable: number
  /** Of the expirable ones, those that the next clean-up removes. */
  readonly expired: number
  /** Entries of the manifest that cannot be read; their content is kept. */
  readonly damaged: number
}

export type Staging = Awaited<ReturnType<typeof openStaging>>

const CONTENT = /^[0-9a-f]{64}$/

/** Opens `dir`, which is made. `clock` gives milliseconds since 1970, `ttl` those that a copy stays by default. */
export async function openStaging(dir: string, ttl: number, clock: () => number) {
  const contents = join(dir, 'content')
  const temporaries = join(dir, 'temporary')
  const { manifest, lock } = await onDisk(dir, async () => {
    for (const folder of [contents, temporaries]) await mkdir(folder, { recursive: true, mode: 0o700 })
    return { manifest: await openManifest(join(dir, 'entries')), lock: await folderLock(join(dir, 'locks')) }
  })
  const copying = createCopying(temporaries)
  const contentOf = (checksum: string): string => join(contents, checksum)
  const alone = <T>(work: () => Promise<T>): Promise<T> => onDisk(dir, () => lock.alone(work))

  const staged = (entry: Entry): Staged => ({
    id: entry.checksum,
    name: entry.name,
    path: contentOf(entry.checksum),
    size: entry.size,
    content_type: entry.content_type,
    checksum: entry.checksum,
    persist: entry.expires_at === null,
    created_at: new Date(entry.created_at).toISOString(),
    expires_at: entry.expires_at === null ? null : new Date(entry.expires_at).toISOString(),
  })

  /** Under the lock: whether the copy of an entry is there, as far as its size tells. */
  async function isWhole({ checksum, size }: Entry): Promise<boolean> {
    const facts = await stat(contentOf(checksum)).catch(() => null)
    return facts?.isFile() === true && facts.size === size
  }

  async function stage(source: UploadSource, options: StageOptions = {}): Promise<Staged> {
    const lives = options.ttl === undefined ? ttl : livesFor(options.ttl)
    await using copy = await copying.begin(source)
    const { checksum, size, head, path } = await copy.done
    if (options.checksum !== undefined && options.checksum.toLowerCase() !== checksum) {
      throw new AlyxError('checksum_mismatch', 'the content is not what was announced: nothing was staged', {
        details: { expected: options.checksum.toLowerCase(), found: checksum },
      })
    }
    const name = safeName(options.name ?? copy.name ?? '')
    // Awaited here: the copy goes when this block ends.
    return await alone(async () => {
      const before = await manifest.get(checksum)
      const now = clock()
      const ends = Math.max(now + lives, before?.expires_at ?? 0)
      const entry: Entry = {
        checksum,
        size,
        name,
        content_type: contentTypeOf(head, '', name).type || 'application/octet-stream',
        created_at: before?.created_at ?? now,
        expires_at: options.persist === true || before?.expires_at === null ? null : ends,
      }
      const reused = before !== null && (await isWhole(before))
      try {
        // Also over one that is there: what somebody wrote into it is mended so. Linked, as others may still need this copy.
        await put(path, temporaries, contentOf(checksum))
        await syncFolder(contents)
        await manifest.set(entry)
      } catch (error) {
        if (before === null) await rm(contentOf(checksum), { force: true }).catch(() => {})
        throw error
      }
      tell('staged', { dir, id: checksum, size, reused })
      return staged(entry)
    })
  }

  /** Removes what has expired, with `force` everything that is not persistent, and what killed processes left. */
  async function cleanUp({ force = false }: { readonly force?: boolean } = {}): Promise<Cleaned> {
    const temporary = await onDisk(dir, () => removeAbandoned(temporaries))
    const cleaned = await alone(async () => {
      const { entries, damaged, drafts } = await manifest.list()
      const kept = new Set(damaged)
      let removed = 0
      let bytes = 0
      for (const entry of entries) {
        const over = entry.expires_at !== null && (force || entry.expires_at <= clock())
        if (!over && (await stat(contentOf(entry.checksum)).catch(() => null)) !== null) kept.add(entry.checksum)
        else {
          // The entry first: content without one is removed by whoever comes next.
          await manifest.remove(entry.checksum)
          removed += 1
          bytes += entry.size
        }
      }
      for (const name of await readdir(contents)) {
        if (CONTENT.test(name) && !kept.has(name)) await rm(contentOf(name), { force: true })
      }
      for (const [path, token] of drafts) {
        if (isGone(token, { age: 0, foreign: 1 })) await rm(path, { force: true })
      }
      await lock.tidy()
      return { removed, bytes, temporary }
    })
    tell('cleaned', { dir, ...cleaned })
    return cleaned
  }

  return {
    dir,
    stage,
    cleanUp,
    /** Null when it is not staged, or no longer. */
    async get(id: string): Promise<Staged | null> {
      const entry = CONTENT.test(id) ? await manifest.get(id) : null
      return entry !== null && (entry.expires_at === null || entry.expires_at > clock()) ? staged(entry) : null
    },
    async list(): Promise<readonly Staged[]> {
      return (await onDisk(dir, () => manifest.list())).entries.map(staged)
    },
    /** Removes one, also a persistent one; false when it was not there. */
    remove: (id: string): Promise<boolean> =>
      alone(async () => {
        if (!CONTENT.test(id)) return false
        const known = (await manifest.get(id)) !== null
        await manifest.remove(id)
        await rm(contentOf(id), { force: true })
        return known
      }),
    async metrics(): Promise<StagingMetrics> {
      const { entries, damaged } = await onDisk(dir, () => manifest.list())
      const expirable = entries.filter((entry) => entry.expires_at !== null)
      return {
        count: entries.length,
        bytes: entries.reduce((sum, { size }) => sum + size, 0),
        persistent: entries.length - expirable.length,
        expirable: expirable.length,
        expired: expirable.filter((entry) => entry.expires_at! <= clock()).length,
        damaged: damaged.length,
      }
    },
    /** A path of the caller's own for a while, where nothing is yet. */
    temporary: (name: string): Promise<TemporaryFile> => temporaryPath(temporaries, safeName(name)),
    /** The content under a name of its own, which no clean-up takes away before it is released. Fails: source_unreadable when it is not
     *  staged any more, checksum_mismatch when it was changed. */
    async hold({ id, name, checksum }: Staged): Promise<TemporaryFile> {
      const file = await temporaryPath(temporaries, safeName(name))
      try {
        await onDisk(dir, () => linked(contentOf(id), file.path))
        const found = await digestOf(file.path)
        if (found === checksum) return file
        throw new AlyxError('checksum_mismatch', `${contentOf(id)} was changed after it was staged`, {
          details: { expected: checksum, found },
          hint: 'Stage the original again.',
        })
      } catch (error) {
        await file[Symbol.asyncDispose]()
        throw error
      }
    },
  }
}
