// Comparisons of a field with a value that is known before any row is read, as conditions that mean what the rule means, nulls included.
import { type Comparison, every, NEVER, type Predicate, type StoredValue, some } from '../core/predicate.ts'
import { hasNull } from './null-rule.ts'
import type { FieldKind } from './rule-context.ts'
import { FALSE, FAULT, not, OPAQUE, type Truth } from './truth.ts'

export interface PushedField {
  readonly name: string
  readonly kind: FieldKind
}

/** What a field is compared with. */
export interface Operand {
  readonly value: unknown
  /** It comes from `auth`, so the null rule holds. */
  readonly auth: boolean
}

/** A value as the column holds it, one that no value of the field equals, or one that is not left to the database. */
type Stored =
  | { readonly is: 'stored'; readonly value: StoredValue }
  | { readonly is: 'different' }
  | { readonly is: 'unsaid' }

const OPPOSITE = { lt: 'gte', lte: 'gt', gt: 'lte', gte: 'lt' } as const satisfies Partial<
  Record<Comparison, Comparison>
>
const DIFFERENT: Stored = { is: 'different' }
const UNSAID: Stored = { is: 'unsaid' }
/** Longer lists are compared row by row: a statement has only so many parameters. */
const MOST_VALUES = 500

/** `doc.flag` by itself: an error where it is null. */
export function flag(field: PushedField): Truth {
  return field.kind === 'bool' ? { yes: compare(field, 'eq', 1), no: compare(field, 'eq', 0) } : OPAQUE
}

/** `field == value` */
export function equal(field: PushedField, { value, auth }: Operand): Truth {
  if (auth && hasNull(value)) return FALSE
  if (value === null) return { yes: isNull(field), no: notNull(field) }
  const stored = storedOf(field.kind, value)
  if (stored.is === 'unsaid') return OPAQUE
  if (stored.is === 'different') return FALSE
  return { yes: compare(field, 'eq', stored.value), no: compare(field, 'ne', stored.value) }
}

/** `field != value`: between `auth` and a record false where either is null. */
export function different(field: PushedField, { value, auth }: Operand): Truth {
  if (!auth) return not(equal(field, { value, auth }))
  if (hasNull(value)) return FALSE
  const { yes, no } = equal(field, { value, auth })
  return yes === null || no === null ? OPAQUE : { yes: every(notNull(field), no), no: some(isNull(field), yes) }
}

/** `field < value` and the like. Only numbers: texts have another order in the database. An error where the field is null. */
export function ordered(field: PushedField, op: keyof typeof OPPOSITE, { value }: Operand): Truth {
  if (field.kind !== 'number' || (typeof value === 'object' && value !== null)) return OPAQUE
  const stored = storedOf(field.kind, value)
  if (stored.is === 'unsaid') return OPAQUE
  if (stored.is === 'different') return FAULT
  return { yes: compare(field, op, stored.value), no: compare(field, OPPOSITE[op], stored.value) }
}

/** `field in value` */
export function isIn(field: PushedField, { value, auth }: Operand): Truth {
  if (auth && value === null) return FALSE
  if (!Array.isArray(value) || value.length > MOST_VALUES) return OPAQUE
  if (!auth && value.some(hasNull)) return OPAQUE
  const found = value.filter((each) => each !== null).map((each) => storedOf(field.kind, each))
  if (found.some((each) => each.is === 'unsaid')) return OPAQUE
  const values = found.flatMap((each) => (each.is === 'stored' ? [each.value] : []))
  if (values.length === 0) return FALSE
  const yes = compare(field, 'in', values)
  return { yes, no: some(isNull(field), { kind: 'not', of: yes }) }
}

/** `value in field`, of a list of texts: an error where the list is null, but false if the value is of `auth`. */
export function contains(field: PushedField, { value, auth }: Operand): Truth {
  if (field.kind !== 'list') return OPAQUE
  if (auth && hasNull(value)) return FALSE
  if (typeof value !== 'string') return auth ? FALSE : { yes: NEVER, no: notNull(field) }
  if (!isPlain(value)) return OPAQUE
  const yes = every(notNull(field), compare(field, 'contains', value))
  const lacks: Predicate = { kind: 'not', of: compare(field, 'contains', value) }
  return { yes, no: auth ? some(isNull(field), lacks) : every(notNull(field), lacks) }
}

function storedOf(kind: FieldKind, value: unknown): Stored {
  if (kind === 'text') return typeof value === 'string' ? textOf(value) : DIFFERENT
  if (kind === 'bool') return typeof value === 'boolean' ? { is: 'stored', value: value ? 1 : 0 } : DIFFERENT
  if (kind !== 'number') return UNSAID
  if (typeof value === 'number') return Number.isFinite(value) ? { is: 'stored', value } : UNSAID
  if (typeof value === 'bigint')
    return Number.isSafeInteger(Number(value)) ? { is: 'stored', value: Number(value) } : UNSAID
  // An unsigned integer is an object and equals numbers.
  return typeof value === 'object' && value !== null ? UNSAID : DIFFERENT
}

function textOf(value: string): Stored {
  return isPlain(value) ? { is: 'stored', value } : UNSAID
}

/** Other texts may not arrive in the database as they are. */
function isPlain(value: string): boolean {
  return value.isWellFormed() && !value.includes('\0')
}

function compare({ name }: PushedField, op: Comparison, value: StoredValue | readonly StoredValue[]): Predicate {
  return { kind: 'compare', field: name, op, value }
}

function isNull(field: PushedField): Predicate {
  return compare(field, 'is_null', null)
}

function notNull(field: PushedField): Predicate {
  return compare(field, 'not_null', null)
}
