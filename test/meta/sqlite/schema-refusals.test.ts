// What is not done by itself: each refusal says what was found, in numbers, and what to do; nothing is changed.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Collections, createSchemaWorkshop, uuid } from './schema-workshop.ts'

let shop: ReturnType<typeof createSchemaWorkshop>
beforeEach(() => {
  shop = createSchemaWorkshop()
})
afterEach(() => shop.close())

const ROW = { id: uuid(1) }

interface Refused {
  readonly name: string
  readonly before: Collections
  readonly rows?: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>
  readonly after: Collections
  readonly message: string
  readonly hint: string
}

const CASES: readonly Refused[] = [
  {
    name: 'a required field without a default, where records are',
    before: { posts: {} },
    rows: { posts: [ROW, { id: uuid(2) }] },
    after: { posts: { n: 'type: int' } },
    message: 'posts.n is new and required, and 2 records have no value for it',
    hint: 'a default or nullable: true',
  },
  {
    name: 'a field that goes with values in it',
    before: { posts: { n: 'type: int, nullable: true' } },
    rows: {
      posts: [
        { ...ROW, n: 1 },
        { id: uuid(2), n: null },
      ],
    },
    after: { posts: {} },
    message: 'posts.n is no longer declared, and 1 record has a value',
    hint: '- drop_field: {collection: posts, field: n}',
  },
  {
    name: 'a field that seems to have another name',
    before: { posts: { n: 'type: int' } },
    rows: { posts: [{ ...ROW, n: 1 }] },
    after: { posts: { m: 'type: int, default: 0' } },
    message: 'posts.n is no longer declared, and 1 record has a value',
    hint: 'write migrations/0001_rename_n.yml and run alyx migrate apply:\n  version: 1\n  steps:\n    - rename_field: {collection: posts, from: n, to: m}',
  },
  {
    name: 'a collection that goes with records',
    before: { posts: {} },
    rows: { posts: [ROW] },
    after: {},
    message: 'posts is no longer declared, and it has 1 record',
    hint: '- drop_collection: {collection: posts}',
  },
  {
    name: 'a collection that seems to have another name',
    before: { posts: {} },
    rows: { posts: [ROW] },
    after: { articles: {} },
    message: 'posts is no longer declared, and it has 1 record',
    hint: '- rename_collection: {from: posts, to: articles}',
  },
  {
    name: 'a unique field whose values collide',
    before: { posts: { s: 'type: string' } },
    rows: { posts: ['a', 'a', 'a', 'b', 'b', 'c'].map((s, at) => ({ id: uuid(at), s })) },
    after: { posts: { s: 'type: string, unique: true' } },
    message: 'posts (s) is to be unique, and 2 values are held by more than one record (3, 2)',
    hint: 'take unique away',
  },
  {
    name: 'more colliding values than are listed',
    before: { posts: { s: 'type: int' } },
    rows: { posts: Array.from({ length: 14 }, (_, at) => ({ id: uuid(at), s: at % 7 })) },
    after: { posts: { s: 'type: int, unique: true' } },
    message: 'posts (s) is to be unique, and 7 values are held by more than one record (2, 2, 2, 2, 2, …)',
    hint: 'take unique away',
  },
  {
    name: 'a new unique field whose default is the same for all',
    before: { posts: {} },
    rows: { posts: [ROW, { id: uuid(2) }] },
    after: { posts: { s: 'type: string, default: a, unique: true' } },
    message: 'posts (s) is to be unique, and the default would give 2 records the same value',
    hint: 'take unique away',
  },
  {
    name: 'a unique pair of which one is new',
    before: { posts: { a: 'type: int' } },
    rows: {
      posts: [
        { ...ROW, a: 1 },
        { id: uuid(2), a: 1 },
      ],
    },
    after: { posts: { a: 'type: int', b: 'type: int, default: 0', indexes: '[{fields: [a, b], unique: true}]' } },
    message: 'posts (a, b) is to be unique, and 1 value is held by more than one record (2)',
    hint: 'take unique away',
  },
  {
    name: 'null that is no longer allowed',
    before: { posts: { n: 'type: int, nullable: true' } },
    rows: { posts: [{ ...ROW, n: null }] },
    after: { posts: { n: 'type: int' } },
    message: 'posts.n becomes required, and 1 record has null in it',
    hint: 'Keep nullable: true.',
  },
  {
    name: 'a type whose values would not fit',
    before: { posts: { d: 'type: string' } },
    rows: { posts: [{ ...ROW, d: '2026-01-02' }, ...[2, 3, 4, 5, 6, 7].map((at) => ({ id: uuid(at), d: 'soon' }))] },
    after: { posts: { d: 'type: date' } },
    message: `posts.d is to be of type date, and 6 records hold what is none (ids: ${[2, 3, 4, 5, 6].map(uuid).join(', ')}, …)`,
    hint: 'Correct the values',
  },
  {
    name: 'one value to a list of them',
    before: { posts: { s: 'type: select, values: [a, b]' } },
    rows: { posts: [{ ...ROW, s: 'a' }] },
    after: { posts: { s: 'type: select, values: [a, b], max_select: 2' } },
    message: `posts.s is to be of type select, and 1 record holds what is none (ids: ${uuid(1)})`,
    hint: 'Correct the values',
  },
  {
    name: 'another column type, rows or not',
    before: { posts: { n: 'type: int' } },
    after: { posts: { n: 'type: string' } },
    message: 'posts.n is stored as INTEGER and would have to be TEXT (int → string)',
    hint: '- drop_field: {collection: posts, field: n}',
  },
  {
    name: 'a value that is no longer allowed and is held',
    before: { posts: { s: 'type: select, values: [a, b]' } },
    rows: {
      posts: [
        { ...ROW, s: 'b' },
        { id: uuid(2), s: 'a' },
      ],
    },
    after: { posts: { s: 'type: select, values: [a]' } },
    message: 'posts.s no longer allows every value, and 1 record holds one that is not in values',
    hint: 'Put the value back into values.',
  },
  {
    name: 'an element that is no longer allowed and is held',
    before: { posts: { l: 'type: select, values: [a, b], max_select: 2' } },
    rows: { posts: [{ ...ROW, l: '["a","b"]' }] },
    after: { posts: { l: 'type: select, values: [a, c], max_select: 2' } },
    message: 'posts.l no longer allows every value, and 1 record holds one that is not in values',
    hint: 'Put the value back into values.',
  },
  {
    name: 'an enum where there was none',
    before: { posts: { n: 'type: int' } },
    rows: { posts: [{ ...ROW, n: 3 }] },
    after: { posts: { n: 'type: int, enum: [1, 2]' } },
    message: 'posts.n no longer allows every value, and 1 record holds one that is not in enum',
    hint: 'Put the value back into enum.',
  },
  {
    name: 'another bucket, where files are named',
    before: { posts: { f: 'type: file, bucket: images, nullable: true' } },
    rows: { posts: [{ ...ROW, f: uuid(9) }] },
    after: { posts: { f: 'type: file, bucket: docs, nullable: true' } },
    message: 'posts.f changes its bucket from images to docs, and 1 record names files of the first',
    hint: 'Keep bucket: images',
  },
  {
    name: 'text to files, where it names none',
    before: { posts: { f: 'type: string' } },
    rows: { posts: [{ ...ROW, f: uuid(9) }] },
    after: { posts: { f: 'type: file, bucket: docs' } },
    message: 'posts.f is to name a file of bucket docs, and 1 record holds what is none',
    hint: 'Correct or remove the values',
  },
  {
    name: 'a relation to another collection, where it names nothing',
    before: { users: {}, teams: {}, posts: { by: 'type: relation, collection: users' } },
    rows: { users: [ROW], posts: [{ ...ROW, by: uuid(1) }] },
    after: { users: {}, teams: {}, posts: { by: 'type: relation, collection: teams' } },
    message: 'posts.by is to name a record of teams, and 1 record holds what is none',
    hint: 'Correct or remove the values',
  },
  {
    name: 'a relation to a collection that is new',
    before: { users: {}, posts: { by: 'type: relation, collection: users' } },
    rows: { users: [ROW], posts: [{ ...ROW, by: uuid(1) }] },
    after: { users: {}, teams: {}, posts: { by: 'type: relation, collection: teams' } },
    message: 'posts.by is to name a record of teams, and 1 record holds what is none',
    hint: 'Correct or remove the values',
  },
  {
    name: 'another primary field',
    before: { posts: { slug: 'type: string' } },
    after: { posts: { id: 'type: uuid, default: auto', slug: 'type: string, primary: true' } },
    message: 'the primary field of posts cannot change from id to slug',
    hint: 'rename_field',
  },
  {
    name: 'another type of the primary field',
    before: { posts: {} },
    after: { posts: { id: 'type: string, primary: true' } },
    message: 'posts.id is the primary field, whose type cannot change (id → string)',
    hint: 'Put type: id back.',
  },
]

