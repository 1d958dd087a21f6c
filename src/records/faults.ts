// What is wrong with a body, field by field.
import { fail } from '../core/errors.ts'
import { printable } from '../core/problem.ts'

/** `message` is a phrase for after the field's name: "must be a date". */
export interface FieldFault {
  /** The key of the body; empty for the body itself. */
  readonly path: string
  readonly message: string
}

const SHOWN = 20
const LONGEST_PATH = 80

/** The validation_failed of these faults, of which there is at least one. */
export function invalidFields(faults: readonly FieldFault[]): Error {
  const fields = faults.slice(0, SHOWN).map(({ path, message }) => ({ path: shownName(path), message }))
  const first = fields[0]!
  const more = faults.length - 1
  const others = more === 0 ? '' : `, and ${more} more ${more === 1 ? 'fault' : 'faults'}`
  return fail('validation_failed', `${first.path === '' ? 'the body' : first.path} ${first.message}${others}`, {
    details: { fields },
  })
}

/** A name somebody sent, short and on one line. */
export function shownName(name: string): string {
  return printable(name.length > LONGEST_PATH ? `${name.slice(0, LONGEST_PATH)}…` : name)
}
