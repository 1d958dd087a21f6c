// Read rules as conditions of the database: which are, what they become, and that they admit exactly the rows that the rule admits.
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { createAccess } from '../../src/access/decide.ts'
import type { RecordAccess, RecordFilter } from '../../src/access/record-access.ts'
import { ANONYMOUS, type Caller } from '../../src/core/model.ts'
import type { Predicate, StoredValue } from '../../src/core/predicate.ts'
import { predicateSql } from '../../src/meta/sqlite/predicate-sql.ts'
import { type Bound, bound, recordTables } from '../../src/meta/sqlite/record-table.ts'
import { createTableSql } from '../../src/meta/sqlite/table-sql.ts'
import { silent } from '../../src/observe/observer.ts'
import { tableOf } from '../../src/schema/tables.ts'
import { type Chance, createChance } from '../support/random.ts'
import { request, user } from './callers.ts'
import { docOf, posts, recordAccess } from './collections.ts'

const ALICE = user('alice', {
  role: 'editor',
  roles: ['editor', 'alice'],
  tenant: 't1',
  verified: true,
  claims: { group: 'bob', level: 2, ratio: 0.5, flag: false, none: null, list: ['alice', null, 1], deep: [null] },
})
const BOB = user('bob', { email: 'alice', roles: ['a'], claims: { group: 'a\0b', level: '2', flag: true, list: [] } })
const KEY: Caller = { ...ANONYMOUS, kind: 'key', id: 'key_1', tenant: null, scopes: ['read'] }
const ADMIN = user('root', { role: 'admin', admin: true })
const is = (field: string, op: string, value: unknown) => ({ kind: 'compare', field, op, value })
const where = (predicate: unknown) => ({ kind: 'where', where: predicate })
const NULL = (field: string) => is(field, 'is_null', null)
const SET = (field: string) => is(field, 'not_null', null)
const ALL = { kind: 'all' }
const NONE = { kind: 'none' }
const EACH = { kind: 'each' }

function filterOf(read: string, caller: Caller): RecordFilter {
  return recordAccess({ posts: { read } }).listFilter({ caller, request }, 'posts')
}

