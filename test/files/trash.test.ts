// The trash: a deleted file is gone for everybody, and comes back as it was, until its time is over.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { timestamp } from '../../src/core/clock.ts'
import type { FileRow } from '../../src/core/model.ts'
import type { ListInput } from '../../src/files/model.ts'
import { createDeletions, type Deletions } from '../support/deletions.ts'
import { codeOf } from '../support/outcome.ts'
import { as, LEASE_TIME, openWorkshop, put, type Workshop } from '../support/workshop.ts'

const SCHEMA = `
version: 1
buckets:
  docs:
    backend: local
    max_file_size: 1MB
    max_total_size: 1000
    trash: 7d
    rules: {create: auth.id != null, read: "true", download: "true", update: "true", delete: auth.id == file.owner_id}
  open:
    backend: local
    max_file_size: 1MB
    trash: 1h
    file_security: true
    rules: {create: auth.id != null, read: "true", update: auth.id == file.owner_id}
  plain:
    backend: local
    max_file_size: 1MB
    rules: {create: "true", read: "true", delete: "true"}
collections:
  deals:
    fields:
      id: {type: id, primary: true}
      contract: {type: file, bucket: docs, nullable: true, on_file_delete: restrict}
      cover: {type: file, bucket: docs, nullable: true, on_delete: cascade}
      also: {type: "file[]", bucket: docs}
`
const DAY = 86_400_000
const NOTHING = { used: 0, reserved: 0, files: 0 }
const [ada, bob, root] = [as('ada'), as('bob'), as('root', { role: 'admin', admin: true })]
let shop: Workshop
let deletions: Deletions
beforeEach(async () => {
  deletions = createDeletions()
  shop = await openWorkshop({ schema: SCHEMA, faults: deletions.faults })
})
afterEach(() => shop.close())

const PAGE: ListInput = {
  limit: 10,
  cursor: null,
  sort: 'deleted_at',
  descending: true,
  search: null,
  mimeType: null,
  ownerId: null,
  total: true,
  trashed: true,
}
const now = () => timestamp(shop.clock.now())
const upload = (name = 'a', more: Record<string, string> = {}, size = 9): Promise<FileRow> =>
  shop.files.upload(ada, put('docs', name, Buffer.alloc(size, 'x'), more))
const stateOf = async ({ bucket, id }: FileRow) => (await shop.meta.file(bucket, id))?.state ?? 'gone'
const remove = ({ id }: FileRow, permanent = false, call = ada) => shop.files.remove(call, 'docs', id, permanent)
const restore = ({ id }: FileRow, path: string | null = null, call = ada) => shop.files.restore(call, 'docs', id, path)
const names = async (call = ada, over: Partial<ListInput> = {}) =>
  (await shop.files.list(call, 'docs', { ...PAGE, ...over })).files.map(({ name }) => name)
const open = (id: string, token: string | null = null) =>
  shop.files.open(bob, { bucket: 'docs', id, operation: 'download', method: 'GET', token, headers: {} })
const sound = async () =>
  expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
const deal = (values: Record<string, string | null>) =>
  shop.meta.records.insert('deals', { id: 'one', contract: null, cover: null, also: '[]', ...values }, now())

