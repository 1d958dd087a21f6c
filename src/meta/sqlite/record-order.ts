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

/** Whether the page costs about as much as its rows, however many the collection has. */
export function isIndexed(query: RecordQuery, table: RecordTable): boolean {
  const terms = termsOf(query.where, table)
  return query.offset <= LONGEST_SKIP && walkOf(terms, sortOf(query, table, terms), table).whole
}

/** Takes the condition apart. */
export function termsOf(where: Predicate, table: RecordTable): Terms {
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

/** The sort keys that still decide: each field once, without those that the condition fixes. Fails internal when the order is not total. */
export function sortOf(query: RecordQuery, table: RecordTable, terms: Terms): readonly SortKey[] {
  for (const { field } of query.sort) requireColumn(table, field)
  if (query.sort.at(-1)?.field !== table.spec.primary) throw fail('internal', 'the order of records is not total')
  const seen = new Set<string>(terms.fixed.keys())
  return query.sort.filter(({ field }) => !seen.has(field) && seen.add(field))
}

/** What the best of the indexes does for the query. */
export function walkOf({ fixed, ranges, others }: Terms, keys: readonly SortKey[], table: RecordTable): Walk {
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
