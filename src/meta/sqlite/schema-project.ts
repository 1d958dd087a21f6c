// Applies the migration files of a project, one transaction a file.
import type { Database } from 'better-sqlite3'
import { type Clock, timestamp } from '../../core/clock.ts'
import { fail } from '../../core/errors.ts'
import type { Migration } from '../store.ts'
import { readTexts } from './schema-definition.ts'
import { listProjectMigrations, type ProjectMigration, recordMigration } from './schema-files.ts'
import { runMigrationStep } from './schema-run.ts'

/** Applies what is pending and returns it. On a database that has no collection yet the files are only recorded: its tables are made in
 *  their final form, and there is nothing to migrate. Fails config_invalid with the place of the step that does not run. */
export function migrateProject(db: Database, files: readonly ProjectMigration[], clock: Clock): readonly Migration[] {
  // A database that is up to date is not locked against the writers of other processes.
  if (pendingIn(db, files) === undefined) return []
  const done: Migration[] = []
  return withoutForeignKeys(db, () => {
    for (;;) {
      const migration = db.transaction(() => applyNext(db, files, clock)).exclusive()
      if (migration === null) return done
      done.push(migration)
    }
  })
}

/** Rebuilding a table under foreign keys would delete what refers to it; the pragma does nothing inside a transaction. */
export function withoutForeignKeys<T>(db: Database, work: () => T): T {
  db.pragma('foreign_keys = OFF')
  try {
    return work()
  } finally {
    db.pragma('foreign_keys = ON')
  }
}

/** Looks and applies under one lock, so that of two processes one finds the work done. */
function applyNext(db: Database, files: readonly ProjectMigration[], clock: Clock): Migration | null {
  const file = pendingIn(db, files)
  if (file === undefined) return null
  const appliedAt = timestamp(clock.now())
  if (readTexts(db).size > 0) for (const step of file.steps) runMigrationStep(db, step, appliedAt)
  const dangling = db.pragma('foreign_key_check') as { table: string }[]
  if (dangling[0])
    throw fail(
      'config_invalid',
      `migrations/${file.name}.yml leaves ${dangling.length} dangling references in ${dangling[0].table}`,
    )
  recordMigration(db, file, appliedAt)
  return { name: file.name, appliedAt }
}

function pendingIn(db: Database, files: readonly ProjectMigration[]): ProjectMigration | undefined {
  return files[listProjectMigrations(db, files).findIndex(({ appliedAt }) => appliedAt === null)]
}
