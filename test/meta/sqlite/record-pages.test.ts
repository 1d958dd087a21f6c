// Pages of records: walked to the end they give every row once, in the one order; and an index answers where it can.
import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ALWAYS, every, type Predicate, type StoredValue } from '../../../src/core/predicate.ts'
import type { RecordQuery, RecordRow, SortKey } from '../../../src/meta/records.ts'
import { joinedRows } from '../../../src/meta/sqlite/record-json.ts'
import { createRecordLists, type RecordLists } from '../../../src/meta/sqlite/record-lists.ts'
import { isIndexed } from '../../../src/meta/sqlite/record-order.ts'
import { limitedSql, pageStatements } from '../../../src/meta/sqlite/record-pages.ts'
import { manySql } from '../../../src/meta/sqlite/record-reads.ts'
import { detachSql, pointingSql } from '../../../src/meta/sqlite/record-removal.ts'
import { type RecordTable, type RelationColumn, recordTables } from '../../../src/meta/sqlite/record-table.ts'
import type { TableSpec } from '../../../src/schema/tables.ts'
import { ask, is } from '../../contract/record-store.ts'
import { POSTS } from '../../contract/record-tables.ts'
import { cpuMilliseconds } from '../../support/cpu.ts'
import { type RecordDatabase, recordDatabase } from './record-database.ts'

const ROWS = 400
const GRID: TableSpec = {
  name: 'grid',
  primary: 'id',
  columns: (['id', 'a', 'b', 'c', 'd'] as const).map((name) => ({
    name,
    type: ({ id: 'TEXT', a: 'INTEGER', b: 'TEXT', c: 'REAL', d: 'INTEGER' } as const)[name],
    list: false,
    reference: null,
  })),
  indexes: [
    { columns: ['a'], unique: false },
    { columns: ['a', 'b'], unique: false },
    { columns: ['b', 'c', 'd'], unique: false },
    { columns: ['d'], unique: true },
  ],
}
const NUMBERED: TableSpec = {
  ...GRID,
  name: 'numbered',
  columns: GRID.columns.map((column) => (column.name === 'id' ? { ...column, type: 'INTEGER' } : column)),
}

const pick = <T>(from: readonly T[]): T => from[randomInt(from.length)]!
const maybe = <T>(value: T): T | null => (randomInt(4) === 0 ? null : value)

