// The backup: a snapshot of the database and the blobs that belong to it, while everything goes on. From before the snapshot until the last
// blob is copied a lease keeps the bytes of deleted files where they are.
import { type BackupFolder, type Manifest, openBackupFolder } from '../blobs/backup-folder.ts'
import type { Durability } from '../blobs/disk-file.ts'
import { createPace } from '../blobs/pace.ts'
import type { BlobStore } from '../blobs/store.ts'
import { type Clock, timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import type { Leases } from '../files/leases.ts'
import type { Snapshot } from '../meta/sqlite/snapshot.ts'
import type { MetaStore } from '../meta/store.ts'
import { LEASES } from '../meta/upkeep.ts'
import type { Observer } from '../observe/observer.ts'
import { type BackedUp, copyBlobs } from './backup-copy.ts'

export interface BackupOptions {
  /** Empty, missing, or of an earlier backup of the same database: what is there and still right is kept. */
  readonly dir: string
  /** Blobs of S3 backends are copied as well; otherwise they are only named. */
  readonly includeS3: boolean
  /** Bytes a second to copy at most; null = no limit. */
  readonly rate: number | null
  readonly signal: AbortSignal
  /** Bytes of blobs that are done, and of all of them. */
  readonly progress?: (done: number, all: number) => void
}

export interface BackupReport extends Omit<BackedUp, 'sha256'> {
  readonly createdAt: string
  readonly milliseconds: number
}

export interface BackupDeps {
  readonly meta: MetaStore
  readonly blobs: BlobStore
  readonly openSnapshot: (file: string) => Snapshot
  /** `filesystem` or `s3` by the names of backends. */
  readonly backendTypes: ReadonlyMap<string, 'filesystem' | 's3'>
  readonly durability: Durability
  readonly clock: Clock
  readonly steady: Clock
  readonly observer: Observer
  readonly leases: Pick<Leases, 'holder' | 'releaseGone'>
}

/** Fails: config_invalid (the folder), database_busy (another backup), storage_full, storage_unavailable. An earlier backup in the folder is
 *  whole until the new one is. */
export type BackupJob = (options: BackupOptions) => Promise<BackupReport>

/** For so long bytes wait after a backup that was killed. Milliseconds. */
const LEASE = 60_000
/** Longer than this nothing waits: whoever needs it has to be told. Milliseconds. */
const LONGEST = 24 * 3_600_000

/** Wires the backup. It may run beside serving processes, one at a time. */
export function createBackup(deps: BackupDeps): BackupJob {
  const { meta, clock, steady, observer, durability } = deps

  return async ({ dir, includeS3, rate, signal, progress }) => {
    const started = steady.now()
    const folder = await openBackupFolder(dir, { make: true, durability, observer })
    const earlier = await folder.manifest()
    const origin = (await meta.migrations())[0]?.appliedAt ?? ''
    if (earlier !== null && earlier.origin !== origin)
      throw fail('config_invalid', 'the folder holds a backup of another database')
    const window = await openWindow()
    const stop = AbortSignal.any([signal, window.lost])
    const createdAt = timestamp(clock.now())
    const name = createdAt.replaceAll(/[-:.]/g, '')
    const [database, list] = [`alyx-${name}.db`, `blobs-${name}.jsonl`]
    let manifest: Manifest
    let copied: BackedUp
    try {
      await meta.snapshot(folder.path(database))
      observer.event('step', { point: 'backup.snapshot' })
      const snapshot = deps.openSnapshot(folder.path(database))
      try {
        const { blobs, backendTypes } = deps
        const isNamed = (backend: string): boolean => backendTypes.get(backend) === 's3' && !includeS3
        const pace = createPace(rate, steady)
        copied = await copyBlobs({
          blobs,
          folder,
          snapshot,
          earlier,
          list,
          isNamed,
          pace,
          signal: stop,
          progress,
          observer,
        })
      } finally {
        snapshot.close()
      }
      stop.throwIfAborted()
      manifest = {
        format: 1,
        created_at: createdAt,
        origin,
        database: { file: database, sha256: (await folder.digest(database)) ?? '' },
        blobs: { file: list, sha256: copied.sha256, count: copied.files, bytes: copied.bytes },
        encryption_keys: copied.encryptionKeys,
      }
      await folder.finish(manifest)
      observer.event('step', { point: 'backup.finished' })
    } finally {
      await window.close()
    }
    await prune(folder, manifest)
    const { sha256: _, ...report } = copied
    return { createdAt, ...report, milliseconds: Math.round(steady.now() - started) }
  }

  /** From here on bytes stay. What another process was about to remove then is not in a snapshot that is made later. */
  async function openWindow(): Promise<{ readonly lost: AbortSignal; close(): Promise<void> }> {
    await deps.leases.releaseGone()
    const holder = `${deps.leases.holder}/backup`
    const lost = new AbortController()
    const begun = steady.now()
    const prolong = (): Promise<boolean> => {
      if (steady.now() - begun > LONGEST) throw fail('storage_unavailable', 'the backup took longer than a day')
      return meta.lease(LEASES.backup, holder, timestamp(clock.now() + LEASE), timestamp(clock.now()))
    }
    const busy = (): Error =>
      fail('database_busy', 'another backup is being made', {
        hint: `Wait until it has ended; what a killed one held is free after ${LEASE / 1000} seconds.`,
      })
    if (!(await prolong())) throw busy()
    const beat = setInterval(() => {
      Promise.resolve()
        .then(prolong)
        .then(
          (held) => held || lost.abort(busy()),
          (error: unknown) => lost.abort(error),
        )
    }, LEASE / 4)
    return {
      lost: lost.signal,
      async close() {
        clearInterval(beat)
        await meta.releaseLease(LEASES.backup, holder)
      },
    }
  }

  async function prune(folder: BackupFolder, manifest: Manifest): Promise<void> {
    await folder.prune(manifest)
    const wanted = new Set<string>()
    for await (const { id, backend, copied } of folder.list(manifest.blobs.file))
      if (copied) wanted.add(`${backend}/${id}`)
    for (const backend of deps.backendTypes.keys()) {
      const target = await folder.blobs(backend)
      await target.sweep?.(clock.now(), false)
      for await (const entry of target.entries?.() ?? [])
        if (!wanted.has(`${backend}/${entry.key.slice(entry.key.lastIndexOf('/') + 1)}`))
          await target.removeEntry?.(entry)
    }
  }
}
