// /v1/files with the official SDK, unmodified.
import { createReadStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signToken } from '../support/server.ts'
import { all, openStage, refusal, type Stage } from './stage.ts'

let stage: Stage
let acme: OpenAI
let other: OpenAI
beforeAll(async () => {
  stage = await openStage()
  acme = await stage.client('acme')
  other = await stage.client('other')
})
afterAll(() => stage.close())

const text = (content: string, name = 'a.txt') => toFile(Buffer.from(content), name)

describe('a file', () => {
  it('has exactly the fields that OpenAI gives', async () => {
    const file = await acme.files.create({ file: await text('hello'), purpose: 'batch' })
    expect(file).toEqual({
      id: expect.stringMatching(/^file-[0-9a-f]{32}$/),
      object: 'file',
      bytes: 5,
      created_at: expect.any(Number),
      expires_at: file.created_at + 7 * 86_400,
      filename: 'a.txt',
      purpose: 'batch',
      status: 'uploaded',
      status_details: null,
      deleted: false,
    })
    expect(Math.abs(file.created_at - Date.now() / 1000)).toBeLessThan(60)
    expect(await acme.files.retrieve(file.id)).toEqual({ ...file, status: 'processed' })
    expect(await acme.files.waitForProcessing(file.id)).toMatchObject({ id: file.id, status: 'processed' })
  })

  it('comes from a buffer, a stream, a Blob, a path and a fetch answer with the same content', async () => {
    const path = join(stage.project.dir, 'päth €.jsonl')
    writeFileSync(path, 'hello')
    async function* pieces() {
      yield Buffer.from('hel')
      yield Buffer.from('lo')
    }
    const uploads = [
      await text('hello', 'päth €.jsonl'),
      await toFile(pieces(), 'päth €.jsonl'),
      new File([new Blob(['hello'])], 'päth €.jsonl'),
      createReadStream(path),
    ]
    for (const file of uploads) {
      const made = await acme.files.create({ file, purpose: 'user_data' })
      expect(made).toMatchObject({ bytes: 5, filename: 'päth €.jsonl' })
      expect(await (await acme.files.content(made.id)).text()).toBe('hello')
    }
    const fetched = await acme.files.create({ file: await fetch(`${stage.url}/health/live`), purpose: 'user_data' })
    expect(await (await acme.files.content(fetched.id)).text()).toBe('{"status":"ok"}')
  })

  it('keeps names with quotes, spaces and every script, and any number of files with one name', async () => {
    for (const name of ['quo"te %41.txt', '日本語 😀.txt', 'näme.txt', 'näme.txt']) {
      const file = await acme.files.create({ file: await text('x', name), purpose: 'batch' })
      expect(file.filename).toBe(name)
      const content = await acme.files.content(file.id)
      expect(content.headers.get('content-disposition')).toContain(`filename*=UTF-8''${encodeURIComponent(name)}`)
    }
  })

  it('of 100 MB comes back byte for byte', async () => {
    const block = Buffer.alloc(1024 * 1024)
    for (let i = 0; i < block.length; i += 4) block.writeUInt32LE((i * 2_654_435_761) >>> 0, i)
    const bytes = Buffer.concat(
      Array.from({ length: 100 }, (_, i) => Buffer.concat([Buffer.from([i]), block.subarray(1)])),
    )
    const file = await acme.files.create({ file: await toFile(bytes, 'big.bin'), purpose: 'user_data' })
    expect(file.bytes).toBe(bytes.length)
    const back = Buffer.from(await (await acme.files.content(file.id)).arrayBuffer())
    expect(back.equals(bytes)).toBe(true)
    await acme.files.delete(file.id)
  })

  it('that is empty is a file', async () => {
    const file = await acme.files.create({ file: await text(''), purpose: 'batch' })
    expect(file.bytes).toBe(0)
    expect(await (await acme.files.content(file.id)).text()).toBe('')
  })

  it('is served with the headers of a download, in ranges too, whatever the client accepts', async () => {
    const { id } = await acme.files.create({ file: await text('hello', 'page.html'), purpose: 'batch' })
    const headers = { accept: 'application/binary' }
    const whole = await stage.ask('GET', `/v1/files/${id}/content`, acme.apiKey, { headers })
    expect([whole.status, await whole.text()]).toEqual([200, 'hello'])
    expect(whole.headers.get('content-disposition')).toMatch(/^attachment/)
    expect(whole.headers.get('x-content-type-options')).toBe('nosniff')
    const part = await stage.ask('GET', `/v1/files/${id}/content`, acme.apiKey, { headers: { range: 'bytes=1-2' } })
    expect([part.status, await part.text()]).toEqual([206, 'el'])
    const beyond = await stage.ask('GET', `/v1/files/${id}/content`, acme.apiKey, { headers: { range: 'bytes=9-' } })
    expect(beyond.status).toBe(416)
    expect(beyond.headers.get('content-range')).toBe('bytes */5')
    expect(Object.keys(((await beyond.json()) as { error: object }).error)).toEqual([
      'message',
      'type',
      'param',
      'code',
    ])
    const head = await stage.ask('HEAD', `/v1/files/${id}/content`, acme.apiKey)
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '5'])
  })
})

