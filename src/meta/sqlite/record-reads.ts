// Records by key: synchronous, on the main thread's connection, in microseconds.
import type { Database } from 'better-sqlite3'
import type { StoredValue } from '../../core/predicate.ts'
import type { FileReference, RecordRow } from '../records.ts'
import { createStatements } from './record-statements.ts'
import { fits, type RecordTable, type RecordTables, requireTable } from './record-table.ts'
import { findRecord } from './record-verbs.ts'

/** Prepares the reads of RecordStore that ask for certain rows. */
export function recordReads(db: Database, tables: RecordTables) {
  const statement = createStatements(db)
  const ofFile = db.prepare<[string], FileReference>(
    `SELECT collection, record_id AS recordId, field FROM _alyx_file_refs WHERE file_id = ?
     ORDER BY collection, record_id, field`,
  )
  return {
    get: (collection: string, id: StoredValue): RecordRow | null =>
      findRecord(requireTable(tables, collection), id, statement),

    many(collection: string, ids: readonly StoredValue[]): readonly RecordRow[] {
      const table = requireTable(tables, collection)
      const possible = ids.filter((id) => fits(table.primary, id))
      if (possible.length === 0) return []
      return statement(manySql(table)).all(JSON.stringify(possible)).map(table.row)
    },

    references(fileId: string, limit: number): readonly FileReference[] {
      const found: FileReference[] = []
      if (limit < 1) return found
      for (const reference of ofFile.iterate(fileId)) {
        const table = tables.get(reference.collection)
        if (!table?.files.some(({ name }) => name === reference.field)) continue
        if (found.push(reference) >= limit) break
      }
      return found
    },
  }
}

/** Rows by a JSON array of primary values, each row once. */
export function manySql(table: RecordTable): string {
  return `SELECT ${table.selection} FROM ${table.sql} WHERE ${table.primarySql} IN (SELECT value FROM json_each(?))`
}
