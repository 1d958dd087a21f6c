// How a query lies on the indexes of its collection: whether one of them gives its rows in order, and nothing but them.
import { fail } from '../../core/errors.ts'
import type { Predicate, StoredValue } from '../../core/predicate.ts'
import type { RecordQuery, SortKey } from '../records.ts'
import type { Compare } from './predicate-sql.ts'
import { fits, type RecordTable, requireColumn } from './record-table.ts'

/** The parts of the top-level AND, by what an index can do with them. */
export interface Terms {
  /** Fields that equal one value. */
  readonly fixed: ReadonlyMap<string, StoredValue>
  readonly ranges: readonly Compare[]
  /** Of what is neither. */
  readonly others: number
  readonly all: readonly Predicate[]
}

/** `whole`: an index holds exactly the rows of the query, in its order. `sorted`: in its order, perhaps with others between them. */
export interface Walk {
  readonly sorted: boolean
  readonly whole: boolean
}

/** So many rows may be skipped on the event loop. */
const LONGEST_SKIP = 1000

/** Everything about a query but the place where its page starts. */
export interface Order {
  readonly terms: Terms
  /** The sort keys that still decide. */
  readonly keys: readonly SortKey[]
  /** What the best of the indexes does for it. */
  readonly walk: Walk
}

const orders = new WeakMap<Predicate, Order & Pick<RecordQuery, 'sort'> & { readonly table: RecordTable }>()

/** The same object for the same condition and sort, the objects: callers keep those of queries that come again and again. Fails internal when
 *  the order is not total and for a field that the collection does not have. */
export function orderOf({ where, sort }: Pick<RecordQuery, 'where' | 'sort'>, table: RecordTable): Order {
  const known = orders.get(where)
  if (known?.table === table && known.sort === sort) return known
  const terms = termsOf(where, table)
  const keys = sortOf(sort, table, terms)
  const order = { terms, keys, walk: walkOf(terms, keys, table), sort, table }
  orders.set(where, order)
  return order
}

/** Whether the page costs about as much as its rows, however many the collection has. */
export function isIndexed(query: RecordQuery, table: RecordTable): boolean {
  return query.offset <= LONGEST_SKIP && orderOf(query, table).walk.whole
}

/** Takes the condition apart. */
function termsOf(where: Predicate, table: RecordTable): Terms {
  const all = flattened(where)
  const fixed = new Map<string, StoredValue>()
  const ranges: Compare[] = []
  let others = 0
  for (const part of all) {
    const value = part.kind === 'compare' ? equalTo(part, table) : undefined
    if (part.kind === 'compare' && value !== undefined && !fixed.has(part.field)) fixed.set(part.field, value)
    else if (part.kind === 'compare' && isRange(part, table)) ranges.push(part)
    else others++
  }
  return { fixed, ranges, others, all }
}

/** Each field once, without those that the condition fixes. */
function sortOf(sort: RecordQuery['sort'], table: RecordTable, terms: Terms): readonly SortKey[] {
  for (const { field } of sort) requireColumn(table, field)
  if (sort.at(-1)?.field !== table.spec.primary) throw fail('internal', 'the order of records is not total')
  const seen = new Set<string>(terms.fixed.keys())
  return sort.filter(({ field }) => !seen.has(field) && seen.add(field))
}

/** What the best of the indexes does for the query. */
function walkOf({ fixed, ranges, others }: Terms, keys: readonly SortKey[], table: RecordTable): Walk {
  if (isOneRow(fixed, table)) return { sorted: true, whole: true }
  if (keys.some(({ descending }) => descending !== keys[0]?.descending)) return { sorted: false, whole: false }
  let sorted = false
  for (const { columns, total } of pathsOf(table)) {
    let used = 0
    while (used < columns.length && fixed.has(columns[used]!)) used++
    const rest = columns.slice(used)
    const free = rest.filter((column) => !fixed.has(column))
    if (!keys.every(({ field }, at) => free[at] === field)) continue
    sorted = true
    const whole = total && used === fixed.size && others === 0 && ranges.every(({ field }) => field === rest[0])
    if (whole) return { sorted, whole }
  }
  return { sorted, whole: false }
}

interface Path {
  readonly columns: readonly string[]
  /** False where rows without a value stand in no order. */
  readonly total: boolean
}

function pathsOf({ spec, primary }: RecordTable): readonly Path[] {
  const indexes = spec.indexes.map(({ columns, unique }): Path => {
    const ends = columns.includes(spec.primary)
    // Every entry ends with the row's number, which an INTEGER primary column is.
    return {
      columns: ends ? columns : [...columns, spec.primary],
      total: ends || !unique || primary.type === 'INTEGER',
    }
  })
  return [{ columns: [spec.primary], total: true }, ...indexes]
}

function isOneRow(fixed: Terms['fixed'], { spec }: RecordTable): boolean {
  const isGiven = (field: string): boolean => (fixed.get(field) ?? null) !== null
  return fixed.has(spec.primary) || spec.indexes.some(({ columns, unique }) => unique && columns.every(isGiven))
}

function flattened(where: Predicate): readonly Predicate[] {
  if (where.kind === 'and') return where.of.flatMap(flattened)
  return where.kind === 'constant' && where.value ? [] : [where]
}

/** What the field must equal; undefined when the comparison is another, or nothing equals its value. */
function equalTo({ field, op, value }: Compare, table: RecordTable): StoredValue | undefined {
  if (op === 'is_null') return null
  if (op !== 'eq') return undefined
  const one = value as StoredValue
  const column = requireColumn(table, field)
  return one === null || (column.type !== 'BLOB' && fits(column, one)) ? one : undefined
}

function isRange({ field, op, value }: Compare, table: RecordTable): boolean {
  return /^[gl]te?$/.test(op) && value !== null && fits(requireColumn(table, field), value as StoredValue)
}
