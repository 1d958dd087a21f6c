// Lists of records: parameters that are none, and cursors made by hand.
import { at, COLLECTIONS, listing } from '../support/records.ts'
import { type Scenario, scenarios } from '../support/scenario.ts'
import { values } from './records-values.ts'

const forged = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const parameters: readonly Scenario[] = [
  {
    title: 'B43 parameters that are none, or twice, or out of range',
    run: (w) =>
      Promise.all([
        ...['-1', '0', '1001', '1e9', 'NaN', '0x10', '1.5', '', ' 1'].map((limit) =>
          w.get(listing('words', { limit })),
        ),
        ...['-1', '1000001', '1e3', 'x', ''].map((offset) => w.get(listing('words', { offset }))),
        ...['total', 'search', 'sort', 'expand', 'cursor', 'filter'].map((name) =>
          w.get(listing('words', { [name]: '' })),
        ),
        ...['limit', 'offset', 'sort', 'search', 'cursor', 'expand', 'total'].map((name) =>
          w.get(listing('words', { [name]: ['1', '2'] })),
        ),
        ...['fields', 'where', '_method', '__proto__[x]', 'filter[title]', 'token', 'access_token'].map((name) =>
          w.get(listing('words', { [name]: 'x' })),
        ),
        w.get(listing('words', { offset: '1', cursor: forged(['id', ['a']]) })),
        w.get(listing('words', { search: 'x'.repeat(256) })),
        w.get(`${at('words', 'x')}?filter=id:eq:x`),
        w.get(`${at('words', 'x')}?limit=1`),
      ]),
    status: 400,
    code: 'invalid_query',
  },
  {
    title: 'B43 filters that are none',
    run: (w) =>
      Promise.all([
        ...[
          'title',
          ':',
          '::',
          'title:eq',
          'title:like',
          'title:is_null:',
          'title:is_null:x',
          'title:constructor',
          'title:__proto__:x',
          'title:EQ:x',
        ].map((filter) => w.get(listing('words', { filter }))),
        ...[
          'Title:eq:x',
          'title :eq:x',
          '__proto__:eq:1',
          'constructor:is_null',
          'rowid:eq:1',
          'data.x:eq:1',
          'data:eq:1',
          'tags:eq:a',
        ].map((filter) => w.get(listing('words', { filter }))),
        ...['9007199254740993', '1.0', '0x10', '1e3', ' 1', '', 'null', 'true'].map((value) =>
          w.get(listing('words', { filter: `level:eq:${value}` })),
        ),
        ...['Infinity', 'NaN', '1e999', '0x1', '.5'].map((value) =>
          w.get(listing('words', { filter: `ratio:gt:${value}` })),
        ),
        ...['1', 'TRUE', 'yes'].map((value) => w.get(listing('words', { filter: `flag:eq:${value}` }))),
        w.get(listing('chests', { filter: 'bytes:eq:AP8=' })),
        w.get(listing('chests', { sort: 'bytes' })),
        w.get(listing('words', { filter: `title:in:${Array(1000).fill('x').join()}` })),
        w.get(listing('words', { filter: 'title:in:' })),
        w.get(listing('words', { filter: `title:like:${'%'.repeat(1001)}` })),
        w.get(listing('words', { filter: Array(21).fill('title:not_null') })),
        w.get(listing('words', { filter: Array(51).fill('title:not_null') })),
      ]),
    status: 400,
    code: 'invalid_query',
  },
  {
    title: 'B43 orders and expansions that are none',
    run: (w) =>
      Promise.all([
        ...[
          'tags',
          'data',
          'body',
          'rowid',
          'title,title',
          '-',
          '--title',
          ',',
          'title,',
          '+title',
          'title desc',
          '__proto__',
          'id,title,level,ratio,flag,day',
        ].map((sort) => w.get(listing('words', { sort }))),
        ...['cover,cover', 'cover, docs', 'title', 'id', '*', 'cover,'].map((expand) =>
          w.get(listing('posts', { expand })),
        ),
      ]),
    status: 400,
    code: 'invalid_query',
  },
  {
    title: 'B43 a cursor that no list of this order gave out',
    run: (w) => {
      const of = (sort: string, cursor: string) => w.get(listing('words', { sort, cursor }))
      return Promise.all([
        ...['x', '***', 'AAAA', forged(null), forged('id'), forged({ 0: 'id', 1: ['w'], length: 2 })].map((cursor) =>
          of('id', cursor),
        ),
        of('id', forged(['id'])),
        of('id', forged(['id', ['a', 'b']])),
        of('id', forged(['id', [null]])),
        of('id', forged(['id', null])),
        of('id', forged(['id', [['a']]])),
        of('id', forged(['hidden,id', ['a', 'b']])),
        of('id', forged(['-id', ['a']])),
        of('level', forged(['level,id', ['1', 'a']])),
        of('level', forged(['level,id', [true, 'a']])),
        of('level', forged(['level,id', [{ x: 1 }, 'a']])),
        of('level', Buffer.from('["level,id",[1e999,"a"]]').toString('base64url')),
        of('id', Buffer.from('['.repeat(5000)).toString('base64url')),
        w.get(listing('counts', { cursor: forged(['id', ['a']]) })),
      ])
    },
    status: 400,
    code: 'invalid_query',
  },
  {
    title: 'B43 a cursor made by hand of the right form is only a place',
    run: (w) =>
      Promise.all(
        [1e308, -1e308, 1.5, null, -0].flatMap((level) => [
          w.get(listing('words', { sort: 'level', cursor: forged(['level,id', [level, '\0']]) })),
          w.get(
            listing('words', { sort: '-level', cursor: forged(['-level,-id', [level, "'; DROP TABLE words; --"]]) }),
          ),
        ]),
      ),
    status: 200,
  },
  {
    title: 'B30 what is too long for the head of a request is 431, and never reaches the database',
    run: (w) =>
      Promise.all([
        w.get(listing('words', { filter: `title:like:${'%a'.repeat(30_000)}` })),
        w.get(listing('words', { cursor: 'x'.repeat(20_000) })),
        w.get(at('words', 'x'.repeat(20_000))),
      ]),
    status: 431,
  },
]

scenarios('Lists of records', [...parameters, ...values], { schema: COLLECTIONS })
