// Whether a field may become what the schema says now: only if every record that is there would still be one.

import { printable } from '../../core/problem.ts'
import type { FieldType } from '../../schema/field-type.ts'
import { FIELD_TYPES } from '../../schema/fields.ts'
import type { Collection } from '../../schema/model.ts'
import type { ColumnSpec } from '../../schema/tables.ts'
import type { PlanRefusal } from '../schema-plan.ts'
import { definitionOf, type FieldDefinition } from './schema-definition.ts'
import { type Look, migrationHint, named, verb } from './schema-findings.ts'
import { countDangling, countNoFiles, countNulls, countOthers, countValues, findMisfits } from './schema-values.ts'
import { quote } from './table-sql.ts'

/** Every reason why the change is not made. */
export function checkChange(
  look: Look,
  collection: Collection,
  column: ColumnSpec,
  old: FieldDefinition,
): readonly PlanRefusal[] {
  const field = collection.fields.get(column.name)!
  const path = `${collection.name}.${column.name}`
  const place = { collection: collection.name, field: column.name }
  if (old.column !== column.type) {
    return [
      {
        ...place,
        message: `${path} is stored as ${old.column} and would have to be ${column.type} (${old.type} → ${field.type})`,
        hint: convertHint(look, collection.name, column),
      },
    ]
  }
  if (field.primary && old.type !== field.type) {
    return [
      {
        ...place,
        message: `${path} is the primary field, whose type cannot change (${old.type} → ${field.type})`,
        hint: `Put type: ${old.type} back. Another primary field needs another collection.`,
      },
    ]
  }
  const refusals: PlanRefusal[] = []
  const nulls = old.nullable && !field.nullable ? countNulls(look.db, collection.name, column.name) : 0
  if (nulls > 0) {
    refusals.push({
      ...place,
      message: `${path} becomes required, and ${verb(nulls, 'have null', 'has null')} in it`,
      hint: `Keep nullable: true. Or ${setHint(look, path, collection.name, column.name)}`,
    })
  }
  const isSameForm = old.type === field.type && old.list === column.list
  if (!isSameForm) refusals.push(...checkValues(look, collection, column, FIELD_TYPES.get(field.type)!))
  else refusals.push(...checkChoices(look, collection, column, old))
  return [...refusals, ...checkPointing(look, collection, column, old, isSameForm)]
}

/** Every value must be one that the field would have stored just so. */
export function checkValues(
  { db }: Look,
  collection: Collection,
  column: ColumnSpec,
  type: FieldType,
): readonly PlanRefusal[] {
  const field = collection.fields.get(column.name)!
  const primary = definitionOf(collection).primary
  const { count, ids } = findMisfits(db, { name: collection.name, primary }, type, field)
  if (count === 0) return []
  return [
    {
      collection: collection.name,
      field: column.name,
      message: `${collection.name}.${column.name} is to be of type ${field.type}, and ${verb(count, 'hold', 'holds')} what is none${named(ids, count)}`,
      hint: 'Correct the values, by requests or by a migration with sql, or keep the type.',
    },
  ]
}

/** What a field points at must be there. */
export function checkReference({ db, recorded }: Look, collection: Collection, column: ColumnSpec) {
  const { reference } = column
  if (reference === null) return []
  const table = { name: collection.name, primary: definitionOf(collection).primary }
  const target = reference.kind === 'record' ? recorded.get(reference.collection) : undefined
  const count =
    reference.kind === 'file'
      ? countNoFiles(db, table, column, reference.bucket)
      : countDangling(db, table, column, target ? { name: reference.collection, primary: target.primary } : null)
  if (count === 0) return []
  const what = reference.kind === 'file' ? `file of bucket ${reference.bucket}` : `record of ${reference.collection}`
  return [
    {
      collection: collection.name,
      field: column.name,
      message: `${collection.name}.${column.name} is to name a ${what}, and ${verb(count, 'hold', 'holds')} what is none`,
      hint: 'Correct or remove the values, by requests or by a migration with sql.',
    },
  ]
}