describe('a deleted file of a bucket with a trash', () => {
  it('is gone for everybody, links included, keeps its bytes, and comes back as it was', async () => {
    const file = await upload('a', { metadata: '{"k":[1]}' })
    const { token } = await shop.files.sign(ada, 'docs', file.id, null, 'download')
    await remove(file)
    for (const call of [ada, bob, root])
      expect(await codeOf(shop.files.stat(call, 'docs', file.id))).toBe('file_not_found')
    expect(await codeOf(open(file.id))).toBe('file_not_found')
    expect(await codeOf(open(file.id, token))).toBe('file_not_found')
    expect(await codeOf(shop.files.update(ada, 'docs', file.id, { name: 'b' }))).toBe('file_not_found')
    expect(await names(ada, { trashed: false, sort: 'name' })).toEqual([])
    await sound()
    const restored = await restore(file)
    expect(restored).toEqual({ ...file, version: 2, updatedAt: restored.updatedAt })
    expect(await shop.files.stat(bob, 'docs', file.id)).toEqual(restored)
    expect((await open(file.id, token)).status).toBe(200)
    expect(await names()).toEqual([])
    await sound()
  })

  it('counts for the quotas until it is gone for good, which its owner may ask for', async () => {
    const file = await upload('a', {}, 600)
    await remove(file)
    expect(await shop.meta.usage('bucket:docs')).toEqual({ used: 600, reserved: 0, files: 1 })
    expect(await shop.meta.usage('owner:ada')).toEqual({ used: 600, reserved: 0, files: 1 })
    expect(await codeOf(upload('b', {}, 600))).toBe('quota_exceeded')
    expect(await codeOf(remove(file, true, bob))).toBe('forbidden')
    await remove(file, true)
    expect(await stateOf(file)).toBe('gone')
    expect(await shop.meta.usage('owner:ada')).toEqual(NOTHING)
    expect(await codeOf(upload('b', {}, 600))).toBe('done')
    expect(await codeOf(remove(file, true))).toBe('file_not_found')
    await sound()
  })

  it('leaves its path to others at once, and then comes back to another', async () => {
    const file = await upload('a')
    await remove(file)
    const other = await upload('a')
    expect(await codeOf(restore(file))).toBe('file_exists')
    expect(await stateOf(file)).toBe('trashed')
    expect(await codeOf(restore(file, '../a'))).toBe('invalid_path')
    expect(await restore(file, 'old/a')).toMatchObject({ path: 'old/a', name: 'a' })
    await remove(other)
    await remove(file)
    expect((await restore(other)).path).toBe('a')
    expect((await restore(file)).path).toBe('old/a')
    await sound()
  })

  it('does not come back to a path that an upload holds', async () => {
    const file = await upload('a')
    await remove(file)
    const { id } = await shop.sessions.create(ada, { bucket: 'docs', fields: { name: 'a' }, size: 5 })
    expect(await codeOf(restore(file))).toBe('file_exists')
    await shop.sessions.cancel(ada, 'docs', id)
    expect(await codeOf(restore(file))).toBe('done')
  })

  it('of a restore and a new upload to the path at once, exactly one has it', async () => {
    for (let round = 0; round < 10; round += 1) {
      const file = await upload(`a${round}`)
      await remove(file)
      const codes = await Promise.all([codeOf(restore(file)), codeOf(upload(`a${round}`))])
      expect(codes.sort()).toEqual(['done', 'file_exists'])
    }
    await sound()
  })

  it('may be deleted twice: for how long it is kept does not change', async () => {
    const file = await upload()
    await Promise.all([remove(file), remove(file), remove(file)])
    const first = (await shop.meta.file('docs', file.id))?.hidden
    shop.tick(DAY)
    expect(await codeOf(remove(file))).toBe('file_not_found')
    expect((await shop.meta.file('docs', file.id))?.hidden).toEqual(first)
    expect(Date.parse(first?.purgeAt ?? '') - Date.parse(first?.at ?? '')).toBe(7 * DAY)
  })

  it('goes there in bulk, and for good in bulk', async () => {
    const ids = [(await upload('a')).id, (await upload('b')).id]
    expect(await shop.files.removeMany(ada, 'docs', ids)).toEqual({ deleted: ids, failed: [] })
    expect((await names()).sort()).toEqual(['a', 'b'])
    expect(await shop.files.removeMany(ada, 'docs', ids)).toMatchObject({ deleted: [], failed: [{}, {}] })
    expect(await shop.files.removeMany(ada, 'docs', ids, true)).toEqual({ deleted: ids, failed: [] })
    expect(await shop.meta.usage('bucket:docs')).toEqual(NOTHING)
  })

  it('comes back for those who may delete it, and for nobody else', async () => {
    const file = await upload()
    expect(await codeOf(restore(file))).toBe('file_not_found')
    await remove(file)
    expect(await codeOf(restore(file, null, bob))).toBe('forbidden')
    expect(await codeOf(restore(file, null, as(null)))).toBe('unauthenticated')
    expect(await codeOf(restore(file, null, as('ada', { kind: 'key', scopes: ['read'] })))).toBe('forbidden')
    expect(await codeOf(shop.files.restore(ada, 'plain', file.id, null))).toBe('file_not_found')
    expect(await codeOf(restore(file, null, root))).toBe('done')
    expect(await codeOf(restore(file))).toBe('file_not_found')
  })

  it('goes past the trash when that is asked for, and where the bucket has none', async () => {
    const file = await upload()
    await remove(file, true)
    const other = await shop.files.upload(ada, put('plain', 'a', Buffer.from('x')))
    await shop.files.remove(ada, 'plain', other.id)
    expect([await stateOf(file), await stateOf(other)]).toEqual(['gone', 'gone'])
  })
})

