// Records as JSON, made by the database: one text for a page instead of a value for every field of every row.
import type { JsonField, SortKey } from '../records.ts'
import { type RecordTable, requireColumn } from './record-table.ts'
import { quote } from './table-sql.ts'

/** A row as a JSON object, named `doc`, with the fields in this order. Fails internal for one the collection does not have. */
export function jsonObject(fields: readonly JsonField[], table: RecordTable): string {
  const pairs = fields.map((field) => `'${requireColumn(table, field.name).name}', ${valueSql(field, table)}`)
  return `json_object(${pairs.join(', ')}) AS doc`
}

/** What the sort fields of a row are. */
export function selectionOf(sort: readonly SortKey[]): string {
  return sort.map(({ field }) => quote(field)).join(', ')
}

function valueSql({ name, form }: JsonField, table: RecordTable): string {
  const column = quote(name)
  if (form === 'document') return `json(${column})`
  if (form === 'boolean') return `CASE ${column} WHEN 1 THEN json('true') WHEN 0 THEN json('false') END`
  if (requireColumn(table, name).type !== 'REAL') return column
  // The database writes a double with as many digits as it takes, but a whole one as 5.0, which is not how single records show it.
  return `CASE WHEN ${column} = CAST(${column} AS INTEGER) AND abs(${column}) < 9e15 THEN CAST(${column} AS INTEGER) ELSE ${column} END`
}
