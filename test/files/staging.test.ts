// Uploads that wait for a record to name them: whoever else asks, they are not there; and when nobody names them, they go.
import { afterEach, describe, expect, it } from 'vitest'
import { timestamp } from '../../src/core/clock.ts'
import type { Call, FileRow } from '../../src/core/model.ts'
import { viewFile } from '../../src/http/rest/view.ts'
import { as, body, openWorkshop, put, type Workshop } from '../support/workshop.ts'

const SCHEMA = `
version: 1
buckets:
  drafts:
    backend: local
    max_file_size: 1MB
    staging: 1h
    cache: public, 1h
    rules: {create: "true", read: "true", download: "true", update: "true", delete: "true"}
  brief:
    backend: local
    max_file_size: 1MB
    staging: 1h
    retention: {default: 10m}
    rules: {create: "true", read: "true"}
collections:
  posts:
    fields:
      id: {type: id, primary: true}
      cover: {type: file, bucket: drafts, nullable: true}
`
const HOUR = 3_600_000
const bytes = Buffer.from('a text that waits\n'.repeat(5000))
const ada = as('ada')
const ASK = {
  limit: 10,
  cursor: null,
  sort: 'name',
  descending: false,
  search: null,
  mimeType: null,
  ownerId: null,
  total: true,
} as const

let shop: Workshop
afterEach(() => shop.close())

async function tus(call: Call, content: Buffer): Promise<FileRow> {
  const bucket = 'drafts'
  const { id, file } = await shop.sessions.create(call, { bucket, fields: { name: 'a' }, size: content.length })
  if (file !== null) return file
  const half = content.length >> 1
  const part = (offset: number, piece: Buffer) =>
    shop.sessions.append(call, { bucket, id, offset, length: piece.length, body: body(piece) })
  await part(0, content.subarray(0, half))
  return (await part(half, content.subarray(half))).file!
}

const WAYS: readonly [string, (call: Call) => Promise<FileRow>][] = [
  ['by PUT', (call) => shop.files.upload(call, put('drafts', 'a', bytes))],
  ['by multipart', (call) => shop.files.upload(call, { ...put('drafts', 'a', bytes), size: null, sizeBound: 99_999 })],
  ['by tus', (call) => tus(call, bytes)],
  ['by tus, without a byte', (call) => tus(call, Buffer.alloc(0))],
]

const open = (call: Call, id: string, operation: 'download' | 'view' = 'download', token: string | null = null) =>
  shop.files.open(call, { bucket: 'drafts', id, operation, method: 'GET', token, headers: {} })

/** What every verb that looks for the file by its id says. */
async function answers(call: Call, id: string): Promise<readonly string[]> {
  const told = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'ok',
      (error) => error.code,
    )
  return Promise.all([
    told(shop.files.stat(call, 'drafts', id)),
    told(open(call, id)),
    told(open(call, id, 'view')),
    told(shop.files.sign(call, 'drafts', id, null, null)),
    told(shop.files.update(call, 'drafts', id, { name: 'b' })),
    told(shop.files.revokeLinks(call, 'drafts', id)),
  ])
}

const ALL = (answer: string): readonly string[] => Array(6).fill(answer)
const listed = (call: Call) => shop.files.list(call, 'drafts', ASK)

