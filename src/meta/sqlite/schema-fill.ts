// What the records there are get in a field that is new to them: the same as a new record that leaves it out.
import type { Database } from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { NextId } from '../../core/ids.ts'
import type { StoredValue } from '../../core/predicate.ts'
import { FIELD_TYPES } from '../../schema/fields.ts'
import type { Field } from '../../schema/model.ts'
import { quote } from './table-sql.ts'

/** One value for all, an id for each, or null: the field is required and says nothing. */
export type Fill = { readonly kind: 'constant'; readonly value: StoredValue } | { readonly kind: 'id' } | null

/** `now` is RFC 3339. Fails config_invalid for a default that its own field does not allow. */
export function fillOf(field: Field, now: string): Fill {
  const type = FIELD_TYPES.get(field.type)!
  const given = field.default
  if (given?.kind === 'auto' || type.serverOnly === true) return { kind: 'id' }
  if (type.now !== undefined && (given?.kind === 'now' || field.options.onUpdate === 'now'))
    return { kind: 'constant', value: type.now(now) }
  if (given?.kind === 'literal') return { kind: 'constant', value: literalOf(field, given.value) }
  if (type.empty !== undefined) return { kind: 'constant', value: type.empty(field) }
  return field.nullable ? { kind: 'constant', value: null } : null
}

/** ` DEFAULT …` of a new column: it costs no write to any row, and also serves a process that does not know the field yet. */
export function defaultSql(fill: Fill): string {
  return fill?.kind === 'constant' && fill.value !== null ? ` DEFAULT ${literalSql(fill.value)}` : ''
}

/** Puts the fill where null is. */
export function fillNulls(db: Database, table: string, column: string, fill: Fill, nextId: NextId): void {
  if (fill === null) return
  const update = (value: string, ...values: readonly StoredValue[]) =>
    db.prepare(`UPDATE ${quote(table)} SET ${quote(column)} = ${value} WHERE ${quote(column)} IS NULL`).run(...values)
  if (fill.kind === 'constant') update('?', fill.value)
  else {
    db.function('next_id', nextId)
    update('next_id()')
  }
}

function literalOf(field: Field, value: unknown): StoredValue {
  if (value === null) return null
  const checked = FIELD_TYPES.get(field.type)!.check(value, field)
  if (!checked.ok) throw fail('config_invalid', `the default of field ${field.name} ${checked.fault}`)
  return checked.value
}

function literalSql(value: string | number): string {
  return typeof value === 'number' ? String(value) : `'${value.replaceAll("'", "''")}'`
}