describe('a deleted file', () => {
  it('is gone for clients at once, its bytes with it, and stays in the audit view', async () => {
    const file = await acme.files.create({ file: await text('secret', 'gone.txt'), purpose: 'batch' })
    expect(await acme.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true })
    const missing = { status: 404, type: 'invalid_request_error', param: 'id', code: 'file_not_found' }
    expect(await refusal(acme.files.retrieve(file.id))).toEqual(missing)
    expect(await refusal(acme.files.content(file.id))).toEqual(missing)
    expect(await refusal(acme.files.delete(file.id))).toEqual(missing)
    expect((await all(await acme.files.list())).map(({ id }) => id)).not.toContain(file.id)
    const { files } = await audit('deleted')
    const row = files.find(({ id }) => id === file.id)
    expect(row).toMatchObject({
      tenant: 'acme',
      filename: 'gone.txt',
      bytes: 6,
      purpose: 'batch',
      status: 'deleted',
      status_details: 'deleted by tenant',
      deleted_at: expect.stringMatching(/Z$/),
    })
    expect(await stage.alyx.meta.files([row!.file_id!])).toEqual([])
    expect((await audit('active')).files.map(({ id }) => id)).not.toContain(file.id)
    expect((await audit('all')).files.map(({ id }) => id)).toContain(file.id)
    expect(await stage.alyx.doctor({ readData: true, fix: false })).toMatchObject({ ok: true })
  })

  it('is the same when an admin deletes it in its bucket', async () => {
    const file = await acme.files.create({ file: await text('x'), purpose: 'batch' })
    const { file_id } = (await audit('active')).files.find(({ id }) => id === file.id)!
    const root = await stage.key({ role: 'admin' })
    expect((await stage.ask('DELETE', `/api/files/openai/${file_id}`, root)).status).toBe(204)
    expect(await refusal(acme.files.retrieve(file.id))).toMatchObject({ status: 404 })
    expect((await audit('deleted')).files[0]).toMatchObject({ id: file.id, status_details: 'deleted' })
  })

  it('is not there after its time, before any sweep, and expired in the audit view', async () => {
    const file = await acme.files.create({
      file: await text('x'),
      purpose: 'batch',
      expires_after: { anchor: 'created_at', seconds: 3600 },
    })
    expect(file.expires_at).toBe(file.created_at + 3600)
    stage.clock.ahead = 3_600_000
    try {
      expect(await refusal(acme.files.retrieve(file.id))).toMatchObject({ status: 404 })
      expect(await refusal(acme.files.content(file.id))).toMatchObject({ status: 404 })
      expect(await refusal(acme.files.delete(file.id))).toMatchObject({ status: 404 })
      expect((await all(await acme.files.list())).map(({ id }) => id)).not.toContain(file.id)
      const expired = { id: file.id, status: 'deleted', status_details: 'expired' }
      expect((await audit('deleted')).files).toContainEqual(expect.objectContaining(expired))
      await stage.alyx.sweep({ dryRun: false })
      expect((await audit('deleted')).files).toContainEqual(
        expect.objectContaining({ ...expired, deleted_at: expect.any(String) }),
      )
    } finally {
      stage.clock.ahead = 0
    }
  })

  async function audit(state: string): Promise<{ files: Record<string, string>[]; has_more: boolean }> {
    const answer = await stage.ask(
      'GET',
      `/api/admin/files-api?state=${state}&limit=1000`,
      await stage.key({ role: 'admin' }),
    )
    expect(answer.status).toBe(200)
    return answer.json() as Promise<{ files: Record<string, string>[]; has_more: boolean }>
  }
})

