// Tables from the schema: what is done by itself, and what the records that are there get.
import { existsSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSchemaWorkshop, NOW, schemaOf, uuid } from './schema-workshop.ts'

let shop: ReturnType<typeof createSchemaWorkshop>
beforeEach(() => {
  shop = createSchemaWorkshop()
})
afterEach(() => shop.close())

const POSTS = { posts: { title: 'type: string' } }

describe('a plan', () => {
  it('for a database that is not there is everything, and creates nothing', async () => {
    const plan = await shop.plan(POSTS)
    expect(plan.shipped.length).toBeGreaterThan(0)
    expect(plan.shipped.every(({ appliedAt }) => appliedAt === null)).toBe(true)
    expect(plan.steps).toEqual([
      {
        kind: 'create_table',
        collection: 'posts',
        field: null,
        sql: 'CREATE TABLE "posts" ("id" TEXT PRIMARY KEY NOT NULL, "title" TEXT, "_version" INTEGER NOT NULL) STRICT',
        description: 'create table posts (id TEXT, title TEXT)',
      },
    ])
    expect(existsSync(shop.file)).toBe(false)
  })

  it('changes nothing, and after applying it there is none', async () => {
    await shop.apply(POSTS)
    const before = shop.image()
    const more = { posts: { title: 'type: string, unique: true', slug: 'type: string, nullable: true' } }
    const plan = await shop.plan(more)
    expect(plan.steps.map(({ kind }) => kind)).toEqual(['add_field', 'create_index'])
    expect(shop.image()).toEqual(before)
    const done = await shop.apply(more)
    expect(done.steps).toEqual(plan.steps)
    expect(done.shipped).toEqual([])
    expect((await shop.plan(more)).steps).toEqual([])
    expect((await shop.apply(more)).steps).toEqual([])
    await shop.require(more)
  })
})

describe('a start', () => {
  it('is refused while something is pending, and names it', async () => {
    await expect(shop.require(POSTS)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('create table posts'),
      hint: expect.stringContaining('alyx migrate apply'),
    })
    expect(existsSync(shop.file)).toBe(false)
    await shop.require({})
    expect(existsSync(shop.file)).toBe(false)
    await shop.apply(POSTS)
    await shop.require(POSTS)
    await expect(shop.require({ posts: { title: 'type: string, max_length: 5' } })).rejects.toMatchObject({
      message: expect.stringContaining('change posts.title (max_length none → 5)'),
    })
    shop.insert('posts', { id: uuid(1), title: 'a' })
    await expect(shop.require({ posts: {} })).rejects.toMatchObject({
      message: expect.stringContaining('posts.title is no longer declared, and 1 record has a value'),
    })
    shop.migration('0001_x', 'sql: SELECT 1')
    await expect(shop.require(POSTS)).rejects.toMatchObject({ message: expect.stringContaining('migration 0001_x') })
  })

  it('does not care in which order fields, options and indexes are written', async () => {
    await shop.apply({ posts: { a: 'type: string, max_length: 5, index: true', b: 'type: int, unique: true' } })
    await shop.require({ posts: { b: 'unique: true, type: int', a: 'index: true, max_length: 5, type: string' } })
    expect(
      await shop.steps({ posts: { b: 'type: int, unique: true', a: 'type: string, max_length: 5, index: true' } }),
    ).toEqual([])
  })

  it('does not look at records: a table of any size costs the same', async () => {
    await shop.apply(POSTS)
    shop.use((db) => db.exec('DROP TABLE posts'))
    await shop.require(POSTS)
  })
})

