import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Call } from '../../src/core/model.ts'
import { type Archive, admin, alice, anyone, bob, openArchive, refused } from './archive.ts'

const MISSING = '01932f00-0000-7000-8000-00000000dead'
let archive: Archive
beforeAll(async () => {
  archive = await openArchive()
})
afterAll(() => archive.close())

const post = (call: Call, more: object) =>
  archive.records.create(call, 'posts', { title: 'x', author: 'alice', ...more }, null)
const file = async (call: Call, bucket = 'pics', size = 10, type?: 'text' | 'png'): Promise<string> =>
  (await archive.upload(call, bucket, size, type)).id
const mine = (name: string) => ({
  code: 'file_reference_invalid',
  message: `posts.${name} must name a file that is in bucket ${name === 'scan' ? 'docs' : 'pics'} and that you may read`,
  details: { field: name },
})

describe('naming a file', () => {
  it('ties it to the record', async () => {
    const [cover, one, two] = [await file(alice), await file(alice), await file(bob)]
    const { id } = await post(alice, { cover, gallery: [two, one] })
    const found = await archive.records.get(anyone, 'posts', String(id), null)
    expect(found).toMatchObject({ cover, gallery: [two, one] })
    expect(await archive.records.references(anyone, 'pics', two)).toEqual([
      { collection: 'posts', recordId: id, field: 'gallery' },
    ])
  })

  it('is one fault for all that cannot be named, and writes nothing', async () => {
    const before = archive.db.prepare('SELECT count(*) FROM posts').pluck().get()
    const wrongBucket = await file(alice, 'docs')
    const unreadable = await file(bob, 'docs')
    const gone = await file(alice)
    await archive.files.remove(alice, 'pics', gone)
    for (const id of [MISSING, wrongBucket, gone, unreadable]) {
      expect(await refused(post(alice, { cover: id }))).toEqual(mine('cover'))
      expect(await refused(post(alice, { gallery: [await file(alice), id] }))).toEqual(mine('gallery'))
    }
    for (const id of [MISSING, unreadable]) expect(await refused(post(alice, { scan: id }))).toEqual(mine('scan'))
    expect(archive.db.prepare('SELECT count(*) FROM posts').pluck().get()).toBe(before)
  })

  it('is refused of a file that has been condemned and whose bytes are still there', async () => {
    const id = await file(alice)
    await archive.meta.condemn('pics', id, new Date(archive.clock.now()).toISOString(), false)
    expect(await refused(post(alice, { cover: id }))).toEqual(mine('cover'))
  })

  it('is decided after the rule of the record: strangers learn nothing of files', async () => {
    expect(await refused(post(anyone, { cover: MISSING }))).toMatchObject({ code: 'unauthenticated' })
  })

  it('is held to the limits of the field', async () => {
    expect(await refused(post(alice, { scan: await file(alice, 'docs', 101, 'png') }))).toMatchObject({
      code: 'file_reference_invalid',
      details: { field: 'scan', limit: 100, size: 101 },
    })
    expect(await refused(post(alice, { scan: await file(alice, 'docs', 100) }))).toMatchObject({
      code: 'file_reference_invalid',
      details: { field: 'scan', detected: 'text/plain', allowed: ['image/*'] },
    })
    expect(await post(alice, { scan: await file(alice, 'docs', 100, 'png') })).toBeTruthy()
  })

  it('counts what the field keeps, whoever may read that', async () => {
    const [one, two, three] = [
      await file(alice, 'pics', 200),
      await file(alice, 'pics', 200),
      await file(alice, 'pics', 101),
    ]
    const { id } = await post(alice, { gallery: [one, two] })
    expect(
      await refused(archive.records.update(alice, 'posts', String(id), { 'gallery+': three }, null)),
    ).toMatchObject({
      code: 'file_reference_invalid',
      details: { field: 'gallery', limit: 500, size: 501 },
    })
    const swapped = await archive.records.update(
      alice,
      'posts',
      String(id),
      { 'gallery-': one, '+gallery': three },
      null,
    )
    expect(swapped.gallery).toEqual([three, two])
    expect(await refused(post(alice, { gallery: [one, two, three] }))).toMatchObject({ details: { size: 501 } })
  })

  it('needs the right to delete it where the field takes it along', async () => {
    const foreign = await file(bob)
    const rule = { operation: 'delete', rule: 'buckets.pics.rules.delete' }
    expect(await refused(post(alice, { cover: foreign }))).toMatchObject({ code: 'forbidden', details: rule })
    expect(await refused(post(alice, { album: [await file(alice), foreign] }))).toMatchObject({ code: 'forbidden' })
    expect(await post(alice, { gallery: [foreign] })).toBeTruthy()
    expect(await post(admin, { cover: foreign })).toBeTruthy()
  })

  it('asks no right again for what was there before', async () => {
    const foreign = await file(bob)
    const { id } = await post(admin, { cover: foreign, album: [foreign] })
    const changed = await archive.records.update(
      alice,
      'posts',
      String(id),
      { title: 'y', cover: foreign, '+album': await file(alice) },
      null,
    )
    expect(changed).toMatchObject({ title: 'y', cover: foreign })
  })

  it('takes one query for all fields together', async () => {
    const body = { cover: await file(alice), gallery: [await file(alice), await file(bob)], album: [await file(alice)] }
    archive.queries.length = 0
    await post(alice, body)
    expect(archive.queries).toEqual(['files', 'records.insert'])
  })
})

