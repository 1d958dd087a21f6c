// Resumable uploads on a real store: what is acknowledged stays, what fails can be sent again, finishing twice is finishing once.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { fail } from '../../src/core/errors.ts'
import { eventually } from '../support/server.ts'
import { as, body, openWorkshop, type Workshop } from '../support/workshop.ts'

let shop: Workshop
afterEach(() => shop.close())

const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => 32 + (i % 90)))
const ada = as('ada')

const create = (size = bytes.length, fields: Record<string, string> = {}) =>
  shop.sessions.create(ada, { bucket: 'docs', fields: { name: 'big', ...fields }, size })

const append = (id: string, offset: number, part: Buffer, call = ada) =>
  shop.sessions.append(call, { bucket: 'docs', id, offset, length: part.length, body: body(part) })

const status = (id: string, call = ada) => shop.sessions.status(call, 'docs', id)

async function expectWhole(id: string) {
  const file = await shop.files.stat(ada, 'docs', id)
  expect(file).toMatchObject({
    size: bytes.length,
    checksum: createHash('sha256').update(bytes).digest('hex'),
    mimeType: 'text/plain',
  })
  expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 1, uploads: 0 })
  expect(await shop.meta.usage('bucket:docs')).toEqual({ used: bytes.length, reserved: 0, files: 1 })
}

describe('an upload in parts', () => {
  it('becomes a file with its last byte, under the id it had from the start', async () => {
    shop = await openWorkshop()
    const { id } = await create()
    expect(await append(id, 0, bytes.subarray(0, 100_000))).toMatchObject({ offset: 100_000, file: null })
    expect(await append(id, 100_000, bytes.subarray(100_000, 200_000))).toMatchObject({ offset: 200_000, file: null })
    expect(await append(id, 200_000, bytes.subarray(200_000))).toMatchObject({ offset: bytes.length, file: { id } })
    expect(await status(id)).toMatchObject({ offset: bytes.length, length: bytes.length, expiresAt: null })
    await expectWhole(id)
  })

  it('reads back what this process does not remember', async () => {
    shop = await openWorkshop()
    const { id } = await create()
    const broken = Readable.from(
      (async function* () {
        yield bytes.subarray(0, 50_000)
        throw new Error('gone')
      })(),
    )
    await expect(
      shop.sessions.append(ada, { bucket: 'docs', id, offset: 0, length: null, body: broken }),
    ).rejects.toBeDefined()
    const { offset } = await status(id)
    expect(offset).toBe(50_000)
    await append(id, offset, bytes.subarray(offset))
    await expectWhole(id)
  })

  it('refuses another offset and says where it is', async () => {
    shop = await openWorkshop()
    const { id } = await create()
    await append(id, 0, bytes.subarray(0, 10))
    await expect(append(id, 0, bytes.subarray(0, 10))).rejects.toMatchObject({
      code: 'offset_mismatch',
      details: { offset: 10 },
    })
    await expect(append(id, 11, bytes.subarray(0, 10))).rejects.toMatchObject({ code: 'offset_mismatch' })
    expect(await status(id)).toMatchObject({ offset: 10 })
  })

  it('never takes a byte more than announced', async () => {
    shop = await openWorkshop()
    const { id } = await create(10)
    await expect(append(id, 0, bytes.subarray(0, 11))).rejects.toMatchObject({ code: 'body_too_large' })
    const chunked = { bucket: 'docs', id, offset: 0, length: null, body: body(bytes.subarray(0, 11)) }
    await expect(shop.sessions.append(ada, chunked)).rejects.toMatchObject({ code: 'body_too_large' })
    expect(await status(id)).toMatchObject({ offset: 0 })
    expect(await append(id, 0, bytes.subarray(0, 10))).toMatchObject({ file: { size: 10 } })
  })

  it('of zero bytes is a file at once', async () => {
    shop = await openWorkshop()
    expect(await create(0)).toMatchObject({ offset: 0, length: 0, file: { size: 0, mimeType: 'application/x-empty' } })
  })

  it('is nobody else’s: not to see, not to write, not to cancel', async () => {
    shop = await openWorkshop()
    const { id } = await create()
    for (const other of [as('bob'), as(null)]) {
      await expect(status(id, other)).rejects.toMatchObject({ code: 'upload_not_found' })
      await expect(append(id, 0, bytes, other)).rejects.toMatchObject({ code: 'upload_not_found' })
      await expect(shop.sessions.cancel(other, 'docs', id)).rejects.toMatchObject({ code: 'upload_not_found' })
    }
    expect(await status(id, as('root', { admin: true }))).toMatchObject({ offset: 0 })
  })

  it('cancelled leaves nothing, and its path is free', async () => {
    shop = await openWorkshop()
    const { id } = await create()
    await append(id, 0, bytes.subarray(0, 1000))
    await expect(create()).rejects.toMatchObject({ code: 'file_exists', details: { upload_id: id } })
    await shop.sessions.cancel(ada, 'docs', id)
    await expect(status(id)).rejects.toMatchObject({ code: 'upload_not_found' })
    expect(await shop.meta.usage('bucket:docs')).toEqual({ used: 0, reserved: 0, files: 0 })
    expect(await shop.doctor({ readData: false, fix: false })).toMatchObject({ ok: true, uploads: 0 })
    await create()
  })

  it('whose rule says no at the end is removed', async () => {
    shop = await openWorkshop()
    const call = as('ada')
    const { id } = await shop.sessions.create(call, { bucket: 'pics', fields: { name: 'a.png' }, size: 100 })
    await expect(
      shop.sessions.append(call, { bucket: 'pics', id, offset: 0, length: 100, body: body(bytes.subarray(0, 100)) }),
    ).rejects.toMatchObject({ code: 'file_type_not_allowed' })
    await expect(shop.sessions.status(call, 'pics', id)).rejects.toMatchObject({ code: 'upload_not_found' })
    expect(await shop.meta.usage('bucket:pics')).toEqual({ used: 0, reserved: 0, files: 0 })
  })

  it('whose head is not of an allowed type is stopped long before its end', async () => {
    shop = await openWorkshop()
    const { id } = await shop.sessions.create(as('ada'), { bucket: 'pics', fields: { name: 'a.png' }, size: 999 })
    await expect(
      shop.sessions.append(as('ada'), {
        bucket: 'pics',
        id,
        offset: 0,
        length: 999,
        body: body(bytes.subarray(0, 999)),
      }),
    ).rejects.toMatchObject({ code: 'file_type_not_allowed' })
  })

  it('with a wrong announced checksum is removed', async () => {
    shop = await openWorkshop()
    const { id } = await create(bytes.length, { checksum: 'f'.repeat(64) })
    await expect(append(id, 0, bytes)).rejects.toMatchObject({ code: 'checksum_mismatch' })
    await expect(status(id)).rejects.toMatchObject({ code: 'upload_not_found' })
  })

  it('has a bounded number of siblings', async () => {
    shop = await openWorkshop()
    for (let i = 0; i < 5; i++) await create(10, { path: `p${i}` })
    await expect(create(10, { path: 'p5' })).rejects.toMatchObject({ code: 'rate_limited', details: { limit: 5 } })
    await shop.sessions.create(as('bob'), { bucket: 'docs', fields: { name: 'x' }, size: 10 })
  })

  it('lets the first of two writers at one offset win', async () => {
    shop = await openWorkshop()
    const { id } = await create()
    const results = await Promise.allSettled([
      append(id, 0, bytes.subarray(0, 50_000)),
      append(id, 0, bytes.subarray(0, 50_000)),
    ])
    expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected'])
    await append(id, 50_000, bytes.subarray(50_000))
    await expectWhole(id)
  })

  it('is not given up by a key that may only read, whatever its role', async () => {
    shop = await openWorkshop()
    const { id } = await create()
    const reader = as('key_1', { kind: 'key', scopes: ['read'], admin: true })
    await expect(shop.sessions.cancel(reader, 'docs', id)).rejects.toMatchObject({
      code: 'forbidden',
      details: { rule: 'auth.scopes' },
    })
    expect(await status(id)).toMatchObject({ offset: 0 })
  })

  it('finished five times at once is one file, charged once', async () => {
    shop = await openWorkshop()
    const { id } = await create()
    await append(id, 0, bytes)
    await Promise.allSettled(Array.from({ length: 5 }, () => append(id, bytes.length, Buffer.alloc(0))))
    await expectWhole(id)
  })

  it('takes over from a request that has gone silent', async () => {
    shop = await openWorkshop()
    const { id } = await create()
    const stuck = new Readable({ read() {} })
    stuck.push(bytes.subarray(0, 40_000))
    const first = shop.sessions
      .append(ada, { bucket: 'docs', id, offset: 0, length: bytes.length, body: stuck })
      .catch((error) => error)
    await eventually('the first bytes are on the disk', async () => (await shop.spool.size(id)) === 40_000)
    shop.tick(1500)
    expect(await status(id)).toMatchObject({ offset: 40_000 })
    expect(await first).toMatchObject({ code: 'upload_locked' })
    await append(id, 40_000, bytes.subarray(40_000))
    await expectWhole(id)
  })
})

