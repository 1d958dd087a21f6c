// Ids of records that addresses, parsers and prototypes might take for something else.
import { expect } from 'vitest'
import { at, create, listing, refusalOf } from '../support/records.ts'
import type { Scenario } from '../support/scenario.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

/** What an address, a path, a template or a database might take for something else. */
const IDS = [
  ...[
    '%2F',
    'a/b',
    '/',
    '//',
    'a/..',
    '../x',
    '..%2f..%2f',
    '%',
    '%25',
    '%00',
    '%zz',
    '?',
    '#',
    '?x=1#y',
    '+',
    'a b',
    ' ',
    '\t\n\r',
    'a;b',
    'a\\b',
  ],
  ...[
    'a&b=c',
    '"',
    "'",
    '`',
    '<b>',
    '{id}',
    ':id',
    '*',
    '...',
    '....',
    'é',
    'e\u0301',
    '漢字',
    '\u{1f600}',
    '\u202eabc',
    '\ufeff',
    '\u2028',
    '\u0085',
    '\x7f',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'null',
    'undefined',
    'NaN',
    '0',
    '-1',
    'tus',
    'sign',
    'delete',
    'A',
    'a',
    'x'.repeat(255),
    '\u{1f600}'.repeat(255),
  ],
]

/** Run beside those of bodies, on the collections of support/records.ts. */
export const ids: readonly Scenario[] = [
  {
    title: 'A5 a record of any text for an id is found at its Location and by a filter, and only there',
    run: async (w) => {
      const answers = await Promise.all(
        IDS.map(async (id) => {
          const made = await w.send({ method: 'POST', path: at('words'), json: { id, title: `title of ${id}` } })
          expect(made.status, `${JSON.stringify(id)}: ${made.text}`).toBe(201)
          const found = await w.get(String(made.headers.location))
          expect(found.json(), JSON.stringify(id)).toMatchObject({ id, title: `title of ${id}` })
          expect(String(made.headers.location)).toBe(at('words', id))
          const listed = await w.get(listing('words', { filter: `id:eq:${id}`, total: 'true' }))
          expect(listed.json(), JSON.stringify(id)).toMatchObject({ docs: [{ id }], total: 1 })
          return found
        }),
      )
      const before = w.server.query<{ id: string }>('SELECT id FROM words').length
      for (const id of IDS) {
        const gone = await w.send({ method: 'DELETE', path: at('words', id) })
        expect(gone.status, JSON.stringify(id)).toBe(204)
      }
      expect(w.server.query('SELECT id FROM words')).toHaveLength(before - IDS.length)
      return answers
    },
    status: 200,
  },
  {
    title: 'A5 what no address can hold is no id',
    run: (w) =>
      Promise.all(
        ['', '.', '..', 'x'.repeat(256), 'a\0b', 7, null, ['a'], { a: 1 }].map((id) =>
          w.send({ method: 'POST', path: at('words'), json: { id } }),
        ),
      ),
    status: 400,
    code: 'validation_failed',
  },
  {
    title: 'A5 half of a surrogate pair and invalid UTF-8 are no text, in bodies and addresses',
    run: async (w) => {
      const change = (body: string) => w.send({ method: 'PATCH', path: at('words', 'any'), body, headers: JSON_TYPE })
      return [
        await change('{"title":"\\ud800"}'),
        await change('{"title":"\\udc00\\ud800"}'),
        await change('{"title":"a\\u0000b"}'),
        await w.get(`${at('words')}?search=%ED%A0%80`),
        await w.get(`${at('words')}?filter=title:eq:%ff`),
        await w.get(`${at('words')}?filter=title:eq:%`),
        await w.get(`${at('words')}?filter=title:eq:%00`),
      ]
    },
    status: 400,
  },
  {
    title: 'A4 an address that is no id of its collection is a record that is not there',
    run: (w) =>
      Promise.all([
        ...[
          '%00',
          '%ff',
          '%',
          '%ED%A0%80',
          'x'.repeat(600),
          'a%00b',
          'stays%00',
          'STAYS',
          'stays%20',
          'sta%79s%2F',
        ].map((id) => w.get(`${at('words')}/${id}`)),
        ...[
          '1.0',
          '01',
          '+1',
          '0x1',
          '1e0',
          ' 1',
          '9007199254740993',
          '9007199254740992',
          '-9007199254740992',
          '99999999999999999999',
          'NaN',
          '',
        ].map((id) => w.get(`${at('counts')}/${encodeURIComponent(id)}`)),
        ...['not-a-uuid', '01932f00-0000-7000-8000-00000000dead%0a', '{01932f00-0000-7000-8000-00000000dead}'].map(
          (id) => w.get(`${at('posts')}/${id}`),
        ),
        w.get(`${at('words')}/a/b`),
        w.get(`${at('words')}/stays/expand`),
      ]),
    status: 404,
    code: ['record_not_found', 'not_found'],
  },
  {
    title: 'J148 whole numbers up to 2^53 - 1 are ids, and none beyond',
    run: async (w) => {
      const most = Number.MAX_SAFE_INTEGER
      for (const id of [most, -most, 0, most - 1]) {
        await create(w.send, 'counts', { id, title: String(id) })
        expect((await w.get(at('counts', id))).json()).toEqual({ id, title: String(id) })
        expect((await w.get(listing('counts', { filter: `id:eq:${id}` }))).json()).toMatchObject({ docs: [{ id }] })
      }
      const sorted = await w.get(listing('counts', { sort: '-id', limit: '2' }))
      expect(sorted.json()).toMatchObject({ docs: [{ id: most }, { id: most - 1 }] })
      const beyond = [
        '9007199254740992',
        '9007199254740993',
        '1e300',
        '1.5',
        '"1"',
        '-9007199254740992',
        'true',
        '1e999',
      ]
      return Promise.all(
        beyond.map((id) => w.send({ method: 'POST', path: at('counts'), body: `{"id":${id}}`, headers: JSON_TYPE })),
      )
    },
    status: 400,
    check: (answers) =>
      expect(answers.map((each) => refusalOf(each).code)).toEqual([
        ...Array(7).fill('validation_failed'),
        'invalid_json',
      ]),
  },
]
