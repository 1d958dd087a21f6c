// The way back: a backup is verified, or put where there is nothing yet. Blobs first, the database under its name last: until then there is none.
import { createHash } from 'node:crypto'
import { pipeline, Transform } from 'node:stream'
import type { Backend } from '../blobs/backend.ts'
import { type BackedBlob, type BackupFolder, type Manifest, openBackupFolder } from '../blobs/backup-folder.ts'
import type { Durability } from '../blobs/disk-file.ts'
import { createPace } from '../blobs/pace.ts'
import { type Clock, timestamp } from '../core/clock.ts'
import { type AppError, fail } from '../core/errors.ts'
import { isDatabaseAt, settleDatabase, stageDatabase } from '../meta/sqlite/snapshot.ts'
import type { MetaStore } from '../meta/store.ts'
import type { Observer } from '../observe/observer.ts'
import { checkFiles, damaged, eachBlob, examine, missing, type RestoreProblem, readBlob } from './backup-check.ts'

export interface RestoreOptions {
  readonly dir: string
  /** Reads and checks everything and changes nothing. */
  readonly verify: boolean
  /** Bytes a second to read at most; null = no limit. */
  readonly rate: number | null
  readonly signal: AbortSignal
  readonly progress?: (done: number, all: number) => void
}

export interface RestoreReport {
  readonly ok: boolean
  readonly problems: readonly RestoreProblem[]
  /** When the backup was made, RFC 3339. */
  readonly createdAt: string
  readonly files: number
  readonly bytes: number
  /** Blobs that the backup only names, as their backend has them. */
  readonly named: number
  /** Unfinished uploads that were given up: their bytes are in no backup. */
  readonly uploads: number
  readonly encryptionKeys: readonly string[]
}

export interface RestoreDeps {
  /** Where the database will be. */
  readonly databaseFile: string
  readonly durability: Durability
  /** Opens a database that is there. */
  readonly openMeta: (file: string) => Promise<MetaStore>
  /** The backends of alyx.yml, those of the names asked for. Fails config_invalid where one is not declared. */
  readonly openBackends: (names: ReadonlySet<string>, meta: MetaStore) => Promise<ReadonlyMap<string, Backend>>
  readonly clock: Clock
  readonly steady: Clock
  readonly observer: Observer
}

/** Fails config_invalid when there is no backup, or something where it should go: nothing is ever overwritten. Fails file_corrupt when the
 *  backup is damaged: then there is no database, and the blobs that were restored are taken up by the next try. */
export type Restore = (options: RestoreOptions) => Promise<RestoreReport>

const BATCH = 500

