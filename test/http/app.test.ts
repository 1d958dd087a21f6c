// What the HTTP interface answers, request by request.
import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { ALICE, createWorld, errorOf, put } from './double.ts'

const UNKNOWN = '01890000-0000-7000-8000-000000000000'

describe('answers', () => {
  test('an upload is answered with the File object, its place and our request id', async () => {
    const world = createWorld()
    const answer = await world.app.request('/api/files/pub?name=a%20b.txt&expires_in=7d', {
      method: 'PUT',
      body: 'hello',
      headers: ALICE,
    })
    expect(answer.status).toBe(201)
    const file = (await answer.json()) as Record<string, unknown>
    expect(Object.keys(file)).toEqual(
      'id bucket name path mime_type size original_size stored_size checksum compressed compression_type encrypted metadata version owner_id expires_at created_at updated_at'.split(
        ' ',
      ),
    )
    expect(file).toMatchObject({
      bucket: 'pub',
      name: 'a b.txt',
      size: 5,
      compressed: false,
      encrypted: false,
      owner_id: 'alice',
    })
    expect(answer.headers.get('location')).toBe(`/api/files/pub/${file.id}`)
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(world.uploads[0]?.fields).toEqual({ name: 'a b.txt', expires_in: '7d' })
  })

  test('a download carries the headers of the service and its bytes', async () => {
    const world = createWorld()
    const id = await put(world, 'hello')
    const answer = await world.app.request(`/api/files/pub/${id}/download`)
    expect([answer.status, await answer.text(), answer.headers.get('content-length')]).toEqual([200, 'hello', '5'])
    expect(answer.headers.get('vary')).toBe('Origin, Authorization')
  })

  test('a large download is streamed', async () => {
    const world = createWorld()
    const content = Buffer.alloc(1_000_000, 'x')
    const id = await put(world, content)
    const answer = await world.app.request(`/api/files/pub/${id}/view`)
    expect(Buffer.from(await answer.arrayBuffer()).equals(content)).toBe(true)
  })

  test('HEAD on a download asks the service as HEAD and has no body', async () => {
    const world = createWorld()
    const id = await put(world, 'hello')
    const answer = await world.app.request(`/api/files/pub/${id}/download`, { method: 'HEAD' })
    expect([answer.status, await answer.text(), answer.headers.get('content-length')]).toEqual([200, '', '5'])
    expect(world.opens[0]?.method).toBe('HEAD')
  })

  test('an unsatisfiable range is 416 with the size and the envelope', async () => {
    const world = createWorld()
    const id = await put(world, 'hello')
    const answer = await world.app.request(`/api/files/pub/${id}/download`, { headers: { range: 'bytes=9999-' } })
    expect([answer.status, answer.headers.get('content-range')]).toEqual([416, 'bytes */5'])
    expect((await errorOf(answer)).code).toBe('range_not_satisfiable')
  })

  test('lists, changes, deletes and links reach the service with what was asked', async () => {
    const world = createWorld()
    const id = await put(world, 'hello')
    const list = await world.app.request('/api/files/pub?limit=5&sort=-name&mime_type=image/*&total=true')
    expect(await list.json()).toMatchObject({ files: [{ id }], next_cursor: null, total: 1 })
    expect(world.lists[0]).toMatchObject({
      limit: 5,
      sort: 'name',
      descending: true,
      mimeType: 'image/*',
      total: true,
      cursor: null,
    })

    const json = { 'content-type': 'application/json' }
    const patched = await world.app.request(`/api/files/pub/${id}`, {
      method: 'PATCH',
      headers: json,
      body: '{"name":"b"}',
    })
    expect(await patched.json()).toMatchObject({ name: 'b', version: 2 })

    const signed = await world.app.request(`/api/files/pub/${id}/sign?expiry=15m&operation=view`)
    expect(await signed.json()).toEqual({
      url: 'http://x/view?token=t',
      token: 't-15m',
      expires_at: '2026-01-02T03:04:05.678Z',
    })
    expect(signed.headers.get('cache-control')).toBe('no-store')
    const many = await world.app.request('/api/files/pub/sign', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ ids: [id], expiry: 60 }),
    })
    expect(await many.json()).toEqual({ links: [{ id, error: { code: 'file_not_found', message: 'no such file' } }] })
    expect((await world.app.request(`/api/files/pub/${id}/revoke-links`, { method: 'POST' })).status).toBe(204)

    const bulk = await world.app.request('/api/files/pub/delete', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ ids: [id, UNKNOWN] }),
    })
    expect(bulk.status).toBe(409)
    expect(await errorOf(bulk)).toMatchObject({
      code: 'partial_failure',
      details: { deleted: [id], failed: [{ id: UNKNOWN, code: 'file_not_found' }] },
    })
    expect((await world.app.request(`/api/files/pub/${id}`, { method: 'DELETE' })).status).toBe(404)
  })

  test('the address of a new file is right where the app is mounted under a prefix', async () => {
    const outer = new Hono().route('/storage', createWorld().app)
    const answer = await outer.request('/storage/api/files/pub?name=a', { method: 'PUT', headers: ALICE, body: 'x' })
    expect(answer.status).toBe(201)
    const { id } = (await answer.json()) as { id: string }
    expect(answer.headers.get('location')).toBe(`/storage/api/files/pub/${id}`)
    expect((await outer.request(answer.headers.get('location')!, { headers: ALICE })).status).toBe(200)
  })

  test('buckets are for signed-in callers', async () => {
    const { app } = createWorld()
    expect((await app.request('/api/buckets')).status).toBe(401)
    const answer = await app.request('/api/buckets', { headers: ALICE })
    expect(await answer.json()).toMatchObject({
      buckets: [{ name: 'pub', max_file_size: 1024, retention: { default: '1d', max: null } }],
    })
  })
})

