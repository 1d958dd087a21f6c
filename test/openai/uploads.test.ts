// /v1/uploads with the official SDK, unmodified: parts in any order, and every way an upload ends.
import { createHash } from 'node:crypto'
import type OpenAI from 'openai'
import { toFile } from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openStage, refusal, SCHEMA, type Stage } from './stage.ts'

const PARTS = ['first part, ', 'second part, ', 'third part'] as const
const WHOLE = PARTS.join('')
const md5 = (text: string, encoding: 'hex' | 'base64' = 'hex') => createHash('md5').update(text).digest(encoding)

let stage: Stage
let acme: OpenAI
let other: OpenAI
beforeAll(async () => {
  stage = await openStage()
  acme = await stage.client('acme')
  other = await stage.client('other')
})
afterEach(async () => {
  expect(await stage.alyx.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
})
afterAll(() => stage.close())

const begin = (bytes = WHOLE.length, more: object = {}) =>
  acme.uploads.create({ filename: 'näme.txt', purpose: 'batch', bytes, mime_type: 'pdf', ...more })
const add = async (id: string, data: string, client = acme) =>
  client.uploads.parts.create(id, { data: await toFile(Buffer.from(data), 'chunk') })
const contentOf = async (id: string) => (await acme.files.content(id)).text()
const reserved = async () => (await stage.alyx.meta.usage('bucket:openai')).reserved
/** An upload with its three parts. */
async function gathered(): Promise<{ id: string; part_ids: string[] }> {
  const { id } = await begin()
  const part_ids = []
  for (const data of PARTS) part_ids.push((await add(id, data)).id)
  return { id, part_ids }
}

describe('an upload', () => {
  it('has exactly the fields that OpenAI gives, and where numbered parts go', async () => {
    const upload = await begin()
    expect(upload).toEqual({
      id: expect.stringMatching(/^upload_[0-9a-f]{32}$/),
      object: 'upload',
      bytes: WHOLE.length,
      created_at: expect.any(Number),
      expires_at: upload.created_at + 3600,
      filename: 'näme.txt',
      purpose: 'batch',
      status: 'pending',
      file: null,
      part_size: expect.any(Number),
      url: expect.stringMatching(/^http.*\/v1\/uploads\/upload_\w+\/parts\?expires=\d+&signature=[\w-]{43}$/),
    })
    const part = await add(upload.id, PARTS[0])
    expect(part).toEqual({
      id: expect.stringMatching(/^part_[0-9a-f]{32}$/),
      object: 'upload.part',
      created_at: expect.any(Number),
      upload_id: upload.id,
    })
    expect(await (await stage.ask('GET', `/v1/uploads/${upload.id}`, acme.apiKey)).json()).toEqual(upload)
    expect(await (await stage.ask('GET', `/v1/uploads/${upload.id}/parts`, acme.apiKey)).json()).toMatchObject({
      data: [{ id: part.id, bytes: PARTS[0].length, part_number: null }],
      has_more: false,
    })
    expect(await acme.uploads.cancel(upload.id)).toMatchObject({ status: 'cancelled', file: null })
  })

  it('becomes a file of its parts in the order that complete gives, with the MD5 in hex or base64', async () => {
    for (const encoding of ['hex', 'base64'] as const) {
      const { id } = await begin(WHOLE.length, { expires_after: { anchor: 'created_at', seconds: 7200 } })
      const [third, first, second] = await Promise.all([add(id, PARTS[2]), add(id, PARTS[0]), add(id, PARTS[1])])
      const done = await acme.uploads.complete(id, {
        part_ids: [first.id, second.id, third.id],
        md5: md5(WHOLE, encoding),
      })
      expect(done).toMatchObject({ id, status: 'completed', file: { object: 'file', bytes: WHOLE.length } })
      const file = await acme.files.retrieve(done.file!.id)
      expect(file).toMatchObject({ filename: 'näme.txt', purpose: 'batch', status: 'processed' })
      expect(file.expires_at).toBe(file.created_at + 7200)
      expect(await contentOf(file.id)).toBe(WHOLE)
    }
    expect(await reserved()).toBe(0)
    expect(await stage.alyx.meta.scanUploads('', 10)).toEqual([])
  })

  it('of nothing is completed without parts, as the Python SDK does for an empty file', async () => {
    const { id } = await begin(0)
    const { file } = await acme.uploads.complete(id, { part_ids: [] })
    expect(file).toMatchObject({ bytes: 0 })
    expect(await contentOf(file!.id)).toBe('')
  })

  it('can leave out parts that came twice', async () => {
    const { id, part_ids } = await gathered()
    await add(id, PARTS[1])
    const { file } = await acme.uploads.complete(id, { part_ids })
    expect(await contentOf(file!.id)).toBe(WHOLE)
    expect(await stage.alyx.meta.scanUploads('', 10)).toEqual([])
  })
})

describe('a completion', () => {
  it('that comes again with the same parts gives the same file', async () => {
    const { id, part_ids } = await gathered()
    const first = await acme.uploads.complete(id, { part_ids })
    expect(await acme.uploads.complete(id, { part_ids })).toEqual(first)
    const ended = { status: 400, code: 'upload_completed' }
    expect(await refusal(acme.uploads.complete(id, { part_ids: [...part_ids].reverse() }))).toMatchObject(ended)
    expect(await refusal(add(id, 'late'))).toMatchObject(ended)
    expect(await refusal(acme.uploads.cancel(id))).toMatchObject(ended)
    await acme.files.delete(first.file!.id)
    expect(await acme.uploads.complete(id, { part_ids })).toMatchObject({ status: 'completed', file: null })
  })

  it('is one, however many ask for it at once, and those who try again get its file', async () => {
    const { id, part_ids } = await gathered()
    const files = (await stage.alyx.meta.usage('bucket:openai')).files
    const patient = await stage.client('acme', { maxRetries: 5 })
    const done = await Promise.all(Array.from({ length: 8 }, () => patient.uploads.complete(id, { part_ids })))
    expect(new Set(done.map(({ file }) => file?.id)).size).toBe(1)
    expect((await stage.alyx.meta.usage('bucket:openai')).files).toBe(files + 1)
  })

  it('and a cancellation at once have exactly one outcome', async () => {
    for (let i = 0; i < 10; i += 1) {
      const { id, part_ids } = await gathered()
      const [completed, cancelled] = await Promise.allSettled([
        acme.uploads.complete(id, { part_ids }),
        acme.uploads.cancel(id),
      ])
      expect([completed.status, cancelled.status].sort()).toEqual(['fulfilled', 'rejected'])
      const { status } = (await (await stage.ask('GET', `/v1/uploads/${id}`, acme.apiKey)).json()) as { status: string }
      expect(status).toBe(completed.status === 'fulfilled' ? 'completed' : 'cancelled')
    }
    expect(await stage.alyx.meta.scanUploads('', 10)).toEqual([])
  })

  it('that is refused leaves the upload pending and no file', async () => {
    const { id, part_ids } = await gathered()
    const stranger = await gathered()
    const before = await stage.alyx.meta.usage('bucket:openai')
    const wrong = (body: { part_ids: string[]; md5?: string }) => refusal(acme.uploads.complete(id, body))
    const [a, b, c] = part_ids as [string, string, string]
    const invalid = { status: 400, type: 'invalid_request_error', param: 'part_ids' }
    expect(await wrong({ part_ids: [a, b] })).toMatchObject(invalid)
    expect(await wrong({ part_ids: [] })).toMatchObject(invalid)
    expect(await wrong({ part_ids: [a, b, c, c] })).toMatchObject(invalid)
    expect(await wrong({ part_ids: [a, a, b] })).toMatchObject(invalid)
    await expect(acme.uploads.complete(id, { part_ids: [a, a, b] })).rejects.toThrow(`the part ${a} is named twice`)
    expect(await wrong({ part_ids: [a, b, stranger.part_ids[2]!] })).toMatchObject(invalid)
    expect(await wrong({ part_ids: [a, b, 'part_x'] })).toMatchObject(invalid)
    expect(await wrong({ part_ids, md5: md5('other') })).toMatchObject({ status: 400, param: 'md5' })
    expect(await wrong({ part_ids: [c, b, a], md5: md5(WHOLE) })).toMatchObject({ status: 400, param: 'md5' })
    expect(await wrong({ part_ids, md5: 'nonsense' })).toMatchObject({ status: 400, param: 'md5' })
    expect(await refusal(acme.uploads.complete(id, {} as never))).toMatchObject(invalid)
    expect(await refusal(acme.uploads.complete(id, { part_ids, more: 1 } as never))).toMatchObject({
      status: 400,
      param: 'more',
    })
    expect(await stage.alyx.meta.usage('bucket:openai')).toEqual(before)
    const { file } = await acme.uploads.complete(id, { part_ids, md5: md5(WHOLE).toUpperCase() })
    expect(await contentOf(file!.id)).toBe(WHOLE)
    await acme.uploads.cancel(stranger.id)
  })
})

describe('a part', () => {
  it('is refused beyond the bytes of the upload, and nothing of it stays', async () => {
    const { id } = await begin(10)
    const large = { status: 400, param: 'data', code: 'file_too_large' }
    expect(await refusal(add(id, 'eleven bytes'))).toMatchObject(large)
    for (let i = 0; i < 3; i += 1) await add(id, '0123456789')
    expect(await refusal(add(id, '0'))).toMatchObject({ status: 400, code: 'invalid_request' })
    expect(await stage.alyx.meta.scanUploads('', 10)).toHaveLength(4)
    await acme.uploads.cancel(id)
    expect(await stage.alyx.meta.scanUploads('', 10)).toEqual([])
  })

  it('may have 64 MiB and no byte more', async () => {
    const limit = 64 * 1024 * 1024
    const { id } = await begin(limit + 1)
    const bytes = Buffer.alloc(limit + 1, 'x')
    const post = async (data: Buffer) => acme.uploads.parts.create(id, { data: await toFile(data, 'chunk') })
    expect(await refusal(post(bytes))).toMatchObject({ status: 400, code: 'file_too_large' })
    expect((await post(bytes.subarray(0, limit))).upload_id).toBe(id)
    await acme.uploads.cancel(id)
  })

  it('of an upload that is unknown, of another tenant, or at its end is refused', async () => {
    const { id } = await begin()
    expect(await refusal(add(id, 'x', other))).toMatchObject({ status: 403, code: 'forbidden' })
    expect(await refusal(other.uploads.cancel(id))).toMatchObject({ status: 403 })
    expect(await refusal(other.uploads.complete(id, { part_ids: [] }))).toMatchObject({ status: 403 })
    expect((await stage.ask('GET', `/v1/uploads/${id}`, other.apiKey)).status).toBe(403)
    expect((await stage.ask('GET', `/v1/uploads/${id}/parts`, other.apiKey)).status).toBe(403)
    const unknown = { status: 404, param: 'upload_id', code: 'upload_not_found' }
    expect(await refusal(add(`upload_${'0'.repeat(32)}`, 'x'))).toMatchObject(unknown)
    expect(await refusal(add('upload_x', 'x'))).toMatchObject(unknown)
    await acme.uploads.cancel(id)
    expect(await refusal(add(id, 'x'))).toMatchObject({ status: 400, code: 'upload_cancelled' })
    expect(await refusal(acme.uploads.complete(id, { part_ids: [] }))).toMatchObject({ code: 'upload_cancelled' })
    expect(await acme.uploads.cancel(id)).toMatchObject({ status: 'cancelled' })
  })
})

describe('an upload that is refused', () => {
  it('names what is wrong', async () => {
    const create = (more: object) => refusal(begin(10, more))
    const invalid = { status: 400, type: 'invalid_request_error' }
    expect(await create({ purpose: 'nonsense' })).toMatchObject({ ...invalid, param: 'purpose' })
    expect(await create({ purpose: undefined })).toMatchObject({ ...invalid, param: 'purpose' })
    expect(await create({ bytes: -1 })).toMatchObject({ ...invalid, param: 'bytes' })
    expect(await create({ bytes: 1.5 })).toMatchObject({ ...invalid, param: 'bytes' })
    expect(await create({ bytes: '10' })).toMatchObject({ ...invalid, param: 'bytes' })
    expect(await create({ bytes: 157_286_401 })).toMatchObject({ ...invalid, param: 'bytes', code: 'file_too_large' })
    expect(await create({ filename: 'a/b' })).toMatchObject({ ...invalid, param: 'filename' })
    expect(await create({ more: 1 })).toMatchObject({ ...invalid, param: 'more' })
    expect(await create({ expires_after: { anchor: 'created_at', seconds: 1 } })).toMatchObject({
      ...invalid,
      param: 'expires_after.seconds',
    })
    expect(await create({ expires_after: 3600 })).toMatchObject({ ...invalid, param: 'expires_after' })
  })

  it('is one more than may be pending at a time', async () => {
    const few = await openStage({ config: { uploads: { max_open_per_owner: 2 } } })
    try {
      const client = await few.client('acme')
      const create = () => client.uploads.create({ filename: 'a', purpose: 'batch', bytes: 1, mime_type: '' })
      const first = await create()
      await create()
      expect(await refusal(create())).toMatchObject({ status: 429, type: 'rate_limit_error' })
      await client.uploads.cancel(first.id)
      await create()
    } finally {
      await few.close()
    }
  })

  it('is one without room in the bucket: the bytes are set aside when it begins', async () => {
    const schema = SCHEMA.replace('200MiB}', '200MiB, max_total_size: 100}')
    const small = await openStage({ schema })
    try {
      const client = await small.client('acme')
      const create = (bytes: number) => client.uploads.create({ filename: 'a', purpose: 'batch', bytes, mime_type: '' })
      const first = await create(60)
      expect(await refusal(create(60))).toMatchObject({ status: 413, code: 'quota_exceeded' })
      const call = client.files.create({ file: await toFile(Buffer.alloc(41), 'a'), purpose: 'batch' })
      expect(await refusal(call)).toMatchObject({ status: 413, code: 'quota_exceeded' })
      await client.uploads.cancel(first.id)
      await create(100)
    } finally {
      await small.close()
    }
  })
})

describe('an upload after its hour', () => {
  it('takes nothing any more, before any sweep, and the sweep takes it and its parts away', async () => {
    const { id, part_ids } = await gathered()
    const { url } = (await (await stage.ask('GET', `/v1/uploads/${id}`, acme.apiKey)).json()) as { url: string }
    stage.clock.ahead = 3_600_000
    try {
      const expired = { status: 400, code: 'upload_expired' }
      expect(await refusal(add(id, 'x'))).toMatchObject(expired)
      expect(await refusal(acme.uploads.complete(id, { part_ids }))).toMatchObject(expired)
      expect(await refusal(acme.uploads.cancel(id))).toMatchObject(expired)
      const { search, pathname } = new URL(url)
      const put = await fetch(`${stage.url}${pathname}${search}&part_number=1`, { method: 'PUT', body: 'x' })
      expect([put.status, await put.json()]).toMatchObject([400, { error: { code: 'upload_expired' } }])
      const look = async () => (await stage.ask('GET', `/v1/uploads/${id}`, acme.apiKey)).json()
      expect(await look()).toMatchObject({ status: 'expired', file: null })
      expect(await stage.alyx.sweep({ dryRun: true })).toMatchObject({ uploads: 4 })
      expect(await stage.alyx.sweep({ dryRun: false })).toMatchObject({ uploads: 4, errors: 0 })
      expect(await look()).toMatchObject({ status: 'expired', file: null })
      expect(await stage.alyx.meta.scanUploads('', 10)).toEqual([])
      expect(await stage.alyx.meta.openAiParts(id)).toEqual([])
      expect(await reserved()).toBe(0)
      stage.clock.ahead += 31 * 86_400_000
      await stage.alyx.sweep({ dryRun: false })
      expect(await stage.alyx.meta.openAiUpload(id)).toBeNull()
    } finally {
      stage.clock.ahead = 0
    }
  })
})

describe('numbered parts', () => {
  const put = async (
    url: string,
    number: number | string,
    body: string | Uint8Array<ArrayBuffer>,
    init: RequestInit = {},
  ) => {
    const { search, pathname } = new URL(url)
    const answer = await fetch(`${stage.url}${pathname}${search}&part_number=${number}`, {
      method: 'PUT',
      body,
      ...init,
    })
    return {
      status: answer.status,
      body: (await answer.json()) as { id?: string; error?: { code: string; param: string; message: string } },
    }
  }
  const urlOf = (upload: object) => (upload as { url: string }).url

  it('need no key, come in any order, replace each other, and are put together by their numbers', async () => {
    const upload = await begin()
    const url = urlOf(upload)
    expect((await put(url, 3, PARTS[2])).status).toBe(200)
    expect((await put(url, 1, 'first, wrong')).status).toBe(200)
    expect((await put(url, 2, PARTS[1])).status).toBe(200)
    const early = await stage.ask('POST', `/v1/uploads/${upload.id}/complete`, acme.apiKey, {
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    expect(early.status).toBe(200)
    const wrong = ((await early.json()) as { file: { id: string } }).file
    expect(await contentOf(wrong.id)).toBe(`first, wrong${PARTS[1]}${PARTS[2]}`)

    const next = await begin()
    for (const [number, data] of [
      [2, PARTS[1]],
      [1, 'wrong'],
      [3, PARTS[2]],
      [1, PARTS[0]],
    ] as const) {
      expect((await put(urlOf(next), number, data)).status).toBe(200)
    }
    const { data } = (await (await stage.ask('GET', `/v1/uploads/${next.id}/parts`, acme.apiKey)).json()) as {
      data: { part_number: number; bytes: number }[]
    }
    expect(data.map(({ part_number, bytes }) => [part_number, bytes]).sort()).toEqual(
      PARTS.map((part, i) => [i + 1, part.length]),
    )
    expect(await stage.alyx.meta.scanUploads('', 10)).toHaveLength(4)
    const done = await acme.uploads.complete(next.id, { md5: md5(WHOLE) } as never)
    expect(await contentOf(done.file!.id)).toBe(WHOLE)
    expect(await acme.uploads.complete(next.id, {} as never)).toEqual(done)
    expect((await put(urlOf(next), 4, 'x')).body.error).toMatchObject({ code: 'upload_completed' })
  })

  it('with one missing are no file', async () => {
    const upload = await begin(2)
    await put(urlOf(upload), 1, 'a')
    await put(urlOf(upload), 3, 'b')
    expect(await refusal(acme.uploads.complete(upload.id, {} as never))).toMatchObject({
      status: 400,
      param: 'part_ids',
    })
    await acme.uploads.cancel(upload.id)
  })

  it('are refused with a signature that is wrong, of another upload or another expiry', async () => {
    const upload = await begin()
    const foreign = await begin()
    const url = new URL(urlOf(upload))
    const change = (name: string, value: string) => {
      const changed = new URL(url)
      changed.searchParams.set(name, value)
      return changed.href
    }
    const signature = url.searchParams.get('signature')!
    const flipped = `${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`
    const elsewhere = url.href.replace(upload.id, foreign.id)
    for (const href of [
      change('signature', flipped),
      change('signature', signature.slice(1)),
      change('expires', String(Number(url.searchParams.get('expires')) + 1)),
      elsewhere,
    ]) {
      const { status, body } = await put(href, 1, 'x')
      expect([status, body.error?.code]).toEqual([401, 'invalid_api_key'])
      expect(body.error?.message).toContain('the url of the upload is not valid')
    }
    for (const number of ['0', '10001', 'x', '-1', '']) {
      expect(await put(url.href, number, 'x')).toMatchObject({ status: 400, body: { error: { param: 'part_number' } } })
    }
    const large = await put(url.href, 1, 'x'.repeat(WHOLE.length + 1))
    expect(large).toMatchObject({ status: 400, body: { error: { code: 'file_too_large' } } })
    const chunked = await put(url.href, 1, '', {
      body: new Blob(['x'.repeat(WHOLE.length + 1)]).stream(),
      duplex: 'half',
    } as RequestInit)
    expect(chunked).toMatchObject({ status: 400, body: { error: { code: 'file_too_large' } } })
    const none = await stage.ask('PUT', `/v1/uploads/${upload.id}/parts?part_number=1`, acme.apiKey, { body: 'x' })
    expect(none.status).toBe(400)
    await acme.uploads.cancel(upload.id)
    await acme.uploads.cancel(foreign.id)
  })
})
