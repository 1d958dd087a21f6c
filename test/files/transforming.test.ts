// Another image by /view, on a real store with a small real transformer: charged, refunded, never in the way of the original.
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError, isFailure } from '../../src/core/errors.ts'
import type { Call, FileRow } from '../../src/core/model.ts'
import type { OpenInput } from '../../src/files/model.ts'
import type { Transformer, TransformRequest } from '../../src/files/transformer.ts'
import { policies, tier } from '../support/policies.ts'
import { PNG } from '../support/samples.ts'
import { eventually } from '../support/server.ts'
import { as, openWorkshop, put, type Workshop } from '../support/workshop.ts'

let shop: Workshop
afterEach(() => shop.close())

/** Gives the first `width` bytes of images and texts. A height of 13 fails, one of 14 is refused, one of 15 lasts until nobody waits. */
const slicer: Transformer = {
  accepts: (mimeType) => mimeType.startsWith('image/') || mimeType === 'text/plain',
  async transform({ body, signal }, { width, height }) {
    if (height === 13) throw new Error('it broke')
    if (height === 14) throw new AppError('unsupported_media_type', 'this is no picture I know')
    if (height === 15) await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    if (height === 16) return Buffer.alloc(16 * 1024 * 1024 + 1)
    if (height === 17) return Buffer.alloc(0)
    if (height === 18) return Buffer.from('<html><script>alert(1)</script></html>')
    const whole = await buffer(body)
    return whole.subarray(0, width ?? whole.length)
  },
}

const ada = as('ada')
const NOTHING: TransformRequest = { width: null, height: null, fit: null, format: null, quality: null }

async function open(transformer: Transformer | null = slicer, limit = 2) {
  shop = await openWorkshop({
    ...(transformer && { transformer }),
    policies: policies({ free: tier({ transformLimit: limit }) }, { transformMonthLimit: 3 }),
  })
  return shop.files.upload(ada, put('docs', 'a.txt', Buffer.from('the words of ada')))
}

const view = (file: FileRow, transform: Partial<TransformRequest>, more: Partial<OpenInput> = {}, call: Call = ada) =>
  shop.files.open(call, {
    bucket: file.bucket,
    id: file.id,
    operation: 'view',
    method: 'GET',
    token: null,
    headers: {},
    transform: { ...NOTHING, ...transform },
    ...more,
  })

const failure = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error) => (isFailure(error) ? { code: error.code, ...error.details } : String(error)),
  )

const used = async () => {
  const { transformUsed, transformMonthRemaining } = await shop.meta.policy('ada', new Date().toISOString())
  return [transformUsed, transformMonthRemaining]
}

