// The types a field can have: one entry per type. Nothing else asks for a type by its name.
import { select } from './field-choices.ts'
import { blob, json } from './field-documents.ts'
import { id, uuid } from './field-ids.ts'
import { bool, float, int } from './field-numbers.ts'
import { file, files, relationType } from './field-references.ts'
import { email, richtext, string, text, url } from './field-texts.ts'
import { date, timestamp } from './field-times.ts'
import type { FieldType } from './field-type.ts'
import type { Field } from './model.ts'

export type { FieldDefault, FieldFacts, FieldNames, FieldType } from './field-type.ts'

/** Every field type by its name in schema.yaml. */
export const FIELD_TYPES: ReadonlyMap<string, FieldType> = new Map<string, FieldType>([
  ['id', id],
  ['uuid', uuid],
  ['string', string],
  ['text', text],
  ['richtext', richtext],
  ['int', int],
  ['float', float],
  ['bool', bool],
  ['timestamp', timestamp],
  ['json', json],
  ['blob', blob],
  ['email', email],
  ['url', url],
  ['date', date],
  ['select', select],
  ['relation', relationType((name) => FIELD_TYPES.get(name)!)],
  ['file', file],
  ['file[]', files],
])

/** The entry of a field's type. */
export function typeOf(field: Pick<Field, 'type'>): FieldType {
  return FIELD_TYPES.get(field.type)!
}

/** Whether the column holds a JSON array of values. */
export function isList(field: Field): boolean {
  return typeOf(field).isList?.(field) === true
}

/** Whether records can be sorted by the field, and an index can have it. */
export function isComparable(field: Field): boolean {
  return typeOf(field).comparable && !isList(field)
}

/** Whether `search` looks into the field. */
export function isSearchable(field: Field): boolean {
  return typeOf(field).searchable === true && !field.internal && !isList(field)
}

/** Whether the server sets the field to the current time at every write. */
export function isRenewed(field: Pick<Field, 'options'>): boolean {
  return field.options.onUpdate === 'now'
}

/** Whether a client may give the field a value when it creates a record; a primary field cannot be changed afterwards. */
export function isSettable(field: Field): boolean {
  return !field.internal && typeOf(field).serverOnly !== true && !isRenewed(field)
}

/** Whether a client must give the field a value when it creates a record. */
export function isRequired(field: Field): boolean {
  return isSettable(field) && !field.nullable && field.default === null && typeOf(field).empty === undefined
}
