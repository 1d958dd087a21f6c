// A collection as the service works with it: its fields with their types, worked out once.
import { timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import type { NextId } from '../core/ids.ts'
import type { StoredValue } from '../core/predicate.ts'
import type { JsonField } from '../meta/records.ts'
import type { FieldType, Reference } from '../schema/field-type.ts'
import { typeOf } from '../schema/fields.ts'
import type { Field, Schema } from '../schema/model.ts'
import { type ColumnSpec, tableOf } from '../schema/tables.ts'

/** What the server adds to a record: the time in milliseconds, and new ids. */
export interface Moment {
  readonly now: number
  readonly nextId: NextId
}

export interface FormField {
  readonly name: string
  readonly field: Field
  readonly type: FieldType
  readonly column: ColumnSpec['type']
  /** Holds an array of values. */
  readonly list: boolean
  readonly reference: Reference | null
  /** Clients may give it. */
  readonly settable: boolean
  /** The value of a new record that says nothing of it; null where the client must give one. */
  readonly start: ((moment: Moment) => StoredValue) | null
  /** The value after every change; null where a change leaves it as it is. */
  readonly touch: ((moment: Moment) => StoredValue) | null
}

export type FileField = FormField & { readonly reference: Extract<Reference, { kind: 'file' }> }

export interface Form {
  readonly name: string
  readonly primary: FormField
  /** In the order of the schema, internal ones too. */
  readonly all: readonly FormField[]
  /** What clients know of, by name and in the order of the schema. */
  readonly visible: ReadonlyMap<string, FormField>
  readonly shown: readonly FormField[]
  /** Null in each of the shown: what a record is copied into where something must stay behind. Null where nothing must. */
  readonly blank: Readonly<Record<string, null>> | null
  /** Those of the shown whose values look otherwise than they are stored. */
  readonly converted: readonly FormField[]
  readonly files: readonly FileField[]
  /** The shown as the database can put them into JSON; null where it cannot. */
  readonly json: readonly JsonField[] | null
}

export type Forms = ReadonlyMap<string, Form>

/** One form for each collection. */
export function createForms(schema: Pick<Schema, 'collections'>): Forms {
  const forms = [...schema.collections.values()].map((collection): Form => {
    const table = tableOf(collection)
    const all = table.columns.map((column) => formField(collection.fields.get(column.name)!, column))
    const shown = all.filter(({ field }) => !field.internal)
    return {
      name: collection.name,
      primary: all.find(({ name }) => name === table.primary)!,
      all,
      visible: new Map(shown.map((field) => [field.name, field])),
      shown,
      blank: shown.length === all.length ? null : Object.fromEntries(shown.map(({ name }) => [name, null])),
      converted: shown.filter((field) => jsonForm(field) !== 'value'),
      files: all.filter(isFileField),
      json: shown.some(({ type }) => type.shownAs === 'bytes')
        ? null
        : shown.map((field) => ({ name: field.name, form: jsonForm(field) })),
    }
  })
  return new Map(forms.map((form) => [form.name, form]))
}

/** Fails collection_not_found. */
export function requireForm(forms: Forms, collection: string): Form {
  const form = forms.get(collection)
  if (form === undefined) throw fail('collection_not_found', 'there is no such collection')
  return form
}

/** The ids a file field holds, in order. */
export function idsIn({ list }: Pick<FormField, 'list'>, value: StoredValue | undefined): readonly string[] {
  if (value === null || value === undefined) return []
  return list ? (JSON.parse(String(value)) as string[]) : [String(value)]
}

function formField(field: Field, column: ColumnSpec): FormField {
  const type = typeOf(field)
  const touched = field.options.onUpdate === 'now'
  const serverOnly = type.serverOnly === true
  return {
    name: field.name,
    field,
    type,
    column: column.type,
    list: column.list,
    reference: column.reference,
    settable: !field.internal && !serverOnly && !touched,
    start: touched ? now(type) : serverOnly ? newId : startOf(field, type),
    touch: touched ? now(type) : null,
  }
}

function jsonForm({ list, type }: FormField): JsonField['form'] {
  if (list || type.shownAs === 'document') return 'document'
  return type.shownAs === 'boolean' ? 'boolean' : 'value'
}

function isFileField(field: FormField): field is FileField {
  return field.reference?.kind === 'file'
}

function startOf(field: Field, type: FieldType): FormField['start'] {
  const given = field.default
  if (given?.kind === 'auto') return newId
  if (given?.kind === 'now') return now(type)
  if (given?.kind === 'literal') return always(literal(field, type, given.value))
  if (type.empty !== undefined) return always(type.empty(field))
  // What no client can give must not be asked of one.
  return field.nullable || field.internal ? always(null) : null
}

function always(value: StoredValue): () => StoredValue {
  return () => value
}

function newId({ nextId }: Moment): StoredValue {
  return nextId()
}

function now(type: FieldType): (moment: Moment) => StoredValue {
  return (moment) => type.now!(timestamp(moment.now))
}

function literal(field: Field, type: FieldType, value: unknown): StoredValue {
  if (value === null) return null
  const checked = type.check(value, field)
  if (!checked.ok) throw fail('config_invalid', `the default of field ${field.name} ${checked.fault}`)
  return checked.value
}
