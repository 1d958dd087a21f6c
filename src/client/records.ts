// Records: the verbs of one collection, with filters as objects.
import { AlyxError } from './errors.ts'
import { createListing, type Listing } from './listing.ts'
import type { CollectionTypes, Expanded, Sort } from './model.ts'
import type { AbortSignalLike } from './platform.ts'
import { pathOf, type Transport } from './transport.ts'

export interface RecordOptions<Expand extends string> extends Plain {
  /** Fields whose ids are replaced by the file or record they stand for; what the caller may not read stays an id. */
  readonly expand: readonly Expand[]
}

interface Plain {
  readonly signal?: AbortSignalLike
}

export interface RecordQuery<C extends CollectionTypes> extends Plain {
  /** All conditions must hold. */
  readonly filter?: C['filter']
  readonly sort?: Sort<C['sort']> | readonly Sort<C['sort']>[]
  /** Of a page: 1 to 1,000, default 100. */
  readonly limit?: number
  readonly offset?: number
  readonly cursor?: string
  /** Text that occurs in a text field. */
  readonly search?: string
  /** Counts all pages. */
  readonly total?: boolean
}

type Fields<C extends CollectionTypes> = keyof C['expand'] & string

/** The records of one collection. Every verb fails with AlyxError. With `expand` fields hold what they name: see RecordOptions. */
export interface CollectionClient<C extends CollectionTypes> {
  list(query?: RecordQuery<C> & Unexpanded): Listing<C['record']>
  list<const E extends Fields<C>>(query: RecordQuery<C> & RecordOptions<E>): Listing<Expanded<C, E>>
  get(id: C['id'], options?: Unexpanded): Promise<C['record']>
  get<const E extends Fields<C>>(id: C['id'], options: RecordOptions<E>): Promise<Expanded<C, E>>
  create(values: C['create'], options?: Unexpanded): Promise<C['record']>
  create<const E extends Fields<C>>(values: C['create'], options: RecordOptions<E>): Promise<Expanded<C, E>>
  /** Fields that are left out stay. Lists of files also take `field+` (append), `+field` (prepend) and `field-` (remove). */
  update(id: C['id'], change: C['update'], options?: Unexpanded): Promise<C['record']>
  update<const E extends Fields<C>>(
    id: C['id'],
    change: C['update'],
    options: RecordOptions<E>,
  ): Promise<Expanded<C, E>>
  delete(id: C['id'], options?: Plain): Promise<void>
}

interface Unexpanded extends Plain {
  readonly expand?: undefined
}

type Asked = Partial<RecordOptions<string>>

interface PageOfRecords {
  readonly docs: readonly unknown[]
  readonly next_cursor: string | null
  readonly total?: number
}

/** The verbs of the collection `name`. */
export function createCollection(transport: Transport, name: string): CollectionClient<CollectionTypes> {
  const at = (id: string | number) => pathOf('collections', name, String(id))
  const expanded = (options: Asked | undefined) => ({
    query: { expand: joined(options?.expand) },
    signal: options?.signal,
  })
  const verbs = {
    list: ({
      filter,
      sort,
      expand,
      cursor,
      offset,
      total,
      signal,
      ...query
    }: RecordQuery<CollectionTypes> & Asked = {}) =>
      createListing(async (next) => {
        const { docs, next_cursor, ...rest } = await transport.json<PageOfRecords>('GET', pathOf('collections', name), {
          query: {
            ...query,
            filter: filtersOf(filter ?? {}),
            sort: joined(typeof sort === 'string' ? [sort] : sort),
            expand: joined(expand),
            total: total || null,
            ...(next === null ? { cursor, offset } : { cursor: next }),
          },
          signal,
        })
        return { items: docs, next_cursor, ...(rest.total === undefined ? {} : { total: rest.total }) }
      }),
    get: async (id: string | number, options?: Asked) => transport.json('GET', at(id), expanded(options)),
    create: async (values: object, options?: Asked) =>
      transport.json('POST', pathOf('collections', name), { data: values, ...expanded(options) }),
    update: async (id: string | number, change: object, options?: Asked) =>
      transport.json('PATCH', at(id), { data: change, ...expanded(options) }),
    delete: async (id: string | number, options?: Plain) => transport.json('DELETE', at(id), options),
  }
  return verbs as unknown as CollectionClient<CollectionTypes>
}

function joined(fields: readonly string[] | undefined): string | undefined {
  return fields === undefined || fields.length === 0 ? undefined : fields.join(',')
}

/** `{ author: 'ada', created: { gt: '…' }, cover: null }` → `author:eq:ada`, `created:gt:…`, `cover:is_null`. What is undefined is no
 *  condition. Fails: invalid_query. */
export function filtersOf(filter: object): readonly string[] {
  return Object.entries(filter).flatMap(([field, condition]: [string, unknown]) => {
    if (condition === undefined) return []
    if (condition === null) return [`${field}:is_null`]
    if (typeof condition !== 'object' || condition instanceof Date) return [`${field}:eq:${operandOf(condition)}`]
    return Object.entries(condition).flatMap(([operator, value]: [string, unknown]) => {
      if (value === undefined || (value === false && /^(is|not)_null$/.test(operator))) return []
      if (operator === 'is_null' || operator === 'not_null') return [`${field}:${operator}`]
      if (value === null && operator === 'eq') return [`${field}:is_null`]
      if (value === null && operator === 'ne') return [`${field}:not_null`]
      return [`${field}:${operator}:${operator === 'in' ? listOf(field, value) : operandOf(value)}`]
    })
  })
}

function listOf(field: string, value: unknown): string {
  const values = (Array.isArray(value) ? value : [value]).map(operandOf)
  // The protocol separates them by commas and has no way to write one.
  if (values.some((one) => one.includes(','))) {
    throw new AlyxError('invalid_query', `a value of the filter "${field}: { in }" holds a comma`, {
      hint: 'Ask with eq, once for each value.',
    })
  }
  return values.join(',')
}

function operandOf(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value)
}
