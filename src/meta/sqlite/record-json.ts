// Records as JSON, made by the database: one text for a page instead of a value for every field of every row.
import { fail } from '../../core/errors.ts'
import type { StoredValue } from '../../core/predicate.ts'
import type { JsonField, RecordPage, RecordQuery } from '../records.ts'
import { type RecordTable, requireColumn } from './record-table.ts'
import { quote } from './table-sql.ts'

/** Stands between the objects of a page and, because JSON escapes line breaks, nowhere inside them. */
const BETWEEN = ',\n'

const objects = new WeakMap<readonly JsonField[], { readonly table: RecordTable; readonly sql: string }>()

/** A row as a JSON object, named `doc`, with the fields in this order. Fails internal for one the collection does not have. */
export function jsonObject(fields: readonly JsonField[], table: RecordTable): string {
  const known = objects.get(fields)
  if (known?.table === table) return known.sql
  const pairs = fields.map((field) => `'${requireColumn(table, field.name).name}', ${valueSql(field, table)}`)
  const sql = `json_object(${pairs.join(', ')}) AS doc`
  objects.set(fields, { table, sql })
  return sql
}

/** The statement that gives how many rows another one has, and their objects as one text; null for none. */
export function joinedSql(sql: string): string {
  return `SELECT count(*), group_concat(doc, '${BETWEEN}') FROM (${sql})`
}

/** A page of at most `limit` objects, of texts that hold `count` objects in all. Fails internal for a sort field that is not shown. */
export function pageOf(
  texts: readonly string[],
  count: number,
  { limit, sort }: Pick<RecordQuery, 'limit' | 'sort'>,
): RecordPage {
  const text = texts.length === 1 ? texts[0]! : texts.join(BETWEEN)
  if (count <= limit) return { json: `[${text}]`, last: null }
  const kept = text.slice(0, text.lastIndexOf(BETWEEN))
  const last = JSON.parse(kept.slice(kept.lastIndexOf('\n') + 1)) as Readonly<Record<string, StoredValue | boolean>>
  const values = sort.map(({ field }) => {
    const value = last[field]
    if (value === undefined) throw fail('internal', `a page that is sorted by ${field} does not show it`)
    return [field, typeof value === 'boolean' ? Number(value) : value] as const
  })
  return { json: `[${kept}]`, last: Object.fromEntries(values) }
}

function valueSql({ name, form }: JsonField, table: RecordTable): string {
  const column = quote(name)
  if (form === 'document') return `json(${column})`
  if (form === 'boolean') return `CASE ${column} WHEN 1 THEN json('true') WHEN 0 THEN json('false') END`
  if (requireColumn(table, name).type !== 'REAL') return column
  // The database writes a double with as many digits as it takes, but a whole one as 5.0, which is not how single records show it.
  return `CASE WHEN ${column} = CAST(${column} AS INTEGER) AND abs(${column}) < 9e15 THEN CAST(${column} AS INTEGER) ELSE ${column} END`
}
