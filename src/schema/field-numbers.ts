// Field types of numbers, and bool, which is one to the database.
import { optional } from '../core/mapping.ts'
import type { Shape } from '../core/shape.ts'
import { flag, number, whole } from '../core/values.ts'
import { distinct, fieldType, fits, limitsFault, ORDER_OPERATORS, optionsOf, unfit } from './field-entry.ts'
import type { Checked } from './field-type.ts'
import type { Field } from './model.ts'

interface NumberOptions {
  readonly min: number | null
  readonly max: number | null
  readonly enum?: readonly number[] | null
}

const integer = whole(Number.MIN_SAFE_INTEGER)
const ranges = (bound: Shape<number>) => ({ min: optional(bound, null), max: optional(bound, null) })
const rangeFault = (o: { readonly min: number | null; readonly max: number | null }) =>
  limitsFault(o.min, o.max, ['min', 'max'])

function checkNumber(value: number, field: Field): Checked {
  const { min, max, enum: values = null } = optionsOf<NumberOptions>(field)
  if (min !== null && value < min) return unfit(`must be at least ${min}`)
  if (max !== null && value > max) return unfit(`must be at most ${max}`)
  if (values !== null && !values.includes(value)) return unfit(`must be one of ${values.join(', ')}`)
  return fits(positiveZero(value))
}

/** 0 and -0 are one number to the database, but two texts in some languages. */
function positiveZero(value: number): number {
  return value === 0 ? 0 : value
}

function jsonNumber(type: string, field: Field): Readonly<Record<string, unknown>> {
  const { min, max, enum: values = null } = optionsOf<NumberOptions>(field)
  return {
    type,
    ...(min === null ? {} : { minimum: min }),
    ...(max === null ? {} : { maximum: max }),
    ...(values === null ? {} : { enum: values }),
  }
}

const common = { comparable: true, operators: () => ORDER_OPERATORS, show: (value: unknown) => value } as const
const WHOLE = 'must be a whole number between -(2^53 - 1) and 2^53 - 1'

/** Whole numbers that a double holds exactly. */
export const int = fieldType({
  ...common,
  options: () => ({ ...ranges(integer), enum: optional(distinct(integer), null) }),
  literal: integer,
  primary: true,
  fault: rangeFault,
  column: 'INTEGER',
  check: (value, field) => (Number.isSafeInteger(value) ? checkNumber(value as number, field) : unfit(WHOLE)),
  rule: (value) => BigInt(value as number),
  operand: (text) =>
    /^-?(0|[1-9]\d{0,15})$/.test(text) && Number.isSafeInteger(Number(text))
      ? fits(positiveZero(Number(text)))
      : unfit(WHOLE),
  json: (field) => jsonNumber('integer', field),
  typescript: (field) => optionsOf<NumberOptions>(field).enum?.join(' | ') ?? 'number',
})

/** Finite numbers. */
export const float = fieldType({
  ...common,
  options: () => ranges(number),
  literal: number,
  fault: rangeFault,
  column: 'REAL',
  check: (value, field) => (Number.isFinite(value) ? checkNumber(value as number, field) : unfit('must be a number')),
  operand: (text) =>
    /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d{1,3})?$/i.test(text) && Number.isFinite(Number(text))
      ? fits(positiveZero(Number(text)))
      : unfit('must be a number'),
  json: (field) => jsonNumber('number', field),
  typescript: () => 'number',
})

/** true or false, stored as 1 or 0. */
export const bool = fieldType({
  options: () => ({}),
  literal: flag,
  comparable: true,
  column: 'INTEGER',
  check: (value) => (typeof value === 'boolean' ? fits(Number(value)) : unfit('must be true or false')),
  shownAs: 'boolean',
  show: (value) => value === 1,
  operand: (text) =>
    text === 'true' || text === 'false' ? fits(text === 'true' ? 1 : 0) : unfit('must be true or false'),
  operators: () => ['eq', 'ne'],
  json: () => ({ type: 'boolean' }),
  typescript: () => 'boolean',
})
