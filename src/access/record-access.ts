// The door to records: scopes, admins, the collection's rule, and otherwise no.
import type { Caller, RequestFacts } from '../core/model.ts'
import type { Predicate } from '../core/predicate.ts'
import type { RecordOperation } from '../schema/model.ts'

/** A record as rules see it, by field name: int as BigInt, float as number, timestamp as Date, lists as arrays, json parsed, rest as text. */
export type RuleDoc = Readonly<Record<string, unknown>>

export interface RecordRequest {
  readonly caller: Caller
  readonly operation: RecordOperation
  readonly collection: string
  /** The stored row; on create the new one. */
  readonly doc: RuleDoc
  /** On update: the row as it would become. */
  readonly newDoc?: RuleDoc
  readonly request: RequestFacts
}

/** Which records a caller may list. `none`: an empty list. `where`: exactly those. `each`: ask `allows` row by row. */
export type RecordFilter =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  | { readonly kind: 'where'; readonly where: Predicate }
  | { readonly kind: 'each' }

export interface RecordAccess {
  /** Pure and synchronous: never throws, reports nothing. */
  allows(request: RecordRequest): boolean
  /** Fails unauthenticated or forbidden with details {operation, rule}, e.g. `collections.posts.rules.read`, and tells the observer. */
  require(request: RecordRequest): void
  /** Fails as `require` does where the collection has no read rule or the key may not read. */
  listFilter(call: { readonly caller: Caller; readonly request: RequestFacts }, collection: string): RecordFilter
}
