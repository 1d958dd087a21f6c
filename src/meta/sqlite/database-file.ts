// The database file: made for its owner only, and opened with patience.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Database } from 'better-sqlite3'
import { systemCode } from '../../core/errors.ts'
import { type ConnectionSettings, connect, type Durability } from './connection.ts'
import { failure } from './faults.ts'

/** Runs `work` on a connection of its own to the file, which is created when missing (0600, its directory 0700). Fails as `failure` says. */
export async function withConnection<T>(file: string, durability: Durability, work: (db: Database) => T): Promise<T> {
  try {
    createFile(file)
    const db = await openPatiently({ file, durability, busyTimeout: 30_000, cache: 2 * 1024, readOnly: false })
    try {
      return work(db)
    } finally {
      db.close()
    }
  } catch (error) {
    throw failure(error)
  }
}

/** Turning a new file into a WAL database needs it alone and does not wait by itself when another process does the same. */
export async function openPatiently(settings: ConnectionSettings): Promise<Database> {
  for (let attempt = 0; ; attempt++) {
    try {
      return connect(settings)
    } catch (error) {
      if (attempt === 100 || !systemCode(error)?.startsWith('SQLITE_BUSY')) throw failure(error)
      await pause(50)
    }
  }
}

/** For the owner only, and its name survives a power cut. */
function createFile(file: string): void {
  const directory = dirname(file)
  const created = mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (existsSync(file)) return
  closeSync(openSync(file, 'a', 0o600))
  for (let changed = directory; ; changed = dirname(changed)) {
    const handle = openSync(changed, 'r')
    fsyncSync(handle)
    closeSync(handle)
    if (!created || changed === dirname(created)) return
  }
}