describe('addresses', () => {
  const id = UNKNOWN
  test.each([
    ['/api/files/pub/..%2f..%2fetc%2fpasswd/download', 'file_not_found'],
    ['/api/files/pub/%252e%252e%252fx', 'file_not_found'],
    [`/api/files/pub/${id}%00/download`, 'file_not_found'],
    [`/api/files/pub/${id}%0a`, 'file_not_found'],
    [`/api/files/pub/${id}.`, 'file_not_found'],
    [`/api/files/pub/${id.toUpperCase().replace('0', 'A')}`, 'file_not_found'],
    ['/api/files/pri%2Fv', 'bucket_not_found'],
    ['/api/files/PRIV', 'bucket_not_found'],
    [`/api/files/pub%3Fx/${id}`, 'bucket_not_found'],
    ['/api/files/__proto__', 'bucket_not_found'],
    ['/api/files/constructor', 'bucket_not_found'],
    ['/api/files/pub/__proto__', 'file_not_found'],
    [`/api//files/pub/${id}`, 'not_found'],
    [`/api/files/pub//${id}`, 'not_found'],
    [`/api/files/pub/${id}/`, 'not_found'],
    ['/', 'not_found'],
    [`/api/files/pub/${id}/revive`, 'not_found'],
  ])('%s is 404 %s', async (path, code) => {
    const { app, calls } = createWorld()
    const answer = await app.request(path)
    expect([answer.status, (await errorOf(answer)).code]).toEqual([404, code])
    if (code === 'file_not_found') expect(calls).toEqual([])
  })

  test('another method on a known path is 405 and says what is allowed', async () => {
    const { app } = createWorld()
    const answer = await app.request('/api/files/pub/sign', { method: 'PUT' })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST'])
    const get = await app.request(`/api/files/pub/${id}`, { method: 'POST' })
    expect(get.headers.get('allow')).toBe('GET, PATCH, DELETE, HEAD')
  })

  test('a method override is not obeyed outside tus', async () => {
    const world = createWorld()
    const file = await put(world, 'x')
    const answer = await world.app.request(`/api/files/pub/${file}`, {
      method: 'POST',
      headers: { 'x-http-method-override': 'DELETE' },
    })
    expect([answer.status, world.rows.has(file)]).toEqual([405, true])
  })
})

describe('queries', () => {
  test.each([
    'limit=-1',
    'limit=0',
    'limit=1e9',
    'limit=NaN',
    'limit=0x10',
    'limit=1.5',
    'limit=1001',
    'limit=1&limit=2',
    'limit=%ff',
    'after=x',
    'sort=id;DROP',
    '__proto__=1',
    '__proto__[x]=1',
    'total=1',
    'mime_type=image',
    'cursor=',
  ])('?%s is refused and named', async (query) => {
    const { app, lists } = createWorld()
    const answer = await app.request(`/api/files/pub?${query}`)
    const error = await errorOf(answer)
    expect([answer.status, error.code, lists]).toEqual([400, 'invalid_query', []])
    expect(error.details).toEqual({ parameter: query.split('=')[0] })
  })

  test.each(['Token=good', 'token=good&token=bad', 'access_token=alice'])(
    'a download with ?%s is refused',
    async (query) => {
      const world = createWorld()
      const id = await put(world, 'x')
      const answer = await world.app.request(`/api/files/pub/${id}/download?${query}`)
      expect((await errorOf(answer)).code).toBe('invalid_query')
    },
  )

  test('the token of a link goes to the service; elsewhere it is refused', async () => {
    const world = createWorld()
    const id = await put(world, 'x')
    expect((await world.app.request(`/api/files/pub/${id}/download?token=good`)).status).toBe(200)
    expect((await world.app.request(`/api/files/pub/${id}?token=good`)).status).toBe(400)
    expect((await world.app.request(`/api/files/pub/${id}/download?token=other`)).status).toBe(401)
  })

  test('an upload without a name is refused', async () => {
    const answer = await createWorld().app.request('/api/files/pub', { method: 'PUT', body: 'x' })
    expect(await errorOf(answer)).toMatchObject({ code: 'invalid_query', details: { parameter: 'name' } })
  })
})

