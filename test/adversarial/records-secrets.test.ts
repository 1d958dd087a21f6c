// Group K: what a caller may not read must not be found out by any other way: lists, filters, orders, cursors, writes, references, errors.
import { expect } from 'vitest'
import { at, COLLECTIONS, create, listing, refusalOf } from '../support/records.ts'
import { type Scenario, scenarios, type World } from '../support/scenario.ts'
import { internal } from './records-internal.ts'

type Query = Readonly<Record<string, string | readonly string[]>>

/** One record each of A, of B and of nobody, named by `prefix`, in `notes` or `diary`. */
async function authored(w: World, collection: string, prefix: string, more: object = {}): Promise<void> {
  for (const author of ['A', 'B', null])
    await create(w.send, collection, {
      id: `${prefix}-${author}`,
      author,
      text: `${prefix} words of ${author}`,
      ...more,
    })
}

/** The ids that a list shows, page by page; the total must be their number. */
async function idsOf(w: World, collection: string, query: Query, token: string | null): Promise<readonly string[]> {
  const ids: string[] = []
  for (let cursor: string | null = null; ; ) {
    const more: Query = cursor === null ? {} : { cursor }
    const answer = await w.get(listing(collection, { limit: '1', total: 'true', ...query, ...more }), token)
    expect(answer.status, answer.text).toBe(200)
    const page = answer.json<{ docs: { id: string }[]; next_cursor: string | null; total: number }>()
    ids.push(...page.docs.map(({ id }) => id))
    cursor = page.next_cursor
    if (cursor !== null) {
      expect(page.docs, 'a page is not empty while more exist').toHaveLength(1)
      continue
    }
    expect(page.total).toBe(ids.length)
    return ids
  }
}

const BOTH = ['notes', 'diary']

