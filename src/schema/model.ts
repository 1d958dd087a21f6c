// What schema.yaml says once it has been understood: plain, resolved, readonly.
import type { Operation } from '../core/model.ts'
import type { Position } from '../core/problem.ts'

export type { Position, Problem } from '../core/problem.ts'

export interface Schema {
  readonly version: 1
  readonly buckets: ReadonlyMap<string, Bucket>
  readonly collections: ReadonlyMap<string, Collection>
}

/** A CEL source and where it stands, so that a compile error can point at it. */
export interface RuleSource {
  readonly source: string
  readonly at: Position
  /** `buckets.avatars.rules.download` */
  readonly path: string
}

export type RuleSources<Name extends string> = Readonly<Partial<Record<Name, RuleSource>>>

export interface Bucket {
  readonly name: string
  /** A name under storage.backends. */
  readonly backend: string
  /** Bytes; null = uploads.max_file_size of alyx.yml. */
  readonly maxFileSize: number | null
  readonly maxTotalSize: number | null
  /** Lower-case `type/subtype`, `type/*` or `*\/*`. */
  readonly allowedTypes: readonly string[]
  readonly compression: 'none' | 'gzip' | 'zstd'
  readonly encryption: boolean
  /** Template of the default path, e.g. `{owner}/{name}`. */
  readonly path: string
  /** Milliseconds. */
  readonly retention: { readonly default: number | null; readonly max: number | null } | null
  readonly fileSecurity: boolean
  readonly cache:
    | { readonly mode: 'no-store' }
    | { readonly mode: 'revalidate' }
    | { readonly mode: 'public'; readonly maxAge: number }
  readonly inlinePdf: boolean
  /** Milliseconds; null = off. */
  readonly staging: number | null
  readonly trash: number | null
  readonly rules: RuleSources<Operation>
  readonly at: Position
}

export type RecordOperation = 'create' | 'read' | 'update' | 'delete'

export interface Collection {
  readonly name: string
  readonly fields: ReadonlyMap<string, Field>
  readonly indexes: readonly { readonly fields: readonly string[]; readonly unique: boolean }[]
  readonly rules: RuleSources<RecordOperation>
  readonly at: Position
}

/** Where there is one: made by the server, the current time, or the value itself as a client would send it, which has passed the type's check. */
export type FieldDefault =
  | { readonly kind: 'auto' }
  | { readonly kind: 'now' }
  | { readonly kind: 'literal'; readonly value: unknown }

/** One field; `options` holds what its type's entry in fields.ts parsed. */
export interface Field {
  readonly name: string
  readonly type: string
  readonly primary: boolean
  readonly unique: boolean
  readonly nullable: boolean
  readonly index: boolean
  readonly internal: boolean
  readonly default: FieldDefault | null
  readonly options: Readonly<Record<string, unknown>>
  /** Of a relation: the primary field of the collection it points at. */
  readonly target: Field | null
  readonly at: Position
}
