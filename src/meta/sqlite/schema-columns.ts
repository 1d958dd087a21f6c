// What the database has in fact: tables, columns and indexes, whoever made them.
import type { Database } from 'better-sqlite3'
import { quote } from './table-sql.ts'

export interface RealColumn {
  readonly name: string
  /** As declared: TEXT, INTEGER, … */
  readonly type: string
  readonly primary: boolean
}

export interface RealIndex {
  readonly name: string
  readonly columns: readonly string[]
  /** Made by us for a collection. */
  readonly ours: boolean
}

/** What has this name, in whatever case, or null. SQLite does not tell upper and lower case apart. */
export function kindOf(db: Database, name: string): 'table' | 'view' | 'index' | 'trigger' | null {
  const row = db.prepare<[string], string>('SELECT type FROM sqlite_schema WHERE lower(name) = lower(?)').pluck()
  return (row.get(name) as 'table' | undefined) ?? null
}

/** By name; none where there is no such table. */
export function columnsOf(db: Database, table: string): ReadonlyMap<string, RealColumn> {
  const rows = db.pragma(`table_info(${quote(table)})`) as { name: string; type: string; pk: number }[]
  return new Map(rows.map(({ name, type, pk }) => [name, { name, type, primary: pk > 0 }]))
}

/** Those of a table, but for the one of its primary key. */
export function indexesOf(db: Database, table: string): readonly RealIndex[] {
  const rows = db.pragma(`index_list(${quote(table)})`) as { name: string; origin: string }[]
  return rows
    .filter(({ origin }) => origin !== 'pk')
    .map(({ name }) => {
      const columns = db.pragma(`index_info(${quote(name)})`) as { name: string | null }[]
      return {
        name,
        columns: columns.map((column) => column.name ?? ''),
        ours: /^_alyx_(index|unique)\./.test(name),
      }
    })
}

/** Drops those of our indexes on a table that hold the column, or all: they are made again under their new names. */
export function dropIndexes(db: Database, table: string, column: string | null): void {
  for (const index of indexesOf(db, table)) {
    if (index.ours && (column === null || index.columns.includes(column))) db.exec(`DROP INDEX ${quote(index.name)}`)
  }
}
