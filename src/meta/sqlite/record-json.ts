// Records as JSON, made by the database: one text for a page instead of a value for every field of every row.
import { fail } from '../../core/errors.ts'
import type { StoredValue } from '../../core/predicate.ts'
import type { JsonField, RecordPage, RecordQuery } from '../records.ts'
import { fileObject, isShown } from './file-json.ts'
import { type Bound, type RecordTable, requireColumn } from './record-table.ts'
import { quote } from './table-sql.ts'

/** How rows of a table become one JSON text. */
export interface JoinedRows {
  /** What of each row the statement takes that `around` is laid about. */
  readonly selection: string
  /** The statement that gives the FoundRows of that one. */
  around(rows: string): string
  /** Of the placeholders behind those of the rows. */
  readonly values: readonly Bound[]
}

/** What `around` gives: how many rows, their objects, and how many bytes those have in UTF-8; null and null for no rows. */
export type FoundRows = readonly [count: number, text: string | null, bytes: number | null]

/** Stands between the objects of a page and, because JSON escapes line breaks, nowhere inside them. */
const BETWEEN = ',\n'

const made = new WeakMap<readonly JsonField[], { readonly table: RecordTable; readonly rows: JoinedRows }>()

/** Rows as objects with the fields in this order. Fails internal for a field the collection does not have. */
export function joinedRows(fields: readonly JsonField[], table: RecordTable): JoinedRows {
  if (fields.some(({ files }) => files !== undefined)) return withFiles(fields, table)
  const known = made.get(fields)
  if (known?.table === table) return known.rows
  const object = jsonObject(fields, (field) => valueSql(field, table, quote(field.name)))
  const joined: JoinedRows = {
    selection: `${object} AS doc`,
    around: (rows) => `SELECT ${counted('doc')} FROM (${rows})`,
    values: [],
  }
  made.set(fields, { table, rows: joined })
  return joined
}

/** A page of at most `limit` objects, of what was found for it. Fails internal for a sort field that is not shown. */
export function pageOf(found: readonly FoundRows[], { limit, sort }: Pick<RecordQuery, 'limit' | 'sort'>): RecordPage {
  const full = found.filter(([count]) => count > 0)
  const text = full.length === 1 ? full[0]![1]! : full.map((rows) => rows[1]).join(BETWEEN)
  const bytes = bytesOf(text, sum(full.map((rows) => rows[2]!)) + BETWEEN.length * Math.max(0, full.length - 1))
  if (sum(full.map(([count]) => count)) <= limit) return { json: text, bytes, last: null }
  const end = text.lastIndexOf(BETWEEN)
  const kept = text.slice(0, end)
  const last = JSON.parse(kept.slice(kept.lastIndexOf('\n') + 1)) as Readonly<Record<string, Shown>>
  const values = sort.map(({ field }) => {
    const value = last[field]
    if (value === undefined) throw fail('internal', `a page that is sorted by ${field} does not show it`)
    return [field, storedValue(value)] as const
  })
  return { json: kept, bytes: bytes - Buffer.byteLength(text.slice(end)), last: Object.fromEntries(values) }
}

/** Of `text` in UTF-8, which are `stored` in the database. */
function bytesOf(text: string, stored: number): number {
  // Somebody else may have written bytes that are no UTF-8: each becomes this character, which is longer. A wrong length would let what
  // follows on the connection begin in the middle of this text.
  return text.includes('\ufffd') ? Buffer.byteLength(text) : stored
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** The value of a field that has an order, or the file it names. */
type Shown = StoredValue | boolean | { readonly id: string }

function storedValue(shown: Shown): StoredValue {
  if (typeof shown === 'boolean') return Number(shown)
  return typeof shown === 'object' && shown !== null ? shown.id : shown
}

function withFiles(fields: readonly JsonField[], table: RecordTable): JoinedRows {
  const values: Bound[] = []
  const joins: string[] = []
  const object = jsonObject(fields, (field) => {
    const value = valueSql(field, table, `r.${quote(field.name)}`)
    if (field.files === undefined) return value
    const file = `f${joins.length}`
    joins.push(` LEFT JOIN _alyx_files AS ${file} ON ${file}.id = ${value} AND ${isShown(field.files, file, values)}`)
    return `CASE WHEN ${file}.id IS NULL THEN ${value} ELSE ${fileObject(file)} END`
  })
  return {
    selection: fields.map(({ name }) => quote(name)).join(', '),
    around: (rows) => `SELECT ${counted(object)} FROM (${rows}) AS r${joins.join('')}`,
    values,
  }
}

function jsonObject(fields: readonly JsonField[], valueSqlOf: (field: JsonField) => string): string {
  return `json_object(${fields.map((field) => `'${field.name}', ${valueSqlOf(field)}`).join(', ')})`
}

function counted(object: string): string {
  // The database knows how long its texts are: counting the bytes of one takes as long as sending it.
  const all = `group_concat(${object}, '${BETWEEN}')`
  return `count(*), ${all}, octet_length(${all})`
}

function valueSql({ name, form }: JsonField, table: RecordTable, column: string): string {
  const { type } = requireColumn(table, name)
  if (form === 'document') return `json(${column})`
  if (form === 'boolean') return `CASE ${column} WHEN 1 THEN json('true') WHEN 0 THEN json('false') END`
  if (type !== 'REAL') return column
  // The database writes a double with as many digits as it takes, but a whole one as 5.0, which is not how single records show it.
  return `CASE WHEN ${column} = CAST(${column} AS INTEGER) AND abs(${column}) < 9e15 THEN CAST(${column} AS INTEGER) ELSE ${column} END`
}