describe('a list of files', () => {
  it.each([
    [{ 'gallery+': ['c'] }, ['a', 'b', 'c']],
    [{ '+gallery': ['c', 'd'] }, ['c', 'd', 'a', 'b']],
    [{ 'gallery-': ['a'] }, ['b']],
    [{ 'gallery-': ['c'] }, ['a', 'b']],
    [{ 'gallery-': ['a'], 'gallery+': ['a'] }, ['b', 'a']],
    [{ 'gallery-': ['b'], 'gallery+': ['c'], '+gallery': ['d'] }, ['d', 'a', 'c']],
    [{ gallery: ['b', 'a'] }, ['b', 'a']],
    [{ gallery: [] }, []],
  ] as const)('that is [a, b] becomes by %j what it says', async (change, result) => {
    const ids = new Map<string, string>()
    for (const name of 'abcd') ids.set(name, await file(alice))
    const idsOf = (names: readonly string[]): string[] => names.map((name) => ids.get(name)!)
    const { id } = await post(alice, { gallery: idsOf(['a', 'b']) })
    const body = Object.fromEntries(Object.entries(change).map(([key, names]) => [key, idsOf(names)]))
    const after = await archive.records.update(alice, 'posts', String(id), body, null)
    expect(after.gallery).toEqual(idsOf(result))
  })

  it('refuses a file twice, more than its field takes, and tells that only to whoever may change it', async () => {
    const ids: string[] = []
    for (let i = 0; i < 6; i += 1) ids.push(await file(alice))
    const { id } = await post(alice, { gallery: ids.slice(0, 5) })
    const update = (call: Call, body: object) => archive.records.update(call, 'posts', String(id), body, null)
    expect(await refused(update(alice, { 'gallery+': ids[0], 'gallery-': ids[1] }))).toMatchObject({
      code: 'validation_failed',
      message: 'gallery holds a file twice',
    })
    expect(await refused(update(alice, { '+gallery': ids[5] }))).toMatchObject({
      code: 'validation_failed',
      message: 'gallery must name at most 5 files',
    })
    for (const body of [{ 'gallery+': ids[0] }, { 'gallery+': MISSING }])
      expect(await refused(update(bob, body))).toMatchObject({ code: 'forbidden', details: { operation: 'update' } })
  })
})

describe('a staged file', () => {
  it('is claimed by the record that names it, in time', async () => {
    const draft = await file(alice, 'drafts')
    await post(alice, { draft })
    archive.tick(2 * 3_600_000)
    expect(await archive.files.stat(bob, 'drafts', draft)).toMatchObject({ id: draft, stagedUntil: null })
  })

  it('is unknown to others, and to all when it was not named in time', async () => {
    const draft = await file(alice, 'drafts')
    expect(await refused(post(bob, { draft }))).toMatchObject({ code: 'file_reference_invalid' })
    archive.tick(2 * 3_600_000)
    expect(await refused(post(alice, { draft }))).toMatchObject({ code: 'file_reference_invalid' })
  })

  it('stays staged when the record is refused', async () => {
    const draft = await file(alice, 'drafts')
    expect(await refused(post(alice, { draft, cover: MISSING }))).toMatchObject({ code: 'file_reference_invalid' })
    expect((await archive.meta.file('drafts', draft))?.stagedUntil).not.toBeNull()
    expect(await refused(archive.files.stat(bob, 'drafts', draft))).toMatchObject({ code: 'file_not_found' })
  })
})
