// The promises of RecordStore as tests. Any implementation runs them: recordStoreContract('SQLite', open).
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isFailure } from '../../src/core/errors.ts'
import type { FileRow, UploadDraft } from '../../src/core/model.ts'
import { ALWAYS, every, type Predicate, type StoredValue } from '../../src/core/predicate.ts'
import type { RecordQuery, RecordStore, RecordValues } from '../../src/meta/records.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import type { TableSpec } from '../../src/schema/tables.ts'
import { freshStores } from './fresh-stores.ts'
import { at, draft, type Fixture, facts } from './meta-store.ts'
import { POSTS, TABLES, USERS } from './record-tables.ts'

const FREE = { bucketTotal: null, openUploads: null }

/** A condition of one comparison. */
export function is(
  field: string,
  op: Extract<Predicate, { kind: 'compare' }>['op'],
  value: StoredValue | readonly StoredValue[] = null,
): Predicate {
  return { kind: 'compare', field, op, value }
}

/** A question for the first thousand posts in the order of their ids. */
export function ask(over: Partial<RecordQuery> = {}): RecordQuery {
  return {
    collection: 'posts',
    where: ALWAYS,
    sort: [{ field: 'id', descending: false }],
    limit: 1000,
    offset: 0,
    after: null,
    ...over,
  }
}

/** A user with every field. */
export function user(over: RecordValues = {}): RecordValues {
  return { ...blank(USERS), ...over }
}

/** A post with every field. */
export function post(over: RecordValues = {}): RecordValues {
  return { ...blank(POSTS), tags: '[]', gallery: '[]', ...over }
}

function blank({ columns }: TableSpec): RecordValues {
  return Object.fromEntries(columns.map(({ name }) => [name, null]))
}

async function failureOf(work: Promise<unknown>): Promise<{ code: string; details: unknown; message: string }> {
  try {
    await work
    return { code: 'resolved', details: null, message: '' }
  } catch (error) {
    if (!isFailure(error)) return { code: String(error), details: null, message: '' }
    return { code: error.code, details: error.details, message: error.message }
  }
}

async function code(work: Promise<unknown>): Promise<string> {
  return (await failureOf(work)).code
}

/** The ids of the posts of a list. */
async function listed(records: RecordStore, over: Partial<RecordQuery>): Promise<readonly unknown[]> {
  return (await records.list(ask(over))).map(({ values }) => values.id)
}