describe('a view of another size', () => {
  it('is what the transformer makes of the original, and is charged to the owner of the file', async () => {
    const file = await open()
    const delivery = await view(file, { width: 9 })
    expect(delivery).toMatchObject({
      status: 200,
      headers: {
        'content-length': '9',
        'content-type': 'text/plain; charset=utf-8',
        'accept-ranges': 'none',
        'cache-control': 'private, no-store, max-age=0',
        'x-content-type-options': 'nosniff',
      },
    })
    expect(String(await delivery.body!.bytes!())).toBe('the words')
    expect(String(await buffer(await delivery.body!.stream()))).toBe('the words')
    expect(await used()).toEqual([1, 2])
    expect((await shop.meta.storage('ada'))?.transformUsed).toBe(1)
    // What is stored is as it was.
    expect(await shop.files.stat(ada, 'docs', file.id)).toEqual(file)
  })

  it('is refused once the owner has used up theirs, or all together the month’s; the original is still there', async () => {
    const file = await open()
    await view(file, { width: 1 })
    await view(file, { width: 2 })
    expect(await failure(view(file, { width: 3 }))).toMatchObject({ code: 'quota_exceeded', scope: 'transforms' })
    const original = await shop.files.open(ada, {
      bucket: 'docs',
      id: file.id,
      operation: 'view',
      method: 'GET',
      token: null,
      headers: {},
    })
    expect(String(await original.body!.bytes!())).toBe('the words of ada')
    const ben = as('ben')
    const other = await shop.files.upload(ben, put('docs', 'b.txt', Buffer.from('b')))
    await view(other, { width: 1 }, {}, ben)
    expect(await failure(view(other, { width: 1 }, {}, ben))).toMatchObject({ scope: 'transforms_month', limit: 3 })
    // Uploads have nothing to do with it: they keep the bytes that were sent.
    const late = await shop.files.upload(ben, put('docs', 'c.txt', Buffer.from('as it was sent')))
    expect(late).toMatchObject({ size: 14, originalSize: null })
    expect(shop.events.filter(({ name }) => name === 'quota_refused')).toHaveLength(2)
  })

  it.each([
    ['fails', 13, { code: 'internal' }],
    ['is refused by the transformer', 14, { code: 'unsupported_media_type' }],
    ['is too large', 16, { code: 'internal' }],
    ['is nothing', 17, { code: 'internal' }],
  ])('that %s costs nothing', async (_, height, expected) => {
    const file = await open()
    expect(await failure(view(file, { height }))).toMatchObject(expected)
    expect(await used()).toEqual([0, 3])
    expect(await shop.meta.holders()).toEqual([])
  })

  it('that nobody waits for any more costs nothing', async () => {
    const file = await open()
    const gone = new AbortController()
    const waiting = failure(view(file, { height: 15 }, {}, { ...ada, signal: gone.signal }))
    await eventually('it is charged', async () => (await used())[0] === 1)
    gone.abort()
    expect(await waiting).toMatchObject({ code: 'internal' })
    expect(await used()).toEqual([0, 3])
  })

  it('whose original is damaged or gone costs nothing and breaks nothing else', async () => {
    const file = await open()
    await shop.backend.delete(file.key)
    expect(await failure(view(file, { width: 1 }))).toMatchObject({ code: 'blob_missing' })
    await shop.backend.put(file.key, Readable.from([Buffer.from('THE WORDS OF ADA')]), {
      size: 16,
      signal: new AbortController().signal,
    })
    expect(await failure(view(file, { width: 1 }))).toMatchObject({ code: 'file_corrupt' })
    expect(await used()).toEqual([0, 3])
  })

  it('that the client has already, and HEAD, cost nothing', async () => {
    const file = await open()
    const { headers } = await view(file, { width: 4, quality: 80 })
    expect(headers.etag).toBe(`W/"${file.checksum}-4x---80"`)
    const again = await view(file, { width: 4, quality: 80 }, { headers: { 'if-none-match': headers.etag } })
    expect(again).toMatchObject({ status: 304, body: null })
    expect(
      (await view(file, { width: 5 }, { headers: { 'if-none-match': headers.etag }, method: 'HEAD' })).status,
    ).toBe(200)
    const head = await view(file, { width: 4 }, { method: 'HEAD' })
    expect(head).toMatchObject({ status: 200, body: null })
    expect(head.headers).not.toHaveProperty('content-length')
    expect(await used()).toEqual([1, 2])
  })

  it('is sent whole, whatever range was asked for', async () => {
    const file = await open()
    const delivery = await view(file, { width: 9 }, { headers: { range: 'bytes=2-3', 'if-range': '"x"' } })
    expect(delivery).toMatchObject({ status: 200, headers: { 'content-length': '9' } })
  })

  it('is never shown as a page, whatever the transformer makes', async () => {
    const file = await open()
    const { headers } = await view(file, { height: 18 })
    expect(headers['content-type']).toBe('application/octet-stream')
    expect(headers['content-disposition']).toMatch(/^attachment/)
  })

  it('is for those who may download the file, and they are asked first', async () => {
    const file = await open()
    expect(await failure(view(file, { width: 1 }, {}, as('eve')))).toMatchObject({ code: 'forbidden' })
    expect(await used()).toEqual([0, 3])
    const { token } = await shop.files.sign(ada, 'docs', file.id, null, 'view')
    expect((await view(file, { width: 1 }, { token }, as(null))).status).toBe(200)
    expect(await used()).toEqual([1, 2])
  })

  it('is not offered for what the transformer does not take, nor without one', async () => {
    const zip = Buffer.from([0x50, 0x4b, 3, 4, ...Buffer.alloc(30)])
    await open()
    const file = await shop.files.upload(ada, put('docs', 'z.zip', zip))
    expect(await failure(view(file, { width: 1 }))).toMatchObject({ code: 'unsupported_media_type' })
    expect(await used()).toEqual([0, 3])
    await shop.close()
    const plain = await open(null)
    expect(await failure(view(plain, { width: 1 }))).toMatchObject({ code: 'not_implemented' })
    expect(await failure(view({ ...plain, id: '01900000-0000-7000-8000-000000000000' }, { width: 1 }))).toMatchObject({
      code: 'file_not_found',
    })
  })

  it('of many at once exactly as many are made as the owner has left', async () => {
    const file = await open(slicer, 3)
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => failure(view(file, { width: n + 1 }))))
    expect(outcomes.filter((found) => found === 'resolved')).toHaveLength(3)
    expect(await used()).toEqual([3, 0])
  })

  it('shows images inline by their own type', async () => {
    await open()
    const file = await shop.files.upload(as('root', { admin: true }), {
      ...put('docs', 'p.png', PNG),
    })
    const { headers } = await view(file, { format: 'png' }, {}, as('root', { admin: true }))
    expect(headers['content-type']).toBe('image/png')
    expect(headers['content-disposition']).toMatch(/^inline/)
  })
})