describe('the list of the trash', () => {
  it('holds what the caller may delete, latest first, with pages, totals and filters', async () => {
    for (const name of ['a', 'b', 'c']) {
      await remove(await upload(name))
      shop.tick(1000)
    }
    const bobs = await shop.files.upload(bob, put('docs', 'bobs', Buffer.from('x')))
    await remove(bobs, false, bob)
    await upload('here')
    expect(await names()).toEqual(['c', 'b', 'a'])
    expect(await names(bob)).toEqual(['bobs'])
    expect((await names(root)).length).toBe(4)
    expect(await names(as(null))).toEqual([])
    expect(await names(ada, { sort: 'name', descending: false })).toEqual(['a', 'b', 'c'])
    expect(await names(ada, { search: 'b' })).toEqual(['b'])
    const first = await shop.files.list(ada, 'docs', { ...PAGE, limit: 2 })
    expect(first).toMatchObject({ total: 3, nextCursor: expect.any(String) })
    expect(first.files[0]?.path).toBe('c')
    const { files, nextCursor } = await shop.files.list(ada, 'docs', { ...PAGE, limit: 2, cursor: first.nextCursor })
    expect([files.map(({ name }) => name), nextCursor]).toEqual([['a'], null])
    await expect(shop.files.list(ada, 'docs', { ...PAGE, cursor: 'x' })).rejects.toMatchObject({
      code: 'invalid_query',
    })
  })

  it('follows rules that files carry, also where the bucket lets nobody delete', async () => {
    const rules = { rules: '{"delete": "auth.id == \\"bob\\""}' }
    const file = await shop.files.upload(ada, put('open', 'a', Buffer.from('x'), rules))
    await shop.files.remove(bob, 'open', file.id)
    const list = async (call: typeof ada) => (await shop.files.list(call, 'open', PAGE)).files.length
    expect([await list(ada), await list(bob)]).toEqual([0, 1])
    expect(await codeOf(shop.files.list(ada, 'plain', PAGE))).toBe('done')
    expect(await codeOf(shop.files.restore(ada, 'open', file.id, null))).toBe('forbidden')
    expect(await codeOf(shop.files.restore(bob, 'open', file.id, null))).toBe('done')
  })
})