describe('what records that are there get in a new field', () => {
  it.each([
    ['nothing, where null is allowed', 'type: string, nullable: true', null],
    ['the default', 'type: string, default: "it\'s"', "it's"],
    ['the default though null is allowed', 'type: int, nullable: true, default: -3', -3],
    ['a default of a fraction', 'type: float, default: 2', 2],
    ['a default of false', 'type: bool, default: false', 0],
    ['a default of JSON', 'type: json, default: {a: [1, "x"]}', '{"a":[1,"x"]}'],
    ['the time of the migration', 'type: timestamp, default: now', NOW],
    ['the time of the migration, where writes keep it', 'type: timestamp, on_update: now', NOW],
    ['the day of the migration', 'type: date, default: now', NOW.slice(0, 10)],
    ['an empty list of files', "type: 'file[]', bucket: images", '[]'],
  ])('%s', async (_, options, value) => {
    await shop.apply(POSTS)
    shop.insert('posts', { id: uuid(1), title: 'a' }, { id: uuid(2), title: 'b' })
    await shop.apply({ posts: { ...POSTS.posts, extra: options } })
    expect(shop.column('SELECT extra FROM posts')).toEqual([value, value])
    // A server of the old schema, which does not know the field, writes what a new one would.
    shop.insert('posts', { id: uuid(3), title: 'c' })
    expect(shop.column('SELECT extra FROM posts WHERE title = ?', 'c')).toEqual([value])
  })

  it('an id of its own, each', async () => {
    await shop.apply(POSTS)
    shop.insert('posts', { id: uuid(1), title: 'a' }, { id: uuid(2), title: 'b' })
    await shop.apply({ posts: { ...POSTS.posts, token: 'type: uuid, default: auto, unique: true' } })
    const tokens = shop.column('SELECT token FROM posts')
    expect(new Set(tokens).size).toBe(2)
    expect(tokens[0]).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('a required field without a default is no trouble on an empty table', async () => {
    await shop.apply(POSTS)
    expect(await shop.steps({ posts: { ...POSTS.posts, n: 'type: int' } })).toEqual(['add posts.n (INTEGER)'])
  })
})

describe('indexes', () => {
  it('come and go with their declarations, for fields, groups and relations', async () => {
    const full = {
      users: {},
      posts: {
        slug: 'type: string, unique: true',
        n: 'type: int, index: true',
        author: 'type: relation, collection: users, nullable: true',
        indexes: '[{fields: [author, n]}, {fields: [slug, n], unique: true}]',
      },
    }
    await shop.apply(full)
    expect(
      shop.column(
        "SELECT name FROM sqlite_schema WHERE tbl_name = 'posts' AND type = 'index' AND sql IS NOT NULL ORDER BY name",
      ),
    ).toEqual([
      '_alyx_index.posts.author',
      '_alyx_index.posts.author.n',
      '_alyx_index.posts.n',
      '_alyx_unique.posts.slug',
      '_alyx_unique.posts.slug.n',
    ])
    const { indexes: _, ...fewer } = full.posts
    expect(
      await shop.steps({ users: {}, posts: { ...fewer, slug: 'type: string, index: true', n: 'type: int' } }),
    ).toEqual(
      [
        'drop index unique.posts.slug.n',
        'drop index index.posts.author.n',
        'drop index index.posts.n',
        'drop index unique.posts.slug',
        'create index on posts (slug)',
      ].sort((a, b) => Number(a.startsWith('create')) - Number(b.startsWith('create'))),
    )
  })

  it('that somebody dropped by hand is built again', async () => {
    await shop.apply({ posts: { n: 'type: int, index: true' } })
    shop.use((db) => db.exec('DROP INDEX "_alyx_index.posts.n"'))
    expect((await shop.apply({ posts: { n: 'type: int, index: true' } })).steps.map(({ kind }) => kind)).toEqual([
      'create_index',
    ])
  })
})

describe('a change of a field', () => {
  it.each([
    ['a limit', 'type: string, max_length: 5', 'type: string, max_length: 9', 'max_length 5 → 9'],
    ['null allowed', 'type: string', 'type: string, nullable: true', 'nullable false → true'],
    ['a default', 'type: int', 'type: int, default: 0', 'default none → 0'],
    ['a new value', 'type: select, values: [a, b]', 'type: select, values: [a, b, c]', 'values [a, b] → [a, b, c]'],
    ['a value nobody holds', 'type: string, enum: [a, b]', 'type: string, enum: [a]', 'enum [a, b] → [a]'],
    ['hidden', 'type: string', 'type: string, internal: true, default: a', 'internal false → true, default none → "a"'],
    ['another type whose values fit', 'type: string', 'type: text', 'type string → text'],
  ])('%s is recorded and touches no record', async (_, before, after, description) => {
    await shop.apply({ posts: { f: before } })
    shop.insert('posts', { id: uuid(1), f: before.includes('int') ? 1 : 'a' })
    const { steps } = await shop.apply({ posts: { f: after } })
    expect(steps).toEqual([
      {
        kind: 'change_field',
        collection: 'posts',
        field: 'f',
        sql: null,
        description: `change posts.f (${description})`,
      },
    ])
    await shop.require({ posts: { f: after } })
  })

  it('to file reads the references from the values, and back forgets them', async () => {
    await shop.apply({ posts: { cover: 'type: string, nullable: true' } })
    shop.addFile(uuid(7), 'images', NOW)
    shop.insert('posts', { id: uuid(1), cover: uuid(7) }, { id: uuid(2), cover: null })
    await shop.apply({ posts: { cover: 'type: file, bucket: images, nullable: true' } })
    expect(shop.references()).toEqual([`posts.${uuid(1)}.cover ${uuid(7)}`])
    expect(shop.column('SELECT staged_until FROM _alyx_files')).toEqual([null])
    await shop.apply({ posts: { cover: 'type: string, nullable: true' } })
    expect(shop.references()).toEqual([])
    expect(shop.column('SELECT id FROM _alyx_files')).toEqual([uuid(7)])
  })
})

describe('what is no longer declared', () => {
  it('goes when nothing is in it, with its index', async () => {
    await shop.apply({
      posts: { n: 'type: int, nullable: true, index: true', files: "type: 'file[]', bucket: images" },
      notes: {},
    })
    shop.insert('posts', { id: uuid(1), n: null, files: '[]' })
    expect(await shop.steps({ posts: {} })).toEqual([
      'drop table notes, which is empty',
      'drop index index.posts.n',
      'drop posts.files, which no record has a value in',
      'drop posts.n, which no record has a value in',
    ])
    await shop.apply({ posts: {} })
    expect(shop.column("SELECT name FROM pragma_table_info('posts')")).toEqual(['id', '_version'])
    expect(shop.column('SELECT name FROM _alyx_collections')).toEqual(['posts'])
  })
})

it('names that are words of SQL are quoted', async () => {
  const odd = { order: { group: 'type: string, index: true', select: 'type: int, unique: true', rowid: 'type: int' } }
  await shop.apply(odd)
  shop.insert('order', { id: uuid(1), group: 'a', select: 1, rowid: 5 })
  await shop.apply({ order: { ...odd.order, where: 'type: string, default: x', rowid: 'type: int, enum: [5]' } })
  expect(shop.column('SELECT "where" FROM "order"')).toEqual(['x'])
  expect(schemaOf(odd).collections.size).toBe(1)
})
