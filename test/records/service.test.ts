import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Archive, admin, alice, anyone, as, asked, bob, openArchive, refused } from './archive.ts'

const MISSING = '01932f00-0000-7000-8000-00000000dead'
let archive: Archive
beforeAll(async () => {
  archive = await openArchive()
})
afterAll(() => archive.close())

const textId = (record: Readonly<Record<string, unknown>>): string => String(record.id)

describe('creating a record', () => {
  it('answers with the record: what was given, defaults, and what the server sets', async () => {
    const post = await archive.records.create(alice, 'posts', { title: 'Hello', author: 'alice' }, null)
    expect(post).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      title: 'Hello',
      author: 'alice',
      rank: 0,
      cover: null,
      scan: null,
      gallery: [],
      album: [],
      draft: null,
      editor: null,
      created: expect.stringMatching(/^\d{4}-.*Z$/),
      changed: post.created,
    })
    expect(await archive.records.get(anyone, 'posts', textId(post), null)).toEqual(post)
  })

  it('keeps what internal fields hold from clients, and in the database', async () => {
    const post = await archive.records.create(alice, 'posts', { title: 'x' }, null)
    expect(post).not.toHaveProperty('secret')
    expect(archive.db.prepare('SELECT secret FROM posts WHERE id = ?').pluck().get(post.id)).toBe('s3cret')
  })

  it('stores SQL as the text it is', async () => {
    const title = `'); DROP TABLE posts; --`
    const post = await archive.records.create(alice, 'posts', { title }, null)
    expect(await archive.records.get(alice, 'posts', textId(post), null)).toMatchObject({ title })
  })

  it('tells log and metrics', async () => {
    archive.events.length = 0
    await archive.records.create(alice, 'posts', { title: 'x' }, null)
    expect(archive.events).toEqual([
      { name: 'step', fields: { point: 'record_written' } },
      { name: 'record', fields: { collection: 'posts', operation: 'create' } },
    ])
  })

  it.each([
    ['anyone who has not signed in', anyone, 'unauthenticated', 'collections.posts.rules.create'],
    ['a key without scope', as('k', { kind: 'key', scopes: ['read'] }), 'forbidden', 'auth.scopes'],
  ])('is refused to %s', async (_, call, code, rule) => {
    const failure = await refused(archive.records.create(call, 'posts', { title: 'x' }, null))
    expect(failure).toMatchObject({ code, details: { operation: 'create', rule } })
  })

  it('is refused where no rule is, but for admins', async () => {
    expect(await refused(archive.records.create(alice, 'sealed', { size: 1 }, null))).toMatchObject({
      code: 'forbidden',
    })
    expect(await archive.records.create(admin, 'sealed', { size: 1 }, null)).toMatchObject({ size: 1 })
  })

  it.each(['nope', '__proto__', '_alyx_files', 'posts"; DROP TABLE posts; --'])(
    'is refused in the collection %s, which is not there',
    async (name) => {
      for (const work of [
        archive.records.create(admin, name, {}, null),
        archive.records.list(admin, name, asked()),
        archive.records.get(admin, name, MISSING, null),
        archive.records.update(admin, name, MISSING, {}, null),
        archive.records.remove(admin, name, MISSING),
      ])
        expect(await refused(work)).toMatchObject({ code: 'collection_not_found' })
    },
  )

  it('is refused when a unique value is taken, or a relation points at nothing', async () => {
    await archive.records.create(alice, 'kinds', { string: 'taken' }, null)
    const taken = await refused(archive.records.create(alice, 'kinds', { string: 'taken' }, null))
    expect(taken).toMatchObject({ code: 'unique_violation', details: { fields: ['string'] } })
    const nobody = await refused(archive.records.create(alice, 'posts', { title: 'x', editor: MISSING }, null))
    expect(nobody).toMatchObject({ code: 'validation_failed', details: { fields: [{ path: 'editor' }] } })
    const number = await refused(archive.records.create(alice, 'kinds', { relation: 99 }, null))
    expect(number).toMatchObject({ code: 'validation_failed', details: { fields: [{ path: 'relation' }] } })
  })

  it('writes nothing when it is refused for what it should expand', async () => {
    const before = archive.db.prepare('SELECT count(*) FROM posts').pluck().get()
    const failure = await refused(archive.records.create(alice, 'posts', { title: 'x' }, 'nope'))
    expect(failure).toMatchObject({ code: 'invalid_query', details: { parameter: 'expand' } })
    expect(archive.db.prepare('SELECT count(*) FROM posts').pluck().get()).toBe(before)
  })
})

describe('reading a record', () => {
  it.each([MISSING, 'x', '', '7', '..', "' OR 1=1"])('at %j finds nothing', async (id) => {
    expect(await refused(archive.records.get(admin, 'posts', id, null))).toMatchObject({ code: 'record_not_found' })
    expect(await refused(archive.records.update(admin, 'posts', id, {}, null))).toMatchObject({
      code: 'record_not_found',
    })
    expect(await refused(archive.records.remove(admin, 'posts', id))).toMatchObject({ code: 'record_not_found' })
  })

  it('is decided by its rule', async () => {
    const { id } = await archive.records.create(alice, 'notes', { owner: 'alice', size: 1 }, null)
    expect(await archive.records.get(alice, 'notes', String(id), null)).toMatchObject({ owner: 'alice' })
    expect(await archive.records.get(admin, 'notes', String(id), null)).toMatchObject({ owner: 'alice' })
    const rule = 'collections.notes.rules.read'
    expect(await refused(archive.records.get(bob, 'notes', String(id), null))).toMatchObject({
      code: 'forbidden',
      details: { operation: 'read', rule },
    })
    expect(await refused(archive.records.get(anyone, 'notes', String(id), null))).toMatchObject({
      code: 'unauthenticated',
      details: { operation: 'read', rule },
    })
  })
})