describe('the end of the trash', () => {
  it('comes at its time: not restorable from that moment, gone with the next sweep', async () => {
    const file = await upload()
    await remove(file)
    shop.tick(7 * DAY - 5000)
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ purged: 0 })
    expect(await names()).toEqual(['a'])
    shop.tick(5000)
    expect(await names()).toEqual([])
    expect(await codeOf(restore(file))).toBe('file_not_found')
    expect(await codeOf(remove(file, true))).toBe('file_not_found')
    expect(await shop.sweep({ dryRun: true })).toMatchObject({ purged: 1 })
    expect(await stateOf(file)).toBe('trashed')
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ purged: 1, errors: 0 })
    expect(await stateOf(file)).toBe('gone')
    expect(await shop.meta.usage('bucket:docs')).toEqual(NOTHING)
    await sound()
  })

  it('is tried again as long as the backend refuses; the row stays, and nothing comes back', async () => {
    const file = await upload()
    await remove(file)
    shop.tick(7 * DAY)
    deletions.refusing = true
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ purged: 0, errors: 1 })
    expect(await stateOf(file)).toBe('deleting')
    expect(await codeOf(restore(file))).toBe('file_not_found')
    expect(await shop.meta.usage('bucket:docs')).toMatchObject({ used: 9, files: 1 })
    deletions.refusing = false
    shop.tick(4 * LEASE_TIME)
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ deletions: 1, errors: 0 })
    expect(await stateOf(file)).toBe('gone')
    await sound()
  })

  it('leaves a file alone that was restored between its being found and its turn', async () => {
    const file = await upload()
    await remove(file)
    const found = shop.deps.meta.purgeableFiles
    shop.tick(7 * DAY - 5000)
    shop.deps.meta.purgeableFiles = async () => {
      shop.deps.meta.purgeableFiles = found
      const late = await found(timestamp(shop.clock.now() + DAY), 10)
      await restore(file)
      return late
    }
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ errors: 0 })
    expect(await stateOf(file)).toBe('ready')
    await sound()
  })

  it('a permanent delete that the backend refuses leaves the file in the trash, restorable', async () => {
    const file = await upload()
    await remove(file)
    deletions.refusing = true
    expect(await codeOf(remove(file, true))).toBe('storage_delete_failed')
    deletions.refusing = false
    expect(await stateOf(file)).toBe('trashed')
    expect((await restore(file)).path).toBe('a')
    await sound()
  })

  it('wins or loses against a restore, and never does half of it', async () => {
    const file = await upload()
    await remove(file)
    let answer = ''
    deletions.meanwhile = async () => {
      answer = await codeOf(restore(file))
    }
    await remove(file, true)
    expect([answer, await stateOf(file)]).toEqual(['file_not_found', 'gone'])
    await sound()
  })

  it('comes earlier for a file that expires in the trash', async () => {
    const file = await upload('a', { expires_in: '2h' })
    await remove(file)
    shop.tick(DAY / 12)
    expect(await names()).toEqual([])
    expect(await codeOf(restore(file))).toBe('file_not_found')
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ expired: 1, purged: 0 })
    expect(await stateOf(file)).toBe('gone')
  })
})

describe('doctor', () => {
  it('misses the bytes of a file in the trash as of any other', async () => {
    const file = await upload()
    await remove(file)
    await shop.blobs.remove(file.backend, file.key)
    const { problems } = await shop.doctor({ readData: false, fix: false })
    expect(problems).toMatchObject([{ invariant: 'I1', kind: 'blob_missing', id: file.id }])
    await remove(file, true)
    await sound()
  })
})

describe('records and the trash', () => {
  it('a file that a record restricts does not go there', async () => {
    const file = await upload()
    await deal({ contract: file.id })
    expect(await codeOf(remove(file))).toBe('file_in_use')
    expect(await stateOf(file)).toBe('ready')
  })

  it('other records keep naming it, so that a restore brings all back, and lose it with its end', async () => {
    const file = await upload()
    await deal({ cover: file.id, also: `["${file.id}"]` })
    await remove(file)
    expect((await shop.meta.records.get('deals', 'one'))?.values).toMatchObject({ cover: file.id })
    await sound()
    await restore(file)
    expect((await shop.meta.records.get('deals', 'one'))?.values).toMatchObject({ cover: file.id })
    await remove(file)
    expect(await codeOf(deal({ id: 'two', cover: file.id }))).toBe('file_reference_invalid')
    shop.tick(7 * DAY)
    await shop.sweep({ dryRun: false })
    expect((await shop.meta.records.get('deals', 'one'))?.values).toMatchObject({ cover: null, also: '[]' })
    await sound()
  })

  it('a file that goes with its record goes to the trash, and comes back without it', async () => {
    const file = await upload()
    const { row } = await deal({ cover: file.id })
    expect(await shop.meta.records.remove('deals', 'one', row.version, now())).toEqual([])
    expect(await stateOf(file)).toBe('trashed')
    expect(await names()).toEqual(['a'])
    await restore(file)
    await sound()
  })

  it('a record that goes leaves what is in the trash already as it is', async () => {
    const file = await upload()
    const { row } = await deal({ cover: file.id })
    await remove(file)
    const before = await shop.meta.file('docs', file.id)
    shop.tick(1000)
    expect(await shop.meta.records.remove('deals', 'one', row.version, now())).toEqual([])
    expect(await shop.meta.file('docs', file.id)).toEqual(before)
    await sound()
  })
})
