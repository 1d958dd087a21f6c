// What a collection is to the database: plain data, so that it also travels to worker threads.
import type { ColumnType, Reference } from './field-type.ts'
import { FIELD_TYPES } from './fields.ts'
import type { Collection, Field, Schema } from './model.ts'
import { primaryOf } from './resolve.ts'

export interface ColumnSpec {
  /** The field's name; also the column's. */
  readonly name: string
  readonly type: ColumnType
  /** A JSON array of values instead of one (`file[]`, `select` with max_select above 1). */
  readonly list: boolean
  readonly reference: Reference | null
}

export interface IndexSpec {
  readonly columns: readonly string[]
  readonly unique: boolean
}

/** One collection as a table of the same name. */
export interface TableSpec {
  readonly name: string
  /** Name of the primary column, which is unique and never null. */
  readonly primary: string
  /** In the order of the schema. */
  readonly columns: readonly ColumnSpec[]
  /** The declared ones, those of unique and indexed fields, and one for each relation. */
  readonly indexes: readonly IndexSpec[]
}

/** Every collection as a table. */
export function tablesOf(schema: Pick<Schema, 'collections'>): readonly TableSpec[] {
  return [...schema.collections.values()].map(tableOf)
}

/** One collection as a table. */
export function tableOf(collection: Collection): TableSpec {
  const columns = [...collection.fields.values()].map(columnOf)
  return {
    name: collection.name,
    primary: primaryOf(collection).name,
    columns,
    indexes: indexesOf(collection, columns),
  }
}

function columnOf(field: Field): ColumnSpec {
  const type = FIELD_TYPES.get(field.type)!
  // A relation holds what the primary field of the other collection holds.
  const holder = field.target === null ? type : FIELD_TYPES.get(field.target.type)!
  return {
    name: field.name,
    type: holder.column,
    list: type.isList?.(field) === true,
    reference: type.reference?.(field) ?? null,
  }
}

function indexesOf(collection: Collection, columns: readonly ColumnSpec[]): readonly IndexSpec[] {
  const single = columns.flatMap(({ name, reference }): IndexSpec[] => {
    const { primary, unique, index } = collection.fields.get(name)!
    // Whoever deletes a record asks who points at it.
    return !primary && (unique || index || reference?.kind === 'record') ? [{ columns: [name], unique }] : []
  })
  const declared = collection.indexes.map(({ fields, unique }): IndexSpec => ({ columns: fields, unique }))
  const seen = new Set<string>()
  return [...single, ...declared].filter((index) => {
    const key = `${index.unique} ${index.columns.join(' ')}`
    return !seen.has(key) && seen.add(key)
  })
}
