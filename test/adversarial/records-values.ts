// Values of records: what a list shows, orders and finds must be what a single read shows.
import { expect } from 'vitest'
import { at, create, listing, WIDTH } from '../support/records.ts'
import type { Scenario, World } from '../support/scenario.ts'

interface Page {
  readonly docs: readonly { readonly id: string }[]
  readonly next_cursor: string | null
}

const TEXTS = [
  '',
  ' ',
  'a',
  'A',
  'ä',
  'z',
  '\u{1f600}',
  '"',
  "'",
  '\\',
  '\n',
  '\u2028',
  '\u0001',
  '%',
  '_',
  'null',
  '{"a":1}',
  '</script>',
]
const FLOATS = [
  0,
  0.1,
  0.1 + 0.2,
  1 / 3,
  1e21,
  1e-7,
  123456789.12345679,
  1e308,
  5e-324,
  -1.5,
  2 ** 53,
  2 ** 53 + 2,
  1e15 + 0.3,
  9007199254740996,
  100,
  -0.000001,
]

/** Records of every odd value, and what a single read shows of each. */
async function oddRecords(w: World): Promise<ReadonlyMap<string, unknown>> {
  const shown = new Map<string, unknown>()
  const count = Math.max(TEXTS.length, FLOATS.length)
  for (let i = 0; i < count; i++) {
    const id = `odd-${String(i).padStart(2, '0')}`
    const [title = null, ratio = null] = [TEXTS[i], FLOATS[i]]
    const level = i % 3 === 0 ? null : [Number.MAX_SAFE_INTEGER, -1, 0][i % 3]
    const more = i % 2 === 0 ? { flag: i % 4 === 0, tags: ['b', 'a'] } : { day: `20${i + 10}-01-01T00:00:00+01:00` }
    const sent = { id, title, body: title, ratio, level, data: { title, ratio }, ...more }
    const record = await create(w.send, 'words', sent)
    expect(record, id).toMatchObject({ title, ratio, data: { title, ratio } })
    const single = await w.get(at('words', id))
    expect(single.json(), id).toEqual(record)
    shown.set(id, record)
  }
  return shown
}

/** Every record of a list, page by page. */
async function walk(w: World, query: Readonly<Record<string, string>>): Promise<readonly { readonly id: string }[]> {
  const docs: { readonly id: string }[] = []
  for (let cursor: string | null = null, pages = 0; pages < 100; pages++) {
    const answer = await w.get(listing('words', cursor === null ? query : { ...query, cursor }))
    expect(answer.status, answer.text.slice(0, 300)).toBe(200)
    const page = answer.json<Page>()
    docs.push(...page.docs)
    cursor = page.next_cursor
    if (cursor === null) return docs
  }
  throw new Error('the list does not end')
}

/** Run beside those of lists, on the collections of support/records.ts. */
export const values: readonly Scenario[] = [
  {
    title: 'K157 a list shows every value as a single read does, in any order and cut into any pages, each record once',
    run: async (w) => {
      const odd = await oddRecords(w)
      const orders = [
        'id',
        '-id',
        'title',
        '-title',
        'ratio,-title',
        '-ratio',
        'level,-ratio',
        '-level',
        'flag,day',
        '-day,title',
        'level,ratio,-flag,day,title',
      ]
      for (const sort of orders)
        for (const limit of ['1', '5', '1000']) {
          const docs = await walk(w, { sort, limit, filter: 'id:like:odd-%' })
          expect(docs.map(({ id }) => id).sort(), `${sort} by ${limit}`).toEqual([...odd.keys()])
          for (const doc of docs) expect(doc, `${sort} by ${limit}`).toEqual(odd.get(doc.id))
        }
      return w.get(listing('words'))
    },
    status: 200,
  },
  {
    title: 'K157 each value is found by the filter that asks for it',
    run: async (w) => {
      for (const [i, text] of TEXTS.entries()) {
        const found = await walk(w, { filter: `title:eq:${text}` })
        expect(
          found.map(({ id }) => id),
          JSON.stringify(text),
        ).toEqual([`odd-${String(i).padStart(2, '0')}`])
      }
      for (const [i, ratio] of FLOATS.entries()) {
        const found = await walk(w, { filter: `ratio:eq:${ratio}` })
        expect(
          found.map(({ id }) => id),
          String(ratio),
        ).toContain(`odd-${String(i).padStart(2, '0')}`)
      }
      const parts = await Promise.all(
        ['%', '_', '\\', '"', "'"].map((search) => w.get(listing('words', { search, total: 'true' }))),
      )
      expect(parts.map((answer) => answer.json().total)).toEqual([1, 1, 1, 2, 1])
      return parts
    },
    status: 200,
  },
  {
    title: 'K157 a place that is too long for an address is still a place',
    run: async (w) => {
      for (let i = 0; i < 4; i++)
        await create(w.send, 'words', { id: `long-${i}`, title: 'x'.repeat(30_000 + (i % 2)) })
      const docs = await walk(w, { sort: '-title', limit: '1', filter: 'id:like:long-%' })
      expect(docs.map(({ id }) => id)).toEqual(['long-3', 'long-1', 'long-2', 'long-0'])
      const first = await w.get(listing('words', { sort: 'title', limit: '1', filter: 'id:like:long-%' }))
      const cursor = first.json<Page>().next_cursor!
      expect(cursor.length).toBeLessThan(2048)
      await w.send({ method: 'DELETE', path: at('words', 'long-0') })
      return w.get(listing('words', { sort: 'title', limit: '1', cursor }))
    },
    status: 400,
    code: 'invalid_query',
  },
  {
    title: 'K157 a collection of many fields is listed, too',
    run: async (w) => {
      const fields = Object.fromEntries(
        Array.from({ length: WIDTH }, (_, i) => [`f${i}`, i % 2 === 0 ? `text ${i}` : i + 0.1]),
      )
      const record = await create(w.send, 'wide', { id: 'one', ...fields })
      const answer = await w.get(listing('wide', { sort: '-f3,f4,id', filter: 'f0:eq:text 0' }))
      expect(answer.json()).toMatchObject({ docs: [record], next_cursor: null })
      return answer
    },
    status: 200,
  },
  {
    title: 'G17 patterns that could take for ever do not',
    run: async (w) => {
      await create(w.send, 'words', { id: 'slow', body: 'a'.repeat(100_000), title: 'a'.repeat(2000) })
      const before = w.server.cpuSeconds()
      const answers = await Promise.all([
        w.get(listing('words', { filter: `title:like:${'%a'.repeat(125)}b` })),
        w.get(listing('words', { filter: `body:like:${'%a'.repeat(10)}b` })),
        w.get(listing('words', { filter: `body:contains:${'a'.repeat(250)}b` })),
        w.get(listing('words', { search: `${'a'.repeat(200)}b` })),
      ])
      expect(w.server.cpuSeconds() - before).toBeLessThan(8)
      for (const answer of answers) expect(answer.json()).toMatchObject({ docs: [] })
      await w.send({ method: 'DELETE', path: at('words', 'slow') })
      return answers
    },
    status: 200,
  },
]
