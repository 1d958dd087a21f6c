// What a field type is: everything the product knows about one type, in one entry.
import type { Fields, Keys } from '../core/mapping.ts'
import type { Comparison, StoredValue } from '../core/predicate.ts'
import type { Shape } from '../core/shape.ts'
import type { Field, FieldDefault } from './model.ts'

export type { FieldDefault } from './model.ts'

/** Names that a field may point at. */
export interface FieldNames {
  readonly buckets: readonly string[]
  readonly collections: readonly string[]
}

/** What an entry's `fault` may want to know of the field. */
export interface FieldFacts {
  readonly nullable: boolean
  readonly default: FieldDefault | null
}

/** Type of a STRICT column of SQLite (sqlite.org/stricttables.html). */
export type ColumnType = 'TEXT' | 'INTEGER' | 'REAL' | 'BLOB'

/** What a value of the field points at, and what becomes of whom. */
export type Reference =
  | {
      readonly kind: 'file'
      readonly bucket: string
      /** The record lets go of the file: it goes too (unless another record wants it), or stays. */
      readonly onDelete: 'cascade' | 'keep'
      /** The file is deleted: refused, or taken out of the field. */
      readonly onFileDelete: 'restrict' | 'set_null'
    }
  | {
      readonly kind: 'record'
      readonly collection: string
      /** The record pointed at is deleted: refused, this one goes too, or the field becomes null. */
      readonly onDelete: 'restrict' | 'cascade' | 'set_null'
    }

/** A value that fits, as it is stored, or what is wrong with it: a phrase for after the field's name, such as "must be a date". */
export type Checked =
  | { readonly ok: true; readonly value: StoredValue }
  | { readonly ok: false; readonly fault: string }

/** A JSON Schema (2020-12, as OpenAPI 3.1 uses it). */
export type JsonSchema = Readonly<Record<string, unknown>>

/** One field type. Values are never null here: null is the field's own affair. */
export interface FieldType<K extends Keys = Keys> {
  /** The options of this type, beside those of every field. */
  readonly options: (names: FieldNames) => K
  /** What `default:` may be besides auto and now; null when it may be nothing. */
  readonly literal: Shape<unknown> | null
  readonly auto?: true
  /** May have `default: now`: what is stored for a time (RFC 3339 in UTC with milliseconds). */
  readonly now?: (time: string) => StoredValue
  /** May be the primary field. */
  readonly primary?: true
  /** Has an order and an equality, so it can be unique, indexed and sorted by. */
  readonly comparable: boolean
  /** What is wrong with options that are each right, or null. */
  fault?(options: Fields<K>, field: FieldFacts): string | null

  readonly column: ColumnType
  /** Whether the column holds a JSON array of values. */
  isList?(field: Field): boolean
  /** What a record has where the client gave nothing and the schema no default; without it the field is required. */
  empty?(field: Field): StoredValue
  /** Clients may not set it: the server does, always. */
  readonly serverOnly?: true
  /** A client's JSON value → what is stored. References are only checked for their form. */
  check(value: unknown, field: Field): Checked
  /** How `show` changes what is stored, where it does: 0 and 1 to false and true, JSON text to what it says (so do all lists), bytes by more
   *  than the database can do. */
  readonly shownAs?: 'boolean' | 'document' | 'bytes'
  /** What is stored → the JSON value of the contract. */
  show(value: StoredValue, field: Field): unknown
  /** What is stored → what rules see: int as BigInt, timestamp as Date; default as `show`. */
  rule?(value: StoredValue, field: Field): unknown
  /** The text of a filter or of an address → what is stored. */
  operand(text: string, field: Field): Checked
  /** Filter operators besides is_null and not_null. */
  operators(field: Field): readonly Comparison[]
  /** Taken into account by `search`. */
  readonly searchable?: true
  /** The JSON Schema of what `show` gives. */
  json(field: Field): JsonSchema
  /** The TypeScript type of what `show` gives. */
  typescript(field: Field): string
  reference?(field: Field): Reference
}
