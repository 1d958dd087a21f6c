// Field types of time: timestamp and date.
import { optional } from '../core/mapping.ts'
import { word } from '../core/shape.ts'
import { fieldType, fits, matching, ORDER_OPERATORS, unfit } from './field-entry.ts'
import type { Checked } from './field-type.ts'
import { FORMS } from './text-forms.ts'
import { isDate, toUtc } from './times.ts'

const common = {
  options: () => ({ on_update: optional(word(['now']), null) }),
  comparable: true,
  column: 'TEXT',
  show: (value: unknown) => value,
  operators: () => ORDER_OPERATORS,
  typescript: () => 'string',
} as const

function checkTime(value: unknown): Checked {
  const utc = typeof value === 'string' ? toUtc(value) : null
  return utc === null ? unfit(`must be ${FORMS.timestamp.noun}`) : fits(utc)
}

/** A moment, stored in UTC with milliseconds. */
export const timestamp = fieldType({
  ...common,
  literal: matching(FORMS.timestamp.noun, FORMS.timestamp.test),
  now: (time) => time,
  check: checkTime,
  rule: (value) => new Date(value as string),
  operand: (text) => (isDate(text) ? fits(`${text}T00:00:00.000Z`) : checkTime(text)),
  json: () => ({ type: 'string', format: FORMS.timestamp.json }),
})

const checkDate = (value: unknown): Checked =>
  typeof value === 'string' && isDate(value) ? fits(value) : unfit(`must be ${FORMS.date.noun}`)

/** A day; today is the day in UTC. */
export const date = fieldType({
  ...common,
  literal: matching(FORMS.date.noun, FORMS.date.test),
  now: (time) => time.slice(0, 'YYYY-MM-DD'.length),
  check: checkDate,
  operand: checkDate,
  json: () => ({ type: 'string', format: FORMS.date.json }),
})
