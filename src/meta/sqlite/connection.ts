// One connection to the database file, with the settings every connection needs, set and read back.
import Database from 'better-sqlite3'
import { fail } from '../../core/errors.ts'

export type Durability = 'full' | 'normal'

/** Plain data: it also travels to the worker threads. */
export interface ConnectionSettings {
  /** Absolute path of an existing database file. */
  readonly file: string
  readonly durability: Durability
  /** Milliseconds to wait for another process's write; the thread of the connection stands still meanwhile. */
  readonly busyTimeout: number
  /** Page cache in KiB. */
  readonly cache: number
  readonly readOnly: boolean
}

/** What a connection says about itself when asked. */
export interface ReadBack {
  readonly journal_mode: unknown
  readonly synchronous: unknown
  readonly foreign_keys: unknown
  readonly busy_timeout: unknown
}

const WAL_LIMIT = 64 * 1024 * 1024
// A net only: the writer checkpoints earlier, when it has answered.
const AUTOCHECKPOINT_PAGES = 8192

/** Opens the file and sets WAL, synchronous, foreign_keys and busy_timeout. Fails: storage_unavailable when one of them does not hold.
 *  SQLite's own errors pass through. */
export function connect(settings: ConnectionSettings): Database.Database {
  const db = new Database(settings.file, { fileMustExist: true, timeout: settings.busyTimeout })
  try {
    db.pragma('journal_mode = WAL')
    // Of a WAL database the driver's default is NORMAL, so FULL does not outlive the connection that asked for it.
    db.pragma(`synchronous = ${settings.durability === 'full' ? 'FULL' : 'NORMAL'}`)
    db.pragma('foreign_keys = ON')
    db.pragma(`busy_timeout = ${settings.busyTimeout}`)
    db.pragma(`cache_size = -${settings.cache}`)
    db.pragma(`wal_autocheckpoint = ${AUTOCHECKPOINT_PAGES}`)
    db.pragma(`journal_size_limit = ${WAL_LIMIT}`)
    // No mmap: a read error of the disk would come as SIGBUS and end the process instead of failing one query.
    db.pragma('mmap_size = 0')
    if (settings.readOnly) db.pragma('query_only = ON')
    const faults = settingFaults(readBack(db), settings)
    if (faults.length > 0) throw fail('storage_unavailable', `the database refuses its settings: ${faults.join(', ')}`)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** The settings that matter for safety, as the database reports them. */
export function readBack(db: Database.Database): ReadBack {
  return {
    journal_mode: db.pragma('journal_mode', { simple: true }),
    synchronous: db.pragma('synchronous', { simple: true }),
    foreign_keys: db.pragma('foreign_keys', { simple: true }),
    busy_timeout: db.pragma('busy_timeout', { simple: true }),
  }
}

/** One sentence for each setting that is not as it should be. */
export function settingFaults(found: ReadBack, settings: ConnectionSettings): readonly string[] {
  const wanted: ReadBack = {
    journal_mode: 'wal',
    synchronous: settings.durability === 'full' ? 2 : 1,
    foreign_keys: 1,
    busy_timeout: settings.busyTimeout,
  }
  return (Object.keys(wanted) as (keyof ReadBack)[])
    .filter((name) => found[name] !== wanted[name])
    .map((name) => `${name} is ${found[name]} instead of ${wanted[name]}`)
}
