// The verbs of files on a real store: what holds when everything goes well, and what is left when it does not.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { fail } from '../../src/core/errors.ts'
import { as, body, openWorkshop, put, SCHEMA, type Workshop } from '../support/workshop.ts'

let shop: Workshop
afterEach(() => shop.close())

const bytes = Buffer.from('some plain text\n'.repeat(1000))
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNg+M/wHwAEAQH/7yMK/gAAAABJRU5ErkJggg==',
  'base64',
)

/** Nothing refused leaves a row, a blob or a reservation. */
async function expectNothingLeft(bucket: string) {
  expect(await shop.meta.usage(`bucket:${bucket}`)).toEqual({ used: 0, reserved: 0, files: 0 })
  expect(await shop.meta.scanUploads('', 10)).toEqual([])
  expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 0, uploads: 0 })
}

describe('an upload', () => {
  it('becomes a file with the counted size, the sniffed type and the SHA-256 of its bytes', async () => {
    shop = await openWorkshop()
    const file = await shop.files.upload(as('ada'), put('docs', 'a.png', bytes))
    expect(file).toMatchObject({
      name: 'a.png',
      path: 'a.png',
      mimeType: 'text/plain',
      size: bytes.length,
      storedSize: bytes.length,
      checksum: createHash('sha256').update(bytes).digest('hex'),
      ownerId: 'ada',
      version: 1,
    })
    expect(await shop.meta.usage('bucket:docs')).toEqual({ used: bytes.length, reserved: 0, files: 1 })
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 1, uploads: 0 })
  })

  const refused: [string, string, Parameters<typeof put>, string][] = [
    ['a declared size over the limit', 'ada', ['docs', 'a', Buffer.alloc(1024 * 1024 + 1)], 'file_too_large'],
    ['a type the bucket does not take', 'ada', ['pics', 'a.png', bytes.subarray(0, 500)], 'file_type_not_allowed'],
    [
      'a rule that fails on the true size',
      'ada',
      ['pics', 'a.png', Buffer.concat([PNG, Buffer.alloc(2000)])],
      'forbidden',
    ],
    [
      'a checksum that is not that of the bytes',
      'ada',
      ['docs', 'a', bytes, { checksum: '0'.repeat(64) }],
      'checksum_mismatch',
    ],
    ['a malformed checksum', 'ada', ['docs', 'a', bytes, { checksum: 'abc' }], 'invalid_request'],
    ['metadata that is no object', 'ada', ['docs', 'a', bytes, { metadata: '[]' }], 'invalid_metadata'],
    ['metadata that is no JSON', 'ada', ['docs', 'a', bytes, { metadata: '{' }], 'invalid_metadata'],
    [
      'metadata over 16 KiB',
      'ada',
      ['docs', 'a', bytes, { metadata: JSON.stringify({ a: 'x'.repeat(17_000) }) }],
      'invalid_metadata',
    ],
    ['a life beyond the maximum', 'ada', ['pics', 'a.png', PNG, { expires_in: '3h' }], 'invalid_expiry'],
    ['a life of nothing', 'ada', ['docs', 'a', bytes, { expires_in: '0' }], 'invalid_expiry'],
    [
      'rules where the bucket has no file_security',
      'ada',
      ['docs', 'a', bytes, { rules: '{"read":"true"}' }],
      'invalid_request',
    ],
    ['a path that climbs', 'ada', ['docs', 'a', bytes, { path: 'a/../b' }], 'invalid_path'],
    ['a bucket that is not there', 'ada', ['nope', 'a', bytes], 'bucket_not_found'],
  ]
  it.each(refused)('with %s is refused and leaves nothing', async (_what, who, input, code) => {
    shop = await openWorkshop()
    await expect(shop.files.upload(as(who), put(...input))).rejects.toMatchObject({ code })
    await expectNothingLeft('docs')
    await expectNothingLeft('pics')
  })

  it('by an anonymous caller is refused before its body is read', async () => {
    shop = await openWorkshop()
    const input = put('docs', 'a', bytes)
    await expect(shop.files.upload(as(null), input)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(input.body.readableDidRead).toBe(false)
  })

  it('of unknown length is stopped when it grows past the limit', async () => {
    shop = await openWorkshop()
    const input = { ...put('docs', 'a', Buffer.alloc(1024 * 1024 + 1)), size: null }
    await expect(shop.files.upload(as('ada'), input)).rejects.toMatchObject({ code: 'file_too_large' })
    await expectNothingLeft('docs')
  })

  it('of unknown length is stopped when the bucket is full, to the byte', async () => {
    shop = await openWorkshop()
    const full = 1024 * 1024
    await shop.files.upload(as('ada'), put('docs', '1', Buffer.alloc(full)))
    await shop.files.upload(as('ada'), put('docs', '2', Buffer.alloc(full)))
    await shop.files.upload(as('ada'), put('docs', '3', Buffer.alloc(full - 100)))
    const over = { ...put('docs', '4', Buffer.alloc(101)), size: null }
    await expect(shop.files.upload(as('ada'), over)).rejects.toMatchObject({
      code: 'quota_exceeded',
      details: { scope: 'bucket:docs' },
    })
    await shop.files.upload(as('ada'), { ...put('docs', '5', Buffer.alloc(100)), size: null })
    expect(await shop.meta.usage('bucket:docs')).toEqual({ used: 3 * full, reserved: 0, files: 4 })
  })

  it('whose body breaks leaves nothing', async () => {
    shop = await openWorkshop()
    const broken = Readable.from(
      (async function* () {
        yield bytes
        throw new Error('the line went dead')
      })(),
    )
    await expect(
      shop.files.upload(as('ada'), { ...put('docs', 'a', bytes), size: null, body: broken }),
    ).rejects.toThrow('the line went dead')
    await expectNothingLeft('docs')
  })

  it('with more bytes than announced is refused', async () => {
    shop = await openWorkshop()
    const input = { ...put('docs', 'a', bytes), size: 10 }
    await expect(shop.files.upload(as('ada'), input)).rejects.toMatchObject({ code: 'invalid_request' })
    await expectNothingLeft('docs')
  })

  it('may come sixteen times at once for one path: one wins, fifteen are told', async () => {
    shop = await openWorkshop()
    const results = await Promise.allSettled(
      Array.from({ length: 16 }, () => shop.files.upload(as('ada'), put('docs', 'same', bytes))),
    )
    const codes = results.map((result) => (result.status === 'fulfilled' ? 'stored' : result.reason.code))
    expect(codes.filter((code) => code === 'stored')).toHaveLength(1)
    expect(codes.filter((code) => code === 'file_exists')).toHaveLength(15)
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 1, uploads: 0 })
  })

  it('leaves nothing when the backend fails', async () => {
    const faults = (backend: Backend): Backend => ({
      ...backend,
      async put(_key, source) {
        source.resume()
        throw fail('storage_full', 'no space')
      },
    })
    shop = await openWorkshop({ faults })
    await expect(shop.files.upload(as('ada'), put('docs', 'a', bytes))).rejects.toMatchObject({ code: 'storage_full' })
    await expectNothingLeft('docs')
  })
})