describe('a finish that fails on the server’s side', () => {
  const points: [string, (fail: () => void, backend: Backend) => Partial<Backend>][] = [
    ['before the blob is in place', (trouble) => ({ adopt: async () => trouble() as never })],
    [
      'after the blob is in place',
      (trouble, backend) => ({
        async adopt(key, file) {
          await backend.adopt!(key, file)
          trouble()
          return true
        },
      }),
    ],
    [
      'while the blob is being copied',
      (trouble, backend) => ({
        adopt: async () => false,
        async put(key, source, options) {
          const stored = await backend.put(key, source, options)
          trouble()
          return stored
        },
      }),
    ],
  ]
  it.each(points)('%s never reports the full length, and the last part can be sent again', async (_where, wrap) => {
    let failing = true
    const trouble = () => {
      if (failing) throw fail('storage_unavailable', 'the backend is down')
    }
    shop = await openWorkshop({ faults: (backend) => ({ ...backend, ...wrap(trouble, backend) }) })
    const { id } = await create()
    await append(id, 0, bytes.subarray(0, 200_000))
    for (let i = 0; i < 2; i++) {
      await expect(append(id, 200_000, bytes.subarray(200_000))).rejects.toMatchObject({ code: 'storage_unavailable' })
      expect(await status(id)).toMatchObject({ offset: 200_000 })
      await expect(shop.files.stat(ada, 'docs', id)).rejects.toMatchObject({ code: 'file_not_found' })
    }
    failing = false
    expect(await append(id, 200_000, bytes.subarray(200_000))).toMatchObject({ file: { id } })
    await expectWhole(id)
  })
})
