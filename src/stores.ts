// Where a project keeps things, opened: the metadata store, the backends and the spool of unfinished uploads.
import type { MultipartJournal } from './blobs/backend.ts'
import { createKeyring, type Keyring, keyCheck } from './blobs/keyring.ts'
import { openBackends } from './blobs/open-backends.ts'
import type { S3Times } from './blobs/s3-limits.ts'
import { type BlobStore, createBlobStore } from './blobs/store.ts'
import type { Config } from './config/model.ts'
import { type Clock, timestamp } from './core/clock.ts'
import { fail } from './core/errors.ts'
import { createIds } from './core/ids.ts'
import { requireDescribed } from './files/described.ts'
import type { Spool } from './files/spool.ts'
import { openSpool } from './files/spool-disk.ts'
import { createPartsSpool } from './files/spool-parts.ts'
import { subscriptionsOf } from './jobs/webhooks.ts'
import { openSqlite } from './meta/sqlite/open.ts'
import { applySchema, requireApplied } from './meta/sqlite/schema-apply.ts'
import type { MetaStore } from './meta/store.ts'
import type { Observer } from './observe/observer.ts'
import type { Schema } from './schema/model.ts'
import { tablesOf } from './schema/tables.ts'

export interface StoresOptions {
  readonly config: Config
  readonly schema: Schema
  /** Where schema.yaml is, and `migrations/` beside it. */
  readonly projectDir: string
  /** Brings the tables to what the schema says; otherwise they must be that already. */
  readonly migrate: boolean
  /** For tools: tables and buckets may be others than the schema's. */
  readonly offline: boolean
  /** Replaces some of S3_TIMES. */
  readonly s3Times?: Partial<S3Times>
  readonly clock: Clock
  readonly observer: Observer
}

export interface Stores {
  readonly meta: MetaStore
  readonly blobs: BlobStore
  readonly spool: Spool
  /** Null when storage.encryption names no key. */
  readonly keyring: Keyring | null
}

/** Opens all of them or, when one cannot be opened, none. Fails config_invalid, storage_full, storage_unavailable, database_busy. */
export async function openStores(options: StoresOptions): Promise<Stores> {
  const meta = await openMeta(options)
  try {
    return { meta, ...(await openBytes(options, meta)) }
  } catch (error) {
    await meta.close()
    throw error
  }
}

async function openMeta({ config, schema, projectDir, migrate, offline, clock, observer }: StoresOptions) {
  const { location: file, durability } = config.database
  if (migrate) await applySchema({ file, durability, schema, projectDir, clock })
  else if (!offline) await requireApplied({ file, schema, projectDir })
  const subscriptions = subscriptionsOf(config.webhooks)
  return openSqlite({
    file,
    durability,
    observer,
    clock,
    tables: tablesOf(schema),
    trashTimes: trashTimesOf(schema),
    subscriptions,
    policies: config.policies,
  })
}

function trashTimesOf({ buckets }: Schema): Readonly<Record<string, number>> {
  return Object.fromEntries([...buckets.values()].flatMap(({ name, trash }) => (trash === null ? [] : [[name, trash]])))
}

async function openBytes({ config, schema, offline, s3Times, clock, observer }: StoresOptions, meta: MetaStore) {
  const { durability } = config.database
  if (!offline) await requireDescribed(meta, schema.buckets, config.storage.backends)
  const journalOf = (backend: string): MultipartJournal => ({
    opened: (key, uploadId) => meta.openMultipart(backend, key, uploadId, timestamp(clock.now())),
    closed: (key, uploadId) => meta.closeMultipart(backend, key, uploadId),
  })
  const { keys } = config.storage.encryption
  const keyring = keys.length === 0 ? null : createKeyring(keys)
  if (keyring !== null) await requireSameKeys(keyring, meta, timestamp(clock.now()))
  const open = (backends: Config['storage']['backends']) =>
    openBackends(backends, durability, journalOf, observer, s3Times)
  const backends = await open(config.storage.backends)
  const { spoolBackend: name, tempDir: dir } = config.uploads
  if (!offline) await requireSameSpool(name, meta)
  const spooling = config.storage.backends.get(name ?? '')
  if (name === null || spooling?.type !== 's3') {
    const spool = await openSpool({ dir, durability, observer, keyring })
    return { blobs: createBlobStore(backends, observer, keyring), spool, keyring }
  }
  // No bucket has a name that begins with a dot.
  const bucketPrefix = spooling.bucketPrefix === '' ? SPOOL_PREFIX : `${spooling.bucketPrefix}/${SPOOL_PREFIX}`
  const spool = createPartsSpool({
    meta,
    blobs: createBlobStore(await open(new Map([[name, { ...spooling, bucketPrefix }]])), observer),
    backend: name,
    nextId: createIds(clock),
    step: (point) => observer.event('step', { point }),
    keyring,
  })
  return { blobs: createBlobStore(backends, observer, keyring), spool, keyring }
}

/** Parts of unfinished uploads are named below this. */
const SPOOL_PREFIX = '.spool'

/** What has arrived elsewhere could neither be continued nor be swept. Fails config_invalid. */
async function requireSameSpool(backend: string | null, meta: MetaStore): Promise<void> {
  const other = await meta.spoolElsewhere(backend)
  if (other === null) return
  throw fail('config_invalid', `uploads.spool: unfinished uploads are kept in storage.backends.${other}`, {
    hint: 'Put uploads.spool back as it was until they are finished or have expired and alyx sweep has run.',
  })
}

/** A wrong key under an id that was in use would encrypt what the right one cannot read, and read nothing. Fails config_invalid. */
async function requireSameKeys(keyring: Keyring, meta: MetaStore, now: string): Promise<void> {
  for (const key of keyring.all) {
    const known = await meta.settleEncryptionKey(key.id, keyCheck(key), now)
    if (known === keyCheck(key)) continue
    throw fail('config_invalid', `storage.encryption.keys: ${key.id} is not the key that was in use under this id`, {
      hint: 'Put the old key back. A new key needs a new id, before the old one in the list.',
    })
  }
}
