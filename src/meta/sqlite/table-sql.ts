// The statements that make a collection's table and its indexes. Every identifier is quoted.
import type { ColumnSpec, IndexSpec, TableSpec } from '../../schema/tables.ts'

/** The column that counts the writes of a row. No field begins with an underscore. */
export const VERSION_COLUMN = '_version'

/** An identifier as SQL text (sqlite.org/lang_keywords.html). */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The columns carry no NOT NULL but the primary: what is required is the schema's affair and may change without the table being rebuilt. */
export function createTableSql(table: TableSpec): string {
  const columns = table.columns.map(
    (column) => `${columnSql(column)}${column.name === table.primary ? ' PRIMARY KEY NOT NULL' : ''}`,
  )
  return `CREATE TABLE ${quote(table.name)} (${[...columns, `${quote(VERSION_COLUMN)} INTEGER NOT NULL`].join(', ')}) STRICT`
}

/** As it stands in CREATE TABLE and in ALTER TABLE … ADD COLUMN. */
export function columnSql(column: ColumnSpec): string {
  return `${quote(column.name)} ${column.type}`
}

/** Names of indexes are ours alone: no table of a user can have one. */
export function indexName(table: string, index: IndexSpec): string {
  return `_alyx_${index.unique ? 'unique' : 'index'}.${table}.${index.columns.join('.')}`
}

/** One that is not unique ends with the primary column, so that pages in its order need no sorting. */
export function createIndexSql(table: TableSpec, index: IndexSpec): string {
  const columns =
    index.unique || index.columns.includes(table.primary) ? index.columns : [...index.columns, table.primary]
  const kind = index.unique ? 'UNIQUE INDEX' : 'INDEX'
  return `CREATE ${kind} ${quote(indexName(table.name, index))} ON ${quote(table.name)} (${columns.map(quote).join(', ')})`
}