describe('JSON bodies', () => {
  const send = (body: string | Uint8Array<ArrayBuffer>, type: string | null = 'application/json') => {
    const headers: Record<string, string> = type === null ? {} : { 'content-type': type }
    return createWorld().app.request(`/api/files/pub/${UNKNOWN}`, { method: 'PATCH', body, headers })
  }
  const bytes = (...values: number[]) => new Uint8Array(values)

  test.each([
    ['nesting', '['.repeat(100_000), 400, 'invalid_json'],
    ['deep but closed nesting', `{"metadata":${'['.repeat(101)}${']'.repeat(101)}}`, 400, 'invalid_json'],
    ['20 MB', `{"name":"${'x'.repeat(20_000_000)}"}`, 413, 'body_too_large'],
    ['invalid UTF-8', bytes(0x22, 0xff, 0x22), 400, 'invalid_json'],
    ['a byte order mark', '\ufeff{}', 400, 'invalid_json'],
    ['trailing garbage', '{} x', 400, 'invalid_json'],
    ['nothing', '', 400, 'invalid_json'],
    ['1e999', '{"metadata":{"n":1e999}}', 400, 'invalid_json'],
    ['duplicate keys', '{"name":"a","name":"b"}', 400, 'invalid_json'],
    ['duplicate keys by escape', '{"name":"a","n\\u0061me":"b"}', 400, 'invalid_json'],
    ['an unknown key', '{"owner_id":"b"}', 400, 'validation_failed'],
    ['__proto__', '{"__proto__":{"x":1}}', 400, 'validation_failed'],
    ['an array', '[]', 400, 'validation_failed'],
    ['a wrong type', '{"name":7}', 400, 'validation_failed'],
    ['a good body', '{"name":"x","metadata":{"a":[1,{"a":"}"}]}}', 404, 'file_not_found'],
  ])('%s', async (_, body, status, code) => {
    const answer = await send(body)
    expect([answer.status, (await errorOf(answer)).code]).toEqual([status, code])
  })

  test.each(['text/plain', 'application/json; charset=latin1', 'multipart/form-data', null])(
    'content type %s is 415',
    async (type) => {
      expect((await send(bytes(0x7b, 0x7d), type)).status).toBe(415)
    },
  )

  test('a validation failure names every field', async () => {
    const error = await errorOf(await send('{"name":7,"size":1}'))
    expect(error.details).toEqual({
      fields: [
        { path: 'name', message: expect.any(String) },
        { path: 'size', message: 'is unknown here' },
      ],
    })
  })
})

