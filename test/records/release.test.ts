import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { fail } from '../../src/core/errors.ts'
import { type Archive, admin, alice, anyone, bob, openArchive, refused } from './archive.ts'

let archive: Archive
let broken = false
const faults = (backend: Backend): Backend => ({
  ...backend,
  delete: (key) => (broken ? Promise.reject(fail('storage_unavailable', 'no answer')) : backend.delete(key)),
})
beforeEach(async () => {
  broken = false
  archive = await openArchive({ faults })
})
afterEach(() => archive.close())

const post = async (more: object): Promise<string> =>
  String((await archive.records.create(alice, 'posts', { title: 'x', author: 'alice', ...more }, null)).id)
const file = async (): Promise<string> => (await archive.upload(alice, 'pics')).id
const update = (id: string, body: object) => archive.records.update(alice, 'posts', id, body, null)
const isThere = async (id: string): Promise<boolean> => {
  const row = await archive.meta.file('pics', id)
  expect(row?.state ?? 'gone').not.toBe('deleting')
  return row !== null
}

describe('a file of a cascade field goes', () => {
  it('with the record', async () => {
    const [cover, one, two] = [await file(), await file(), await file()]
    const rows = await archive.meta.files([cover, one, two])
    await archive.records.remove(alice, 'posts', await post({ cover, album: [one, two] }))
    for (const row of rows) {
      expect(await isThere(row.id)).toBe(false)
      expect(await archive.blobs.exists(row.backend, row.key)).toBe(false)
    }
    expect((await archive.meta.usage('bucket:pics')).used).toBe(0)
  })

  it('when the field names another, or none', async () => {
    const [first, second] = [await file(), await file()]
    const id = await post({ cover: first })
    await update(id, { cover: second })
    expect([await isThere(first), await isThere(second)]).toEqual([false, true])
    await update(id, { cover: null })
    expect(await isThere(second)).toBe(false)
  })

  it('when it is taken out of a list', async () => {
    const [one, two, three] = [await file(), await file(), await file()]
    const id = await post({ album: [one, two, three] })
    await update(id, { 'album-': two })
    expect([await isThere(one), await isThere(two), await isThere(three)]).toEqual([true, false, true])
    await update(id, { album: [three] })
    expect([await isThere(one), await isThere(three)]).toEqual([false, true])
  })
})

describe('a file stays', () => {
  it('when the field keeps it', async () => {
    const kept = await file()
    const id = await post({ gallery: [kept] })
    await update(id, { 'gallery-': kept })
    await archive.records.remove(alice, 'posts', await post({ gallery: [kept] }))
    expect(await isThere(kept)).toBe(true)
  })

  it('as long as another record or another field names it', async () => {
    const shared = await file()
    const [one, two] = [await post({ cover: shared }), await post({ album: [shared], gallery: [shared] })]
    await archive.records.remove(alice, 'posts', one)
    expect(await isThere(shared)).toBe(true)
    await update(two, { album: [] })
    expect(await isThere(shared)).toBe(true)
    const three = await post({ cover: shared })
    await archive.records.remove(alice, 'posts', two)
    expect(await isThere(shared)).toBe(true)
    await archive.records.remove(alice, 'posts', three)
    expect(await isThere(shared)).toBe(false)
  })

  it('when another’s record cannot be set to take it along', async () => {
    const theirs = (await archive.upload(bob, 'pics')).id
    expect(await refused(post({ cover: theirs }))).toMatchObject({ code: 'forbidden' })
    const id = await post({ gallery: [theirs] })
    await archive.records.remove(alice, 'posts', id)
    expect(await isThere(theirs)).toBe(true)
  })
})

describe('bytes that will not go', () => {
  it('do not keep the record, nor the file readable', async () => {
    const cover = await file()
    const id = await post({ cover })
    broken = true
    archive.events.length = 0
    await archive.records.remove(alice, 'posts', id)
    expect(await refused(archive.records.get(alice, 'posts', id, null))).toMatchObject({ code: 'record_not_found' })
    expect(await refused(archive.files.stat(admin, 'pics', cover))).toMatchObject({ code: 'file_not_found' })
    expect((await archive.meta.file('pics', cover))?.state).toBe('deleting')
    expect(archive.events).toContainEqual({
      name: 'storage_error',
      fields: expect.objectContaining({ backend: 'local', operation: 'reclaim', id: cover }),
    })
  })
})

describe('the references of a file', () => {
  it('are the records that the caller may read', async () => {
    const shared = await file()
    const [one, two] = [await post({ cover: shared }), await post({ gallery: [shared] })]
    const found = await archive.records.references(anyone, 'pics', shared)
    expect(found).toHaveLength(2)
    expect(found).toEqual(
      expect.arrayContaining([
        { collection: 'posts', recordId: one, field: 'cover' },
        { collection: 'posts', recordId: two, field: 'gallery' },
      ]),
    )
  })

  it('do not tell of internal fields', async () => {
    const id = await post({})
    const shared = await file()
    const now = new Date(archive.clock.now()).toISOString()
    const row = await archive.meta.records.get('posts', id)
    await archive.meta.records.update('posts', id, row!.version, { proof: shared }, now)
    expect(await archive.meta.records.references(shared, 10)).toHaveLength(1)
    expect(await archive.records.references(admin, 'pics', shared)).toEqual([])
  })

  it('leave out records that the caller may not read', async () => {
    const shared = await file()
    const { id } = await archive.records.create(alice, 'tasks', { owner: 'alice', file: shared }, null)
    const reference = { collection: 'tasks', recordId: id, field: 'file' }
    expect(await archive.records.references(alice, 'pics', shared)).toEqual([reference])
    expect(await archive.records.references(bob, 'pics', shared)).toEqual([])
    expect(await archive.records.references(anyone, 'pics', shared)).toEqual([])
  })

  it('need the file’s read right', async () => {
    const { id } = await archive.upload(alice, 'docs')
    expect(await archive.records.references(alice, 'docs', id)).toEqual([])
    expect(await refused(archive.records.references(bob, 'docs', id))).toMatchObject({ code: 'forbidden' })
    expect(await refused(archive.records.references(anyone, 'docs', id))).toMatchObject({ code: 'unauthenticated' })
    expect(await refused(archive.records.references(alice, 'pics', id))).toMatchObject({ code: 'file_not_found' })
    expect(await refused(archive.records.references(alice, 'nope', id))).toMatchObject({ code: 'bucket_not_found' })
  })
})
