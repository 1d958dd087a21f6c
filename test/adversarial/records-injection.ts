// Group K: what might get from the address, the query or a value of a record into SQL.
import { expect } from 'vitest'
import { at, listing } from '../support/records.ts'
import type { Scenario, World } from '../support/scenario.ts'

const NOBODY = '01932f00-0000-7000-8000-00000000dead'
const post = (w: World, json: unknown) => w.send({ method: 'POST', path: at('posts'), json })
const patch = (w: World, id: string, json: unknown) => w.send({ method: 'PATCH', path: at('posts', id), json })
const total = async (w: World, collection: string): Promise<number> =>
  (await w.get(listing(collection, { total: 'true', limit: '1' }), w.admin)).json<{ total: number }>().total

const SQL = [
  `'); DROP TABLE posts; --`,
  `" OR 1=1 --`,
  `x'; DELETE FROM _alyx_files; --`,
  `%' OR '%'='`,
  '`id`',
  '{{1+1}}',
  '?1',
  ':id',
  '@a',
  '$b',
]

/** Run beside those of files, on the collections of support/records.ts. */
export const injections: readonly Scenario[] = [
  {
    title: 'K162 SQL in values is text',
    run: (w) =>
      Promise.all(
        SQL.map(async (title) => {
          const made = await post(w, { title })
          const { id } = made.json<{ id: string }>()
          const found = await w.get(listing('posts', { filter: `title:eq:${title}`, total: 'true' }))
          expect(found.json(), title).toMatchObject({ docs: [{ id, title }], total: 1 })
          return patch(w, id, { title: `${title}${title}` })
        }),
      ),
    status: 200,
  },
  {
    title: 'K162 SQL in names of collections and ids finds nothing',
    run: (w) =>
      Promise.all([
        ...[
          'posts"; DROP',
          "posts'--",
          'posts;',
          'pragma_table_info',
          '_alyx_files',
          'posts/../words',
          'POSTS',
          'posts ',
          'pub',
        ].map((name) => w.get(at(name))),
        ...["' OR '1'='1", '1 OR 1=1', '1;DROP TABLE posts', '*', '%', '_'].map((id) => w.get(at('posts', id))),
      ]),
    status: 404,
    code: ['collection_not_found', 'record_not_found'],
  },
  {
    title: 'K162 K156 K157 sort, filter and expand take fields of the collection, not SQL, paths or what is inside',
    run: (w) =>
      Promise.all([
        ...[
          'id desc, (select 1)',
          'id;DROP TABLE posts',
          'cover.checksum',
          'rowid',
          '_version',
          '(select sql from _alyx_files)',
        ].map((sort) => w.get(listing('posts', { sort }))),
        ...[
          'cover.checksum:eq:x',
          'docs.metadata.secret:eq:x',
          'pragma_table_info.name:like:%',
          '_alyx_files.id:eq:x',
          'note.author:eq:B',
          '"id":eq:x',
        ].map((filter) => w.get(listing('posts', { filter }))),
        ...[
          '__proto__',
          'nope',
          'cover.owner.secret',
          Array(1000).fill('cover').join(),
          'cover,cover',
          'title',
          'note.file',
        ].map((expand) => w.get(listing('posts', { expand }))),
        w.get(`${at('posts', NOBODY)}?expand=__proto__`),
      ]),
    status: 400,
    code: 'invalid_query',
  },
  {
    title: 'K162 afterwards every table is still there',
    run: async (w) => {
      expect(await total(w, 'posts')).toBeGreaterThanOrEqual(SQL.length)
      expect((await w.get(`/api/files/priv/${w.fa.id}`)).status).toBe(200)
      return w.get(listing('words'))
    },
    status: 200,
  },
  {
    title: 'A9 names of prototypes are no collections and no records',
    run: (w) =>
      Promise.all(
        ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'].flatMap((name) => [
          w.get(at(name)),
          w.get(at(name, 'x')),
          w.get(at('posts', name)),
          w.send({ method: 'POST', path: at(name), json: {} }),
        ]),
      ),
    status: 404,
    code: ['collection_not_found', 'record_not_found'],
  },
  {
    title: 'B33 HEAD is GET without the body, refusals too',
    run: async (w) => {
      const { id } = (await post(w, { title: 'B33' })).json<{ id: string }>()
      const paths = [
        at('posts', id),
        listing('posts', { filter: `id:eq:${id}` }),
        at('posts', NOBODY),
        at('nope'),
        listing('posts', { sort: 'x' }),
      ]
      for (const path of paths) {
        const [get, head] = [await w.get(path), await w.send({ method: 'HEAD', path })]
        expect([head.status, head.body.length], path).toEqual([get.status, 0])
        expect(head.headers['content-length'], path).toBe(String(get.body.length))
      }
      return []
    },
  },
  {
    title: 'B33 other methods are told which there are; an unknown collection is unknown to all of them',
    run: async (w) => {
      const unknown = await Promise.all(
        ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].map((method) => w.send({ method, path: at('nope') })),
      )
      expect(unknown.map(({ status }) => status)).toEqual(Array(6).fill(404))
      return Promise.all([
        w.send({ method: 'PUT', path: at('posts'), json: {} }),
        w.send({ method: 'DELETE', path: at('posts') }),
        w.send({ method: 'POST', path: at('posts', NOBODY), json: {} }),
        w.send({
          method: 'POST',
          path: at('posts', NOBODY),
          json: {},
          headers: { 'x-http-method-override': 'DELETE' },
        }),
      ])
    },
    status: 405,
    code: 'method_not_allowed',
  },
]
