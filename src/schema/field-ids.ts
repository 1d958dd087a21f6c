// Field types that name the record itself: id and uuid.
import { isId } from '../core/ids.ts'
import { fieldType, fits, matching, ORDER_OPERATORS, unfit } from './field-entry.ts'
import { FORMS } from './text-forms.ts'

const show = (value: unknown) => value
const common = {
  options: () => ({}),
  auto: true,
  primary: true,
  comparable: true,
  column: 'TEXT',
  show,
  operators: () => ORDER_OPERATORS,
  json: () => ({ type: 'string', format: 'uuid' }),
  typescript: () => 'string',
} as const

const checkId = (value: unknown) => (typeof value === 'string' && isId(value) ? fits(value) : unfit('must be an id'))

/** Made by the server: a UUID of version 7. */
export const id = fieldType({ ...common, literal: null, serverOnly: true, check: checkId, operand: checkId })

const checkUuid = (value: unknown) =>
  typeof value === 'string' && FORMS.uuid.test(value) ? fits(value.toLowerCase()) : unfit(`must be ${FORMS.uuid.noun}`)

/** Any UUID, in lower case. */
export const uuid = fieldType({
  ...common,
  literal: matching(FORMS.uuid.noun, FORMS.uuid.test),
  check: checkUuid,
  operand: checkUuid,
})
