// `filter` and `search` of a list: from their text to a condition on rows.
import { fail } from '../core/errors.ts'
import type { Comparison, Predicate, StoredValue } from '../core/predicate.ts'
import { didYouMean } from '../core/problem.ts'
import { isSearchable } from '../schema/fields.ts'
import { isText, NOT_TEXT } from '../schema/well-formed.ts'
import { shownName } from './faults.ts'
import type { Form, FormField } from './form.ts'

const MOST_FILTERS = 20
const MOST_VALUES = 100
/** Characters; matching takes time in proportion to the pattern and the text. */
const LONGEST_PATTERN = 255

/** Each `field:op:value` as a condition. Fails invalid_query. */
export function parseFilters(form: Form, filters: readonly string[]): readonly Predicate[] {
  if (filters.length > MOST_FILTERS) throw invalidQuery('filter', `holds more than ${MOST_FILTERS} conditions`)
  return filters.map((text) => parseFilter(form, text))
}

/** Records that have the text in any of their searchable fields. Fails invalid_query. */
export function parseSearch(form: Form, text: string): Predicate {
  const searched = form.shown.filter(({ field }) => isSearchable(field))
  if (searched.length === 0) throw invalidQuery('search', `is not offered: ${form.name} has no field of text`)
  if (text === '') throw invalidQuery('search', 'must not be empty')
  if (!isText(text)) throw invalidQuery('search', NOT_TEXT)
  requireShort('search', text)
  return { kind: 'or', of: searched.map(({ name }) => ({ kind: 'compare', field: name, op: 'contains', value: text })) }
}

/** The field that a parameter names, if clients know of it. Fails invalid_query. */
export function namedField(form: Form, name: string, parameter: string): FormField {
  const field = form.visible.get(name)
  if (field !== undefined) return field
  const names = [...form.visible.keys()]
  const hint = didYouMean(name.slice(0, 80), names) || `; there are ${names.join(', ')}`
  throw invalidQuery(parameter, `names "${shownName(name)}", which is not a field of ${form.name}${hint}`)
}

/** The invalid_query of one parameter; `fault` is a phrase for after its name. */
export function invalidQuery(parameter: string, fault: string): Error {
  return fail('invalid_query', `${parameter} ${fault}`, { details: { parameter } })
}

function parseFilter(form: Form, text: string): Predicate {
  const [name, op, value] = split(text)
  if (op === null) throw invalidQuery('filter', `must read field:op:value, got "${shownName(text)}"`)
  const field = namedField(form, name, 'filter')
  if (op === 'is_null' || op === 'not_null') {
    if (value !== null) throw invalidQuery('filter', `"${name}:${op}" takes no value`)
    return { kind: 'compare', field: name, op, value: null }
  }
  const operators: readonly string[] = field.type.operators(field.field)
  if (!operators.includes(op)) {
    const all = [...operators, 'is_null', 'not_null']
    throw invalidQuery('filter', `"${name}" has no operator "${shownName(op)}"; there are ${all.join(', ')}`)
  }
  if (value === null) throw invalidQuery('filter', `"${name}:${op}" needs a value`)
  const comparison = op as Comparison
  return { kind: 'compare', field: name, op: comparison, value: operandOf(field, comparison, value) }
}

function operandOf(field: FormField, op: Comparison, text: string): StoredValue | readonly StoredValue[] {
  if (op === 'like' || op === 'contains') requireShort('filter', text)
  if (op !== 'in') return single(field, text)
  const parts = text.split(',')
  if (text === '' || parts.length > MOST_VALUES)
    throw invalidQuery('filter', `"${field.name}:in" takes 1 to ${MOST_VALUES} values`)
  return parts.map((part) => single(field, part))
}

function single({ name, type, field }: FormField, text: string): StoredValue {
  const checked = type.operand(text, field)
  if (!checked.ok) throw invalidQuery('filter', `"${name}" ${checked.fault}`)
  return checked.value
}

function requireShort(parameter: string, text: string): void {
  if (text.length > LONGEST_PATTERN) throw invalidQuery(parameter, `is longer than ${LONGEST_PATTERN} characters`)
}

/** At the first two colons: the value may hold more of them. */
function split(text: string): readonly [name: string, op: string | null, value: string | null] {
  const first = text.indexOf(':')
  if (first === -1) return [text, null, null]
  const second = text.indexOf(':', first + 1)
  if (second === -1) return [text.slice(0, first), text.slice(first + 1), null]
  return [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)]
}
