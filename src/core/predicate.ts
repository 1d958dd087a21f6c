// Conditions on the stored row of a record, as data: rules and filters are turned into it, the database into SQL.

/** A value as a column holds it: text, number (bool: 0 or 1) or null. Bytes travel as base64 text, lists and JSON as JSON text. */
export type StoredValue = string | number | null

/** `eq` and `ne` never yield unknown: null equals null and nothing else. `in` of a null is false. The orderings and `like` of a null are
 *  unknown, which is not true, and neither is its negation (as an error in CEL). `contains`: an element of a list field; in texts a
 *  substring, ASCII letters alike in both cases. `like`: `%` and `_`, ASCII letters alike in both cases. */
export type Comparison = 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte' | 'like' | 'in' | 'contains' | 'is_null' | 'not_null'

/** A condition. Field names must be those of the collection. */
export type Predicate =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Predicate[] }
  | { readonly kind: 'not'; readonly of: Predicate }
  | {
      readonly kind: 'compare'
      readonly field: string
      readonly op: Comparison
      /** A list for `in`; null for `is_null` and `not_null`. */
      readonly value: StoredValue | readonly StoredValue[]
    }

/** Holds for every row. */
export const ALWAYS: Predicate = { kind: 'constant', value: true }

/** All of them; what is constant is left out. */
export function every(...of: readonly Predicate[]): Predicate {
  const parts = of.flatMap((part) => (part.kind === 'and' ? part.of : [part]))
  const never = parts.find((part) => part.kind === 'constant' && !part.value)
  if (never !== undefined) return never
  const rest = parts.filter((part) => part.kind !== 'constant')
  return rest.length === 0 ? ALWAYS : rest.length === 1 ? rest[0]! : { kind: 'and', of: rest }
}

/** Holds for no row. */
export const NEVER: Predicate = { kind: 'constant', value: false }

/** At least one of them; what is constant is left out. */
export function some(...of: readonly Predicate[]): Predicate {
  const parts = of.flatMap((part) => (part.kind === 'or' ? part.of : [part]))
  const always = parts.find((part) => part.kind === 'constant' && part.value)
  if (always !== undefined) return always
  const rest = parts.filter((part) => part.kind !== 'constant')
  return rest.length === 0 ? NEVER : rest.length === 1 ? rest[0]! : { kind: 'or', of: rest }
}