describe.each(WAYS)('a staged file that came %s', (_way, upload) => {
  it('is there for its owner and admins, and for nobody else', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const file = await upload(ada)
    expect(Date.parse(file.stagedUntil!) - Date.parse(file.createdAt)).toBe(HOUR)
    const root = as('root', { admin: true })
    for (const call of [ada, root]) {
      expect(await answers(call, file.id)).toEqual(ALL('ok'))
      expect(await listed(call)).toMatchObject({ files: [{ id: file.id }], total: 1 })
    }
    for (const call of [as('bob'), as(null)]) {
      expect(await answers(call, file.id)).toEqual(ALL('file_not_found'))
      expect(await listed(call)).toEqual({ files: [], nextCursor: null, total: 0 })
      await expect(shop.files.remove(call, 'drafts', file.id)).rejects.toMatchObject({ code: 'file_not_found' })
      expect(await shop.files.removeMany(call, 'drafts', [file.id])).toMatchObject({
        failed: [{ code: 'file_not_found' }],
      })
      const [link] = await shop.files.signMany(call, 'drafts', [file.id], null, null)
      expect(link).toMatchObject({ error: { code: 'file_not_found' } })
    }
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 1 })
    await shop.files.remove(ada, 'drafts', file.id)
    expect(await shop.meta.usage('bucket:drafts')).toEqual({ used: 0, reserved: 0, files: 0 })
  })

  it('is gone for everybody once its time is over, its path is free, and the sweep takes its bytes', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const file = await upload(ada)
    const { token } = await shop.files.sign(ada, 'drafts', file.id, '2h', null)
    shop.tick(HOUR)
    expect(await answers(ada, file.id)).toEqual(ALL('file_not_found'))
    await expect(open(as(null), file.id, 'download', token)).rejects.toMatchObject({ code: 'file_not_found' })
    expect(await listed(as('root', { admin: true }))).toMatchObject({ files: [], total: 0 })
    expect(await shop.sweep({ dryRun: true })).toMatchObject({ expired: 1 })
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ expired: 1, errors: 0 })
    expect(await shop.meta.usage('bucket:drafts')).toEqual({ used: 0, reserved: 0, files: 0 })
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 0, uploads: 0 })
    await upload(as('bob'))
  })

  it('is everybody’s once a record names it, and stays', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const file = await upload(ada)
    const values = { id: 'one', cover: file.id }
    await shop.meta.records.insert('posts', values, timestamp(shop.clock.now()))
    shop.tick(2 * HOUR)
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ expired: 0, errors: 0 })
    expect(await shop.files.stat(as(null), 'drafts', file.id)).toMatchObject({ stagedUntil: null })
    expect(await listed(as('bob'))).toMatchObject({ files: [{ id: file.id }], total: 1 })
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
  })
})

describe('a staged file', () => {
  it('is shown by a link of its owner’s, and kept by no shared cache', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const file = await shop.files.upload(ada, put('drafts', 'a', bytes))
    const { token } = await shop.files.sign(ada, 'drafts', file.id, null, 'view')
    const delivery = await open(as(null), file.id, 'view', token)
    expect((await delivery.body!.bytes!()).equals(bytes)).toBe(true)
    expect(delivery.headers['cache-control']).toBe('private, no-cache')
  })

  it('of nobody is there for nobody’s callers who have its id, and in no list but that of admins', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const file = await shop.files.upload(as(null), put('drafts', 'a', bytes))
    expect(await answers(as(null), file.id)).toEqual(ALL('ok'))
    expect(await answers(ada, file.id)).toEqual(ALL('file_not_found'))
    for (const call of [as(null), ada]) expect(await listed(call)).toMatchObject({ files: [], total: 0 })
    expect(await listed(as('root', { admin: true }))).toMatchObject({ total: 1 })
  })

  it('that is being deleted is not to be found by others, either', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const file = await shop.files.upload(ada, put('drafts', 'a', bytes))
    await shop.meta.condemn('drafts', file.id, timestamp(shop.clock.now()), false)
    await expect(shop.files.remove(as('bob'), 'drafts', file.id)).rejects.toMatchObject({ code: 'file_not_found' })
    await shop.files.remove(ada, 'drafts', file.id)
  })

  it('answers its finished upload to the one who sent it', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const file = await tus(ada, bytes)
    expect(await shop.sessions.status(ada, 'drafts', file.id)).toMatchObject({ file: { id: file.id } })
    await expect(shop.sessions.status(as('bob'), 'drafts', file.id)).rejects.toMatchObject({ code: 'upload_not_found' })
  })

  it('says when it goes: at the earlier of the end of its staging and of its life', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const staged = await shop.files.upload(ada, put('drafts', 'a', bytes))
    expect(viewFile(staged).expires_at).toBe(staged.stagedUntil)
    const brief = await shop.files.upload(ada, put('brief', 'a', bytes))
    expect(Date.parse(brief.stagedUntil!) - Date.parse(brief.expiresAt!)).toBe(50 * 60_000)
    expect(viewFile(brief).expires_at).toBe(brief.expiresAt)
    expect(viewFile({ ...brief, expiresAt: null, stagedUntil: null }).expires_at).toBeNull()
  })
})