/** `max_length 100 → 200, nullable` */
export function describeChange(old: FieldDefinition, now: FieldDefinition): string {
  const flat = ({ type, nullable, internal, default: given, options }: FieldDefinition) =>
    new Map<string, unknown>(Object.entries({ type, nullable, internal, default: given, ...options }))
  const [before, after] = [flat(old), flat(now)]
  const changed = [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [from, to] = [written(before.get(key)), written(after.get(key))]
    return from === to ? [] : [`${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)} ${from} → ${to}`]
  })
  return changed.length === 0 ? 'what it points at' : printable(changed.join(', '))
}

function checkChoices(
  look: Look,
  collection: Collection,
  column: ColumnSpec,
  old: FieldDefinition,
): readonly PlanRefusal[] {
  const { options } = collection.fields.get(column.name)!
  const path = `${collection.name}.${column.name}`
  return ['enum', 'values'].flatMap((key): PlanRefusal[] => {
    const [before, after] = [old.options[key], options[key]]
    if (!Array.isArray(after) || (Array.isArray(before) && before.every((value) => after.includes(value)))) return []
    const table = { name: collection.name, primary: definitionOf(collection).primary }
    const count = countOthers(look.db, table, column, after)
    if (count === 0) return []
    return [
      {
        collection: collection.name,
        field: column.name,
        message: `${path} no longer allows every value, and ${verb(count, 'hold', 'holds')} one that is not in ${key}`,
        hint: `Put the value back into ${key}. Or ${setHint(look, path, collection.name, column.name)}`,
      },
    ]
  })
}

function checkPointing(
  look: Look,
  collection: Collection,
  column: ColumnSpec,
  old: FieldDefinition,
  isSameForm: boolean,
): readonly PlanRefusal[] {
  const [before, after] = [old.reference, column.reference]
  if (isSameForm && before?.kind === 'file' && after?.kind === 'file') {
    const count = before.bucket === after.bucket ? 0 : countValues(look.db, collection.name, column)
    if (count === 0) return []
    return [
      {
        collection: collection.name,
        field: column.name,
        message: `${collection.name}.${column.name} changes its bucket from ${before.bucket} to ${after.bucket}, and ${verb(count, 'name', 'names')} files of the first`,
        hint: `Keep bucket: ${before.bucket}, or add a field for bucket ${after.bucket} and move the files by requests.`,
      },
    ]
  }
  const isSameTarget = before?.kind === 'record' && after?.kind === 'record' && before.collection === after.collection
  return isSameTarget ? [] : checkReference(look, collection, column)
}

function setHint(look: Look, path: string, table: string, column: string): string {
  return migrationHint(
    look,
    'to set the values',
    `set_${path.replace('.', '_')}`,
    `sql: UPDATE ${quote(table)} SET ${quote(column)} = … WHERE …`,
  )
}

function convertHint(look: Look, collection: string, { name, type }: ColumnSpec): string {
  const [table, old] = [quote(collection), `${name}_old`]
  const give = migrationHint(
    look,
    'To give the values up',
    `drop_${name}`,
    `drop_field: {collection: ${collection}, field: ${name}}`,
  )
  const convert = migrationHint(
    look,
    'To convert them',
    `convert_${name}`,
    `rename_field: {collection: ${collection}, from: ${name}, to: ${old}}`,
    `sql: ALTER TABLE ${table} ADD COLUMN ${quote(name)} ${type}`,
    `sql: UPDATE ${table} SET ${quote(name)} = CAST(${quote(old)} AS ${type})`,
    `drop_field: {collection: ${collection}, field: ${old}}`,
  )
  return `${give}\n${convert}`
}

function written(value: unknown): string {
  if (value === null || value === undefined) return 'none'
  if (typeof value !== 'object') return String(value)
  if (Array.isArray(value)) return `[${value.join(', ')}]`
  if ('kind' in value) return 'value' in value ? JSON.stringify(value.value) : String(value.kind)
  return JSON.stringify(value)
}