/** Runs every promise of the contract against fresh databases that have the tables of record-tables.ts. */
export function recordStoreContract(name: string, open: (tables: readonly TableSpec[]) => Promise<Fixture>): void {
  describe(`${name} keeps the promises of a record store:`, () => {
    let store: MetaStore
    let records: RecordStore
    const connect = freshStores(
      () => open(TABLES),
      (first) => {
        store = first
        records = first.records
      },
    )

    const file = async (over: Partial<UploadDraft> = {}): Promise<string> => {
      const claim = await store.claim(draft(over), FREE, { need: 100, want: 100 })
      return (await store.commit(claim.id, facts(), at(0))).id
    }
    const stateOf = async (id: string): Promise<string | null> => (await store.files([id]))[0]?.state ?? null
    const idsOf = (rows: readonly FileRow[]): readonly string[] => rows.map(({ id }) => id).sort()
    const addUser = (id: number, over: RecordValues = {}) => records.insert('users', user({ id, ...over }), at(0))
    const addPost = (id: string, over: RecordValues = {}) => records.insert('posts', post({ id, ...over }), at(0))
    const found = (over: Partial<RecordQuery> = {}) => listed(records, over)
    const sound = async (): Promise<void> => expect(await records.faults(100)).toEqual([])

    describe('rows', () => {
      it('a record comes back as it was given, every type of value, at version 1', async () => {
        const values = post({
          id: 'p1',
          title: 'Ünï ☃ "quoted" \'single\'',
          order: Number.MAX_SAFE_INTEGER,
          score: -0.1,
          raw: Buffer.from([0, 255, 128]).toString('base64'),
          tags: '["a","b"]',
        })
        expect(await records.insert('posts', values, at(0))).toEqual({ row: { values, version: 1 }, condemned: [] })
        expect(await records.get('posts', 'p1')).toEqual({ values, version: 1 })
        expect(await records.get('posts', 'p2')).toBeNull()
        expect(await records.get('posts', 1)).toBeNull()
      })

      it('a reader of another process sees a record as soon as its insert resolves', async () => {
        const other = await connect()
        await addUser(7)
        expect(await other.records.get('users', 7)).toMatchObject({ version: 1 })
      })

      it('many gives those that exist, each once, by numbers and by texts', async () => {
        for (const id of [1, 2, 3]) await addUser(id)
        const users = await records.many('users', [3, 1, 1, 99, '2', null])
        expect(users.map(({ values }) => values.id).sort()).toEqual([1, 3])
        for (const id of ['a', "b'", 'c"d']) await addPost(id)
        const posts = await records.many('posts', ["b'", 'c"d', 'nobody', 5])
        expect(posts.map(({ values }) => values.id).sort()).toEqual(["b'", 'c"d'])
        expect(await records.many('posts', [])).toEqual([])
        const crowd = Array.from({ length: 40_000 }, (_, n) => `x${n}`)
        expect(await records.many('posts', [...crowd, 'a'])).toHaveLength(1)
      })

      it('a taken primary or unique value is a unique_violation that names the fields and shows no SQL', async () => {
        await addUser(1, { email: 'a@x' })
        const primary = await failureOf(addUser(1))
        expect(primary).toMatchObject({ code: 'unique_violation', details: { fields: ['id'] } })
        expect(primary.message).not.toMatch(/constraint|UNIQUE/i)
        expect(await failureOf(addUser(2, { email: 'a@x' }))).toMatchObject({
          code: 'unique_violation',
          details: { fields: ['email'] },
        })
        await addPost('p', { author: 1, slug: 's' })
        const pair = await failureOf(addPost('q', { author: 1, slug: 's' }))
        expect(pair).toMatchObject({ code: 'unique_violation', details: { fields: ['slug', 'author'] } })
        await addPost('q', { author: 1, slug: 't' })
        expect(await failureOf(records.update('posts', 'q', 1, { slug: 's' }, at(1)))).toMatchObject({
          code: 'unique_violation',
          details: { fields: ['slug', 'author'] },
        })
        expect(await code(addPost('r', { author: null, slug: 's' }))).toBe('resolved')
        expect(await code(addPost('r2', { author: null, slug: 's' }))).toBe('resolved')
      })

      it('update changes the given fields, raises the version and answers with the whole row', async () => {
        await addPost('p', { title: 'old', order: 1, tags: '["x"]' })
        const { row } = await records.update('posts', 'p', 1, { title: 'new', raw: 'AQI=' }, at(1))
        expect(row).toEqual({
          values: post({ id: 'p', title: 'new', order: 1, tags: '["x"]', raw: 'AQI=' }),
          version: 2,
        })
        expect(await records.get('posts', 'p')).toEqual(row)
        expect((await records.update('posts', 'p', 2, {}, at(2))).row.version).toBe(3)
      })

      it('an update or removal of another version, or of nothing, is refused', async () => {
        await addPost('p')
        expect(await failureOf(records.update('posts', 'p', 2, { title: 'x' }, at(1)))).toMatchObject({
          code: 'precondition_failed',
          details: { version: 1 },
        })
        expect(await code(records.remove('posts', 'p', 9, at(1)))).toBe('precondition_failed')
        expect(await code(records.update('posts', 'q', 1, { title: 'x' }, at(1)))).toBe('record_not_found')
        expect(await code(records.remove('posts', 'q', 1, at(1)))).toBe('record_not_found')
        expect(await records.remove('posts', 'p', 1, at(1))).toEqual([])
        expect(await records.get('posts', 'p')).toBeNull()
      })

      it('names that were not checked are internal failures, and nothing is written', async () => {
        await addPost('p')
        expect(await code(records.get('nobody', 1))).toBe('internal')
        expect(await code(records.list(ask({ collection: 'nobody' })))).toBe('internal')
        expect(await code(records.count(ask({ where: is('nothing', 'eq', 1) })))).toBe('internal')
        expect(await code(records.list(ask({ where: is('"', 'eq', 1) })))).toBe('internal')
        expect(await code(records.list(ask({ sort: [{ field: 'title', descending: false }] })))).toBe('internal')
        expect(await code(records.insert('posts', { ...post({ id: 'q' }), _version: 9 }, at(0)))).toBe('internal')
        expect(await code(records.update('posts', 'p', 1, { id: 'other' }, at(0)))).toBe('internal')
        expect(await code(records.update('posts', 'p', 1, { nothing: 1 }, at(0)))).toBe('internal')
        expect(await code(records.update('posts', 'p', 1, { id: 'p', title: 't' }, at(0)))).toBe('resolved')
      })

      it('of two processes that update one version exactly one does', async () => {
        const other = await connect()
        await addPost('p', { order: 0 })
        const codes = await Promise.all(
          Array.from({ length: 10 }, (_, n) =>
            code((n % 2 ? store : other).records.update('posts', 'p', 1, { order: n }, at(1))),
          ),
        )
        expect(codes.filter((one) => one === 'resolved')).toHaveLength(1)
        expect(codes.filter((one) => one === 'precondition_failed')).toHaveLength(9)
      })

      it('of two processes that insert one id exactly one does', async () => {
        const other = await connect()
        const codes = await Promise.all(
          [store, other, store, other].map((one) => code(one.records.insert('users', user({ id: 1 }), at(0)))),
        )
        expect(codes.sort()).toEqual(['resolved', 'unique_violation', 'unique_violation', 'unique_violation'])
      })
    })

    describe('files a record names', () => {
      it('is known by references, in order, and unknown after it is named no longer', async () => {
        const [x, y] = [await file(), await file()]
        await addPost('b', { cover: x, gallery: JSON.stringify([y, x, y]) })
        await addPost('a', { banner: x })
        await addUser(5, { portrait: x })
        expect(await records.references(x, 100)).toEqual([
          { collection: 'posts', recordId: 'a', field: 'banner' },
          { collection: 'posts', recordId: 'b', field: 'cover' },
          { collection: 'posts', recordId: 'b', field: 'gallery' },
          { collection: 'users', recordId: '5', field: 'portrait' },
        ])
        expect(await records.references(x, 2)).toHaveLength(2)
        await records.update('posts', 'b', 1, { cover: null }, at(1))
        await records.remove('users', 5, 1, at(1))
        expect((await records.references(x, 100)).map(({ field }) => field)).toEqual(['banner', 'gallery'])
        await sound()
      })

      it.each([
        ['a file that does not exist', () => Promise.resolve('nothing')],
        ['a file of another bucket', () => file({ bucket: 'pictures' })],
        ['an expired file', () => file({ fileLifetime: 60_000 })],
        ['a file staged for too long', () => file({ staging: 60_000 })],
        [
          'a tombstone',
          async () => {
            const id = await file()
            await store.condemn('docs', id, at(0), false)
            return id
          },
        ],
      ])('%s cannot be named, and the words do not tell which it is', async (_, make) => {
        const id = await make()
        const refused = {
          code: 'file_reference_invalid',
          details: { field: 'cover' },
          message: 'cover names no file of bucket docs that you may use',
        }
        expect(await failureOf(records.insert('posts', post({ id: 'p', cover: id }), at(1)))).toEqual(refused)
        expect(await records.get('posts', 'p')).toBeNull()
        await addPost('p')
        expect(await failureOf(records.update('posts', 'p', 1, { cover: id }, at(1)))).toEqual(refused)
        const list = records.update('posts', 'p', 1, { gallery: JSON.stringify([await file(), id]) }, at(1))
        expect(await failureOf(list)).toMatchObject({ details: { field: 'gallery' } })
        expect(await records.get('posts', 'p')).toEqual({ values: post({ id: 'p' }), version: 1 })
        expect(await records.references(id, 10)).toEqual([])
      })

      it('naming a staged file in time keeps it for good; a refused write leaves it staged', async () => {
        const id = await file({ staging: 60_000 })
        expect(await code(addPost('p', { cover: id, owner: 404 }))).toBe('validation_failed')
        expect((await store.files([id]))[0]?.stagedUntil).toBe(at(1))
        await addPost('p', { cover: id })
        expect((await store.files([id]))[0]?.stagedUntil).toBeNull()
      })

      it('a file that expired while it was named hinders no other change of its record', async () => {
        const [x, y] = [await file({ fileLifetime: 60_000 }), await file()]
        await addPost('p', { cover: x, gallery: JSON.stringify([x]) })
        const change = { title: 't', cover: x, gallery: JSON.stringify([y, x]) }
        expect(await code(records.update('posts', 'p', 1, change, at(5)))).toBe('resolved')
        await sound()
      })

      it('a cascade field that stops naming its file makes it a tombstone in the same step; keep does not', async () => {
        const [x, y, z] = [await file(), await file(), await file({ bucket: 'pictures' })]
        await addPost('p', { cover: x, gallery: JSON.stringify([y, x]), picture: z })
        const first = await records.update('posts', 'p', 1, { cover: null, picture: null }, at(1))
        expect(first.condemned).toEqual([])
        const second = await records.update('posts', 'p', 2, { gallery: JSON.stringify([y]) }, at(2))
        expect(idsOf(second.condemned)).toEqual([x])
        expect(second.condemned[0]).toMatchObject({ state: 'deleting', updatedAt: at(2) })
        expect(await Promise.all([x, y, z].map(stateOf))).toEqual(['deleting', 'ready', 'ready'])
        await sound()
      })

      it('a file that moves to another field of its record stays, and so does one another record names', async () => {
        const x = await file()
        await addPost('p', { cover: x })
        await addPost('q', { banner: x })
        expect((await records.update('posts', 'p', 1, { cover: null, banner: x }, at(1))).condemned).toEqual([])
        expect((await records.update('posts', 'p', 2, { banner: null }, at(2))).condemned).toEqual([])
        expect(idsOf((await records.update('posts', 'q', 1, { banner: null }, at(3))).condemned)).toEqual([x])
      })

      it('replacing a file names the new one and condemns the old one, or does neither', async () => {
        const [x, y] = [await file(), await file()]
        await addPost('p', { cover: x })
        expect(await code(records.update('posts', 'p', 1, { cover: y, owner: 404 }, at(1)))).toBe('validation_failed')
        expect(await records.references(x, 9)).toHaveLength(1)
        expect(await stateOf(x)).toBe('ready')
        expect(idsOf((await records.update('posts', 'p', 1, { cover: y }, at(1))).condemned)).toEqual([x])
        expect(await records.references(x, 9)).toEqual([])
        expect(await records.references(y, 9)).toHaveLength(1)
      })

      it('of a record that names a file and a direct deletion of it one wins, over two processes', async () => {
        const other = await connect()
        for (let round = 0; round < 10; round++) {
          const x = await file()
          const [named, condemned] = await Promise.all([
            code(records.insert('users', user({ id: round, passport: x }), at(0))),
            code(other.condemn('docs', x, at(0), false)),
          ])
          expect([named, condemned].sort().join()).toMatch(/^(file_in_use,resolved|file_reference_invalid,resolved)$/)
          expect(await stateOf(x)).toBe(named === 'resolved' ? 'ready' : 'deleting')
        }
      })

      it('of two processes that let go of the last two references one condemns the file', async () => {
        const other = await connect()
        for (let round = 0; round < 10; round++) {
          const x = await file()
          await addPost(`a${round}`, { cover: x })
          await addPost(`b${round}`, { gallery: JSON.stringify([x]) })
          const [one, two] = await Promise.all([
            records.update('posts', `a${round}`, 1, { cover: null }, at(1)),
            other.records.remove('posts', `b${round}`, 1, at(1)),
          ])
          expect(idsOf([...one.condemned, ...two])).toEqual([x])
        }
      })
    })

    describe('a file that is deleted', () => {
      it('is held by a restrict field, unless forced', async () => {
        const x = await file({ fileLifetime: 60_000 })
        await addUser(3, { passport: x })
        expect(await failureOf(store.condemn('docs', x, at(0), false))).toMatchObject({
          code: 'file_in_use',
          details: { collection: 'users', record_id: '3', field: 'passport' },
        })
        expect(await stateOf(x)).toBe('ready')
        expect(await code(store.condemn('docs', x, at(2), true))).toBe('resolved')
      })

      it('leaves the fields when it is buried, and their records rise by a version', async () => {
        const [x, y] = [await file(), await file()]
        await addPost('p', { cover: x, gallery: JSON.stringify([x, y, x]) })
        await addUser(1, { portrait: x })
        await store.condemn('docs', x, at(1), false)
        expect((await records.get('posts', 'p'))?.values.cover).toBe(x)
        await store.bury('docs', x)
        const row = await records.get('posts', 'p')
        expect(row?.values).toMatchObject({ cover: null, gallery: JSON.stringify([y]) })
        expect(row?.version).toBeGreaterThan(1)
        expect(await records.get('users', 1)).toEqual({ values: user({ id: 1 }), version: 2 })
        expect(await records.references(x, 10)).toEqual([])
        await sound()
      })

      it('keeps its references when the bytes would not go', async () => {
        const x = await file()
        await addPost('p', { cover: x })
        await store.condemn('docs', x, at(1), false)
        expect(await store.restore('docs', x, at(1), at(2))).toBe(true)
        expect(await records.references(x, 10)).toHaveLength(1)
        expect(await records.get('posts', 'p')).toMatchObject({ version: 1, values: { cover: x } })
      })
    })

    describe('relations', () => {
      it('to nothing are refused, all at once; a record may point at itself from the start', async () => {
        expect(await failureOf(addPost('p', { author: 1, parent: 'q', title: 't' }))).toMatchObject({
          code: 'validation_failed',
          details: {
            fields: [
              { path: 'author', message: 'names no record of users' },
              { path: 'parent', message: 'names no record of posts' },
            ],
          },
        })
        expect(await code(addPost('p', { parent: 'p' }))).toBe('resolved')
        expect(await failureOf(records.update('posts', 'p', 1, { owner: 9 }, at(1)))).toMatchObject({
          details: { fields: [{ path: 'owner', message: 'names no record of users' }] },
        })
        await sound()
      })

      it('of a deletion: cascade goes along with its files, set_null is emptied, all at once', async () => {
        const [x, y, z, kept] = [await file(), await file(), await file(), await file()]
        await addUser(1, { portrait: x, passport: kept })
        await addPost('a', { author: 1, cover: y })
        await addPost('b', { author: 1, gallery: JSON.stringify([y, z]) })
        await addPost('c', { editor: 1, banner: z })
        expect(idsOf(await records.remove('users', 1, 1, at(1)))).toEqual([x, y].sort())
        expect(await found()).toEqual(['c'])
        expect(await records.get('posts', 'c')).toMatchObject({ version: 2, values: { editor: null, banner: z } })
        expect(await Promise.all([x, y, z].map(stateOf))).toEqual(['deleting', 'deleting', 'ready'])
        expect(await stateOf(kept)).toBe('ready')
        expect(await records.references(kept, 9)).toEqual([])
        await sound()
      })

      it('restrict holds a record back, unless the one that points goes as well', async () => {
        await addUser(1)
        await addPost('a', { owner: 1 })
        expect(await failureOf(records.remove('users', 1, 1, at(1)))).toMatchObject({
          code: 'record_in_use',
          details: { collection: 'posts', record_id: 'a', field: 'owner' },
        })
        await records.update('posts', 'a', 1, { author: 1 }, at(1))
        expect(await code(records.remove('users', 1, 1, at(2)))).toBe('resolved')
        expect(await found()).toEqual([])
      })

      it('one that is held back further down holds everything back', async () => {
        const x = await file()
        await addUser(1, { portrait: x })
        await addPost('a', { author: 1 })
        await addPost('b', { previous: 'a' })
        expect(await failureOf(records.remove('users', 1, 1, at(1)))).toMatchObject({
          code: 'record_in_use',
          details: { collection: 'posts', record_id: 'b', field: 'previous' },
        })
        expect(await found()).toEqual(['a', 'b'])
        expect(await stateOf(x)).toBe('ready')
        expect(await records.references(x, 9)).toHaveLength(1)
      })

      it('cycles and records that point at themselves end', async () => {
        await addPost('a', { parent: 'a', previous: 'a' })
        expect(await code(records.remove('posts', 'a', 1, at(1)))).toBe('resolved')
        await addPost('a')
        await addPost('b', { parent: 'a' })
        await addPost('c', { parent: 'b', previous: 'b' })
        await records.update('posts', 'a', 1, { parent: 'c', previous: 'c' }, at(1))
        expect(await code(records.remove('posts', 'b', 1, at(1)))).toBe('resolved')
        expect(await found()).toEqual([])
        await sound()
      })

      it('a chain of thousands goes in one step', async () => {
        const links = 5000
        await records.insert('chains', { id: 0, next: null }, at(0))
        for (let from = 1; from < links; from += 250)
          await Promise.all(
            Array.from({ length: Math.min(250, links - from) }, (_, n) =>
              records.insert('chains', { id: from + n, next: from + n - 1 }, at(0)),
            ),
          )
        expect(await records.remove('chains', 0, 1, at(1))).toEqual([])
        const sort = [{ field: 'id', descending: false }]
        expect(await records.count(ask({ collection: 'chains', sort }))).toBe(0)
      })

      it('of a deletion and a record that comes to point at it one wins, over two processes', async () => {
        const other = await connect()
        for (let round = 0; round < 10; round++) {
          await addUser(round)
          const [removed, pointed] = await Promise.all([
            code(records.remove('users', round, 1, at(1))),
            code(other.records.insert('posts', post({ id: `p${round}`, owner: round }), at(1))),
          ])
          expect([removed, pointed].sort().join()).toMatch(/^(record_in_use,resolved|resolved,validation_failed)$/)
        }
        await sound()
      })
    })
  })

  describe(`${name} keeps the promises of a record store about`, () => {
    let fixture: Fixture
    let store: MetaStore
    let records: RecordStore
    const found = (over: Partial<RecordQuery> = {}) => listed(records, over)

    beforeAll(async () => {
      fixture = await open(TABLES)
      store = await fixture.connect()
      records = store.records
    })

    afterAll(async () => {
      await store.close()
      await fixture.remove()
    })

    describe('lists', () => {
      beforeAll(async () => {
        const addPost = (id: string, over: RecordValues) => records.insert('posts', post({ id, ...over }), at(0))
        await records.insert('users', user({ id: 1 }), at(0))
        await addPost('a', { title: 'Alpha', order: 1, score: 0.5, tags: '["x","y"]', author: 1, raw: 'AA==' })
        await addPost('b', { title: 'beta', order: 2, score: 1.5, tags: '[]' })
        await addPost('c', { title: '100% \\ _', order: 2, tags: null })
        await addPost('d', { title: null, order: null, tags: '["z"]', author: 1 })
      })

      it.each<[string, Predicate, string]>([
        ['nothing', ALWAYS, 'abcd'],
        ['never', { kind: 'constant', value: false }, ''],
        ['equal', is('order', 'eq', 2), 'bc'],
        ['equal to null', is('order', 'eq', null), 'd'],
        ['unequal, which a null is', is('order', 'ne', 2), 'ad'],
        ['unequal to null', is('order', 'ne', null), 'abc'],
        ['not equal', { kind: 'not', of: is('order', 'eq', 2) }, 'ad'],
        ['greater', is('order', 'gt', 1), 'bc'],
        ['not greater, which a null is not', { kind: 'not', of: is('order', 'gt', 1) }, 'a'],
        ['at least', is('score', 'gte', 1.5), 'b'],
        ['less', is('score', 'lt', 1.5), 'a'],
        ['at most, by bytes', is('title', 'lte', 'Alpha'), 'ac'],
        ['null', is('title', 'is_null'), 'd'],
        ['not null', is('title', 'not_null'), 'abc'],
        ['bytes that are not null', is('raw', 'not_null'), 'a'],
        ['one of', is('order', 'in', [1, 2, 2, null]), 'abc'],
        ['not one of, which a null is', { kind: 'not', of: is('order', 'in', [1]) }, 'bcd'],
        ['one of nothing', is('order', 'in', []), ''],
        ['one of many texts', is('title', 'in', [...Array(40_000).keys()].map(String).concat('beta')), 'b'],
        ['one of many numbers', is('order', 'in', [...Array(40_000).keys()].slice(1)), 'abc'],
        [
          'one of many fractions',
          is(
            'score',
            'in',
            [...Array(20_000).keys()].map((n) => n / 2),
          ),
          'ab',
        ],
        ['a text in letters of any case', is('title', 'contains', 'ALPH'), 'a'],
        ['a text with wildcards in it', is('title', 'contains', '% \\ _'), 'c'],
        ['no text, in every text', is('title', 'contains', ''), 'abc'],
        ['a text not in it, which a null is not', { kind: 'not', of: is('title', 'contains', 'a') }, 'c'],
        ['a text too long for any pattern', is('title', 'contains', 'x'.repeat(100_000)), ''],
        ['an element of a list', is('tags', 'contains', 'x'), 'a'],
        ['not an element, which a null is not', { kind: 'not', of: is('tags', 'contains', 'x') }, 'bd'],
        ['a pattern in letters of any case', is('title', 'like', 'ALPH_'), 'a'],
        ['a pattern in which a backslash is a backslash', is('title', 'like', '%\\%'), 'c'],
        ['a pattern too long for the database', is('title', 'like', '%'.repeat(60_000)), ''],
        ['another type than the field: equal', is('order', 'eq', '2'), ''],
        ['another type than the field: unequal', is('title', 'ne', 5), 'abcd'],
        ['another type than the field: greater', { kind: 'not', of: is('title', 'gt', 5) }, ''],
        ['both', every(is('order', 'eq', 2), is('title', 'like', 'b%')), 'b'],
        ['either', { kind: 'or', of: [is('id', 'eq', 'a'), is('order', 'is_null')] }, 'ad'],
        ['all of no conditions', { kind: 'and', of: [] }, 'abcd'],
        ['one of no conditions', { kind: 'or', of: [] }, ''],
        [
          'very many conditions',
          { kind: 'or', of: Array.from({ length: 2000 }, (_, n) => is('order', 'eq', n)) },
          'abc',
        ],
        ['an injection', is('title', 'eq', "' OR 1=1 --"), ''],
      ])('filter by %s', async (_, where, expected) => {
        expect((await found({ where })).join('')).toBe(expected)
        expect(await records.count(ask({ where, limit: 1, offset: 3 }))).toBe(expected.length)
      })

      it('a text of any length is found in a longer one', async () => {
        const title = `${'a%_'.repeat(40_000)}.`
        await records.insert('posts', post({ id: 'long', title }), at(0))
        expect(await found({ where: is('title', 'contains', title.toUpperCase()) })).toEqual(['long'])
        expect(await found({ where: is('title', 'contains', 'A%_A') })).toEqual(['long'])
        expect(await found({ where: is('title', 'contains', `${title}.`) })).toEqual([])
        await records.remove('posts', 'long', 1, at(1))
      })

      it('bytes are not compared', async () => {
        expect(await code(records.list(ask({ where: is('raw', 'eq', 'AA==') })))).toBe('internal')
        expect(await found({ where: is('raw', 'eq', null) })).toEqual(['b', 'c', 'd'])
      })

      it('nulls come first, when descending last; offset and limit cut the same order', async () => {
        const by = (descending: boolean) => [
          { field: 'order', descending },
          { field: 'id', descending },
        ]
        expect(await found({ sort: by(false) })).toEqual(['d', 'a', 'b', 'c'])
        expect(await found({ sort: by(true) })).toEqual(['c', 'b', 'a', 'd'])
        expect(await found({ sort: by(true), offset: 1, limit: 2 })).toEqual(['b', 'a'])
        expect(await found({ sort: by(true), after: [2, 'b'] })).toEqual(['a', 'd'])
        expect(await found({ sort: by(true), after: [2, 'b'], offset: 1 })).toEqual(['d'])
        expect(await found({ sort: by(true), after: [null, 'd'] })).toEqual([])
      })

      it('a position has as many values as the order has fields, of their types', async () => {
        expect(await code(records.list(ask({ after: [] })))).toBe('internal')
        expect(await code(records.list(ask({ after: [5] })))).toBe('internal')
      })
    })
  })
}
