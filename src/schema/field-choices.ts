// The field type of choices: select, of one word or of several.
import { optional, required } from '../core/mapping.ts'
import type { Shape } from '../core/shape.ts'
import { text, whole } from '../core/values.ts'
import { distinct, fieldType, fits, LIST_OPERATORS, optionsOf, TEXT_OPERATORS, unfit } from './field-entry.ts'
import type { Checked } from './field-type.ts'
import type { Field } from './model.ts'
import { isText, NOT_TEXT } from './well-formed.ts'

interface SelectOptions {
  readonly values: readonly string[]
  readonly maxSelect: number
}

const isList = (field: Field) => optionsOf<SelectOptions>(field).maxSelect > 1

/** One word, or a list of words. */
const choice: Shape<unknown> = {
  below: null,
  read: (node, reading) => (node.kind === 'list' ? distinct(text) : text).read(node, reading),
}

function checkOne(value: unknown, field: Field): Checked {
  const { values } = optionsOf<SelectOptions>(field)
  return typeof value === 'string' && values.includes(value)
    ? fits(value)
    : unfit(`must be one of ${values.join(', ')}`)
}

function checkSeveral(value: unknown, field: Field): Checked {
  const { values, maxSelect } = optionsOf<SelectOptions>(field)
  if (!Array.isArray(value)) return unfit(`must be a list of ${values.join(', ')}`)
  if (value.length > maxSelect) return unfit(`must have at most ${maxSelect} values`)
  if (!value.every((each) => values.includes(each))) return unfit(`must be a list of ${values.join(', ')}`)
  return new Set(value).size < value.length ? unfit('holds a value twice') : fits(JSON.stringify(value))
}

/** One of the values, or with `max_select` above 1 a list of them, in the order given. */
export const select = fieldType({
  options: () => ({ values: required(distinct(text)), max_select: optional(whole(1), 1) }),
  literal: choice,
  comparable: true,
  fault: (o) =>
    o.max_select > o.values.length ? `max_select is above the number of values (${o.values.length})` : null,
  column: 'TEXT',
  isList,
  check: (value, field) => (isList(field) ? checkSeveral : checkOne)(value, field),
  show: (value, field) => (isList(field) ? JSON.parse(value as string) : value),
  operand: (text) => (isText(text) ? fits(text) : unfit(NOT_TEXT)),
  operators: (field) => (isList(field) ? LIST_OPERATORS : TEXT_OPERATORS),
  searchable: true,
  json: (field) => {
    const { values, maxSelect } = optionsOf<SelectOptions>(field)
    const one = { type: 'string', enum: values }
    return isList(field) ? { type: 'array', items: one, uniqueItems: true, maxItems: maxSelect } : one
  },
  typescript: (field) => {
    const words = optionsOf<SelectOptions>(field).values.map((value) => JSON.stringify(value))
    return isList(field) ? `(${words.join(' | ')})[]` : words.join(' | ')
  },
})
