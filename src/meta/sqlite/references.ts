// Which fields of which records name a file: the rows of _alyx_file_refs, and what a file's end does to the fields.
import type { Database } from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { TableSpec } from '../../schema/tables.ts'
import { createStatements } from './record-statements.ts'
import { type FileColumn, listed, type RecordTable, recordTables } from './record-table.ts'
import { quote, VERSION_COLUMN } from './table-sql.ts'

/** A file that a record named, and where. */
export interface Dropped {
  readonly fileId: string
  readonly field: string
}

/** Every verb must run inside the transaction of the change it belongs to. Record ids are primary values as text. */
export interface References {
  /** Fails file_in_use, details {collection, record_id, field} of the first, when a field with on_file_delete: restrict names the file. */
  requireUnrestricted(fileId: string): void
  /** Takes the file out of every field that names it: null, or without the element. Those records rise by a version. */
  release(fileId: string): void
  /** Whether any record names the file, also one of a collection that is declared no longer. */
  isWanted(fileId: string): boolean
  add(fileId: string, collection: string, recordId: string, field: string): void
  drop(fileId: string, collection: string, recordId: string, field: string): void
  /** Drops all that a record names, and says what it was. */
  dropRecord(collection: string, recordId: string): readonly Dropped[]
}

interface StoredReference {
  readonly collection: string
  readonly record_id: string
  readonly field: string
}

/** The references on the writer's connection. Tables of collections may come later than this call. */
export function createReferences(db: Database, specs: readonly TableSpec[]): References {
  const tables = recordTables(specs)
  const statement = createStatements(db)
  const restricting = [...tables.values()].flatMap(({ name, files }) =>
    files.filter(({ reference }) => reference.onFileDelete === 'restrict').map((column) => ({ name, column })),
  )
  const firstOf = db
    .prepare<[string, string, string], string>(
      'SELECT record_id FROM _alyx_file_refs WHERE file_id = ? AND collection = ? AND field = ? ORDER BY record_id LIMIT 1',
    )
    .pluck()
  const ofFile = db.prepare<[string], StoredReference>(
    'SELECT collection, record_id, field FROM _alyx_file_refs WHERE file_id = ?',
  )
  const any = db.prepare<[string], unknown>('SELECT 1 FROM _alyx_file_refs WHERE file_id = ? LIMIT 1')
  const insert = db.prepare<[string, string, string, string]>(
    'INSERT OR IGNORE INTO _alyx_file_refs (file_id, collection, record_id, field) VALUES (?, ?, ?, ?)',
  )
  const remove = db.prepare<[string, string, string, string]>(
    'DELETE FROM _alyx_file_refs WHERE file_id = ? AND collection = ? AND record_id = ? AND field = ?',
  )
  const removeFile = db.prepare<[string]>('DELETE FROM _alyx_file_refs WHERE file_id = ?')
  const removeRecord = db.prepare<[string, string], Dropped>(
    'DELETE FROM _alyx_file_refs WHERE collection = ? AND record_id = ? RETURNING file_id AS fileId, field',
  )

  const takeOut = (table: RecordTable, column: FileColumn, recordId: string, fileId: string): void => {
    const field = quote(column.name)
    const version = quote(VERSION_COLUMN)
    const change = `UPDATE ${table.sql} SET ${field} = ?, ${version} = ${version} + 1 WHERE ${table.primarySql} = ?`
    const found = statement(`SELECT ${field} FROM ${table.sql} WHERE ${table.primarySql} = ?`).get(recordId)?.[0]
    if (typeof found !== 'string') return
    if (!column.list) {
      if (found === fileId) statement(change).run(null, recordId)
      return
    }
    const elements = listed(found)
    const left = elements.filter((id) => id !== fileId)
    if (left.length < elements.length) statement(change).run(JSON.stringify(left), recordId)
  }

  return {
    requireUnrestricted(fileId) {
      for (const { name, column } of restricting) {
        const recordId = firstOf.get(fileId, name, column.name)
        if (recordId !== undefined)
          throw fail('file_in_use', `${name}.${column.name} of a record names the file`, {
            details: { collection: name, record_id: recordId, field: column.name },
          })
      }
    },
    release(fileId) {
      for (const { collection, record_id, field } of ofFile.all(fileId)) {
        const table = tables.get(collection)
        const column = table?.files.find(({ name }) => name === field)
        if (table && column) takeOut(table, column, record_id, fileId)
      }
      removeFile.run(fileId)
    },
    isWanted: (fileId) => any.get(fileId) !== undefined,
    add(fileId, collection, recordId, field) {
      insert.run(fileId, collection, recordId, field)
    },
    drop(fileId, collection, recordId, field) {
      remove.run(fileId, collection, recordId, field)
    },
    dropRecord: (collection, recordId) => removeRecord.all(collection, recordId),
  }
}
