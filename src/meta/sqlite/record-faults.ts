// What does not fit between records, references and files (GUARANTEES.md, I4): found by one statement a field, and mended.
import type { Database } from 'better-sqlite3'
import type { ReferenceFault } from '../records.ts'
import type { FileColumn, RecordTable, RecordTables, RelationColumn } from './record-table.ts'
import { requireTable } from './record-table.ts'
import { quote } from './table-sql.ts'

interface Found {
  readonly recordId: string
  readonly target: string
}

/** Faults in the order of the collections and their fields; at most `limit`. Reads all records. */
export function findReferenceFaults(db: Database, tables: RecordTables, limit: number): readonly ReferenceFault[] {
  const faults: ReferenceFault[] = []
  const add = (kind: ReferenceFault['kind'], collection: string, field: string, sql: string): void => {
    if (faults.length >= limit) return
    const found = db.prepare<[number], Found>(`${sql} LIMIT ?`).all(limit - faults.length)
    for (const { recordId, target } of found) faults.push({ kind, collection, recordId, field, target })
  }
  for (const table of tables.values()) {
    for (const column of table.files) {
      const named = `SELECT record_id AS recordId, file_id AS target FROM (${namedSql(table, column)}) AS named`
      add('reference_missing', table.name, column.name, `${named} WHERE NOT EXISTS (${knownSql(table, column)})`)
      add(
        'file_dangling',
        table.name,
        column.name,
        `${named} WHERE NOT EXISTS (SELECT 1 FROM _alyx_files WHERE id = named.file_id)`,
      )
    }
    for (const column of table.relations)
      add('record_dangling', table.name, column.name, danglingSql(table, column, tables))
  }
  for (const { collection, field, where } of strays(db, tables))
    add(
      'reference_stray',
      collection,
      field,
      `SELECT record_id AS recordId, file_id AS target FROM _alyx_file_refs AS r WHERE ${where}`,
    )
  return faults
}

/** Writes what is missing and removes what is stray; what is right is not touched. Must run inside a transaction. */
export function mendReferences(db: Database, tables: RecordTables): null {
  for (const { where } of strays(db, tables)) db.prepare(`DELETE FROM _alyx_file_refs AS r WHERE ${where}`).run()
  for (const table of tables.values())
    for (const column of table.files)
      db.prepare(
        `INSERT OR IGNORE INTO _alyx_file_refs (file_id, collection, record_id, field)
         SELECT file_id, ${text(table.name)}, record_id, ${text(column.name)} FROM (${namedSql(table, column)})`,
      ).run()
  return null
}

/** Every file that a field names, with the record. Where no JSON array is stored, none is named. */
function namedSql(table: RecordTable, { name, list }: FileColumn): string {
  const recordId = `CAST(t.${table.primarySql} AS TEXT) AS record_id`
  const field = `t.${quote(name)}`
  if (!list) return `SELECT ${field} AS file_id, ${recordId} FROM ${table.sql} AS t WHERE ${field} IS NOT NULL`
  const elements = `json_each(CASE WHEN json_valid(${field}) THEN ${field} END)`
  return `SELECT DISTINCT e.value AS file_id, ${recordId} FROM ${table.sql} AS t, ${elements} AS e WHERE e.type = 'text'`
}

function knownSql(table: RecordTable, { name }: FileColumn): string {
  return `SELECT 1 FROM _alyx_file_refs WHERE file_id = named.file_id AND collection = ${text(table.name)}
    AND record_id = named.record_id AND field = ${text(name)}`
}

function danglingSql(table: RecordTable, { name, reference }: RelationColumn, tables: RecordTables): string {
  const target = requireTable(tables, reference.collection)
  const field = `t.${quote(name)}`
  return `SELECT CAST(t.${table.primarySql} AS TEXT) AS recordId, CAST(${field} AS TEXT) AS target FROM ${table.sql} AS t
    WHERE ${field} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ${target.sql} AS o WHERE o.${target.primarySql} = ${field})`
}

interface Stray {
  readonly collection: string
  readonly field: string
  /** A condition on the rows `r` of _alyx_file_refs. */
  readonly where: string
}

/** References that no record stands behind, by collection and field. Those of a table that is there and not declared are nobody's fault. */
function strays(db: Database, tables: RecordTables): readonly Stray[] {
  const known = db.prepare<[], Pick<Stray, 'collection' | 'field'>>(
    'SELECT DISTINCT collection, field FROM _alyx_file_refs ORDER BY collection, field',
  )
  const isTable = db.prepare<[string], unknown>("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")
  return known.all().flatMap(({ collection, field }): readonly Stray[] => {
    const table = tables.get(collection)
    if (!table && isTable.get(collection)) return []
    const where = `r.collection = ${text(collection)} AND r.field = ${text(field)}`
    const column = table?.files.find(({ name }) => name === field)
    return [
      { collection, field, where: table && column ? `${where} AND NOT EXISTS (${namingSql(table, column)})` : where },
    ]
  })
}

function namingSql(table: RecordTable, { name, list }: FileColumn): string {
  const field = `t.${quote(name)}`
  const names = list
    ? `CASE WHEN json_valid(${field}) THEN EXISTS (SELECT 1 FROM json_each(${field}) WHERE value IS r.file_id) END`
    : `${field} = r.file_id`
  return `SELECT 1 FROM ${table.sql} AS t WHERE t.${table.primarySql} = r.record_id AND ${names}`
}

/** A text as SQL text. */
function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}
