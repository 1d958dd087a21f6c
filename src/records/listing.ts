// Lists: pages in a total order that hold only what the caller may read, and are never empty while more exist.
import type { Call } from '../core/model.ts'
import { every, type Predicate } from '../core/predicate.ts'
import { createRecent } from '../core/recent.ts'
import type { RecordQuery, RecordRow, SortKey } from '../meta/records.ts'
import { jsonFields, parseExpand, showExpanded } from './expand.ts'
import { invalidQuery, parseFilters, parseSearch } from './filters.ts'
import { type Form, requireForm } from './form.ts'
import { type Desk, mayRead } from './lookup.ts'
import { JsonText, type RecordListInput, type RecordService } from './model.ts'
import { type Place, parsePlace, parseSort, placeOf, writeCursor } from './paging.ts'

const BATCH = 500
/** Questions, and characters of each. */
const MOST_KEPT = 200
const LONGEST_KEPT = 2000

interface Question {
  readonly asked: Predicate
  readonly sort: readonly SortKey[]
}

/** The verb `list`; see RecordService. */
export function createListing(desk: Desk): RecordService['list'] {
  const { records } = desk.meta
  // Programs ask the same few questions over and over.
  const questions = createRecent<string, Question>(MOST_KEPT)

  return async (call, collection, input) => {
    const form = requireForm(desk.forms, collection)
    const filter = desk.records.listFilter(call, form.name)
    const { limit } = input
    const fields = parseExpand(form, input.expand)
    const { asked, sort } = questionOf(form, input)
    const place = await located(call, form, sort, parsePlace(form, sort, input))
    if (filter.kind === 'none')
      return { docs: [], limit, offset: place.offset, nextCursor: null, total: input.total ? 0 : null }
    const query: RecordQuery = {
      collection: form.name,
      where: filter.kind === 'where' ? every(filter.where, asked) : asked,
      sort,
      limit: limit + 1,
      ...place,
    }
    const one = filter.kind === 'each'
    const json = one ? null : jsonFields(desk, call, form, fields)
    if (json !== null) {
      const page = await records.page({ ...query, limit }, json)
      return {
        docs: new JsonText(page.json, page.bytes),
        limit,
        offset: place.offset,
        nextCursor: page.last === null ? null : writeCursor(sort, page.last),
        total: input.total ? await records.count(query) : null,
      }
    }
    const found = one ? await collect(call, form, query) : await records.list(query)
    const total = input.total ? await (one ? countReadable(call, form, query) : records.count(query)) : null
    const more = found.length > limit
    const rows = more ? found.slice(0, limit) : found
    return {
      docs: await showExpanded(desk, call, form, fields, rows),
      limit,
      offset: place.offset,
      nextCursor: more ? writeCursor(sort, rows.at(-1)!.values) : null,
      total,
    }
  }

  /** What is asked for, and in which order. The same objects for the same texts, as long as they are remembered. */
  function questionOf(form: Form, { filters, sort, search }: RecordListInput): Question {
    const key = JSON.stringify([form.name, filters, sort, search])
    const known = questions.get(key)
    if (known !== undefined) return known
    const searched = search === null ? [] : [parseSearch(form, search)]
    const question = { asked: every(...parseFilters(form, filters), ...searched), sort: parseSort(form, sort) }
    if (key.length <= LONGEST_KEPT) questions.set(key, question)
    return question
  }

  /** The values of a place that was too long to carry: those that its record has by now. Fails invalid_query where it is gone, or not the
   *  caller's to read, for then its place would tell what it holds. */
  async function located(
    call: Call,
    form: Form,
    sort: readonly SortKey[],
    { offset, after, behind }: Place,
  ): Promise<Pick<RecordQuery, 'offset' | 'after'>> {
    if (behind === undefined) return { offset, after }
    const row = await records.get(form.name, behind)
    if (row === null || !mayRead(desk, call, form, row))
      throw invalidQuery('cursor', 'stood behind a record that is gone: begin again')
    return { offset, after: placeOf(sort, row.values) }
  }

  /** Reads on until `query.limit` readable records behind `query.offset` of them are found, or none are left. */
  async function collect(call: Call, form: Form, query: RecordQuery): Promise<readonly RecordRow[]> {
    const found: RecordRow[] = []
    let skip = query.offset
    for await (const row of walk(query)) {
      if (!mayRead(desk, call, form, row)) continue
      if (skip > 0) skip -= 1
      else if (found.push(row) === query.limit) break
    }
    return found
  }

  async function countReadable(call: Call, form: Form, query: RecordQuery): Promise<number> {
    let count = 0
    for await (const row of walk({ ...query, after: null })) if (mayRead(desk, call, form, row)) count += 1
    return count
  }

  /** Every row of a query in order, in batches, giving other requests their turn between them. */
  async function* walk(query: RecordQuery): AsyncGenerator<RecordRow> {
    let { after } = query
    for (;;) {
      const batch = await records.list({ ...query, after, offset: 0, limit: BATCH })
      yield* batch
      const last = batch.at(-1)
      if (last === undefined || batch.length < BATCH) return
      after = placeOf(query.sort, last.values)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
