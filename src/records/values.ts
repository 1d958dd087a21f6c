// The values a record gets: what the client gave, and what the server adds.
import type { StoredValue } from '../core/predicate.ts'
import type { RecordValues } from '../meta/records.ts'
import type { Edit, Edits } from './body.ts'
import { type FieldFault, invalidFields } from './faults.ts'
import { type Form, type FormField, idsIn, type Moment } from './form.ts'

/** A whole new record. `given` has everything that is required. */
export function newValues(form: Form, given: ReadonlyMap<FormField, StoredValue>, moment: Moment): RecordValues {
  const values: Record<string, StoredValue> = {}
  for (const field of form.all) {
    const value = given.get(field)
    values[field.name] = value === undefined ? field.start!(moment) : value
  }
  return values
}

/** The fields that `edits` make different, with those the server sets at every change; none where nothing differs. */
export function changedValues(form: Form, values: RecordValues, edits: Edits, moment: Moment): RecordValues {
  const changes: Record<string, StoredValue> = {}
  let changed = false
  for (const [field, edit] of edits) {
    const value = edited(field, values[field.name] ?? null, edit)
    if (value === values[field.name]) continue
    changes[field.name] = value
    changed = true
  }
  if (changed) for (const { name, touch } of form.all) if (touch !== null) changes[name] = touch(moment)
  return changes
}

/** Lists that were added to must still fit their field. Fails validation_failed. */
export function requireFittingLists(changes: RecordValues, edits: Edits): void {
  const faults = [...edits].flatMap(([{ name, type, field }, edit]): FieldFault[] => {
    const value = changes[name]
    if (edit.kind !== 'list' || typeof value !== 'string' || edit.prepend.length + edit.append.length === 0) return []
    const checked = type.check(JSON.parse(value), field)
    return checked.ok ? [] : [{ path: name, message: checked.fault }]
  })
  if (faults.length > 0) throw invalidFields(faults)
}

function edited(field: FormField, stored: StoredValue, edit: Edit): StoredValue {
  if (edit.kind === 'set') return edit.value
  const gone = new Set(edit.remove)
  const ids = [...edit.prepend, ...idsIn(field, stored).filter((id) => !gone.has(id)), ...edit.append]
  return ids.length === 0 && stored === null ? null : JSON.stringify(ids)
}
