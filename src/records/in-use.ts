// Who keeps a record from being deleted, as far as the caller may know.
import { fail, isFailure } from '../core/errors.ts'
import type { Call } from '../core/model.ts'
import { type Desk, mayRead } from './lookup.ts'

/** A record_in_use without the record it names where the caller may not read that, or the field is internal; any other error as it is. */
export async function withoutSecrets(desk: Desk, call: Call, error: unknown): Promise<unknown> {
  if (!isFailure(error, 'record_in_use')) return error
  const { collection, record_id: id, field } = error.details ?? {}
  const form = desk.forms.get(String(collection))
  const checked = form?.primary.type.operand(String(id), form.primary.field)
  if (form?.visible.has(String(field)) && checked?.ok) {
    const row = await desk.meta.records.get(form.name, checked.value)
    if (row !== null && mayRead(desk, call, form, row)) return error
  }
  return fail('record_in_use', 'another record points at this one', { details: {} })
}
