// What the rows hold: the questions a change asks before it is made. Each looks at the whole table, so they are asked only of what changes.
import type { Database } from 'better-sqlite3'
import type { StoredValue } from '../../core/predicate.ts'
import type { FieldType } from '../../schema/field-type.ts'
import type { Field } from '../../schema/model.ts'
import type { ColumnSpec, TableSpec } from '../../schema/tables.ts'
import { valuesOf } from './schema-references.ts'
import { quote } from './table-sql.ts'

/** How many, and the ids of the first five. */
export interface Found {
  readonly count: number
  readonly ids: readonly string[]
}

type Named = Pick<TableSpec, 'name' | 'primary'>
type Raw = string | number | bigint | Buffer | null

const FIRST = 5

/** Records of a table. */
export function countRows(db: Database, table: string): number {
  return count(db, `SELECT count(*) FROM ${quote(table)}`)
}

/** Records that hold something: not null, and not an empty list. */
export function countValues(db: Database, table: string, { name, list }: Pick<ColumnSpec, 'name' | 'list'>): number {
  const column = quote(name)
  return count(
    db,
    `SELECT count(*) FROM ${quote(table)} WHERE ${column} IS NOT NULL${list ? ` AND ${column} <> '[]'` : ''}`,
  )
}

/** Records that hold null. */
export function countNulls(db: Database, table: string, name: string): number {
  return count(db, `SELECT count(*) FROM ${quote(table)} WHERE ${quote(name)} IS NULL`)
}

/** Records whose value is not one that the field would have stored just so. */
export function findMisfits(db: Database, { name, primary }: Named, type: FieldType, field: Field): Found {
  const column = quote(field.name)
  const rows = db
    .prepare<[], { id: Raw; value: Raw }>(
      `SELECT ${quote(primary)} AS id, ${column} AS value FROM ${quote(name)} WHERE ${column} IS NOT NULL`,
    )
    .iterate()
  const ids: string[] = []
  let found = 0
  for (const { id, value } of rows) {
    if (fits(type, field, value)) continue
    found += 1
    if (ids.length < FIRST) ids.push(String(id))
  }
  return { count: found, ids }
}

/** Records that hold a value (or, in a list, an element) that is not among `values`. */
export function countOthers(
  db: Database,
  table: Named,
  column: Pick<ColumnSpec, 'name' | 'list'>,
  values: readonly unknown[],
): number {
  const { from, value } = valuesOf(table, column)
  return count(
    db,
    `SELECT count(DISTINCT r.${quote(table.primary)}) FROM ${from} WHERE ${value} IS NOT NULL AND ${value} NOT IN (SELECT value FROM json_each(?))`,
    JSON.stringify(values),
  )
}

/** Records that name a record which is not there. `target` null: the other collection has no table yet. */
export function countDangling(
  db: Database,
  table: Named,
  column: Pick<ColumnSpec, 'name' | 'list'>,
  target: Named | null,
): number {
  const { from, value } = valuesOf(table, column)
  const there =
    target === null
      ? '1'
      : `${value} NOT IN (SELECT ${quote(target.primary)} FROM ${quote(target.name)} WHERE ${quote(target.primary)} IS NOT NULL)`
  return count(
    db,
    `SELECT count(DISTINCT r.${quote(table.primary)}) FROM ${from} WHERE ${value} IS NOT NULL AND ${there}`,
  )
}

/** Records that name what is no file of the bucket. */
export function countNoFiles(
  db: Database,
  table: Named,
  column: Pick<ColumnSpec, 'name' | 'list'>,
  bucket: string,
): number {
  const { from, value } = valuesOf(table, column)
  return count(
    db,
    `SELECT count(DISTINCT r.${quote(table.primary)}) FROM ${from} WHERE ${value} IS NOT NULL AND NOT EXISTS
     (SELECT 1 FROM _alyx_files f WHERE f.id = ${value} AND f.bucket = ? AND f.state = 'ready')`,
    bucket,
  )
}

/** Values that more than one record holds, and by how many the first five are held. Null equals nothing. */
export function findCollisions(
  db: Database,
  table: string,
  columns: readonly string[],
): { readonly values: number; readonly records: readonly number[] } {
  const names = columns.map(quote)
  const groups = `SELECT count(*) AS n FROM ${quote(table)} WHERE ${names.map((name) => `${name} IS NOT NULL`).join(' AND ')}
    GROUP BY ${names.join(', ')} HAVING count(*) > 1`
  const records = db.prepare<[], number>(`${groups} ORDER BY n DESC LIMIT ${FIRST}`).pluck().all()
  return { values: records.length < FIRST ? records.length : count(db, `SELECT count(*) FROM (${groups})`), records }
}

function fits(type: FieldType, field: Field, raw: Raw): boolean {
  const value: StoredValue = Buffer.isBuffer(raw) ? raw.toString('base64') : typeof raw === 'bigint' ? String(raw) : raw
  try {
    const checked = type.check(type.show(value, field), field)
    return checked.ok && checked.value === value
  } catch {
    // Text that is no JSON, where JSON is expected.
    return false
  }
}

function count(db: Database, sql: string, ...values: readonly string[]): number {
  return (
    db
      .prepare<string[], number>(sql)
      .pluck()
      .get(...values) ?? 0
  )
}
