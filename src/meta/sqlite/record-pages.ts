// Pages of records: the statements of one page, each walking an index from where the last page ended, if there is one to walk.
import { fail } from '../../core/errors.ts'
import type { StoredValue } from '../../core/predicate.ts'
import type { RecordQuery, SortKey } from '../records.ts'
import { type Compare, EQUAL_VALUE, joined, predicateSql } from './predicate-sql.ts'
import { type Order, orderOf, type Terms } from './record-order.ts'
import { type Bound, bound, fits, type RecordTable, requireColumn } from './record-table.ts'
import { quote } from './table-sql.ts'

export interface PageStatement {
  /** Without limit and offset. */
  readonly sql: string
  readonly values: readonly Bound[]
}

/** A sort key with the value of the last row seen. */
interface Mark extends SortKey {
  readonly value: StoredValue
}

/** Writes a condition and pushes its values. */
type Term = (values: Bound[]) => string

/** The rows of the page are those of the first statement, then of the second, and so on until there are enough. With an offset there is one
 *  statement; with a position after which nothing can come there is none. `selection` is what of each row. Fails internal for what the collection does not have. */
export function pageStatements(
  query: RecordQuery,
  table: RecordTable,
  selection: string = table.selection,
): readonly PageStatement[] {
  const order = orderOf(query, table)
  if (query.after !== null) {
    const marks = marksOf(query, query.after, order.keys, table)
    return statementsOf(order, marks, behind(marks, order, query, table), table, selection)
  }
  const known = firsts.get(order)
  if (known?.selection === selection) return known.statements
  const statements = statementsOf(order, null, [null], table, selection)
  firsts.set(order, { selection, statements })
  return statements
}

/** The statements of first pages. */
const firsts = new WeakMap<Order, { readonly selection: string; readonly statements: readonly PageStatement[] }>()

function statementsOf(
  { terms, keys }: Order,
  marks: readonly Mark[] | null,
  segments: readonly (Term | null)[],
  table: RecordTable,
  selection: string,
): readonly PageStatement[] {
  const order = keys.map(({ field, descending }) => `${quote(field)}${descending ? ' DESC' : ''}`).join(', ')
  return segments.map((segment) => {
    const values: Bound[] = []
    const conditions = terms.all.map((part) => {
      const sql = predicateSql(part, table, values)
      // The position says more than the range: without the sign the index might begin at the range.
      return marks !== null && part.kind === 'compare' && isAlong(part, marks[0]) ? `+${sql}` : sql
    })
    if (segment !== null) conditions.push(segment(values))
    const where = conditions.length === 0 ? '' : ` WHERE ${joined(conditions, 'AND')}`
    const sorted = order === '' ? '' : ` ORDER BY ${order}`
    return { sql: `SELECT ${selection} FROM ${table.sql}${where}${sorted}`, values }
  })
}

/** The statement with its last placeholder, which is for the offset. The limit is part of the text, so that the plan is made for it once. */
export function limitedSql({ sql }: PageStatement, limit: number): string {
  return `${sql} LIMIT ${limit} OFFSET ?`
}

/** The statement that counts what the condition holds for. */
export function countStatement({ where }: Pick<RecordQuery, 'where'>, table: RecordTable): PageStatement {
  const values: Bound[] = []
  return { sql: `SELECT count(*) FROM ${table.sql} WHERE ${predicateSql(where, table, values)}`, values }
}

function marksOf(
  query: RecordQuery,
  after: readonly StoredValue[],
  keys: readonly SortKey[],
  table: RecordTable,
): readonly Mark[] {
  if (after.length !== query.sort.length) throw fail('internal', 'a position has one value for each sort field')
  return keys.map((key) => {
    const value = after[query.sort.indexOf(key)]!
    if (value !== null && !fits(requireColumn(table, key.field), value))
      throw fail('internal', `a position of ${table.name} has another type than ${key.field}`)
    return { ...key, value }
  })
}

/** Conditions on the rows behind the marks, in the order of the rows. */
function behind(
  marks: readonly Mark[],
  { terms, walk }: Order,
  query: RecordQuery,
  table: RecordTable,
): readonly Term[] {
  const { descending } = marks[0] ?? { descending: false }
  const isPlain = marks.every((mark) => mark.descending === descending && mark.value !== null)
  // Descending, a row without a value is behind every other, and a row value does not say so.
  if (marks.length > 0 && isPlain && (!descending || marks.length === 1))
    return [
      (values) => {
        values.push(...marks.map(({ field, value }) => bound(requireColumn(table, field), value)))
        const names = marks.map(({ field }) => quote(field))
        return `(${names.join(', ')}) ${descending ? '<' : '>'} (${names.map(() => '?').join(', ')})`
      },
    ]
  const segments = marks.flatMap((_, at) => behindAt(marks, at, terms, table)).reverse()
  if (query.offset === 0 && walk.sorted) return segments
  if (segments.length === 0) return []
  return [
    (values) => {
      const first = frontier(marks[0]!, table, values)
      return joined(
        [
          ...first,
          joined(
            segments.map((segment) => segment(values)),
            'OR',
          ),
        ],
        'AND',
      )
    },
  ]
}

/** Rows equal to the marks before `at` and behind the one at it; those behind all others first, because the caller turns the list round. */
function behindAt(marks: readonly Mark[], at: number, terms: Terms, table: RecordTable): readonly Term[] {
  const { field, descending, value } = marks[at]!
  const name = quote(field)
  const column = requireColumn(table, field)
  const within =
    (last: Term): Term =>
    (values) =>
      joined([...marks.slice(0, at).map((mark) => equal(mark, table, values)), last(values)], 'AND')
  const beyond = within((values) => {
    if (value !== null) values.push(bound(column, value))
    // All that is not null, in a form that an index can begin at.
    if (value === null) return `${name} >= ${column.type === 'TEXT' ? "''" : column.type === 'BLOB' ? "x''" : '-9e999'}`
    return `${name} ${descending ? '<' : '>'} ?`
  })
  if (!descending) return [beyond]
  if (value === null) return []
  const hasNulls = field !== table.spec.primary && !terms.ranges.some((range) => range.field === field)
  return hasNulls ? [within(() => `${name} IS NULL`), beyond] : [beyond]
}

/** What holds for every row behind the first mark: a place for an index to begin. */
function frontier({ field, descending, value }: Mark, table: RecordTable, values: Bound[]): readonly string[] {
  const name = quote(field)
  if (value === null) return descending ? [`${name} IS NULL`] : []
  values.push(bound(requireColumn(table, field), value))
  return [descending ? `(${name} <= ? OR ${name} IS NULL)` : `${name} >= ?`]
}

function equal({ field, value }: Mark, table: RecordTable, values: Bound[]): string {
  if (value === null) return `${quote(field)} IS NULL`
  values.push(bound(requireColumn(table, field), value))
  return `${quote(field)} IS ${EQUAL_VALUE}`
}

/** Whether the range begins, in the direction of the walk, where the mark makes it begin later. */
function isAlong({ field, op }: Compare, mark: Mark | undefined): boolean {
  return field === mark?.field && (mark.descending ? op === 'lt' || op === 'lte' : op === 'gt' || op === 'gte')
}