describe('a deletion', () => {
  it('that the backend refuses keeps the file readable and says so', async () => {
    let refuse = true
    const faults = (backend: Backend): Backend => ({
      ...backend,
      async delete(key) {
        if (refuse) throw fail('storage_unavailable', 'no')
        await backend.delete(key)
      },
    })
    shop = await openWorkshop({ faults })
    const file = await shop.files.upload(as('ada'), put('docs', 'a', bytes))
    await expect(shop.files.remove(as('ada'), 'docs', file.id)).rejects.toMatchObject({ code: 'storage_delete_failed' })
    expect(await shop.files.stat(as('ada'), 'docs', file.id)).toMatchObject({ id: file.id, state: 'ready' })
    refuse = false
    await shop.files.remove(as('ada'), 'docs', file.id)
    await expect(shop.files.stat(as('ada'), 'docs', file.id)).rejects.toMatchObject({ code: 'file_not_found' })
    await expectNothingLeft('docs')
  })

  it('whose outcome is unknown hides the file, and the same DELETE later finishes it', async () => {
    let down = true
    const faults = (backend: Backend): Backend => ({
      ...backend,
      async delete(key) {
        if (down) throw fail('storage_unavailable', 'no')
        await backend.delete(key)
      },
      async exists(key) {
        if (down) throw fail('storage_unavailable', 'no')
        return backend.exists(key)
      },
    })
    shop = await openWorkshop({ faults })
    const file = await shop.files.upload(as('ada'), put('docs', 'a', bytes))
    await expect(shop.files.remove(as('ada'), 'docs', file.id)).rejects.toMatchObject({ code: 'storage_unavailable' })
    await expect(shop.files.stat(as('ada'), 'docs', file.id)).rejects.toMatchObject({ code: 'file_not_found' })
    down = false
    await shop.files.remove(as('ada'), 'docs', file.id)
    await expectNothingLeft('docs')
  })

  it('sent sixteen times at once frees the bytes once', async () => {
    shop = await openWorkshop()
    await shop.files.upload(as('ada'), put('docs', 'keep', bytes))
    const file = await shop.files.upload(as('ada'), put('docs', 'a', bytes))
    await Promise.allSettled(Array.from({ length: 16 }, () => shop.files.remove(as('ada'), 'docs', file.id)))
    expect(await shop.meta.usage('bucket:docs')).toEqual({ used: bytes.length, reserved: 0, files: 1 })
  })

  it('in bulk finishes what it can and names what it cannot', async () => {
    shop = await openWorkshop()
    const mine = await shop.files.upload(as('ada'), put('docs', 'a', bytes))
    const theirs = await shop.files.upload(as('bob'), put('docs', 'b', bytes))
    const absent = '01900000-0000-7000-8000-000000000000'
    expect(await shop.files.removeMany(as('ada'), 'docs', [theirs.id, mine.id, mine.id, absent])).toEqual({
      deleted: [mine.id],
      failed: [
        { id: theirs.id, code: 'forbidden', message: expect.any(String) },
        { id: absent, code: 'file_not_found', message: expect.any(String) },
      ],
    })
  })
})

