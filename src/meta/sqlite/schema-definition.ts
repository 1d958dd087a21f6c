// What a collection was when it was last applied: the JSON in `_alyx_collections`, by which a schema is compared with a database.
import type { Database } from 'better-sqlite3'
import type { ColumnType, FieldDefault, Reference } from '../../schema/field-type.ts'
import type { Collection } from '../../schema/model.ts'
import { type ColumnSpec, type IndexSpec, type TableSpec, tableOf } from '../../schema/tables.ts'

export interface FieldDefinition {
  readonly type: string
  readonly column: ColumnType
  readonly list: boolean
  readonly nullable: boolean
  readonly internal: boolean
  readonly default: FieldDefault | null
  readonly options: Readonly<Record<string, unknown>>
  readonly reference: Reference | null
}

export interface Definition {
  /** Name of the primary field. */
  readonly primary: string
  readonly fields: Readonly<Record<string, FieldDefinition>>
  readonly indexes: readonly IndexSpec[]
}

/** By name of the collection. */
export type Definitions = ReadonlyMap<string, Definition>

/** What a collection of the schema is once it is applied. */
export function definitionOf(collection: Collection): Definition {
  const { primary, columns, indexes } = tableOf(collection)
  const fields = columns.map((column) => [column.name, fieldOf(collection, column)] as const)
  return { primary, fields: Object.fromEntries(fields), indexes }
}

function fieldOf(collection: Collection, { name, type: column, list, reference }: ColumnSpec): FieldDefinition {
  const { type, nullable, internal, default: given, options } = collection.fields.get(name)!
  return { type, column, list, nullable, internal, default: given, options, reference }
}

/** The same definition is the same text: keys are sorted, and what is null, false or empty is left out, so that an option which a later
 *  version adds changes nothing until it is used. */
export function definitionText({ primary, fields, indexes }: Definition): string {
  const sorted = [...indexes].sort((a, b) => (indexKey(a) < indexKey(b) ? -1 : 1))
  return JSON.stringify(canonical({ primary, fields, indexes: sorted }))
}

/** The same of one field. */
export function fieldText(field: FieldDefinition): string {
  return JSON.stringify(canonical(field))
}

/** What was applied; nothing on a database that had no collection yet. */
export function readDefinitions(db: Database): Definitions {
  return new Map([...readTexts(db)].map(([name, text]) => [name, parse(text)]))
}

/** The same as texts, for a comparison that costs nothing. */
export function readTexts(db: Database): ReadonlyMap<string, string> {
  if (!db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_alyx_collections'").get()) {
    return new Map()
  }
  const rows = db.prepare<[], { name: string; definition: string }>(
    'SELECT name, definition FROM _alyx_collections ORDER BY name',
  )
  return new Map(rows.all().map(({ name, definition }) => [name, definition]))
}

/** Records what a collection is now; null: there is none of this name any more. */
export function writeDefinition(db: Database, name: string, definition: Definition | null, appliedAt: string): void {
  if (definition === null) db.prepare('DELETE FROM _alyx_collections WHERE name = ?').run(name)
  else {
    db.prepare(
      `INSERT INTO _alyx_collections (name, definition, applied_at) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, applied_at = excluded.applied_at`,
    ).run(name, definitionText(definition), appliedAt)
  }
}

/** The table as it was applied. */
export function tableOfDefinition(name: string, { primary, fields, indexes }: Definition): TableSpec {
  const columns = Object.entries(fields).map(
    ([name, { column, list, reference }]): ColumnSpec => ({ name, type: column, list, reference }),
  )
  return { name, primary, columns, indexes }
}

function parse(text: string): Definition {
  const { primary, fields, indexes } = JSON.parse(text) as {
    readonly primary: string
    readonly fields: Readonly<Record<string, Partial<FieldDefinition>>>
    readonly indexes?: readonly Partial<IndexSpec>[]
  }
  return {
    primary,
    fields: Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, whole(field)])),
    indexes: (indexes ?? []).map(({ columns, unique }) => ({ columns: columns ?? [], unique: unique === true })),
  }
}

function whole(field: Partial<FieldDefinition>): FieldDefinition {
  return {
    type: field.type ?? '',
    column: field.column ?? 'TEXT',
    list: field.list === true,
    nullable: field.nullable === true,
    internal: field.internal === true,
    default: field.default ?? null,
    options: field.options ?? {},
    reference: field.reference ?? null,
  }
}

function canonical(value: unknown, inDefault = false): unknown {
  if (Array.isArray(value)) return value.map((item) => canonical(item, inDefault))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
    .map(([key, one]) => [key, canonical(one, inDefault || key === 'default')] as const)
    // A default of false or null is one.
    .filter(([, one]) => one !== undefined && (inDefault || !(one === null || one === false || isEmpty(one))))
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function indexKey({ columns, unique }: IndexSpec): string {
  return `${unique} ${columns.join(' ')}`
}
