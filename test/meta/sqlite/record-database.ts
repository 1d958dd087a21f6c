// A database file with the tables of collections in it, for the tests of records.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { applyMigrations } from '../../../src/meta/sqlite/open.ts'
import { createIndexSql, createTableSql } from '../../../src/meta/sqlite/table-sql.ts'
import type { TableSpec } from '../../../src/schema/tables.ts'
import { MEMORY_DIR } from '../../support/memory.ts'

/** A new directory with a migrated database; `db` is a plain connection for what no verb can do. `remove` closes it. */
export interface RecordDatabase {
  readonly file: string
  readonly db: Database.Database
  remove(): void
}

/** Makes the tables and indexes as a migration would. */
export async function recordDatabase(tables: readonly TableSpec[]): Promise<RecordDatabase> {
  const directory = mkdtempSync(join(MEMORY_DIR, 'alyx-records-'))
  const file = join(directory, 'alyx.db')
  await applyMigrations({ file })
  const db = new Database(file)
  for (const table of tables) {
    db.exec(createTableSql(table))
    for (const index of table.indexes) db.exec(createIndexSql(table, index))
  }
  return {
    file,
    db,
    remove() {
      db.close()
      rmSync(directory, { recursive: true })
    },
  }
}
