// Which fields of a record are taken already, as far as clients know of them.
import { fail, isFailure } from '../core/errors.ts'
import type { Form } from './form.ts'

/** A unique_violation without internal fields; any other error as it is. */
export function withoutInternal(form: Form, error: unknown): unknown {
  if (!isFailure(error, 'unique_violation')) return error
  const all = (error.details?.fields ?? []) as readonly string[]
  const fields = all.filter((name) => form.visible.has(name))
  if (fields.length === all.length) return error
  return fail('unique_violation', `${form.name} has a record that this one cannot stand beside`, {
    ...(fields.length === 0 ? { hint: 'Nothing in the request can change that: ask whoever keeps schema.yaml.' } : {}),
    details: { fields },
    cause: error,
  })
}