describe('what a read rule becomes for a list', () => {
  it.each<[string, unknown, unknown]>([
    // rule, for alice, for nobody
    ['true', ALL, ALL],
    ['false', NONE, NONE],
    ['auth.id != null', ALL, NONE],
    ['request.method == "GET" && request.ip.startsWith("192.0.2.")', ALL, ALL],
    ['auth.claims.missing == 1', NONE, NONE],
    ['doc.author == auth.id', where(is('author', 'eq', 'alice')), NONE],
    ['auth.id == doc["author"]', where(is('author', 'eq', 'alice')), NONE],
    ['doc.author == auth.claims.group', where(is('author', 'eq', 'bob')), NONE],
    ['doc.author == "team " + auth.tenant', where(is('author', 'eq', 'team t1')), NONE],
    ['auth.role == "editor" || doc.author == auth.id', ALL, NONE],
    ['auth.role == "editor" && doc.author == auth.id', where(is('author', 'eq', 'alice')), NONE],
    [
      'doc.open || doc.author == auth.id',
      where({ kind: 'or', of: [is('open', 'eq', 1), is('author', 'eq', 'alice')] }),
      where(is('open', 'eq', 1)),
    ],
    ['!doc.open', where(is('open', 'eq', 0)), where(is('open', 'eq', 0))],
    ['doc.open == true', where(is('open', 'eq', 1)), where(is('open', 'eq', 1))],
    ['doc.title == null', where(NULL('title')), where(NULL('title'))],
    ['doc.made != null', where(SET('made')), where(SET('made'))],
    ['doc.level >= 2', where(is('level', 'gte', 2)), where(is('level', 'gte', 2))],
    ['2 > doc.level', where(is('level', 'lt', 2)), where(is('level', 'lt', 2))],
    ['!(doc.price < 1.5)', where(is('price', 'gte', 1.5)), where(is('price', 'gte', 1.5))],
    ['doc.level <= auth.claims.level', where(is('level', 'lte', 2)), NONE],
    ['doc.kind in ["a", "b"]', where(is('kind', 'in', ['a', 'b'])), where(is('kind', 'in', ['a', 'b']))],
    ['doc.author in auth.roles', where(is('author', 'in', ['editor', 'alice'])), NONE],
    ['auth.id in doc.members', where({ kind: 'and', of: [SET('members'), is('members', 'contains', 'alice')] }), NONE],
    [
      '"a" in doc.files',
      where({ kind: 'and', of: [SET('files'), is('files', 'contains', 'a')] }),
      where({ kind: 'and', of: [SET('files'), is('files', 'contains', 'a')] }),
    ],
    ['auth.verified ? doc.open : doc.level == 1', where(is('open', 'eq', 1)), NONE],
    ['auth.id != null ? doc.open : doc.level == 1', where(is('open', 'eq', 1)), where(is('level', 'eq', 1))],
    ['auth.id != doc.author', where({ kind: 'and', of: [SET('author'), is('author', 'ne', 'alice')] }), NONE],
    ['doc.level == "2"', NONE, NONE],
    ['doc.level != "2"', ALL, ALL],
    ['doc.group == 7', where(is('group', 'eq', 7)), where(is('group', 'eq', 7))],
    // asked row by row
    ['doc.title.startsWith("a")', EACH, EACH],
    ['doc.author == doc.kind', EACH, EACH],
    ['doc.made < request.time', EACH, EACH],
    ['doc.made == timestamp("2026-01-01T00:00:00Z")', EACH, EACH],
    ['doc.extra.public == true', EACH, EACH],
    ['doc.bytes == "YQ=="', EACH, EACH],
    ['doc.title < "b"', EACH, EACH],
    ['doc.members.exists(m, m == auth.id)', EACH, EACH],
    ['has(doc.title)', EACH, EACH],
    ['doc.level == 9007199254740993', EACH, EACH],
    ['doc.title == "a\\u0000b"', EACH, EACH],
    ['doc.title || true', ALL, ALL],
    // and not even those where the answer is known without
    ['auth.role == "editor" || doc.title.startsWith("a")', ALL, EACH],
    ['auth.id != null && doc.title.startsWith("a")', EACH, NONE],
  ])('%s', (rule, alice, nobody) => {
    expect(filterOf(rule, ALICE)).toEqual(alice)
    expect(filterOf(rule, ANONYMOUS)).toEqual(nobody)
    expect(filterOf(rule, ADMIN)).toEqual(ALL)
  })

  it('a collection without a read rule is refused to all but admins', () => {
    const access = recordAccess({ posts: {} })
    const details = { operation: 'read', rule: 'collections.posts.rules.read' }
    for (const [caller, code] of [
      [ALICE, 'forbidden'],
      [ANONYMOUS, 'unauthenticated'],
    ] as const) {
      expect(() => access.listFilter({ caller, request }, 'posts')).toThrow(expect.objectContaining({ code, details }))
    }
    expect(access.listFilter({ caller: ADMIN, request }, 'posts')).toEqual(ALL)
  })

  it('a text that may not reach the database as it is, and a very long list, are asked row by row', () => {
    const claims = { odd: 'a\ud800', many: Array.from({ length: 501 }, (_, at) => `v${at}`) }
    expect(filterOf('doc.title == auth.claims.odd', user('x', { claims }))).toEqual(EACH)
    expect(filterOf('auth.claims.odd in doc.members', user('x', { claims }))).toEqual(EACH)
    expect(filterOf('doc.title in auth.claims.many', user('x', { claims }))).toEqual(EACH)
  })

  it('a rule of the longest length compiles and is asked', () => {
    const many = Array.from({ length: 700 }, (_, at) => `doc.level == ${at}`).join(' || ')
    const filter = filterOf(many, ALICE)
    expect(filter).toMatchObject({ kind: 'where', where: { kind: 'or' } })
  })
})