const unreadable: readonly Scenario[] = [
  {
    title:
      'K157 a list with any filter, search, sort and place holds only what the caller may read, and so does its total',
    run: async (w) => {
      for (const collection of BOTH) {
        await authored(w, collection, 'list')
        const queries: readonly Query[] = [
          {},
          { sort: '-id' },
          { sort: 'author,-id' },
          { search: 'words of' },
          { filter: 'id:like:list-%' },
          { filter: 'id:in:list-A,list-B,list-null' },
          { filter: 'text:contains:words' },
          { filter: ['author:ne:x', 'text:not_null'] },
        ]
        for (const query of queries) {
          expect(await idsOf(w, collection, query, w.a), JSON.stringify(query)).toEqual(['list-A'])
          expect(await idsOf(w, collection, query, w.b), JSON.stringify(query)).toEqual(['list-B'])
          expect(await idsOf(w, collection, query, null), JSON.stringify(query)).toEqual([])
        }
        const oracles: readonly Query[] = [
          { filter: 'id:eq:list-B' },
          { filter: 'author:eq:B' },
          { filter: 'author:is_null' },
          { filter: 'text:like:%of B%' },
          { search: 'of B' },
          { search: 'of null' },
        ]
        for (const query of oracles) expect(await idsOf(w, collection, query, w.a), JSON.stringify(query)).toEqual([])
        const behind = await w.get(listing(collection, { offset: '1', total: 'true' }))
        expect(behind.json()).toEqual({ docs: [], limit: 100, offset: 1, next_cursor: null, total: 1 })
        expect(await idsOf(w, collection, { filter: 'id:like:list-%' }, w.admin)).toHaveLength(3)
      }
      return []
    },
  },
  {
    title: 'K157 nobody is the author of nobody’s record: no verb lets an anonymous caller at it',
    run: async (w) => {
      await authored(w, 'notes', 'null')
      await authored(w, 'diary', 'null')
      return Promise.all(
        BOTH.flatMap((collection) => {
          const path = at(collection, 'null-null')
          return [
            w.get(path, null),
            w.get(`${path}?expand=file`, null),
            w.send({ method: 'HEAD', path, token: null }),
            w.send({ method: 'PATCH', path, json: { text: 'mine' }, token: null }),
            w.send({ method: 'PATCH', path, json: {}, token: null }),
            w.send({ method: 'PATCH', path, json: { author: null }, token: null }),
            w.send({ method: 'DELETE', path, token: null }),
          ]
        }),
      )
    },
    status: 401,
    absent: ['words of'],
    check: async (_, w) => {
      for (const collection of BOTH)
        expect((await w.get(at(collection, 'null-null'), w.admin)).json()).toMatchObject({ text: 'null words of null' })
    },
  },
  {
    title: 'K157 another’s record is 403 to every verb, and says nothing of itself',
    run: async (w) => {
      await authored(w, 'notes', 'other')
      return Promise.all(
        ['other-B', 'other-null'].flatMap((id) => [
          w.get(at('notes', id)),
          w.get(`${at('notes', id)}?expand=file`),
          w.send({ method: 'PATCH', path: at('notes', id), json: { text: 'mine' } }),
          w.send({ method: 'PATCH', path: at('notes', id), json: { author: 'A' } }),
          w.send({ method: 'PATCH', path: at('notes', id), json: {} }),
          w.send({ method: 'PATCH', path: at('notes', id), json: { file: w.fb.id } }),
          w.send({ method: 'DELETE', path: at('notes', id) }),
        ]),
      )
    },
    status: 403,
    code: 'forbidden',
    absent: ['words of', /"author"/],
  },
  {
    title: 'K157 a refused change says the same whatever the record holds',
    run: async (w) => {
      await create(w.send, 'notes', { id: 'same-1', author: 'B', text: 'one', slug: 'same-1' })
      await create(w.send, 'notes', { id: 'same-2', author: 'B', text: 'two', slug: 'same-2' })
      const of = (id: string, json: unknown) => w.send({ method: 'PATCH', path: at('notes', id), json })
      const guesses = await Promise.all([
        of('same-1', { text: 'one' }),
        of('same-2', { text: 'one' }),
        of('same-1', { slug: 'same-2' }),
        of('same-1', { slug: 'free' }),
      ])
      for (const guess of guesses) expect(refusalOf(guess)).toEqual(refusalOf(guesses[0]!))
      return guesses
    },
    status: 403,
  },
  {
    title: 'K154 a relation to another’s record stays an id, alone and in lists; the caller’s own is shown',
    run: async (w) => {
      await authored(w, 'notes', 'expand')
      const ids = ['expand-A', 'expand-B', 'expand-null']
      for (const note of ids) await create(w.send, 'posts', { title: 'K154 expand', note })
      const query = { filter: 'title:eq:K154 expand', expand: 'note' }
      const notes = async (token: string | null) =>
        (await w.get(listing('posts', query), token)).json<{ docs: { note: unknown }[] }>().docs.map(({ note }) => note)
      expect(await notes(w.a)).toEqual([expect.objectContaining({ text: 'expand words of A' }), ids[1], ids[2]])
      expect(await notes(null)).toEqual(ids)
      return w.get(listing('posts', { filter: 'note.text:like:%' }))
    },
    status: 400,
  },
  {
    title: 'K157 what holds a record back is named only to those who may read it',
    run: async (w) => {
      await create(w.send, 'notes', { id: 'held', author: 'A' })
      const post = await create<{ id: string }>(w.send, 'posts', { note: 'held' })
      const answer = await w.send({ method: 'DELETE', path: at('notes', 'held') })
      expect(refusalOf(answer)).toMatchObject({ code: 'record_in_use', details: { record_id: post.id, field: 'note' } })
      await w.send({ method: 'DELETE', path: at('posts', post.id) })
      return answer
    },
    status: 409,
  },
  {
    title: 'K157 a cursor made by hand behind another’s record tells nothing of it',
    run: async (w) => {
      await create(w.send, 'notes', { id: 'cursor-B', author: 'B', slug: `b${'x'.repeat(4000)}` })
      const forged = (place: unknown) => Buffer.from(JSON.stringify(['slug,id', place])).toString('base64url')
      const of = (place: unknown) => w.get(listing('notes', { sort: 'slug', cursor: forged(place) }))
      const [unreadable, unknown] = [await of('cursor-B'), await of('cursor-nobody')]
      expect(refusalOf(unreadable)).toEqual(refusalOf(unknown))
      return [unreadable, unknown]
    },
    status: 400,
    code: 'invalid_query',
  },
  {
    title: 'K157 unique_violation is the one thing that tells of another’s record: that a value is taken, not by whom',
    run: async (w) => {
      await create(w.send, 'notes', { id: 'unique-B', author: 'B', slug: 'their slug', text: 'the words of B' })
      const made = (json: unknown) => w.send({ method: 'POST', path: at('notes'), json })
      return [await made({ id: 'unique-A', slug: 'their slug' }), await made({ id: 'unique-B' })]
    },
    status: 409,
    code: 'unique_violation',
    absent: ['words of B', 'unique-B'],
    check: (answers) =>
      expect(answers.map((each) => refusalOf(each).details)).toEqual([{ fields: ['slug'] }, { fields: ['id'] }]),
  },
]

scenarios('K. What may not be read', [...unreadable, ...internal], { schema: COLLECTIONS })