describe('failures', () => {
  test('the envelope is complete, not cached, and has the request id of the header', async () => {
    const answer = await createWorld().app.request('/api/files/nope')
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await errorOf(answer)).toEqual({
      code: 'bucket_not_found',
      message: 'bucket nope does not exist',
      hint: expect.any(String),
      request_id: answer.headers.get('x-request-id'),
    })
  })

  test('a foreign error is 500 internal: the cause is logged and not sent', async () => {
    const boom = Object.assign(new Error('/secret/path'), { code: 'EWHATEVER' })
    const { app, heard } = createWorld({}, { stat: () => Promise.reject(boom) })
    const answer = await app.request(`/api/files/pub/${UNKNOWN}`)
    const text = await answer.text()
    expect(answer.status).toBe(500)
    expect(text).toContain('"internal"')
    expect(text).not.toContain('secret')
    expect(heard.find((event) => event.name === 'internal_error')?.fields).toMatchObject({
      error: boom,
      request_id: answer.headers.get('x-request-id'),
    })
  })

  test('HEAD failures have no body', async () => {
    const answer = await createWorld().app.request(`/api/files/pub/${UNKNOWN}/download`, { method: 'HEAD' })
    expect([answer.status, await answer.text()]).toEqual([404, ''])
  })

  test('401 says how to sign in; anonymous is 401 where a signed-in caller is 403', async () => {
    const { app } = createWorld()
    const anonymous = await app.request('/api/files/none')
    expect([anonymous.status, anonymous.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    expect((await app.request('/api/files/none', { headers: ALICE })).status).toBe(403)
  })

  test('an address that fails too often waits; good credentials and other windows do not', async () => {
    const world = createWorld()
    const bad = () => world.app.request('/api/files/pub', { headers: { authorization: 'Bearer x' } })
    expect([(await bad()).status, (await bad()).status, (await bad()).status]).toEqual([401, 401, 401])
    const limited = await bad()
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '60'])
    expect((await world.app.request('/api/files/pub', { headers: ALICE })).status).toBe(200)
    world.clock.ms += 60_000
    expect((await bad()).status).toBe(401)
  })

  test('a configured rate applies per caller', async () => {
    const world = createWorld({ rateLimits: { uploads: null, sign: { count: 1, window: 1000 }, failedAuth: null } })
    const id = await put(world, 'x')
    expect((await world.app.request(`/api/files/pub/${id}/sign`)).status).toBe(200)
    expect((await world.app.request(`/api/files/pub/${id}/sign`)).status).toBe(429)
    expect((await world.app.request(`/api/files/pub/${id}/sign`, { headers: ALICE })).status).toBe(200)
  })
})

describe('cross-origin', () => {
  const preflight = (origin: string) =>
    createWorld().app.request('/api/files/pub', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'PUT' },
    })

  test('a preflight from an allowed origin lists methods and headers, without credentials', async () => {
    const answer = await preflight('https://app.example')
    expect(answer.status).toBe(204)
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example')
    expect(answer.headers.get('access-control-allow-methods')).toBe('POST, PUT, GET, HEAD')
    expect(answer.headers.get('access-control-allow-headers')).toContain('Upload-Offset')
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
    expect(answer.headers.get('vary')).toContain('Origin')
  })

  test.each(['https://evil', 'null', 'https://app.example.evil', 'http://app.example'])(
    '%s gets no permission',
    async (origin) => {
      const answer = await preflight(origin)
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
      expect(answer.headers.get('vary')).toContain('Origin')
    },
  )

  test('an allowed origin can read ETag, Location and the tus headers, also of failures', async () => {
    const answer = await createWorld().app.request('/api/files/nope', { headers: { origin: 'https://app.example' } })
    const exposed = answer.headers.get('access-control-expose-headers')
    for (const name of ['ETag', 'Location', 'Upload-Offset', 'Tus-Resumable', 'X-Request-Id'])
      expect(exposed).toContain(name)
  })
})

describe('operations', () => {
  test('live is live; ready is 503 with the part that is down', async () => {
    expect(await (await createWorld().app.request('/health/live')).json()).toEqual({ status: 'ok' })
    expect(await (await createWorld().app.request('/health/ready')).json()).toEqual({
      status: 'ready',
      parts: { database: 'up' },
    })
    const down = await createWorld({ ready: async () => ({ database: false, storage: true }) }).app.request(
      '/health/ready',
    )
    expect([down.status, down.headers.get('retry-after')]).toEqual([503, '1'])
    expect((await errorOf(down)).details).toEqual({ parts: { database: 'down', storage: 'up' } })
  })

  test('/metrics is there only when metrics are on', async () => {
    expect((await createWorld().app.request('/metrics')).status).toBe(404)
    const metrics = { render: async () => ({ contentType: 'text/plain', body: 'x 1' }), activeUploads: () => {} }
    expect(await (await createWorld({ metrics }).app.request('/metrics')).text()).toBe('x 1')
  })

  test('/docs runs only its own script and loads nothing from elsewhere', async () => {
    const answer = await createWorld().app.request('/docs')
    const page = await answer.text()
    expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'sha256-/)
    expect(page).not.toMatch(/https?:\/\//)
  })

  test('bad credentials do not matter to health', async () => {
    expect((await createWorld().app.request('/health/live', { headers: { authorization: 'Bearer x' } })).status).toBe(
      200,
    )
  })

  test('one line is reported per request, without the query', async () => {
    const world = createWorld()
    await world.app.request('/api/files/pub?search=hidden', { headers: ALICE })
    expect(world.heard).toEqual([
      {
        name: 'request',
        fields: expect.objectContaining({
          method: 'GET',
          route: '/api/files/{bucket}',
          path: '/api/files/pub',
          status: 200,
          ms: 0,
          caller: 'alice',
        }),
      },
    ])
    expect(JSON.stringify(world.heard)).not.toContain('hidden')
  })
})