describe('changing a record', () => {
  const create = async (more: object = {}): Promise<string> =>
    textId(await archive.records.create(alice, 'posts', { title: 'Hello', author: 'alice', ...more }, null))

  it('changes what is named and leaves the rest', async () => {
    const id = await create({ rank: 5 })
    const before = await archive.records.get(alice, 'posts', id, null)
    archive.tick(1000)
    const after = await archive.records.update(alice, 'posts', id, { title: 'Bye' }, null)
    expect(after).toEqual({ ...before, title: 'Bye', changed: after.changed })
    expect(String(after.changed) > String(before.changed)).toBe(true)
    expect(await archive.records.get(alice, 'posts', id, null)).toEqual(after)
  })

  it('writes nothing when nothing differs', async () => {
    const id = await create()
    const before = await archive.records.get(alice, 'posts', id, null)
    archive.tick(1000)
    archive.queries.length = 0
    expect(await archive.records.update(alice, 'posts', id, { title: 'Hello', id }, null)).toEqual(before)
    expect(archive.queries).toEqual(['records.get'])
  })

  it('is decided with the record as it is and as it would become', async () => {
    const id = await create()
    const rule = 'collections.posts.rules.update'
    const denied = { code: 'forbidden', details: { operation: 'update', rule } }
    expect(await refused(archive.records.update(bob, 'posts', id, { title: 'Mine' }, null))).toMatchObject(denied)
    expect(await refused(archive.records.update(bob, 'posts', id, { author: 'bob' }, null))).toMatchObject(denied)
    expect(await refused(archive.records.update(alice, 'posts', id, { author: 'bob' }, null))).toMatchObject(denied)
    expect(await refused(archive.records.update(bob, 'posts', id, {}, null))).toMatchObject(denied)
    const unknown = await refused(archive.records.update(anyone, 'posts', id, { title: 'x' }, null))
    expect(unknown).toMatchObject({ code: 'unauthenticated', details: { operation: 'update', rule } })
    expect(await archive.records.get(alice, 'posts', id, null)).toMatchObject({ title: 'Hello', author: 'alice' })
  })

  it('is nobody’s when the author is nobody', async () => {
    const id = await create({ author: null })
    expect(await refused(archive.records.update(anyone, 'posts', id, { title: 'x' }, null))).toMatchObject({
      code: 'unauthenticated',
    })
  })

  it('meets the uniqueness of others', async () => {
    await archive.records.create(alice, 'kinds', { string: 'first' }, null)
    const second = await archive.records.create(alice, 'kinds', { string: 'second' }, null)
    const failure = await refused(archive.records.update(alice, 'kinds', textId(second), { string: 'first' }, null))
    expect(failure).toMatchObject({ code: 'unique_violation', details: { fields: ['string'] } })
  })
})

describe('deleting a record', () => {
  it('is decided by its rule, and then it is gone', async () => {
    const { id } = await archive.records.create(alice, 'posts', { title: 'x', author: 'alice' }, null)
    expect(await refused(archive.records.remove(bob, 'posts', String(id)))).toMatchObject({
      code: 'forbidden',
      details: { operation: 'delete', rule: 'collections.posts.rules.delete' },
    })
    archive.events.length = 0
    await archive.records.remove(alice, 'posts', String(id))
    expect(archive.events.map(({ fields }) => fields.point ?? fields.operation)).toEqual(['record_removed', 'delete'])
    expect(await refused(archive.records.get(alice, 'posts', String(id), null))).toMatchObject({
      code: 'record_not_found',
    })
    expect(await refused(archive.records.remove(alice, 'posts', String(id)))).toMatchObject({
      code: 'record_not_found',
    })
  })

  it('takes it out of relations that allow it', async () => {
    const { id } = await archive.records.create(alice, 'users', { name: 'Eve' }, null)
    const post = await archive.records.create(alice, 'posts', { title: 'x', editor: id }, null)
    await archive.records.remove(alice, 'users', String(id))
    expect(await archive.records.get(alice, 'posts', textId(post), null)).toMatchObject({ editor: null })
  })

  it('is refused while another record insists on it, which is named to those who may read that', async () => {
    await archive.records.create(alice, 'counters', { number: 1000, label: 'x' }, null)
    const task = await archive.records.create(alice, 'tasks', { owner: 'alice', counter: 1000 }, null)
    const details = { collection: 'tasks', record_id: task.id, field: 'counter' }
    expect(await refused(archive.records.remove(alice, 'counters', '1000'))).toMatchObject({
      code: 'record_in_use',
      details,
    })
    expect(await refused(archive.records.remove(bob, 'counters', '1000'))).toEqual({
      code: 'record_in_use',
      message: 'another record points at this one',
      details: {},
    })
    await archive.records.remove(alice, 'tasks', textId(task))
    await archive.records.remove(bob, 'counters', '1000')
  })
})