describe('the audit view', () => {
  it('is for admins only', async () => {
    expect((await stage.ask('GET', '/api/admin/files-api', null)).status).toBe(401)
    expect((await stage.ask('GET', '/api/admin/files-api', acme.apiKey)).status).toBe(403)
    const blind = await stage.key({ role: 'admin', scopes: ['write'] })
    expect((await stage.ask('GET', '/api/admin/files-api', blind)).status).toBe(403)
    const root = await stage.key({ role: 'admin' })
    expect((await stage.ask('GET', '/api/admin/files-api?state=wrong', root)).status).toBe(400)
  })

  it('goes on behind the last file, and shows one tenant where asked', async () => {
    const paging = await stage.client('paging')
    const made: string[] = []
    for (const name of ['1', '2', '3']) {
      made.unshift((await paging.files.create({ file: await text('x', name), purpose: 'batch' })).id)
    }
    const root = await stage.key({ role: 'admin' })
    const page = async (query: string) =>
      (await (await stage.ask('GET', `/api/admin/files-api?tenant=paging&limit=2${query}`, root)).json()) as {
        files: { id: string }[]
        has_more: boolean
      }
    const first = await page('')
    const second = await page(`&after=${first.files[1]!.id}`)
    expect([first.has_more, second.has_more]).toEqual([true, false])
    expect([...first.files, ...second.files].map(({ id }) => id)).toEqual(made)
  })
})

describe('another tenant', () => {
  it('is refused everywhere, and sees nothing in lists', async () => {
    const file = await acme.files.create({ file: await text('private'), purpose: 'batch' })
    const no = { status: 403, type: 'invalid_request_error', param: null, code: 'forbidden' }
    expect(await refusal(other.files.retrieve(file.id))).toEqual(no)
    expect(await refusal(other.files.content(file.id))).toEqual(no)
    expect(await refusal(other.files.delete(file.id))).toEqual(no)
    expect(await all(await other.files.list())).toEqual([])
    expect(await refusal(other.files.list({ after: file.id }).asResponse())).toMatchObject({
      status: 400,
      param: 'after',
    })
    expect(await (await acme.files.content(file.id)).text()).toBe('private')
  })

  it('shares with the other keys of its own tenant', async () => {
    const file = await acme.files.create({ file: await text('x'), purpose: 'batch' })
    const second = await stage.client('acme')
    expect((await second.files.retrieve(file.id)).id).toBe(file.id)
  })

  it('is a key without a tenant to every other key', async () => {
    const lone = new OpenAI({ apiKey: await stage.key({ tenant: null }), baseURL: `${stage.url}/v1`, maxRetries: 0 })
    const twin = new OpenAI({ apiKey: await stage.key({ tenant: null }), baseURL: `${stage.url}/v1`, maxRetries: 0 })
    const file = await lone.files.create({ file: await text('x'), purpose: 'batch' })
    expect((await lone.files.retrieve(file.id)).id).toBe(file.id)
    expect(await refusal(twin.files.retrieve(file.id))).toMatchObject({ status: 403 })
  })

  it('finds nothing by the ids of ordinary files, nor those of /v1 in the bucket', async () => {
    const put = await fetch(`${stage.url}/api/files/other?name=x`, { method: 'PUT', body: 'x' })
    const { id } = (await put.json()) as { id: string }
    expect(await refusal(acme.files.retrieve(id))).toMatchObject({ status: 404 })
    const file = await acme.files.create({ file: await text('x'), purpose: 'batch' })
    expect((await stage.ask('GET', `/api/files/openai/${file.id}`, acme.apiKey)).status).toBe(404)
    const row = await stage.alyx.meta.openAiFile(file.id)
    expect((await stage.ask('GET', `/api/files/openai/${row!.fileId}`, acme.apiKey)).status).toBe(403)
    expect((await stage.ask('GET', `/api/files/openai/${row!.fileId}/download`, null)).status).toBe(401)
  })
})

