// Bodies and ids of records that parsers, prototypes, addresses and SQL might take for something else.
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { at, COLLECTIONS, create, listing, refusalOf } from '../support/records.ts'
import { type Scenario, scenarios, type World } from '../support/scenario.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const MiB = 1024 * 1024
/** The body as it stands, to create and to change a record. */
const raw = (w: World, body: Buffer | string, headers: Readonly<Record<string, string>> = JSON_TYPE) =>
  Promise.all([
    w.send({ method: 'POST', path: at('words'), body, headers }),
    w.send({ method: 'PATCH', path: at('words', 'stays'), body, headers }),
  ])
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`

/** Seconds of the processor that the server has used: what one request takes, everybody else waits for. */
function cpuSeconds(w: World): number {
  const fields = readFileSync(`/proc/${w.server.pid()}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const bodies: readonly Scenario[] = [
  {
    title: 'B40 a body that is not one plain JSON value is refused',
    run: async (w) => {
      await create(w.send, 'words', { id: 'stays', title: 'stays' })
      const broken = [
        '',
        '{',
        '{"id":1}x',
        '\ufeff{}',
        '{"id":"a",}',
        "{'id':1}",
        'undefined',
        '{"id":"a","id":"b"}',
        '{"level":1e999}',
      ]
      const bytes = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])
      const deep = ['['.repeat(100_000), `{"id":"a","data":${nested(101)}}`, '{"a":'.repeat(101)]
      return (await Promise.all([...broken, bytes, ...deep].map((body) => raw(w, body)))).flat()
    },
    status: 400,
    code: 'invalid_json',
  },
  {
    title: 'B40 keys that differ only in how they are written are one key, also below',
    run: async (w) =>
      (
        await Promise.all(
          ['{"id":"a","\\u0069d":"b"}', '{"id":"a","data":{"x":1,"x":2}}', '{"data":[{"a":{"b":1,"\\u0062":2}}]}'].map(
            (body) => raw(w, body),
          ),
        )
      ).flat(),
    status: 400,
    code: 'invalid_json',
  },
  {
    title: 'B40 JSON that is no object is no record',
    run: async (w) =>
      (await Promise.all(['[]', '[{"id":"a"}]', '"id"', '7', 'true', 'null'].map((body) => raw(w, body)))).flat(),
    status: 400,
    code: 'validation_failed',
  },
  {
    title: 'B40 more than a mebibyte is refused; just below it is taken and comes back whole',
    run: async (w) => {
      const body = 'ä'.repeat(MiB / 2 - 100)
      const record = await create(w.send, 'words', { id: 'large', body })
      expect(record).toMatchObject({ body })
      expect((await w.get(at('words', 'large'))).json()).toMatchObject({ body })
      expect((await w.get(listing('words', { filter: 'id:eq:large' }))).json()).toMatchObject({ docs: [{ body }] })
      return raw(w, JSON.stringify({ id: 'larger', body: 'x'.repeat(MiB) }))
    },
    status: 413,
    code: 'body_too_large',
  },
  {
    title: 'B42 a body that is not declared as JSON, or is encoded, is refused',
    run: async (w) =>
      (
        await Promise.all([
          ...[
            'text/plain',
            'application/x-www-form-urlencoded',
            'multipart/form-data; boundary=x',
            'application/jsonp',
            'application/json; charset=utf-16',
            '',
          ].map((type) => raw(w, '{"id":"a"}', { 'content-type': type })),
          raw(w, '{"id":"a"}', {}),
          raw(w, '{"id":"a"}', { ...JSON_TYPE, 'content-encoding': 'gzip' }),
        ])
      ).flat(),
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    title: 'B40 tens of thousands of unknown keys hold nobody up and are told in few words',
    run: async (w) => {
      const many = JSON.stringify(Object.fromEntries(Array.from({ length: 80_000 }, (_, i) => [`k${i}`, 1])))
      const before = cpuSeconds(w)
      const answers = await raw(w, many)
      // The parser of the engine alone takes some 0.2 s for both; the fault was 10.
      expect(cpuSeconds(w) - before).toBeLessThan(2)
      for (const answer of answers) expect(answer.body.length).toBeLessThan(5000)
      expect(answers[0].text).toMatch(/and 80000 more faults/)
      return answers
    },
    status: 400,
    code: 'validation_failed',
  },
  {
    title: 'A9 keys with the names of prototypes are no fields, and change nothing',
    run: async (w) =>
      (
        await Promise.all(
          [
            '__proto__',
            'constructor',
            'prototype',
            'toString',
            'hasOwnProperty',
            '__proto__+',
            '+__proto__',
            '__proto__-',
          ].map((key) => raw(w, `{"id":"proto","${key}":{"title":"polluted","id":"polluted","role":"admin"}}`)),
        )
      ).flat(),
    status: 400,
    code: 'validation_failed',
    check: async (answers, w) => {
      for (const answer of answers) expect(answer.text).toContain('is not a field of words')
      expect(await create(w.send, 'words', { id: 'unpolluted' })).toMatchObject({ title: null })
    },
  },
  {
    title: 'A9 keys with the names of prototypes inside a json field are data, verbatim and in order',
    run: async (w) => {
      const data =
        '{"__proto__":{"admin":true},"constructor":{"prototype":{"x":1}},"a":[{"__proto__":null}],"toJSON":"no","":{"\\u0000":"\\ud83d\\ude00"},"-0":-0.5,"1e2":1e+21,"ü":" "}'
      const [made] = await raw(w, `{"id":"data","data":${data}}`)
      const shown = JSON.stringify(JSON.parse(data))
      const answers = [
        made,
        await w.get(at('words', 'data')),
        await w.get(listing('words', { filter: 'id:eq:data' })),
        await w.get(listing('words', { filter: 'id:eq:data', sort: 'title,-level' })),
      ]
      for (const answer of answers) expect(answer.text).toContain(`"data":${shown}`)
      return answers
    },
    status: [200, 201],
  },
  {
    title: 'A9 json is of any form: a text, a list, false, a hundred levels',
    run: async (w) => {
      const values = [
        false,
        0,
        '',
        'text',
        [],
        {},
        [null],
        '{"not":"parsed"}',
        1e308,
        5e-324,
        0.1 + 0.2,
        JSON.parse(nested(99)),
      ]
      return Promise.all(
        values.map(async (data, i) => {
          await create(w.send, 'words', { id: `form-${i}`, data })
          expect((await w.get(listing('words', { filter: `id:eq:form-${i}` }))).json()).toMatchObject({
            docs: [{ data }],
          })
          const answer = await w.get(at('words', `form-${i}`))
          expect(answer.json()).toMatchObject({ data })
          return answer
        }),
      )
    },
    status: 200,
  },
]

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

const ids: readonly Scenario[] = [
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
    run: async (w) => [
      ...(await raw(w, '{"title":"\\ud800"}')).slice(1),
      ...(await raw(w, '{"title":"\\udc00\\ud800"}')).slice(1),
      ...(await raw(w, '{"title":"a\\u0000b"}')).slice(1),
      await w.get(`${at('words')}?search=%ED%A0%80`),
      await w.get(`${at('words')}?filter=title:eq:%ff`),
      await w.get(`${at('words')}?filter=title:eq:%`),
      await w.get(`${at('words')}?filter=title:eq:%00`),
    ],
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

scenarios('Bodies and ids of records', [...bodies, ...ids], { schema: COLLECTIONS })
