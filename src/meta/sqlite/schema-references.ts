// Keeps `_alyx_file_refs` true when fields and collections are renamed, dropped or taken over. Files themselves stay as they are.
import type { Database } from 'better-sqlite3'
import type { ColumnSpec, TableSpec } from '../../schema/tables.ts'
import { quote } from './table-sql.ts'

/** Nothing is named by the field any more, or by the whole collection. */
export function forgetReferences(db: Database, collection: string, field: string | null): void {
  if (field === null) db.prepare('DELETE FROM _alyx_file_refs WHERE collection = ?').run(collection)
  else db.prepare('DELETE FROM _alyx_file_refs WHERE collection = ? AND field = ?').run(collection, field)
}

/** The collection has another name. */
export function moveCollection(db: Database, from: string, to: string): void {
  db.prepare('UPDATE _alyx_file_refs SET collection = ? WHERE collection = ?').run(to, from)
}

/** The field has another name. */
export function moveField(db: Database, collection: string, from: string, to: string): void {
  db.prepare('UPDATE _alyx_file_refs SET field = ? WHERE collection = ? AND field = ?').run(to, collection, from)
}

/** Makes the references of a field what its column says; nothing for a field that names no files. Staged files it names are claimed. */
export function readReferences(db: Database, table: TableSpec, column: ColumnSpec): void {
  forgetReferences(db, table.name, column.name)
  if (column.reference?.kind !== 'file') return
  const { from, value } = valuesOf(table, column)
  db.prepare(
    `INSERT OR IGNORE INTO _alyx_file_refs (file_id, collection, record_id, field)
     SELECT ${value}, ?, CAST(r.${quote(table.primary)} AS TEXT), ? FROM ${from} WHERE ${value} IS NOT NULL`,
  ).run(table.name, column.name)
  db.prepare(
    `UPDATE _alyx_files SET staged_until = NULL WHERE staged_until IS NOT NULL AND id IN
     (SELECT file_id FROM _alyx_file_refs WHERE collection = ? AND field = ?)`,
  ).run(table.name, column.name)
}

/** Where the single values of a column are, and what each is called: a list gives one row for each element. */
export function valuesOf(
  table: Pick<TableSpec, 'name'>,
  column: Pick<ColumnSpec, 'name' | 'list'>,
): { readonly from: string; readonly value: string } {
  const name = `r.${quote(column.name)}`
  return column.list
    ? { from: `${quote(table.name)} r, json_each(CASE WHEN json_valid(${name}) THEN ${name} END) e`, value: 'e.value' }
    : { from: `${quote(table.name)} r`, value: name }
}
