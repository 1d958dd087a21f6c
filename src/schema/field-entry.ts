// The parts that the entries of field types are made of: options, answers of a check, groups of operators.
import { type Keys, optional } from '../core/mapping.ts'
import type { Comparison, StoredValue } from '../core/predicate.ts'
import { list, refine, type Shape, scalar } from '../core/shape.ts'
import { whole } from '../core/values.ts'
import type { Checked, FieldType } from './field-type.ts'
import type { Field } from './model.ts'

/** Operators of texts that have an order. */
export const TEXT_OPERATORS: readonly Comparison[] = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'like', 'in', 'contains']
/** Operators of numbers, times and ids. */
export const ORDER_OPERATORS: readonly Comparison[] = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in']
/** Operators of what is only ever the same or another. */
export const IDENTITY_OPERATORS: readonly Comparison[] = ['eq', 'ne', 'in']
/** Operators of lists. */
export const LIST_OPERATORS: readonly Comparison[] = ['contains']

/** Checks an entry against its own options; the map of all then forgets which they are. */
export function fieldType<K extends Keys>(entry: FieldType<K>): FieldType {
  return entry as FieldType
}

/** The answer to a value that fits, as it is stored. */
export function fits(value: StoredValue): Checked {
  return { ok: true, value }
}

/** The answer to a value that does not; a phrase for after the field's name. */
export function unfit(fault: string): Checked {
  return { ok: false, fault }
}

/** The options of a field as its type's entry reads them: names in camel case. */
export function optionsOf<T>(field: Pick<Field, 'options'>): T {
  return field.options as T
}

/** The keys `min_length` and `max_length`. */
export const lengthKeys = { min_length: optional(whole(0), null), max_length: optional(whole(1), null) }

/** What is wrong with two limits that are each right, or null. */
export function limitsFault(low: number | null, high: number | null, names: readonly [string, string]): string | null {
  return (low ?? -Infinity) > (high ?? Infinity) ? `${names[0]} is above ${names[1]}` : null
}

/** What is wrong with a length, or null. */
export function lengthFault(length: number, min: number | null, max: number | null, unit: string): string | null {
  const count = (of: number): string => `${of.toLocaleString('en')} ${unit}${of === 1 ? '' : 's'}`
  if (min !== null && length < min) return `must be at least ${count(min)}`
  return max !== null && length > max ? `must be at most ${count(max)}` : null
}

/** Text of one form. */
export function matching(expected: string, fits: (text: string) => boolean): Shape<string> {
  return scalar(expected, '', (node) => (typeof node.value === 'string' && fits(node.text) ? node.text : undefined))
}

/** A list of values, at least one and none twice. */
export function distinct<T>(item: Shape<T>): Shape<readonly T[]> {
  return refine(list(item), (values) =>
    values.length === 0 ? 'must not be empty' : new Set(values).size < values.length ? 'holds a value twice' : null,
  )
}
