// Bodies of records that parsers and prototypes might take for something else.
import { expect } from 'vitest'
import { at, COLLECTIONS, create, listing } from '../support/records.ts'
import { type Scenario, scenarios, type World } from '../support/scenario.ts'
import { ids } from './records-ids.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const MiB = 1024 * 1024
/** The body as it stands, to create and to change a record. */
const raw = (w: World, body: Buffer | string, headers: Readonly<Record<string, string>> = JSON_TYPE) =>
  Promise.all([
    w.send({ method: 'POST', path: at('words'), body, headers }),
    w.send({ method: 'PATCH', path: at('words', 'stays'), body, headers }),
  ])
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`

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
      const before = w.server.cpuSeconds()
      const answers = await raw(w, many)
      // What one request takes, everybody else waits for. The engine's parser alone takes some 0.2 s for both; the fault was 10.
      expect(w.server.cpuSeconds() - before).toBeLessThan(2)
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

scenarios('Bodies and ids of records', [...bodies, ...ids], { schema: COLLECTIONS })
