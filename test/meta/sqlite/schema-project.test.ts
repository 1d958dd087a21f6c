// Migration files of a project: what they do, that references follow, and that a file is applied once and stays what it was.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSchemaWorkshop, uuid } from './schema-workshop.ts'

let shop: ReturnType<typeof createSchemaWorkshop>
beforeEach(() => {
  shop = createSchemaWorkshop()
})
afterEach(() => shop.close())

const names = (plan: { project: readonly { name: string; appliedAt: string | null }[] }) =>
  plan.project.map(({ name, appliedAt }) => `${name} ${appliedAt === null ? 'pending' : 'applied'}`)

describe('rename_field', () => {
  it('keeps values, index and the references of files', async () => {
    await shop.apply({ posts: { cover: 'type: file, bucket: images, nullable: true, index: true' } })
    shop.addFile(uuid(9))
    shop.insert('posts', { id: uuid(1), cover: uuid(9) })
    shop.addReference(uuid(9), 'posts', uuid(1), 'cover')
    shop.migration('0001_picture', 'rename_field: {collection: posts, from: cover, to: picture}')
    const after = { posts: { picture: 'type: file, bucket: images, nullable: true, index: true' } }
    const plan = await shop.plan(after)
    expect(names(plan)).toEqual(['0001_picture pending'])
    expect(plan.steps.map(({ description }) => description)).toEqual(['create index on posts (picture)'])
    expect(shop.column("SELECT name FROM pragma_table_info('posts')")).toContain('cover')
    const done = await shop.apply(after)
    expect(names(done)).toEqual(['0001_picture applied'])
    expect(shop.column('SELECT picture FROM posts')).toEqual([uuid(9)])
    expect(shop.references()).toEqual([`posts.${uuid(1)}.picture ${uuid(9)}`])
    await shop.require(after)
    expect(names(await shop.apply(after))).toEqual([])
  })

  it('renames the primary field too, and a new field may take the old name', async () => {
    await shop.apply({ posts: { a: 'type: int, index: true' }, notes: { post: 'type: relation, collection: posts' } })
    shop.insert('posts', { id: uuid(1), a: 1 })
    shop.insert('notes', { id: uuid(2), post: uuid(1) })
    shop.migration(
      '0001_names',
      'rename_field: {collection: posts, from: id, to: key}',
      'rename_field: {collection: posts, from: a, to: b}',
    )
    const after = {
      posts: {
        id: '',
        key: 'type: id, primary: true, default: auto',
        b: 'type: int',
        a: 'type: int, default: 7, index: true',
      },
      notes: { post: 'type: relation, collection: posts' },
    }
    await shop.apply(after)
    expect(shop.rows('SELECT key, a, b FROM posts')).toEqual([{ key: uuid(1), a: 7, b: 1 }])
    expect(shop.column("SELECT sql FROM sqlite_schema WHERE name = '_alyx_index.posts.a'")[0]).toContain('("a", "key")')
    await shop.require(after)
  })
})

describe('rename_collection', () => {
  it('keeps records, references of files and relations to it', async () => {
    const users = { name: 'type: string, unique: true', photo: 'type: file, bucket: images, nullable: true' }
    await shop.apply({ users, posts: { by: 'type: relation, collection: users' } })
    shop.addFile(uuid(9))
    shop.insert('users', { id: uuid(1), name: 'ada', photo: uuid(9) })
    shop.insert('posts', { id: uuid(2), by: uuid(1) })
    shop.addReference(uuid(9), 'users', uuid(1), 'photo')
    shop.migration('0001_people', 'rename_collection: {from: users, to: people}')
    const after = { people: users, posts: { by: 'type: relation, collection: people' } }
    expect((await shop.apply(after)).steps.map(({ description }) => description)).toEqual([
      'create unique index on people (name)',
    ])
    expect(shop.column('SELECT name FROM people')).toEqual(['ada'])
    expect(shop.references()).toEqual([`people.${uuid(1)}.photo ${uuid(9)}`])
    expect(shop.column('SELECT name FROM _alyx_collections ORDER BY name')).toEqual(['people', 'posts'])
    await shop.require(after)
  })
})

