// Opens the metadata store on a SQLite file: reads on the calling thread, writes in a worker that commits in groups, long scans in another, and in
// a third the pages that a crowded calling thread has no time for.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { PoliciesConfig } from '../../config/model.ts'
import { type Clock, systemClock } from '../../core/clock.ts'
import type { Observer } from '../../observe/observer.ts'
import type { TableSpec } from '../../schema/tables.ts'
import type { Subscription } from '../outbox.ts'
import type { MetaStore, Migration } from '../store.ts'
import type { ConnectionSettings, Durability } from './connection.ts'
import { createCrowd } from './crowd.ts'
import { openPatiently, withConnection } from './database-file.ts'
import { failure } from './faults.ts'
import { listMigrations, migrate, pendingMigrations, shippedMigrations } from './migrate.ts'
import type { ScannerVerbs } from './scanner.ts'
import { createStore } from './store.ts'
import { createThread } from './thread.ts'
import type { WriterVerbs } from './writer.ts'

export interface SqliteOptions {
  /** Path of the database file; it and its directory are created when missing (0600, 0700). */
  readonly file: string
  /** `full`: a resolved verb survives power loss. `normal`: it survives the death of the process. */
  readonly durability: Durability
  /** Another place than the migrations of this package. */
  readonly migrationsDir?: string
  /** Dates the applied migrations; every other time comes with its verb. */
  readonly clock?: Clock
  readonly observer: Observer
  /** The collections of the schema, whose tables are there. Default none. */
  readonly tables?: readonly TableSpec[]
  /** Milliseconds for which files that go with a record are kept in the trash, by bucket. Default: they go for good. */
  readonly trashTimes?: Readonly<Record<string, number>>
  /** Default none: no event is written. */
  readonly subscriptions?: readonly Subscription[]
  /** What owners may have. Default: no limits. */
  readonly policies?: PoliciesConfig | null
  /** Whether the event loop has too little time to read pages of records itself. Default: by how busy it is. */
  readonly isCrowded?: () => boolean
}

type Place = Pick<SqliteOptions, 'file' | 'migrationsDir'>

const WRITER_PATIENCE = 5_000
/** Short: the event loop stands still meanwhile. With WAL a reader waits for nobody but a process that opens or closes. */
const READER_PATIENCE = 100

/** Opens, creates and migrates. Fails: config_invalid (migrations), storage_full, storage_unavailable, database_busy. */
export async function openSqlite(options: SqliteOptions): Promise<MetaStore> {
  const { durability, observer, tables = [], trashTimes = {}, subscriptions = [], policies = null } = options
  const migrationsDir = options.migrationsDir ?? shippedMigrations()
  const settings: ConnectionSettings = {
    file: resolve(options.file),
    durability,
    busyTimeout: WRITER_PATIENCE,
    cache: 32 * 1024,
    readOnly: false,
  }
  const readOnly = { ...settings, readOnly: true, cache: 64 * 1024 }
  await applyMigrations(options)
  const writer = createThread<WriterVerbs>(
    'writer',
    { settings, tables, policies, trashTimes, subscriptions },
    observer,
  )
  const scanner = createThread<ScannerVerbs>('scanner', { settings: readOnly, tables, policies }, observer)
  const reader = createThread<ScannerVerbs>(
    'scanner',
    { settings: readOnly, tables, policies, oneByOne: true },
    observer,
    'reader',
  )
  const threads = { writer, scanner, reader, isCrowded: options.isCrowded ?? createCrowd() }
  writer.warm()
  const db = await openPatiently({ ...readOnly, busyTimeout: READER_PATIENCE })
  try {
    await writer.call('ping')
    return createStore(db, threads, migrationsDir, tables, policies)
  } catch (error) {
    db.close()
    await writer.close()
    throw failure(error)
  }
}

/** Applies what is pending and returns it, oldest first. Fails as openSqlite does. */
export async function applyMigrations(
  options: Place & Partial<Pick<SqliteOptions, 'clock' | 'durability'>>,
): Promise<readonly Migration[]> {
  const file = resolve(options.file)
  return withConnection(file, options.durability ?? 'full', (db) =>
    migrate(db, options.migrationsDir ?? shippedMigrations(), options.clock ?? systemClock),
  )
}

/** Every migration and when it was applied; creates nothing. Fails: config_invalid when the database is newer or a migration was changed. */
export async function migrationStatus(options: Place): Promise<readonly Migration[]> {
  const directory = options.migrationsDir ?? shippedMigrations()
  const file = resolve(options.file)
  if (!existsSync(file)) return pendingMigrations(directory)
  return withConnection(file, 'full', (db) => listMigrations(db, directory))
}