/** Wires the restore. No server may run on the place. */
export function createRestore(deps: RestoreDeps): Restore {
  const { observer, durability, clock, steady } = deps

  return async (options) => {
    const folder = await openBackupFolder(options.dir, { make: false, durability, observer })
    const manifest = await folder.manifest()
    if (manifest === null)
      throw fail('config_invalid', 'there is no finished backup in the folder', {
        hint: 'Name the folder that alyx backup has written to.',
      })
    const broken = await checkFiles(folder, manifest)
    const report = {
      createdAt: manifest.created_at,
      files: manifest.blobs.count,
      bytes: manifest.blobs.bytes,
      encryptionKeys: manifest.encryption_keys,
    }
    if (options.verify) {
      const { problems, named } =
        broken.length > 0 ? { problems: broken, named: 0 } : await verifyAll(folder, manifest, options)
      return { ok: problems.length === 0, problems, ...report, named, uploads: 0 }
    }
    if (broken[0]) throw fail('file_corrupt', `the backup is damaged: ${broken[0].detail}`)
    const { problems, named, uploads } = await restoreAll(folder, manifest, options)
    return { ok: problems.length === 0, problems, ...report, named, uploads }
  }

  async function verifyAll(folder: BackupFolder, manifest: Manifest, { rate, signal, progress }: RestoreOptions) {
    const problems: RestoreProblem[] = []
    const pace = createPace(rate, steady)
    let [done, named] = [0, 0]
    await eachBlob(folder, manifest, signal, async (blob) => {
      if (blob.copied) {
        const problem = await examine(
          () => folder.read(blob),
          blob,
          (bytes) => pace(bytes, signal),
        )
        if (problem !== null) problems.push(problem)
      } else named += 1
      done += blob.size
      progress?.(done, manifest.blobs.bytes)
    })
    return { problems, named }
  }

  async function restoreAll(folder: BackupFolder, manifest: Manifest, options: RestoreOptions) {
    const { rate, signal, progress } = options
    const { databaseFile: file } = deps
    if (isDatabaseAt(file)) throw occupied(`there is a database at ${file}`)
    const staged = `${file}.restoring`
    const pace = createPace(rate, steady)
    const problems: RestoreProblem[] = []
    let [done, named, uploads] = [0, 0, 0]
    const names = new Set<string>()
    await eachBlob(folder, manifest, signal, async ({ backend }) => void names.add(backend))
    stageDatabase(folder.path(manifest.database.file), staged)
    const meta = await deps.openMeta(staged)
    try {
      const backends = await deps.openBackends(names, meta)
      try {
        await requireEmpty(folder, manifest, backends, signal)
        await eachBlob(folder, manifest, signal, async (blob) => {
          const target = backends.get(blob.backend)!
          if (blob.copied) await restore(blob, target)
          else {
            named += 1
            if (!(await target.exists(blob.key)))
              problems.push(missing(blob, `${blob.backend} does not hold ${blob.key}`))
          }
          done += blob.size
          progress?.(done, manifest.blobs.bytes)
        })
      } finally {
        await Promise.all([...backends.values()].map((backend) => backend.close?.()))
      }
      uploads = await giveUpUploads(meta)
    } finally {
      await meta.close()
    }
    settleDatabase(staged, file)
    observer.event('step', { point: 'restored' })
    return { problems, named, uploads }

    async function restore(blob: BackedBlob, to: Backend): Promise<void> {
      if (await to.exists(blob.key)) {
        const problem = await examine(
          () => readBlob(to, blob, signal),
          blob,
          (bytes) => pace(bytes, signal),
        )
        if (problem === null) return
        throw occupied(`${blob.backend} holds something else at ${blob.key}`)
      }
      const hash = createHash('sha256')
      const checked = new Transform({
        transform(chunk: Buffer, _encoding, next) {
          hash.update(chunk)
          pace(chunk.length, signal).then(() => next(null, chunk), next)
        },
        flush: (next) => next(hash.digest('hex') === blob.sha256 ? null : damaged(blob)),
      })
      pipeline(await folder.read(blob), checked, () => {})
      await to.put(blob.key, checked, { size: blob.size, signal })
    }
  }

  /** Before anything is written: all that is there must be what an earlier try has restored. */
  async function requireEmpty(
    folder: BackupFolder,
    manifest: Manifest,
    backends: ReadonlyMap<string, Backend>,
    signal: AbortSignal,
  ): Promise<void> {
    const sizes = new Map<string, number>()
    await eachBlob(
      folder,
      manifest,
      signal,
      async ({ backend, key, size }) => void sizes.set(`${backend}/${key}`, size),
    )
    for (const [name, { entries }] of backends)
      for await (const { key, size } of entries?.() ?? [])
        if (!key.startsWith('.tmp/') && sizes.get(`${name}/${key}`) !== size)
          throw occupied(`storage.backends.${name} holds ${key}, which is not of this backup`)
  }

  /** Their bytes are in no backup; and whoever held something when it was made is not here. */
  async function giveUpUploads(meta: MetaStore): Promise<number> {
    for (const { name, holder } of await meta.namedLeases()) await meta.releaseLease(name, holder)
    let count = 0
    for (;;) {
      const rows = await meta.scanUploads('', BATCH)
      for (const { id } of rows) {
        await meta.abandon(id, timestamp(clock.now()))
        await meta.forget(id)
        count += 1
      }
      if (rows.length < BATCH) return count
    }
  }
}

function occupied(message: string): AppError {
  return fail('config_invalid', message, {
    hint: 'Restore to an empty place: another database.url and other paths of storage.backends in alyx.yml. Nothing is overwritten.',
  })
}