describe('a list', () => {
  it('holds only what the caller may read, and its pages and total say nothing of the rest', async () => {
    shop = await openWorkshop()
    for (let i = 0; i < 9; i++) await shop.files.upload(as(i % 3 === 0 ? 'ada' : 'bob'), put('docs', `f${i}`, bytes))
    const ask = {
      limit: 2,
      cursor: null,
      sort: 'name',
      descending: false,
      search: null,
      mimeType: null,
      ownerId: null,
      total: true,
    } as const
    const first = await shop.files.list(as('ada'), 'docs', ask)
    expect(first.files.map((file) => file.name)).toEqual(['f0', 'f3'])
    expect(first.total).toBe(3)
    const second = await shop.files.list(as('ada'), 'docs', { ...ask, cursor: first.nextCursor })
    expect(second.files.map((file) => file.name)).toEqual(['f6'])
    expect(second.nextCursor).toBeNull()
    expect(await shop.files.list(as('ada'), 'docs', { ...ask, ownerId: 'bob' })).toEqual({
      files: [],
      nextCursor: null,
      total: 0,
    })
    expect(await shop.files.list(as(null), 'docs', ask)).toEqual({ files: [], nextCursor: null, total: 0 })
    expect(await shop.files.list(as('root', { admin: true }), 'docs', { ...ask, limit: 100 })).toMatchObject({
      total: 9,
      nextCursor: null,
    })
  })

  it('by a rule that must be asked file by file has full pages all the same', async () => {
    shop = await openWorkshop({
      schema: SCHEMA.replace('read: auth.id == file.owner_id', 'read: file.metadata.open == true'),
    })
    for (let i = 0; i < 30; i++)
      await shop.files.upload(
        as('ada'),
        put('docs', `f${String(i).padStart(2, '0')}`, bytes, { metadata: JSON.stringify({ open: i % 10 === 9 }) }),
      )
    const ask = {
      limit: 2,
      cursor: null,
      sort: 'name',
      descending: true,
      search: null,
      mimeType: null,
      ownerId: null,
      total: true,
    } as const
    const first = await shop.files.list(as('ada'), 'docs', ask)
    expect(first.files.map((file) => file.name)).toEqual(['f29', 'f19'])
    expect(first.total).toBe(3)
    const second = await shop.files.list(as('ada'), 'docs', { ...ask, cursor: first.nextCursor })
    expect(second.files.map((file) => file.name)).toEqual(['f09'])
    expect(second.nextCursor).toBeNull()
    await expect(
      shop.files.list(as('ada'), 'docs', { ...ask, sort: 'size', cursor: first.nextCursor }),
    ).rejects.toMatchObject({ code: 'invalid_query' })
  })
})