/** The contract of core/predicate.ts, said once more: null is unknown. */
function holds(predicate: Predicate, row: Readonly<Record<string, StoredValue>>): boolean | null {
  switch (predicate.kind) {
    case 'constant':
      return predicate.value
    case 'not': {
      const inner = holds(predicate.of, row)
      return inner === null ? null : !inner
    }
    case 'and':
    case 'or': {
      const decisive = predicate.kind === 'or'
      const parts = predicate.of.map((part) => holds(part, row))
      return parts.includes(decisive) ? decisive : parts.includes(null) ? null : !decisive
    }
    case 'compare': {
      const { op, value } = predicate
      const found = row[predicate.field]!
      if (op === 'is_null') return found === null
      if (op === 'not_null') return found !== null
      if (op === 'eq') return found === value
      if (op === 'ne') return found !== value
      if (op === 'in') return found !== null && (value as readonly StoredValue[]).includes(found)
      if (found === null) return null
      if (op === 'contains') return (JSON.parse(String(found)) as unknown[]).includes(value)
      const [a, b] = [Number(found), Number(value)]
      return op === 'lt' ? a < b : op === 'lte' ? a <= b : op === 'gt' ? a > b : a >= b
    }
  }
}

const COLLECTION = posts({})
const TABLE = recordTables([tableOf(COLLECTION)]).get('posts')!
const VALUES: Readonly<Record<string, readonly StoredValue[]>> = {
  author: [null, 'alice', 'bob', 'Alice', '', '1', 'true', 'null'],
  title: [null, 'alice', 'a', 't1', 'ALICE'],
  level: [null, 0, 1, 2, -1],
  price: [null, 0, 0.5, 1, 2, -1.5],
  open: [null, 0, 1],
  members: [null, '[]', '["alice"]', '["a","bob"]', '["1"]'],
  files: ['[]', '["alice"]', '["a","b"]'],
  kind: [null, 'alice', 'bob', 'a', 'b'],
  day: [null, '2026-01-01'],
  made: [null, '2026-01-01T00:00:00.000Z'],
  extra: [null, '{"a":null}', '"alice"', '1'],
  bytes: [null, 'YQ=='],
  group: [null, 1, 2],
}
const TEXTS = ['auth.id', 'auth.email', 'auth.role', 'auth.tenant', 'auth.claims.group', 'auth.claims["none"]']
const TERMS = [
  ...TEXTS,
  '"alice"',
  '"a"',
  '"1"',
  '"2026-01-01"',
  '1',
  '2',
  '0.5',
  '-1',
  '1.0',
  'true',
  'false',
  'null',
  '"" + auth.id',
]
  .concat([
    'auth.verified',
    'auth.claims.flag',
    'auth.claims.level',
    'auth.claims.ratio',
    'auth.claims.missing',
    'auth.claims.deep',
  ])
  .concat(['request.method', 'auth.roles', 'auth.claims.list'])
const LISTS = [
  '["alice", "a"]',
  '["a"]',
  '[]',
  '[1, 2]',
  '[true]',
  '[null]',
  '[0.5, 1.0]',
  'auth.roles',
  'auth.claims.list',
  '[auth.id, auth.tenant]',
]
const FREE = [
  'true',
  'false',
  'auth.id != null',
  'auth.role == "editor"',
  '"a" in auth.roles',
  'auth.verified',
  'auth.claims.flag',
  'request.method == "GET"',
]

