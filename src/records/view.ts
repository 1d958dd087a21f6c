// From stored rows to what clients and what rules see.
import type { RuleDoc } from '../access/record-access.ts'
import type { RecordValues } from '../meta/records.ts'
import type { Edits } from './body.ts'
import type { Form } from './form.ts'

/** A record on its way out: `expand` still puts things in the place of ids. */
export type Shown = Record<string, unknown>

/** The record as clients see it: every field that is not internal, in the order of the schema. */
export function showRecord(form: Form, values: RecordValues): Shown {
  // Copied whole rather than built up: the engine does that several times faster, and pages have many records.
  const shown: Shown = { ...(form.blank ?? values) }
  if (form.blank !== null) for (const { name } of form.shown) shown[name] = values[name] ?? null
  for (const { name, type, field } of form.converted) {
    const value = values[name]
    if (value !== null && value !== undefined) shown[name] = type.show(value, field)
  }
  return shown
}

/** What somebody sees of a record that they may change and not read: its primary field, and what they gave. */
export function showGiven(form: Form, shown: Shown, edits: Edits): Shown {
  const given = form.shown.filter((field) => field === form.primary || edits.get(field)?.kind === 'set')
  return Object.fromEntries(given.map(({ name }) => [name, shown[name]]))
}

/** The record as rules see it, internal fields too. */
export function ruleDoc(form: Form, values: RecordValues): RuleDoc {
  const doc: Record<string, unknown> = {}
  for (const { name, type, field } of form.all) {
    const value = values[name]
    doc[name] = value === null || value === undefined ? null : (type.rule ?? type.show)(value, field)
  }
  return doc
}
