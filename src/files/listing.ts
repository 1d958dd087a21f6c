// Lists: pages in a stable order that hold only what the caller may read, and are never empty while more exist.
import { timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { Call, Caller, FileRow } from '../core/model.ts'
import type { FileQuery, SortField } from '../meta/store.ts'
import { type FileDeps, requireBucket } from './lookup.ts'
import type { FileService, ListInput } from './model.ts'

type Position = NonNullable<FileQuery['after']>

/** The verb `list`; see FileService. */
export function createListing(deps: FileDeps): FileService['list'] {
  const { schema, meta, access, clock } = deps

  return async (call, bucketName, input) => {
    const bucket = requireBucket(schema, bucketName)
    const operation = input.trashed === true ? 'delete' : 'read'
    const filter = access.listFilter(call, bucket.name, operation)
    const nothing = { files: [], nextCursor: null, total: input.total ? 0 : null }
    if (filter.kind === 'none') return nothing
    if (filter.kind === 'owner' && input.ownerId !== null && input.ownerId !== filter.ownerId) return nothing
    const query: FileQuery = {
      bucket: bucket.name,
      sort: input.sort,
      descending: input.descending,
      limit: input.limit + 1,
      after: input.cursor === null ? null : readCursor(input.cursor, input),
      search: input.search,
      mimeType: input.mimeType,
      ownerId: filter.kind === 'owner' ? filter.ownerId : input.ownerId,
      staged: stagedFor(call.caller),
      now: timestamp(clock.now()),
      ...(input.trashed === true && { hidden: 'trashed' as const }),
    }
    const readable = (file: FileRow): boolean => filter.kind !== 'each' || may(call, operation, file)
    const found = filter.kind === 'each' ? await collect(query, readable) : [...(await meta.list(query))]
    const files = found.slice(0, input.limit)
    const last = files.at(-1)
    return {
      files,
      nextCursor: found.length > input.limit && last !== undefined ? writeCursor(last, input) : null,
      total: input.total ? await total(query, filter.kind === 'each' ? readable : null) : null,
    }
  }

  function may(call: Call, operation: 'read' | 'delete', file: FileRow): boolean {
    const { caller, request } = call
    return access.decide({ caller, operation, bucket: file.bucket, file, ownRules: file.rules, request }).allowed
  }

  /** Reads on until `query.limit` readable files are found or none are left. */
  async function collect(query: FileQuery, readable: (file: FileRow) => boolean): Promise<FileRow[]> {
    const found: FileRow[] = []
    for await (const file of walk(meta.list, query)) {
      if (readable(file)) found.push(file)
      if (found.length === query.limit) break
    }
    return found
  }

  async function total(query: FileQuery, readable: ((file: FileRow) => boolean) | null): Promise<number> {
    const all = { ...query, after: null }
    if (readable === null) return meta.count(all)
    let count = 0
    for await (const file of walk(meta.list, all)) if (readable(file)) count += 1
    return count
  }
}

/** As isKnown says it, but that a list shows nobody the files of nobody. */
function stagedFor({ admin, id }: Caller): FileQuery['staged'] {
  if (admin) return 'all'
  return id === null ? 'none' : { ownerId: id }
}

/** Every row of a query in order, in batches, giving other requests their turn between them. */
async function* walk(
  list: (query: FileQuery) => Promise<readonly FileRow[]>,
  query: FileQuery,
): AsyncGenerator<FileRow> {
  const limit = 500
  let after = query.after
  for (;;) {
    const batch = await list({ ...query, after, limit })
    yield* batch
    const last = batch.at(-1)
    if (last === undefined || batch.length < limit) return
    after = positionOf(last, query.sort)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function positionOf(file: FileRow, sort: SortField): Position {
  return { value: placeOf(file, sort), id: file.id }
}

function placeOf(file: FileRow, sort: SortField): string | number {
  switch (sort) {
    case 'created_at':
      return file.createdAt
    case 'deleted_at':
      return file.hidden?.at ?? ''
    default:
      return file[sort]
  }
}

/** The position after `last`, for readCursor. */
export function writeCursor(last: FileRow, input: Pick<ListInput, 'sort' | 'descending'>): string {
  const { value, id } = positionOf(last, input.sort)
  return Buffer.from(JSON.stringify([input.sort, input.descending, value, id])).toString('base64url')
}

/** Fails invalid_query for anything but a cursor of this very order. */
export function readCursor(cursor: string, input: Pick<ListInput, 'sort' | 'descending'>): Position {
  const bad = fail('invalid_query', 'cursor is not one that this list gave out', { details: { parameter: 'cursor' } })
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    throw bad
  }
  if (!Array.isArray(parsed) || parsed.length !== 4) throw bad
  const [sort, descending, value, id] = parsed as [unknown, unknown, unknown, unknown]
  if (sort !== input.sort || descending !== input.descending || typeof id !== 'string' || !isId(id)) throw bad
  if (typeof value !== (sort === 'size' ? 'number' : 'string')) throw bad
  return { value: value as string | number, id }
}
