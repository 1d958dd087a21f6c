// Which fields of a record a rule and a column see alike, so that a comparison means the same in both.
import type { StoredValue } from '../core/predicate.ts'
import { FIELD_TYPES } from '../schema/fields.ts'
import type { Collection, Field } from '../schema/model.ts'
import type { FieldKind } from './rule-context.ts'

const SAMPLES = { INTEGER: 1, REAL: 1.5, TEXT: 'text', BLOB: '' } as const

/** Every field of the collection. */
export function fieldKinds(collection: Collection): ReadonlyMap<string, FieldKind> {
  return new Map([...collection.fields].map(([name, field]) => [name, fieldKind(field)]))
}

/** Asked of the type itself with a stored value: what a rule sees otherwise than it is stored (times, JSON) is `other`. */
function fieldKind(field: Field): FieldKind {
  const type = FIELD_TYPES.get(field.type)!
  if (type.isList?.(field) === true) return 'list'
  const { column } = field.target === null ? type : FIELD_TYPES.get(field.target.type)!
  const stored = SAMPLES[column]
  const seen = seenByRules(field, stored)
  if (column === 'TEXT') return seen === stored ? 'text' : 'other'
  if (column === 'INTEGER' && typeof seen === 'boolean') return 'bool'
  return (typeof seen === 'number' || typeof seen === 'bigint') && Number(seen) === stored ? 'number' : 'other'
}

function seenByRules(field: Field, stored: StoredValue): unknown {
  const type = FIELD_TYPES.get(field.type)!
  try {
    return type.rule === undefined ? type.show(stored, field) : type.rule(stored, field)
  } catch {
    return undefined // not a form this type stores
  }
}
