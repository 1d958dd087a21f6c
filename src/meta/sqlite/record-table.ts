// A collection as the statements need it: its columns by name, what they refer to, and rows from and to the values of the driver.
import { fail } from '../../core/errors.ts'
import type { StoredValue } from '../../core/predicate.ts'
import type { Reference } from '../../schema/field-type.ts'
import type { ColumnSpec, TableSpec } from '../../schema/tables.ts'
import type { RecordRow } from '../records.ts'
import { quote, VERSION_COLUMN } from './table-sql.ts'

/** What the driver binds. */
export type Bound = string | number | Buffer | null

export interface FileColumn extends ColumnSpec {
  readonly reference: Extract<Reference, { kind: 'file' }>
}

export interface RelationColumn extends ColumnSpec {
  readonly reference: Extract<Reference, { kind: 'record' }>
}

export interface RecordTable {
  readonly spec: TableSpec
  readonly name: string
  /** The name as SQL text. */
  readonly sql: string
  readonly columns: ReadonlyMap<string, ColumnSpec>
  readonly primary: ColumnSpec
  /** The primary column as SQL text. */
  readonly primarySql: string
  /** Every column and then the version, as SQL text. */
  readonly selection: string
  readonly files: readonly FileColumn[]
  readonly relations: readonly RelationColumn[]
  /** A row of `selection` as a raw statement gives it. */
  row(raw: readonly unknown[]): RecordRow
}

export type RecordTables = ReadonlyMap<string, RecordTable>

/** The declared collections by name, in the order given. Touches no database. */
export function recordTables(specs: readonly TableSpec[]): RecordTables {
  return new Map(specs.map((spec) => [spec.name, recordTable(spec)]))
}

/** Fails internal for a collection that is not declared: the callers check before. */
export function requireTable(tables: RecordTables, name: string): RecordTable {
  const table = tables.get(name)
  if (!table) throw fail('internal', `there is no collection ${name}`)
  return table
}

/** Fails internal for a field that the collection does not have: no other name reaches a statement. */
export function requireColumn(table: RecordTable, field: string): ColumnSpec {
  const column = table.columns.get(field)
  if (!column) throw fail('internal', `${table.name} has no field ${field}`)
  return column
}

/** The value as the driver takes it. */
export function bound(column: ColumnSpec, value: StoredValue): Bound {
  return column.type === 'BLOB' && typeof value === 'string' ? Buffer.from(value, 'base64') : value
}

/** Whether the column can hold the value. Null is not asked about. */
export function fits(column: ColumnSpec, value: StoredValue): boolean {
  return typeof value === (column.type === 'INTEGER' || column.type === 'REAL' ? 'number' : 'string')
}

/** The ids that a field names, each once. */
export function namedFiles(column: ColumnSpec, value: StoredValue | undefined): ReadonlySet<string> {
  if (typeof value !== 'string') return new Set()
  return new Set(column.list ? listed(value).filter((id) => typeof id === 'string') : [value])
}

/** The elements of a list field; none where something else is stored. */
export function listed(text: string): readonly unknown[] {
  try {
    const found: unknown = JSON.parse(text)
    return Array.isArray(found) ? found : []
  } catch {
    return []
  }
}

function recordTable(spec: TableSpec): RecordTable {
  const names = spec.columns.map(({ name }) => name)
  const blobs = spec.columns.flatMap(({ type }, at) => (type === 'BLOB' ? [at] : []))
  const columns = new Map(spec.columns.map((column) => [column.name, column]))
  return {
    spec,
    name: spec.name,
    sql: quote(spec.name),
    columns,
    primary: columns.get(spec.primary)!,
    primarySql: quote(spec.primary),
    selection: [...names, VERSION_COLUMN].map(quote).join(', '),
    files: spec.columns.filter((column): column is FileColumn => column.reference?.kind === 'file'),
    relations: spec.columns.filter((column): column is RelationColumn => column.reference?.kind === 'record'),
    row(raw) {
      const values: Record<string, StoredValue> = {}
      for (let at = 0; at < names.length; at++) values[names[at]!] = raw[at] as StoredValue
      for (const at of blobs) {
        const bytes = raw[at]
        if (Buffer.isBuffer(bytes)) values[names[at]!] = bytes.toString('base64')
      }
      return { values, version: raw[names.length] as number }
    },
  }
}
