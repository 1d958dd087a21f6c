// Field types of text: string, text, richtext, email, url.
import { optional } from '../core/mapping.ts'
import { refine, word } from '../core/shape.ts'
import { text as oneLine } from '../core/values.ts'
import {
  distinct,
  fieldType,
  fits,
  lengthFault,
  lengthKeys,
  limitsFault,
  matching,
  optionsOf,
  TEXT_OPERATORS,
  unfit,
} from './field-entry.ts'
import type { Checked, JsonSchema } from './field-type.ts'
import type { Field } from './model.ts'
import { matchesPattern, patternFault } from './patterns.ts'
import { cleanHtml } from './richtext.ts'
import { FORMS, type TextForm } from './text-forms.ts'
import { isText, NOT_TEXT } from './well-formed.ts'

interface TextOptions {
  readonly minLength: number | null
  readonly maxLength: number | null
  readonly pattern: string | null
  readonly enum?: readonly string[] | null
  readonly format?: keyof typeof FORMS | null
}

/** A primary text stands in addresses, which are not endless. */
const MAX_PRIMARY = 255
const FORMATS = ['email', 'url', 'uuid', 'date', 'timestamp'] as const satisfies readonly (keyof typeof FORMS)[]

function checkText(value: unknown, field: Field): Checked {
  if (!isText(value)) return unfit(typeof value === 'string' ? NOT_TEXT : 'must be text')
  const fault = textFault(value, field)
  return fault === null ? fits(value) : unfit(fault)
}

function textFault(value: string, field: Field): string | null {
  const { minLength, maxLength, pattern, enum: values, format } = optionsOf<TextOptions>(field)
  if (field.primary && /^\.{0,2}$/.test(value)) return 'must not be empty, "." or "..": it stands in addresses'
  const length = lengthFault(
    codePoints(value),
    minLength,
    maxLength ?? (field.primary ? MAX_PRIMARY : null),
    'character',
  )
  if (length !== null) return length
  if (values && !values.includes(value)) return `must be one of ${values.join(', ')}`
  if (format && !FORMS[format].test(value)) return `must be ${FORMS[format].noun}`
  return pattern !== null && !matchesPattern(pattern, value) ? `must match the pattern ${pattern}` : null
}

function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count += 1
  return count
}

function operand(text: string): Checked {
  return isText(text) ? fits(text) : unfit(NOT_TEXT)
}

function jsonText(field: Field, form: TextForm | null): JsonSchema {
  const { minLength, maxLength, pattern, enum: values } = optionsOf<TextOptions>(field)
  return {
    type: 'string',
    ...(minLength === null ? {} : { minLength }),
    ...(maxLength === null ? {} : { maxLength }),
    ...(pattern === null ? {} : { pattern }),
    ...(values ? { enum: values } : {}),
    ...(form === null ? {} : { format: form.json }),
  }
}

const textKeys = { ...lengthKeys, pattern: optional(refine(oneLine, patternFault), null) }
const common = {
  literal: oneLine,
  fault: (o: { readonly min_length: number | null; readonly max_length: number | null }) =>
    limitsFault(o.min_length, o.max_length, ['min_length', 'max_length']),
  column: 'TEXT',
  check: checkText,
  show: (value: unknown) => value,
  operand,
  operators: () => TEXT_OPERATORS,
  searchable: true,
  json: (field: Field) => jsonText(field, null),
  typescript: () => 'string',
} as const

/** A short text. */
export const string = fieldType({
  ...common,
  options: () => ({
    ...textKeys,
    enum: optional(distinct(oneLine), null),
    format: optional(word(FORMATS), null),
  }),
  primary: true,
  comparable: true,
  json: (field) => {
    const { format } = optionsOf<TextOptions>(field)
    return jsonText(field, format ? FORMS[format] : null)
  },
  typescript: (field) => {
    const values = optionsOf<TextOptions>(field).enum
    return values?.map((value) => JSON.stringify(value)).join(' | ') ?? 'string'
  },
})

const long = {
  ...common,
  options: () => textKeys,
  comparable: false,
  operators: () => ['eq', 'ne', 'like', 'in', 'contains'] as const,
} as const

/** A long text. */
export const text = fieldType(long)

/** HTML; what is stored has been cleaned, and is what the limits hold for. */
export const richtext = fieldType({
  ...long,
  check: (value, field) => {
    const cleaned = isText(value) ? cleanHtml(value) : null
    return cleaned?.ok === false ? cleaned : checkText(cleaned?.value ?? value, field)
  },
  json: () => ({ type: 'string', contentMediaType: 'text/html' }),
})

function address(form: TextForm) {
  return fieldType({
    ...common,
    options: () => textKeys,
    literal: matching(form.noun, form.test),
    comparable: true,
    check: (value, field) =>
      isText(value) && !form.test(value) ? unfit(`must be ${form.noun}`) : checkText(value, field),
    json: (field) => jsonText(field, form),
  })
}

/** An email address. */
export const email = address(FORMS.email)
/** An absolute http or https URL, as it was given. */
export const url = address(FORMS.url)