describe('drop_field and drop_collection', () => {
  it('give records and references up, and keep the files', async () => {
    const before = {
      posts: { cover: 'type: file, bucket: images, nullable: true', n: 'type: int, index: true' },
      notes: { files: "type: 'file[]', bucket: docs" },
    }
    await shop.apply(before)
    shop.addFile(uuid(8))
    shop.addFile(uuid(9), 'docs')
    shop.insert('posts', { id: uuid(1), cover: uuid(8), n: 1 })
    shop.insert('notes', { id: uuid(2), files: JSON.stringify([uuid(9)]) })
    shop.addReference(uuid(8), 'posts', uuid(1), 'cover')
    shop.addReference(uuid(9), 'notes', uuid(2), 'files')
    shop.migration(
      '0001_less',
      'drop_field: {collection: posts, field: cover}',
      'drop_field: {collection: posts, field: n}',
      'drop_collection: {collection: notes}',
    )
    const done = await shop.apply({ posts: {} })
    expect(done.steps).toEqual([])
    expect(shop.references()).toEqual([])
    expect(shop.column('SELECT id FROM _alyx_files ORDER BY id')).toEqual([uuid(8), uuid(9)])
    expect(shop.column('SELECT id FROM posts')).toEqual([uuid(1)])
    await shop.require({ posts: {} })
  })
})