describe('is refused with its count and a way out, and nothing is changed:', () => {
  it.each(CASES)('$name', async ({ before, rows = {}, after, message, hint }) => {
    await shop.apply(before)
    for (const [table, values] of Object.entries(rows)) shop.insert(table, ...values)
    const image = shop.image()
    const plan = await shop.plan(after)
    expect(plan.refusals.map((refusal) => refusal.message)).toEqual([message])
    expect(plan.refusals[0]!.hint).toContain(hint)
    await expect(shop.apply(after)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(message),
      details: { plan },
    })
    expect(shop.image()).toEqual(image)
    await shop.require(before)
  })
})

describe('is refused', () => {
  it.each([
    ['table', 'CREATE TABLE Posts (x)'],
    ['view', 'CREATE VIEW posts AS SELECT 1'],
  ])('a collection with the name of a %s that somebody else made', async (kind, sql) => {
    await shop.apply({})
    shop.use((db) => db.exec(sql))
    expect(await shop.refused({ posts: {} })).toEqual([
      `posts is new, and the database has a ${kind} of this name that Alyx did not make`,
    ])
  })

  it('everything at once, also what would be allowed', async () => {
    const before = { posts: { a: 'type: int', b: 'type: string' }, notes: {} }
    await shop.apply(before)
    shop.insert('posts', { ...ROW, a: 1, b: 'x' })
    shop.insert('notes', ROW)
    const after = { posts: { c: 'type: int, default: 1' }, tags: {} }
    expect(await shop.refused(after)).toEqual([
      'notes is no longer declared, and it has 1 record',
      'posts.a is no longer declared, and 1 record has a value',
      'posts.b is no longer declared, and 1 record has a value',
    ])
    const image = shop.image()
    await expect(shop.apply(after)).rejects.toMatchObject({ code: 'config_invalid' })
    expect(shop.image()).toEqual(image)
  })

  it('a table or a column that was taken away by hand', async () => {
    await shop.apply({ posts: { n: 'type: int' }, notes: {} })
    shop.use((db) => db.exec('ALTER TABLE posts DROP COLUMN n; DROP TABLE notes'))
    expect(await shop.refused({ posts: { n: 'type: int, default: 1' }, notes: { x: 'type: int' } })).toEqual([
      'posts.n was applied, and its column is gone from the table',
      'notes was applied, and its table is gone',
    ])
  })

  it('a field whose column an index of somebody else uses', async () => {
    await shop.apply({ posts: { n: 'type: int, nullable: true' } })
    shop.use((db) => db.exec('CREATE INDEX mine ON posts (n)'))
    expect(await shop.refused({ posts: {} })).toEqual(['posts.n is no longer declared, and index mine uses it'])
  })
})