function randomRule(chance: Chance, depth: number): string {
  const field = () => `doc.${chance.pick(Object.keys(VALUES))}`
  const deeper = () => randomRule(chance, depth - 1)
  const flipped = (a: string, op: string, b: string) => (chance.chance(0.5) ? `${a} ${op} ${b}` : `${b} ${op} ${a}`)
  if (depth > 0 && chance.chance(0.75)) {
    const kind = chance.below(8)
    if (kind === 0) return `!(${deeper()})`
    if (kind === 1) return `(${deeper()} ? ${deeper()} : ${deeper()})`
    return `(${deeper()} ${kind < 5 ? '&&' : '||'} ${deeper()})`
  }
  switch (chance.below(8)) {
    case 0:
      return chance.pick(FREE)
    case 1:
      return chance.pick(['doc.open', '!doc.open', 'doc["open"]'])
    case 2:
      return `${field()} in ${chance.pick(LISTS)}`
    case 3:
      return `${chance.pick(TERMS)} in doc.${chance.pick(['members', 'files'])}`
    case 4:
      return flipped(
        chance.pick(['doc.level', 'doc.price']),
        chance.pick(['<', '<=', '>', '>=']),
        chance.pick(['0', '1', '0.5', '-1', 'auth.claims.level', 'auth.id']),
      )
    default:
      return flipped(field(), chance.pick(['==', '!=']), chance.pick(TERMS))
  }
}

/** As recordAccess, without reading the schema again. */
function accessWith(source: string): RecordAccess {
  const read = { source, at: COLLECTION.at, path: 'collections.posts.rules.read' }
  const collections = new Map([['posts', { ...COLLECTION, rules: { read } }]])
  const { records, problems } = createAccess({ buckets: new Map(), collections, observer: silent })
  expect(problems, source).toEqual([])
  return records!
}

function randomRow(chance: Chance, id: number): Readonly<Record<string, StoredValue>> {
  return {
    id: `${id}`,
    ...Object.fromEntries(Object.entries(VALUES).map(([name, values]) => [name, chance.pick(values)])),
  }
}

describe('a rule that is pushed down', () => {
  it('admits the very rows that it admits one by one, in words and in SQL', () => {
    const chance = createChance(20261121)
    const rows = Array.from({ length: 60 }, (_, id) => randomRow(chance, id))
    const docs = rows.map((row) => docOf(COLLECTION, row))
    const database = new Database(':memory:')
    database.exec(createTableSql(TABLE.spec))
    const insert = database.prepare(`INSERT INTO posts VALUES (${'?, '.repeat(TABLE.columns.size)}0)`)
    for (const row of rows)
      insert.run([...TABLE.columns.values()].map((column) => bound(column, row[column.name] ?? null)))
    const kinds: Record<string, number> = { all: 0, none: 0, where: 0, each: 0 }

    for (let round = 0; round < 1200; round++) {
      const rule = randomRule(chance, 3)
      const access = accessWith(rule)
      for (const caller of [ANONYMOUS, ALICE, BOB, KEY]) {
        const filter = access.listFilter({ caller, request }, 'posts')
        kinds[filter.kind]! += 1
        if (filter.kind === 'each') continue
        const predicate: Predicate =
          filter.kind === 'where' ? filter.where : { kind: 'constant', value: filter.kind === 'all' }
        const one = docs.map((doc) => access.allows({ caller, operation: 'read', collection: 'posts', doc, request }))
        const about = `${rule} for ${caller.id}: ${JSON.stringify(predicate)}`
        expect(
          rows.map((row) => holds(predicate, row) === true),
          about,
        ).toEqual(one)
        const values: Bound[] = []
        const sql = `SELECT id FROM posts WHERE ${predicateSql(predicate, TABLE, values)} ORDER BY rowid`
        const found = database.prepare(sql).pluck().all(values)
        expect(found, about).toEqual(rows.filter((_, at) => one[at]).map((row) => row.id))
      }
    }
    database.close()
    expect(Math.min(...Object.values(kinds)), JSON.stringify(kinds)).toBeGreaterThan(300)
  })
})