describe('sql', () => {
  it('changes values, and references follow what records say then', async () => {
    const posts = { cover: 'type: file, bucket: images, nullable: true' }
    await shop.apply({ posts })
    shop.addFile(uuid(8))
    shop.addFile(uuid(9))
    shop.insert('posts', { id: uuid(1), cover: uuid(8) }, { id: uuid(2), cover: null })
    shop.addReference(uuid(8), 'posts', uuid(1), 'cover')
    shop.migration(
      '0001_move',
      `sql: "UPDATE posts SET cover = NULL WHERE id = '${uuid(1)}'; -- one; two\\nUPDATE posts SET cover = '${uuid(9)}' WHERE id = '${uuid(2)}'"`,
    )
    await shop.apply({ posts })
    expect(shop.references()).toEqual([`posts.${uuid(2)}.cover ${uuid(9)}`])
  })

  it('makes a column that the schema takes over, once its values fit', async () => {
    await shop.apply({ posts: { title: 'type: string' } })
    shop.insert('posts', { id: uuid(1), title: 'A b' }, { id: uuid(2), title: 'C' })
    shop.migration(
      '0001_slug',
      'sql: ALTER TABLE posts ADD COLUMN slug TEXT',
      "sql: UPDATE posts SET slug = lower(replace(title, ' ', '-')) WHERE title <> 'C'",
    )
    const withSlug = (slug: string) => ({ posts: { title: 'type: string', slug } })
    expect(await shop.refused(withSlug('type: string, unique: true'))).toEqual([
      'posts.slug is required, and 1 record has null in its column',
    ])
    expect(await shop.refused(withSlug('type: date, nullable: true'))).toEqual([
      `posts.slug is to be of type date, and 1 record holds what is none (ids: ${uuid(1)})`,
    ])
    expect(await shop.refused(withSlug('type: int, nullable: true'))).toEqual([
      'posts.slug needs a column of type INTEGER, and the table has slug of type TEXT',
    ])
    const done = await shop.apply(withSlug('type: string, unique: true, default: none'))
    expect(done.steps.map(({ description }) => description)).toEqual([
      'take over posts.slug (TEXT), a column that is there',
      'create unique index on posts (slug)',
    ])
    expect(shop.column('SELECT slug FROM posts ORDER BY id')).toEqual(['a-b', 'none'])
  })

  it('converts a column to another type, by the very lines of the hint', async () => {
    await shop.apply({ posts: { n: 'type: string, index: true' } })
    shop.insert('posts', { id: uuid(1), n: '12' })
    const after = { posts: { n: 'type: int, index: true' } }
    const { refusals } = await shop.plan(after)
    const [, name, text] = /write migrations\/(0001_convert_n)\.yml .*\n([\s\S]*)$/.exec(refusals[0]!.hint)!
    const steps = text!.split('\n').flatMap((line) => (line.startsWith('    - ') ? [line.slice(6)] : []))
    expect(steps).toHaveLength(4)
    shop.migration(name!, ...steps)
    await shop.apply(after)
    expect(shop.column('SELECT n FROM posts')).toEqual([12])
    await shop.require(after)
  })

  it('may drop an index of ours, so that it can change its column', async () => {
    await shop.apply({ posts: { n: 'type: string, index: true' } })
    shop.insert('posts', { id: uuid(1), n: '12' })
    shop.migration(
      '0001_numbers',
      'sql: DROP INDEX "_alyx_index.posts.n"',
      'sql: ALTER TABLE posts ADD COLUMN m INTEGER; UPDATE posts SET m = CAST(n AS INTEGER)',
      'sql: ALTER TABLE posts DROP COLUMN n; ALTER TABLE posts RENAME COLUMN m TO n',
    )
    await shop.apply({ posts: { n: 'type: int, index: true' } })
    expect(shop.column('SELECT n FROM posts')).toEqual([12])
    await shop.require({ posts: { n: 'type: int, index: true' } })
  })

  it('rebuilds a table whose rows other tables refer to', async () => {
    await shop.apply({ posts: { n: 'type: int' } })
    shop.insert('posts', { id: uuid(1), n: 1 })
    shop.use((db) =>
      db.exec(
        `CREATE TABLE mine (post TEXT REFERENCES posts (id) ON DELETE CASCADE); INSERT INTO mine VALUES ('${uuid(1)}')`,
      ),
    )
    shop.migration(
      '0001_rebuild',
      'sql: CREATE TABLE fresh (id TEXT PRIMARY KEY NOT NULL, n INTEGER, _version INTEGER NOT NULL) STRICT; INSERT INTO fresh SELECT id, n, _version FROM posts; DROP TABLE posts; ALTER TABLE fresh RENAME TO posts',
    )
    await shop.apply({ posts: { n: 'type: int' } })
    expect(shop.column('SELECT post FROM mine')).toEqual([uuid(1)])
    shop.migration('0002_orphan', 'sql: DELETE FROM posts')
    await expect(shop.apply({ posts: { n: 'type: int' } })).rejects.toMatchObject({
      message: 'migrations/0002_orphan.yml leaves 1 dangling references in mine',
    })
  })

  it.each([
    ['fails', 'UPDATE posts SET missing = 1', /0001_bad\.yml:\d+:\d+ steps\.1\.sql: does not run: no such column/],
    ['breaks a constraint', 'UPDATE posts SET id = NULL', /steps\.1\.sql: does not run: NOT NULL constraint failed/],
    ['takes a table away', 'DROP TABLE posts', /steps\.1\.sql: leaves no table posts/],
    ['renames a table', 'ALTER TABLE posts RENAME TO articles', /steps\.1\.sql: leaves no table posts/],
    ['takes the version away', 'ALTER TABLE posts DROP COLUMN _version', /steps\.1\.sql: leaves posts without/],
  ])('that %s leaves nothing of its migration, and says where', async (_, sql, message) => {
    await shop.apply({ posts: { n: 'type: int' } })
    shop.insert('posts', { id: uuid(1), n: 1 })
    const image = shop.image()
    shop.migration('0001_bad', 'sql: UPDATE posts SET n = 2', `sql: ${sql}`)
    await expect(shop.apply({ posts: { n: 'type: int' } })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(message),
    })
    expect(shop.image()).toEqual(image)
    expect(shop.column('SELECT n FROM posts')).toEqual([1])
  })
})

