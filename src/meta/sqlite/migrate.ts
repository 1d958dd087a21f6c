// Applies migrations/sqlite/NNNN_name.sql in order. Our own runner, because drizzle's records no checksum that is ever compared,
// tells no status, takes no lock before it looks, and applies all files in one transaction under foreign keys that are on.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Database } from 'better-sqlite3'
import { type Clock, timestamp } from '../../core/clock.ts'
import { type AppError, fail, systemCode } from '../../core/errors.ts'
import type { Migration } from '../store.ts'
import type { migrations } from './tables.ts'

interface Script {
  readonly name: string
  readonly sql: string
  /** SHA-256 of the file, hex. */
  readonly checksum: string
}

type Applied = typeof migrations.$inferSelect

/** The directory shipped with this package, found from the sources as well as from the build. */
export function shippedMigrations(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'package.json'))) {
    const above = dirname(directory)
    if (above === directory)
      throw fail('config_invalid', 'the migrations of this package are missing: install it again')
    directory = above
  }
  return join(directory, 'migrations', 'sqlite')
}

/** Every migration of the directory and when it was applied. Fails: config_invalid when the database and the directory contradict each other. */
export function listMigrations(db: Database, directory: string): readonly Migration[] {
  const scripts = readScripts(directory)
  const applied = readApplied(db)
  check(scripts, applied)
  const times = new Map(applied.map((row) => [row.name, row.applied_at]))
  return scripts.map(({ name }) => ({ name, appliedAt: times.get(name) ?? null }))
}

/** Every migration of the directory as pending, for a database that is not there yet. */
export function pendingMigrations(directory: string): readonly Migration[] {
  return readScripts(directory).map(({ name }) => ({ name, appliedAt: null }))
}

/** Applies what is pending, one transaction a file, and returns it. Safe against other processes doing the same and against being killed.
 *  Fails: config_invalid for a changed or unknown migration, or one whose SQL fails or leaves a reference dangling. */
export function migrate(db: Database, directory: string, clock: Clock): readonly Migration[] {
  const scripts = readScripts(directory)
  // A database that is up to date is not locked against the writers of other processes.
  if (listMigrations(db, directory).every(({ appliedAt }) => appliedAt !== null)) return []
  const done: Migration[] = []
  // Rebuilding a table under foreign keys would delete what refers to it; the pragma does nothing inside a transaction.
  db.pragma('foreign_keys = OFF')
  try {
    for (;;) {
      const migration = db.transaction(() => applyNext(db, scripts, clock)).exclusive()
      if (!migration) return done
      done.push(migration)
    }
  } finally {
    db.pragma('foreign_keys = ON')
  }
}

/** Looks and applies under one lock, so that of two processes one finds the work done. */
function applyNext(db: Database, scripts: readonly Script[], clock: Clock): Migration | null {
  const applied = readApplied(db)
  check(scripts, applied)
  const next = scripts[applied.length]
  if (!next) return null
  const { name, sql, checksum } = next
  try {
    db.exec(sql)
  } catch (error) {
    // SQLITE_ERROR and constraint failures are the script's; a full or busy disk is not.
    if (!/^SQLITE_(ERROR|CONSTRAINT)/.test(systemCode(error) ?? '')) throw error
    throw refused(`migration ${name} does not run: ${error instanceof Error ? error.message : error}`)
  }
  const dangling = db.pragma('foreign_key_check') as { table: string }[]
  if (dangling[0])
    throw refused(`migration ${name} leaves ${dangling.length} dangling references in ${dangling[0].table}`)
  const appliedAt = timestamp(clock.now())
  db.prepare('INSERT INTO _alyx_migrations (name, checksum, applied_at) VALUES (?, ?, ?)').run(
    name,
    checksum,
    appliedAt,
  )
  return { name, appliedAt }
}

function check(scripts: readonly Script[], applied: readonly Applied[]): void {
  for (const [at, row] of applied.entries()) {
    const script = scripts.find(({ name }) => name === row.name)
    if (!script) throw refused(`the database is newer than this Alyx: it has had migration ${row.name}`)
    if (script.checksum !== row.checksum) throw refused(`migration ${row.name} was changed after it had been applied`)
    if (scripts[at] !== script) throw refused(`a migration was added before ${row.name}, which has been applied`)
  }
}

function readScripts(directory: string): readonly Script[] {
  const names = readdirSync(directory).filter((name) => /^\d{4}_\w+\.sql$/.test(name))
  return names.sort().map((file) => {
    const sql = readFileSync(join(directory, file), 'utf8')
    return { name: file.slice(0, -'.sql'.length), sql, checksum: createHash('sha256').update(sql).digest('hex') }
  })
}

function readApplied(db: Database): readonly Applied[] {
  const known = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_alyx_migrations'").get()
  if (!known) return []
  return db.prepare<[], Applied>('SELECT name, checksum, applied_at FROM _alyx_migrations ORDER BY name').all()
}

function refused(message: string): AppError {
  return fail('config_invalid', message, {
    hint: 'Run the Alyx version this database belongs to, or restore its backup.',
  })
}
