// Conditions as SQL: three-valued as core/predicate.ts says, values bound, identifiers of the collection only.
import { fail } from '../../core/errors.ts'
import type { Predicate, StoredValue } from '../../core/predicate.ts'
import type { ColumnSpec } from '../../schema/tables.ts'
import { type Bound, bound, fits, type RecordTable, requireColumn } from './record-table.ts'
import { quote } from './table-sql.ts'

/** One comparison of a predicate. */
export type Compare = Extract<Predicate, { kind: 'compare' }>

const ORDERINGS: Readonly<Record<string, string>> = { gt: '>', gte: '>=', lt: '<', lte: '<=' }
/** A value that something equals. With a bare `?` SQLite would look at it and plan the statement anew at every run, for the price of ten rows. */
export const EQUAL_VALUE = '+?'
/** SQLITE_MAX_LIKE_PATTERN_LENGTH, in bytes. */
const LONGEST_PATTERN = 50_000
/** So many values of an `in` are bound one by one; more travel as one JSON text, so that few shapes of statements arise. */
const FEW = 10
/** SQLite reads decimal numbers of JSON text less exactly than it takes bound ones. */
const FEW_REALS = 10_000

/** An expression in parentheses where it needs them; its values are pushed in the order of its placeholders. Fails internal for a field
 *  that the collection does not have and for a comparison of bytes. */
export function predicateSql(predicate: Predicate, table: RecordTable, values: Bound[]): string {
  switch (predicate.kind) {
    case 'constant':
      return predicate.value ? '1' : '0'
    case 'not':
      return `NOT (${predicateSql(predicate.of, table, values)})`
    case 'compare':
      return compareSql(predicate, table, values)
    default: {
      const parts = predicate.of.map((part) => predicateSql(part, table, values))
      return joined(parts, predicate.kind === 'and' ? 'AND' : 'OR')
    }
  }
}

/** `parts` under one operator, as a tree of little depth: SQLite bounds that. Of nothing it is what changes nothing. */
export function joined(parts: readonly string[], operator: 'AND' | 'OR'): string {
  if (parts.length === 0) return operator === 'AND' ? '1' : '0'
  if (parts.length === 1) return parts[0]!
  const half = parts.length >> 1
  return `(${joined(parts.slice(0, half), operator)} ${operator} ${joined(parts.slice(half), operator)})`
}

function compareSql({ field, op, value }: Compare, table: RecordTable, values: Bound[]): string {
  const column = requireColumn(table, field)
  const name = quote(field)
  if (op === 'is_null' || (op === 'eq' && value === null)) return `${name} IS NULL`
  if (op === 'not_null' || (op === 'ne' && value === null)) return `${name} IS NOT NULL`
  if (column.type === 'BLOB') throw fail('internal', `the bytes of ${table.name}.${field} are not compared`)
  if (op === 'in') return inSql(name, column, Array.isArray(value) ? value : [value], values)
  if (isList(value)) throw fail('internal', `${op} of ${table.name}.${field} takes one value`)
  if (op === 'contains' && column.list) {
    values.push(value)
    // A CASE, because json_each fails on what is no JSON: unknown then, as for null.
    return `CASE WHEN json_valid(${name}) THEN EXISTS (SELECT 1 FROM json_each(${name}) WHERE value IS ?) END`
  }
  // SQLite would convert: 5 would equal '5'.
  if (value === null || !fits(column, value)) return op === 'eq' ? '0' : op === 'ne' ? '1' : 'NULL'
  if (op === 'contains' || op === 'like') return textSql(name, op, value, values)
  values.push(value)
  if (op === 'eq') return `${name} IS ${EQUAL_VALUE}`
  return op === 'ne' ? `${name} IS NOT ?` : `${name} ${ORDERINGS[op]} ?`
}

function isList(value: StoredValue | readonly StoredValue[]): value is readonly StoredValue[] {
  return Array.isArray(value)
}

function inSql(name: string, column: ColumnSpec, list: readonly StoredValue[], values: Bound[]): string {
  const found = list.filter((value) => fits(column, value))
  if (found.length === 0) return '0'
  if (found.length > (column.type === 'REAL' ? FEW_REALS : FEW)) {
    values.push(JSON.stringify(found))
    return `(${name} IS NOT NULL AND ${name} IN (SELECT value FROM json_each(?)))`
  }
  values.push(...found.map((value) => bound(column, value)))
  return `(${name} IS NOT NULL AND ${name} IN (${found.map(() => EQUAL_VALUE).join(', ')}))`
}

function textSql(name: string, op: 'contains' | 'like', value: StoredValue, values: Bound[]): string {
  if (typeof value !== 'string') return 'NULL'
  const pattern = op === 'like' ? value : `%${value.replace(/[\\%_]/g, '\\$&')}%`
  if (!pattern.includes('\0') && Buffer.byteLength(pattern) <= LONGEST_PATTERN) {
    values.push(pattern)
    return `${name} LIKE ${EQUAL_VALUE}${op === 'like' ? '' : " ESCAPE '\\'"}`
  }
  if (op === 'like') return 'NULL'
  // Slower, but without a limit.
  values.push(value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()))
  return `instr(lower(${name}), ?) > 0`
}
