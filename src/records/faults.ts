// What is wrong with a body, field by field.
import { fail } from '../core/errors.ts'
import { printable } from '../core/problem.ts'

/** `message` is a phrase for after the field's name: "must be a date". */
export interface FieldFault {
  /** The key of the body; empty for the body itself. */
  readonly path: string
  readonly message: string
}

/** Faults as they are found. Those beyond the shown are only counted, so that a body full of them costs little. */
export interface Faults {
  /** `message` is asked for only where it will be shown. */
  add(path: string, message: string | (() => string)): void
  /** Fails validation_failed where there is one. */
  raise(): void
}

const SHOWN = 20
const LONGEST_PATH = 80

/** None so far. */
export function createFaults(): Faults {
  const found: FieldFault[] = []
  let count = 0
  return {
    add(path, message) {
      count += 1
      if (found.length < SHOWN) found.push({ path, message: typeof message === 'string' ? message : message() })
    },
    raise() {
      if (count > 0) throw invalidFields(found, count)
    },
  }
}

/** The validation_failed of these faults, of which there is at least one. `count` is how many there are in all. */
export function invalidFields(faults: readonly FieldFault[], count = faults.length): Error {
  const fields = faults.slice(0, SHOWN).map(({ path, message }) => ({ path: shownName(path), message }))
  const first = fields[0]!
  const more = count - 1
  const others = more === 0 ? '' : `, and ${more} more ${more === 1 ? 'fault' : 'faults'}`
  return fail('validation_failed', `${first.path === '' ? 'the body' : first.path} ${first.message}${others}`, {
    details: { fields },
  })
}

/** A name somebody sent, short and on one line. */
export function shownName(name: string): string {
  return printable(name.length > LONGEST_PATH ? `${name.slice(0, LONGEST_PATH)}…` : name)
}