describe('a migration', () => {
  const POSTS = { posts: { n: 'type: int' } }

  it('runs in the order of the numbers, gaps and all, and only what is new', async () => {
    await shop.apply({ posts: { a: 'type: int' } })
    shop.migration('0010_c', 'rename_field: {collection: posts, from: c, to: n}')
    shop.migration('0002_b', 'rename_field: {collection: posts, from: a, to: c}')
    expect(names(await shop.apply(POSTS))).toEqual(['0002_b applied', '0010_c applied'])
    expect(names(await shop.plan(POSTS))).toEqual(['0002_b applied', '0010_c applied'])
  })

  it('is only recorded on a database that has no collection yet', async () => {
    shop.migration('0001_old', 'rename_field: {collection: posts, from: a, to: n}')
    shop.migration('0002_sql', 'sql: UPDATE posts SET n = nothing')
    expect((await shop.plan(POSTS)).steps.map(({ kind }) => kind)).toEqual(['create_table'])
    expect(names(await shop.apply(POSTS))).toEqual(['0001_old applied', '0002_sql applied'])
    await shop.require(POSTS)
  })

  it('whose plan is refused does not run', async () => {
    await shop.apply({ posts: { a: 'type: int', b: 'type: int' } })
    shop.insert('posts', { id: uuid(1), a: 1, b: 2 })
    shop.migration('0001_a', 'rename_field: {collection: posts, from: a, to: n}')
    const image = shop.image()
    expect(await shop.refused(POSTS)).toEqual(['posts.b is no longer declared, and 1 record has a value'])
    await expect(shop.apply(POSTS)).rejects.toMatchObject({
      message: expect.stringContaining('write migrations/0002_drop_b.yml'),
    })
    expect(shop.image()).toEqual(image)
  })

  it('that was changed, slipped in, renamed or doubled is refused; one whose file is gone is a warning', async () => {
    await shop.apply(POSTS)
    shop.migration('0002_a', 'sql: SELECT 1')
    await shop.apply(POSTS)
    shop.migration('0001_early', 'sql: SELECT 1')
    await expect(shop.plan(POSTS)).rejects.toMatchObject({
      message: 'migrations/0001_early.yml does not come after 0002_a.yml, which has been applied',
      hint: expect.stringContaining('rename it to 0003_early.yml'),
    })
    rmSync(join(shop.dir, 'migrations/0001_early.yml'))
    shop.migration('0002_a', 'sql: SELECT 2')
    for (const check of [shop.plan, shop.apply, shop.require])
      await expect(check(POSTS)).rejects.toMatchObject({
        code: 'config_invalid',
        message: 'migrations/0002_a.yml was changed after it had been applied',
      })
    rmSync(join(shop.dir, 'migrations/0002_a.yml'))
    expect((await shop.plan(POSTS)).warnings).toEqual([
      'migrations/0002_a.yml was applied to this database, and the file is gone',
    ])
    await shop.require(POSTS)
    shop.migration('0002_b', 'sql: SELECT 1')
    await expect(shop.plan(POSTS)).rejects.toMatchObject({ message: expect.stringContaining('does not come after') })
    shop.migration('0002_c', 'sql: SELECT 1')
    await expect(shop.plan(POSTS)).rejects.toMatchObject({
      message: 'migrations/0002_c.yml has the number of 0002_b.yml',
    })
  })

  it('is told with its place what it names and is not there', async () => {
    await shop.apply({ posts: { n: 'type: int', m: 'type: int' } })
    const fails = async (step: string, message: string) => {
      shop.migration('0001_x', step)
      await expect(shop.apply(POSTS)).rejects.toMatchObject({ message: `migrations/0001_x.yml:3:5 ${message}` })
    }
    await fails(
      'drop_field: {collection: post, field: n}',
      'steps.0.drop_field: there is no collection post in the database',
    )
    await fails(
      'rename_field: {collection: posts, from: o, to: p}',
      'steps.0.rename_field: posts has no field o in the database',
    )
    await fails(
      'rename_field: {collection: posts, from: n, to: m}',
      'steps.0.rename_field: posts has a column m already',
    )
    await fails(
      'drop_field: {collection: posts, field: id}',
      'steps.0.drop_field: posts.id is the primary field, which stays',
    )
    shop.use((db) => db.exec('CREATE TABLE taken (x)'))
    await fails(
      'rename_collection: {from: posts, to: taken}',
      'steps.0.rename_collection: the database has a table taken already',
    )
  })

  it('of a name that is none is refused, other files are left alone', async () => {
    shop.migration('0001_ok', 'sql: SELECT 1')
    for (const name of ['README.md', 'notes.txt']) writeFileSync(join(shop.dir, 'migrations', name), 'hello')
    await shop.apply(POSTS)
    for (const name of ['1_short.yml', '0002_long.yaml', '0003_Big.yml']) {
      writeFileSync(join(shop.dir, 'migrations', name), 'version: 1\nsteps: [{sql: SELECT 1}]\n')
      await expect(shop.plan(POSTS)).rejects.toMatchObject({
        message: expect.stringContaining(`migrations/${name} a migration is named NNNN_name.yml`),
      })
      rmSync(join(shop.dir, 'migrations', name))
    }
  })
})
