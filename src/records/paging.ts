// The order of a list and the place in it: `sort`, `cursor` and `offset`.
import type { StoredValue } from '../core/predicate.ts'
import type { RecordValues, SortKey } from '../meta/records.ts'
import { isComparable } from '../schema/fields.ts'
import { invalidQuery, namedField } from './filters.ts'
import type { Form } from './form.ts'
import type { RecordListInput } from './model.ts'

const MOST_KEYS = 5
const FARTHEST = 1_000_000
/** Characters. The head of a request takes 16 KiB, and other parameters stand in it, too. */
const LONGEST_CURSOR = 2048

/** Where a page starts. */
export interface Place {
  readonly offset: number
  readonly after: readonly StoredValue[] | null
  /** Where the values of the place are too long to carry: the record that has them, by its primary value. */
  readonly behind?: StoredValue
}

/** `a,-b` as a total order: it ends with the primary field. Null is by the primary field. Fails invalid_query. */
export function parseSort(form: Form, text: string | null): readonly SortKey[] {
  const parts = text === null ? [] : text.split(',')
  if (parts.length > MOST_KEYS) throw invalidQuery('sort', `names more than ${MOST_KEYS} fields`)
  const keys: SortKey[] = []
  for (const part of parts) {
    const descending = part.startsWith('-')
    const { name, field } = namedField(form, descending ? part.slice(1) : part, 'sort')
    if (!isComparable(field)) throw invalidQuery('sort', `names "${name}", which has no order`)
    if (keys.some((key) => key.field === name)) throw invalidQuery('sort', `names "${name}" twice`)
    keys.push({ field: name, descending })
  }
  const primary = form.primary.name
  const at = keys.findIndex(({ field }) => field === primary)
  // Nothing that follows a value which no two records share can change the order.
  if (at !== -1) return keys.slice(0, at + 1)
  // In the direction of the key before it, so that an index can be read from either end.
  return [...keys, { field: primary, descending: keys.at(-1)?.descending ?? false }]
}

/** Where the page starts. Fails invalid_query. */
export function parsePlace(
  form: Form,
  sort: readonly SortKey[],
  { offset, cursor }: Pick<RecordListInput, 'offset' | 'cursor'>,
): Place {
  if (cursor === null) {
    if (offset !== null && offset > FARTHEST)
      throw invalidQuery('offset', `is beyond ${FARTHEST}: follow next_cursor instead`)
    return { offset: offset ?? 0, after: null }
  }
  if (offset !== null) throw invalidQuery('cursor', 'cannot be given together with offset')
  return { offset: 0, ...readCursor(form, sort, cursor) }
}

/** The place behind a row, as clients carry it. */
export function writeCursor(sort: readonly SortKey[], values: RecordValues): string {
  const order = orderOf(sort)
  const place = placeOf(sort, values)
  const cursor = encoded([order, place])
  return cursor.length > LONGEST_CURSOR ? encoded([order, place.at(-1)]) : cursor
}

/** The place behind a row, as the database wants it. */
export function placeOf(sort: readonly SortKey[], values: RecordValues): readonly StoredValue[] {
  return sort.map(({ field }) => values[field] ?? null)
}

function readCursor(form: Form, sort: readonly SortKey[], cursor: string): Pick<Place, 'after' | 'behind'> {
  const bad = invalidQuery('cursor', 'is not one that this list gave out')
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    throw bad
  }
  if (!Array.isArray(parsed) || parsed.length !== 2) throw bad
  const [order, values] = parsed as [unknown, unknown]
  if (order !== orderOf(sort)) throw bad
  if (!Array.isArray(values)) {
    if (!fits(form, form.primary.name, values)) throw bad
    return { after: null, behind: values as StoredValue }
  }
  if (values.length !== sort.length) throw bad
  const fit = sort.every(({ field }, i) => fits(form, field, values[i]))
  if (!fit) throw bad
  return { after: values as StoredValue[] }
}

function encoded(parts: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

function fits(form: Form, name: string, value: unknown): boolean {
  if (value === null) return name !== form.primary.name
  return form.visible.get(name)!.column === 'TEXT' ? typeof value === 'string' : Number.isFinite(value)
}

function orderOf(sort: readonly SortKey[]): string {
  return sort.map(({ field, descending }) => (descending ? `-${field}` : field)).join()
}