describe('refused', () => {
  const invalid = { status: 400, type: 'invalid_request_error' }
  it('is a key that is wrong, missing, revoked, or without the scope, and never shown', async () => {
    const nobody = { status: 401, type: 'invalid_request_error', param: null, code: 'invalid_api_key' }
    const bad = `alyx_${'A'.repeat(43)}`
    const stranger = new OpenAI({ apiKey: bad, baseURL: `${stage.url}/v1`, maxRetries: 0 })
    expect(await refusal(stranger.files.list().asResponse())).toEqual(nobody)
    expect(await (await stage.ask('GET', '/v1/files', bad)).text()).not.toContain(bad.slice(5))
    for (const path of ['/v1/files', '/v1/files/file-x', '/v1/uploads/upload_x']) {
      const answer = await stage.ask('GET', path, null)
      expect([answer.status, ((await answer.json()) as { error: { code: string } }).error.code]).toEqual([
        401,
        'invalid_api_key',
      ])
    }
    const user = await stage.ask('GET', '/v1/files', await signToken('ada', { tenant: 'acme', role: 'admin' }))
    expect(user.status).toBe(401)
    // Before anything is said of what they ask.
    expect((await stage.ask('GET', `/v1/files?api_key=${acme.apiKey}`, null)).status).toBe(401)
    expect((await stage.ask('GET', '/v1/files?limit=none', null)).status).toBe(401)
    const json = { headers: { 'content-type': 'application/json' }, body: '{' }
    expect((await stage.ask('POST', '/v1/uploads', null, json)).status).toBe(401)
    const reader = await stage.key({ scopes: ['read'] })
    const writer = await stage.key({ scopes: ['write'] })
    const own = await acme.files.create({ file: await text('x'), purpose: 'batch' })
    expect((await stage.ask('GET', `/v1/files/${own.id}`, reader)).status).toBe(200)
    expect((await stage.ask('GET', `/v1/files/${own.id}`, writer)).status).toBe(403)
    expect((await stage.ask('DELETE', `/v1/files/${own.id}`, reader)).status).toBe(403)
    const reading = new OpenAI({ apiKey: reader, baseURL: `${stage.url}/v1`, maxRetries: 0 })
    expect(await refusal(reading.files.create({ file: await text('x'), purpose: 'batch' }))).toMatchObject({
      status: 403,
    })
  })

  it('is a purpose that is unknown or missing, and nothing of the file stays', async () => {
    const before = stage.alyx.meta.usage('bucket:openai')
    for (const purpose of ['nonsense', '', '__proto__']) {
      const call = acme.files.create({ file: await text('x'), purpose: purpose as 'batch' })
      expect(await refusal(call)).toEqual({ ...invalid, param: 'purpose', code: 'invalid_request' })
    }
    expect(await refusal(acme.files.create({ file: await text('x') } as never))).toMatchObject({ param: 'purpose' })
    expect(await stage.alyx.meta.usage('bucket:openai')).toEqual(await before)
    expect(await stage.alyx.meta.scanUploads('', 10)).toEqual([])
    expect(await stage.alyx.doctor({ readData: false, fix: false })).toMatchObject({ ok: true })
  })

  it('is a life that is too long, too short, no number, half of a pair, or two of them', async () => {
    const create = async (more: object) =>
      refusal(acme.files.create({ file: await text('x'), purpose: 'batch', ...more }))
    const living = (seconds: unknown, anchor: unknown = 'created_at') => ({ expires_after: { anchor, seconds } })
    for (const seconds of [2_592_001, 3599, 0, -1, 'soon', 3600.5]) {
      expect(await create(living(seconds))).toMatchObject({ ...invalid, param: 'expires_after.seconds' })
    }
    expect(await create(living(3600, 'last_active_at'))).toMatchObject({ ...invalid, param: 'expires_after.anchor' })
    expect(await create({ expires_after: { seconds: 3600 } })).toMatchObject({
      ...invalid,
      param: 'expires_after.anchor',
    })
    expect(await create({ expires_after: 3600 })).toMatchObject({ ...invalid, param: 'expires_after' })
    for (const expires_in of [0, -5, 2_592_001, 'x']) {
      expect(await create({ expires_in })).toMatchObject({ ...invalid, param: 'expires_in' })
    }
    expect(await create({ ...living(3600), expires_in: 3601 })).toMatchObject({ ...invalid, param: 'expires_in' })
    const both = { ...living(3600), expires_in: 3600 }
    const same = await acme.files.create({ file: await text('x'), purpose: 'batch', ...both } as never)
    expect(same.expires_at).toBe(same.created_at + 3600)
    const short = await acme.files.create({ file: await text('x'), purpose: 'batch', expires_in: 5 } as never)
    expect(short.expires_at).toBe(short.created_at + 5)
  })

  it('are unknown fields, several files, an array of purposes and a form without a file, without a hang', async () => {
    const post = async (form: FormData) => {
      const answer = await stage.ask('POST', '/v1/files', acme.apiKey, { body: form })
      return { status: answer.status, ...((await answer.json()) as { error: object }).error }
    }
    const form = (...parts: readonly (readonly [string, string | Blob])[]) => {
      const made = new FormData()
      for (const [name, value] of parts) made.append(name, value as string)
      return made
    }
    const file = ['file', new File(['x'], 'x')] as const
    expect(await post(form(['purpose', 'batch'], file, ['extra', '1']))).toMatchObject({ ...invalid, param: 'extra' })
    expect(await post(form(file, ['purpose', 'batch'], ['purpose', 'batch']))).toMatchObject({
      ...invalid,
      param: 'purpose',
    })
    expect(await post(form(file, file, ['purpose', 'batch']))).toMatchObject({ ...invalid, param: 'file' })
    expect(await post(form(file, ['purpose[]', 'batch']))).toMatchObject({ ...invalid, param: 'purpose[]' })
    expect(await post(form(['purpose', 'batch']))).toMatchObject({ ...invalid, param: 'file' })
    const empty = await stage.ask('POST', '/v1/files', acme.apiKey, {
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: '--x--\r\n',
    })
    expect(empty.status).toBe(400)
    const json = await stage.ask('POST', '/v1/files', acme.apiKey, {
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    expect(json.status).toBe(400)
  })

  it('are names that no file may have', async () => {
    for (const name of ['a\u0000b', 'a\u202eb', '..', 'x'.repeat(256)]) {
      const call = acme.files.create({ file: await text('x', name), purpose: 'batch' })
      expect(await refusal(call)).toMatchObject({ ...invalid, param: 'file' })
    }
  })

  it('looks the same at every address of /v1', async () => {
    for (const [method, path, status] of [
      ['GET', '/v1/nothing', 404],
      ['GET', '/v1/files/a/b/c', 404],
      ['PATCH', '/v1/files', 405],
      ['POST', '/v1/uploads/upload_x/parts/1', 404],
      ['GET', '/v1/files?limit=x', 400],
    ] as const) {
      const answer = await stage.ask(method, path, acme.apiKey)
      expect([path, answer.status]).toEqual([path, status])
      expect(Object.keys(((await answer.json()) as { error: object }).error)).toEqual([
        'message',
        'type',
        'param',
        'code',
      ])
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    }
    const elsewhere = await stage.ask('GET', '/api/nothing', acme.apiKey)
    expect(await elsewhere.json()).toMatchObject({ error: { request_id: expect.any(String) } })
  })
})