describe('pages of records', () => {
  let base: RecordDatabase
  let lists: RecordLists
  const tables = recordTables([GRID, NUMBERED, POSTS])
  const grid = tables.get('grid')!
  const data = new Map<string, Record<string, StoredValue>[]>()

  beforeAll(async () => {
    base = await recordDatabase([GRID, NUMBERED, POSTS])
    for (const name of ['grid', 'numbered']) {
      const rows = Array.from({ length: ROWS }, (_, n) => ({
        id: name === 'grid' ? `r${(n * 7919) % 1009}` : n * 3,
        a: maybe(randomInt(4)),
        b: maybe(pick(['', 'x', 'y', 'é', '😀', '\uffff'])),
        c: maybe(randomInt(3) / 2),
        d: maybe(n),
      }))
      const insert = base.db.prepare(`INSERT INTO ${name} VALUES (@id, @a, @b, @c, @d, 1)`)
      for (const row of rows) insert.run(row)
      data.set(name, rows)
    }
    lists = createRecordLists(base.db, tables)
  })

  afterAll(() => base.remove())

  const compare = (one: StoredValue, two: StoredValue): number => {
    if (one === null || two === null) return (two === null ? 1 : 0) - (one === null ? 1 : 0) || 0
    if (typeof one === 'number' && typeof two === 'number') return one - two
    return Buffer.compare(Buffer.from(String(one)), Buffer.from(String(two)))
  }
  const inOrder =
    (sort: readonly SortKey[]) => (one: Record<string, StoredValue>, two: Record<string, StoredValue>) => {
      for (const { field, descending } of sort) {
        const found = compare(one[field]!, two[field]!)
        if (found !== 0) return descending ? -found : found
      }
      return 0
    }

  const conditions: readonly (readonly [Predicate, (row: Record<string, StoredValue>) => boolean])[] = [
    [ALWAYS, () => true],
    [is('a', 'eq', 2), ({ a }) => a === 2],
    [is('a', 'is_null'), ({ a }) => a === null],
    [is('a', 'gte', 1), ({ a }) => a !== null && Number(a) >= 1],
    [is('a', 'lt', 3), ({ a }) => a !== null && Number(a) < 3],
    [every(is('a', 'gt', 0), is('a', 'lte', 2)), ({ a }) => a === 1 || a === 2],
    [every(is('b', 'eq', 'x'), is('c', 'gt', 0)), ({ b, c }) => b === 'x' && Number(c) > 0],
    [every(is('b', 'eq', ''), is('c', 'is_null')), ({ b, c }) => b === '' && c === null],
    [is('c', 'ne', 0.5), ({ c }) => c !== 0.5],
  ]

  const walk = (query: RecordQuery): readonly RecordRow[] => {
    const rows: RecordRow[] = []
    for (let after: readonly StoredValue[] | null = null; ; ) {
      const page = lists.list({ ...query, after, limit: 1 + randomInt(60) })
      if (page.length === 0) return rows
      rows.push(...page)
      after = query.sort.map(({ field }) => page.at(-1)!.values[field]!)
    }
  }

  it('give every row once and in the order of one big sort, whatever the order, the filter and their sizes', () => {
    for (let round = 0; round < 400; round++) {
      const collection = pick(['grid', 'numbered'])
      const same = pick([true, false, null])
      const direction = (): boolean => same ?? pick([true, false])
      const fields = ['a', 'b', 'c', 'd'].filter(() => randomInt(2) === 0).sort(() => randomInt(3) - 1)
      const sort = [...fields, 'id'].map((field) => ({ field, descending: direction() }))
      const [where, holds] = pick(conditions)
      const query = ask({ collection, where, sort })
      const expected = data
        .get(collection)!
        .filter(holds)
        .sort(inOrder(sort))
        .map(({ id }) => id)
      const ids = (rows: readonly RecordRow[]) => rows.map(({ values }) => values.id)
      expect(ids(lists.list(query)), JSON.stringify(query)).toEqual(expected)
      expect(ids(walk(query)), JSON.stringify(query)).toEqual(expected)
      const offset = randomInt(50)
      expect(ids(lists.list({ ...query, offset, limit: 20 }))).toEqual(expected.slice(offset, offset + 20))
      expect(lists.count(query)).toBe(expected.length)
    }
  })

  const plan = (sql: string): readonly string[] =>
    base.db
      .prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql.replaceAll('?', "'1'")}`)
      .all()
      .map(({ detail }) => detail)
  const by = (fields: string, descending = false): readonly SortKey[] =>
    fields.split(',').map((field) => ({ field, descending }))
  const steps = (query: RecordQuery, table: RecordTable = grid) =>
    pageStatements(query, table).map((step) => plan(limitedSql(step, query.limit)))

  it.each<[string, Predicate, string, readonly StoredValue[] | null, readonly string[]]>([
    ['all', ALWAYS, 'id', null, ['SCAN grid USING INDEX sqlite_autoindex_grid_1']],
    ['all behind a row', ALWAYS, 'id', ['x'], ['(id>?)']],
    ['one', is('id', 'eq', 'x'), 'a,id', null, ['(id=?)']],
    ['an index', ALWAYS, 'a,id', null, ['SCAN grid USING INDEX _alyx_index.grid.a']],
    ['an index behind a row', ALWAYS, 'a,id', [1, 'x'], ['_alyx_index.grid.a ((a,id)>(?,?))']],
    ['an index behind a null', ALWAYS, 'a,id', [null, 'x'], ['.grid.a (a=? AND id>?)', '.grid.a (a>?)']],
    ['a range behind a row', is('a', 'gte', 0), 'a,id', [1, 'x'], ['.grid.a ((a,id)>(?,?))']],
    ['equal', is('a', 'eq', 1), 'id', null, ['.grid.a (a=?)']],
    ['equal behind a row', is('a', 'eq', 1), 'a,id', [1, 'x'], ['.grid.a (a=? AND id>?)']],
    ['null', is('a', 'is_null'), 'id', null, ['.grid.a (a=?)']],
    ['equal and in order', is('a', 'eq', 1), 'b,id', ['x', 'y'], ['.grid.a.b (a=? AND (b,id)>(?,?))']],
    ['equal and a range', every(is('b', 'eq', 'x'), is('c', 'gt', 0)), 'c,d,id', null, ['.b.c.d (b=? AND c>?)']],
    ['one by a unique index', is('d', 'eq', 1), 'a,b,id', null, ['_alyx_unique.grid.d (d=?)']],
  ])('%s: the index is walked, on the event loop', (_, where, order, after, expected) => {
    const query = ask({ collection: 'grid', where, sort: by(order), after })
    expect(isIndexed(query, grid)).toBe(true)
    const found = steps(query)
    expect(found.map((one) => one.length)).toEqual(found.map((one) => (/unique/.test(String(one)) ? one.length : 1)))
    expect(found.map(([first]) => first)).toEqual(expected.map((part) => expect.stringContaining(part)))
  })

  it('descending, each part of a page begins in the index where the last page ended', () => {
    const query = ask({ collection: 'grid', where: is('a', 'lt', 9), sort: by('a,id', true), after: [1, 'x'] })
    expect(isIndexed(query, grid)).toBe(true)
    expect(steps(query)).toEqual([
      [expect.stringContaining('.grid.a (a=? AND id<?)')],
      [expect.stringContaining('.grid.a (a<?)')],
    ])
    const all = steps({ ...query, where: ALWAYS, sort: by('b,c,d,id', true), after: ['x', 1, null, 'y'] })
    expect(all).toEqual(
      ['b=? AND c=? AND d=? AND id<?', 'b=? AND c<?', 'b=? AND c=?', 'b<?', 'b=?'].map((part) => [
        expect.stringContaining(`.grid.b.c.d (${part})`),
      ]),
    )
  })

  it('a filter that the index does not hold keeps its order, and goes to the scanner', () => {
    const query = ask({ collection: 'grid', where: is('c', 'ne', 1), sort: by('a,id', true), after: [1, 'x'] })
    expect(isIndexed(query, grid)).toBe(false)
    expect(steps(query).map(([first]) => first)).toEqual(
      ['a=? AND id<?', 'a<?', 'a=?'].map((part) => expect.stringContaining(`.grid.a (${part})`)),
    )
  })

  it.each<[string, Partial<RecordQuery>]>([
    ['a filter beside the index', { where: is('c', 'eq', 1) }],
    ['a second filter', { where: every(is('a', 'eq', 1), is('d', 'gt', 1)) }],
    ['a range that is not the next column', { where: is('b', 'gt', 'x'), sort: by('a,b,id') }],
    ['a choice', { where: { kind: 'or', of: [is('a', 'eq', 1), is('a', 'eq', 2)] } }],
    ['a text search', { where: is('b', 'contains', 'x') }],
    ['an order without an index', { sort: by('c,id') }],
    ['an order of two directions', { sort: [...by('a'), ...by('id', true)] }],
    ['an order of a unique field that may be null', { sort: by('d,id') }],
    ['a long way', { offset: 1001 }],
  ])('%s is for the scanner', (_, over) => {
    expect(isIndexed(ask({ collection: 'grid', ...over }), grid)).toBe(false)
  })

  it('files of a page are found by their ids, the rows of the page before them', () => {
    const files = { bucket: 'pics', ownerId: 'alice', staged: { ownerId: 'alice' }, now: '2026-11-21T12:00:00.000Z' }
    const { selection, around } = joinedRows(
      [
        { name: 'id', form: 'value' },
        { name: 'b', form: 'value', files },
      ],
      grid,
    )
    const [page] = pageStatements(ask({ collection: 'grid', sort: by('a,id') }), grid, selection)
    expect(plan(around(limitedSql(page!, 100)))).toEqual([
      'CO-ROUTINE r',
      expect.stringContaining('.grid.a'),
      'SCAN r',
      'SEARCH f0 USING INDEX sqlite_autoindex__alyx_files_1 (id=?) LEFT-JOIN',
    ])
  })

  it('a question that comes again is the same statements, and others for what else is shown, another order or another place', () => {
    const query = ask({ collection: 'grid', sort: by('a,id') })
    const first = pageStatements(query, grid)
    expect(pageStatements({ ...query, limit: 7 }, grid)).toBe(first)
    const others = [
      pageStatements(query, grid, 'id'),
      pageStatements({ ...query, sort: by('a,id', true) }, grid),
      pageStatements({ ...query, after: [1, 'x'] }, grid),
    ]
    const texts = [first, ...others].map((statements) => statements.map(({ sql }) => sql).join('; '))
    expect(new Set(texts).size).toBe(4)
    expect(pageStatements(query, grid)).toEqual(first)
  })

  it('records are found by their ids, and by the relations that point at one, through an index', () => {
    const posts = tables.get('posts')!
    expect(plan(manySql(posts))[0]).toBe('SEARCH posts USING INDEX sqlite_autoindex_posts_1 (id=?)')
    for (const column of posts.relations as readonly RelationColumn[])
      for (const sql of [pointingSql({ table: posts, column }), detachSql({ table: posts, column })])
        expect(plan(sql)).toEqual([expect.stringMatching(new RegExp(`^SEARCH posts .*\\(${column.name}=\\?\\)$`))])
  })

  it('a page out of very many costs little more than its statement', () => {
    const many: TableSpec = { ...GRID, name: 'many', indexes: [{ columns: ['a'], unique: false }] }
    const table = recordTables([many])
    base.db.exec(`CREATE TABLE many (id TEXT PRIMARY KEY NOT NULL, a INTEGER, b TEXT, c REAL, d INTEGER, _version INTEGER NOT NULL) STRICT;
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
      INSERT INTO many SELECT printf('%08d', i), i / 3, 'text', 0.5, i, 1 FROM n;
      CREATE INDEX i ON many (a, id);`)
    const pages = createRecordLists(base.db, table)
    const query = ask({ collection: 'many', sort: by('a,id', true), limit: 100, after: [30_000, '00090000'] })
    expect(pages.list(query)).toHaveLength(100)
    const spent = cpuMilliseconds(() => {
      for (let round = 0; round < 100; round++) pages.list(query)
    })
    expect(spent / 100).toBeLessThan(5)
  })
})