describe('an expired file', () => {
  it('is invisible at once and its bytes go with the next sweep', async () => {
    shop = await openWorkshop()
    const file = await shop.files.upload(as('ada'), put('pics', 'a.png', PNG))
    expect(Date.parse(file.expiresAt!) - Date.parse(file.createdAt)).toBe(3_600_000)
    shop.tick(3_600_001)
    await expect(shop.files.stat(as('ada'), 'pics', file.id)).rejects.toMatchObject({ code: 'file_not_found' })
    expect(await shop.sweep({ dryRun: true })).toMatchObject({ expired: 1 })
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ ran: true, expired: 1, errors: 0 })
    await expectNothingLeft('pics')
  })
})

describe('a signed link', () => {
  const open = (file: { bucket: string; id: string }, token: string, operation: 'download' | 'view' = 'download') =>
    shop.files.open(as(null), { bucket: file.bucket, id: file.id, operation, method: 'GET', token, headers: {} })

  it('opens its file for its operation until it expires, is revoked, or the file goes', async () => {
    shop = await openWorkshop()
    const file = await shop.files.upload(as('ada'), put('docs', 'a', bytes))
    const { token, url } = await shop.files.sign(as('ada'), 'docs', file.id, '10m', null)
    expect(url).toBe(`http://localhost:8080/api/files/docs/${file.id}/download?token=${token}`)
    expect((await (await open(file, token)).body!.bytes!()).equals(bytes)).toBe(true)
    await expect(open(file, token, 'view')).rejects.toMatchObject({ code: 'invalid_token' })
    await expect(shop.files.sign(as('bob'), 'docs', file.id, null, null)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(shop.files.sign(as('ada'), 'docs', file.id, '8d', null)).rejects.toMatchObject({
      code: 'invalid_expiry',
    })
    await shop.files.revokeLinks(as('ada'), 'docs', file.id)
    await expect(open(file, token)).rejects.toMatchObject({ code: 'invalid_token' })
    const again = await shop.files.sign(as('ada'), 'docs', file.id, '600', 'view')
    shop.tick(600_000)
    await expect(open(file, again.token, 'view')).rejects.toMatchObject({ code: 'token_expired' })
    const last = await shop.files.sign(as('ada'), 'docs', file.id, null, 'view')
    await shop.files.remove(as('ada'), 'docs', file.id)
    await expect(open(file, last.token, 'view')).rejects.toMatchObject({ code: 'file_not_found' })
  })
})

describe('the sweep', () => {
  it('clears what a dead process left, and never an upload that lives', async () => {
    shop = await openWorkshop({ expiry: 60_000 })
    const session = await shop.sessions.create(as('ada'), {
      bucket: 'docs',
      fields: { name: 'half' },
      size: bytes.length,
    })
    await shop.sessions.append(as('ada'), {
      bucket: 'docs',
      id: session.id,
      offset: 0,
      length: 100,
      body: body(bytes.subarray(0, 100)),
    })
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ uploads: 0, leftovers: 0 })
    shop.tick(61_000)
    await expect(shop.sessions.status(as('ada'), 'docs', session.id)).rejects.toMatchObject({ code: 'upload_expired' })
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ uploads: 1, uploadBytes: 100 })
    await expect(shop.sessions.status(as('ada'), 'docs', session.id)).rejects.toMatchObject({
      code: 'upload_not_found',
    })
    await expectNothingLeft('docs')
  })
})
