// tus 1.0.0 request by request: ADVERSARIAL group F (97–121) and the protocol's own demands.
import { readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { OutgoingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, parseRaw, rawExchange, request } from '../support/http.ts'
import { seededBytes, sha256 } from '../support/random.ts'
import { HTML, PNG } from '../support/samples.ts'
import { eventually, pause, startServer, type TestServer } from '../support/server.ts'
import { BYTES, encodeMetadata, freshName, idOf, type Tus, tusOn, V1 } from './tus-requests.ts'

const KIB = 1024
const MIB = 1024 * KIB

let server: TestServer
let alice: string
let any: Tus
let img: Tus

beforeAll(async () => {
  server = await startServer()
  alice = await server.token('alice')
  any = tusOn(server, 'any', alice)
  img = tusOn(server, 'img', alice)
})

afterAll(() => server?.stop())

function expectTus(answer: Answer): void {
  expect(answer.headers['tus-resumable']).toBe('1.0.0')
}

async function expectNothingCreated(work: () => Promise<unknown>, tus = any): Promise<void> {
  const rows = (): unknown => server.query('select count(*) as n from _alyx_uploads')
  const before = [rows(), (await tus.list()).length]
  await work()
  expect([rows(), (await tus.list()).length]).toEqual(before)
}

describe('every answer is an answer of tus', () => {
  test('Tus-Resumable stands on success and on failure alike', async () => {
    const id = await any.begin(10)
    const answers = [
      await any.create(10),
      await any.create('x'),
      await any.head(id),
      await any.head('nonsense'),
      await any.patch(id, 3, Buffer.alloc(1)),
      await any.patch(id, 0, Buffer.alloc(10)),
      await any.remove(id),
      await any.send('OPTIONS', '/tus'),
      await any.send('GET', `/tus/${id}`),
      await any.send('PUT', `/tus/${id}`),
      await any.send('POST', '/tus'),
      await tusOn(server, 'nope', alice).create(1),
      await tusOn(server, 'none', null).create(1),
      await tusOn(server, 'any', 'not a token').create(1),
    ]
    for (const answer of answers) expectTus(answer)
  })

  test('OPTIONS tells anyone what is offered', async () => {
    const id = await img.begin(1)
    for (const rest of ['/tus', `/tus/${id}`]) {
      const answer = await tusOn(server, 'img', null).send('OPTIONS', rest)
      expect(answer.status).toBe(204)
      expect(answer.headers).toMatchObject({
        'tus-resumable': '1.0.0',
        'tus-version': '1.0.0',
        'tus-extension': 'creation,creation-with-upload,termination,expiration',
        'tus-max-size': String(MIB),
        'alyx-chunk-size': String(5 * MIB),
      })
    }
    await img.remove(id)
    expect((await tusOn(server, 'nope', null).send('OPTIONS', '/tus')).status).toBe(404)
  })

  test.each([[undefined], ['0.2.2'], ['1.0.1'], ['1'], ['1.0.0, 1.0.0']])(
    'Tus-Resumable %j is 412 with Tus-Version (108)',
    async (version) => {
      const id = await any.begin(4)
      const wrong = { 'tus-resumable': version }
      const metadata = encodeMetadata({ filename: freshName() })
      for (const answer of [
        await any.send('POST', '/tus', {
          ...wrong,
          'upload-length': '4',
          'upload-metadata': metadata,
        } as OutgoingHttpHeaders),
        await any.send('HEAD', `/tus/${id}`, wrong as OutgoingHttpHeaders),
        await any.patch(id, 0, Buffer.alloc(4), wrong),
        await any.send('DELETE', `/tus/${id}`, wrong as OutgoingHttpHeaders),
      ]) {
        expect(answer.status).toBe(412)
        expect(answer.headers['tus-version']).toBe('1.0.0')
      }
      expect((await any.head(id)).headers['upload-offset']).toBe('0')
    },
  )

  test('failures carry the ordinary error body', async () => {
    const answer = await any.create('-1')
    expect(answer.headers['content-type']).toBe('application/json')
    expect(answer.json()).toEqual({
      error: {
        code: 'invalid_request',
        message: expect.any(String),
        hint: expect.any(String),
        request_id: answer.headers['x-request-id'],
      },
    })
  })
})

describe('creation', () => {
  test('answers where the upload is, relative to this server, and when it runs out', async () => {
    const answer = await any.create(
      5,
      { filename: freshName() },
      { host: 'evil.example', 'x-forwarded-host': 'evil.example' },
    )
    expect(answer.status).toBe(201)
    expect(answer.headers.location).toMatch(/^\/api\/files\/any\/tus\/[0-9a-f-]{36}$/)
    expect(answer.headers['upload-offset']).toBe('0')
    expect(answer.headers['upload-expires']).toMatch(/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/)
    const life = Date.parse(String(answer.headers['upload-expires'])) - Date.now()
    expect(life).toBeGreaterThan(23.9 * 3_600_000)
    expect(life).toBeLessThanOrEqual(24 * 3_600_000)
    expect(answer.headers['cache-control']).toBe('no-store')
  })

  test('of an empty file finishes it', async () => {
    const answer = await any.create(0)
    expect(answer.status).toBe(201)
    expect(answer.headers['upload-offset']).toBe('0')
    expect((await any.head(idOf(answer))).headers).toMatchObject({ 'upload-offset': '0', 'upload-length': '0' })
    expect((await any.stat(idOf(answer))).json()).toMatchObject({ size: 0 })
  })

  test.each([
    ['-1'],
    ['1e21'],
    ['1e+21'],
    ['0x10'],
    ['1.0'],
    ['05'],
    ['NaN'],
    ['Infinity'],
    ['10, 10'],
    ['9007199254740993'],
    ['18446744073709551616'],
    ['+5'],
    [''],
  ])('with Upload-Length %j is 400 and creates nothing (100, 101)', (length) =>
    expectNothingCreated(async () =>
      expect(await any.create(length)).toMatchObject({ status: 400, code: 'invalid_request' }),
    ),
  )

  test('with two Upload-Length headers is 400', () =>
    expectNothingCreated(async () => {
      const answer = await any.create(10, { filename: freshName() }, { 'upload-length': ['10', '10'] })
      expect(answer.status).toBe(400)
    }))

  test.each<[string, OutgoingHttpHeaders, number]>([
    ['no length', { 'upload-length': undefined }, 400],
    ['a length and a deferred one', { 'upload-defer-length': '1' }, 400],
    ['Upload-Defer-Length: 0', { 'upload-length': undefined, 'upload-defer-length': '0' }, 400],
    ['Upload-Defer-Length: 1', { 'upload-length': undefined, 'upload-defer-length': '1' }, 400],
    ['Upload-Defer-Length: 2', { 'upload-length': undefined, 'upload-defer-length': '2' }, 400],
    ['Upload-Concat: partial', { 'upload-concat': 'partial' }, 501],
    [
      'Upload-Concat: final',
      { 'upload-length': undefined, 'upload-concat': 'final;/api/files/any/tus/a /api/files/any/tus/b' },
      501,
    ],
  ])('with %s is refused and creates nothing (102–104)', (_, headers, status) =>
    expectNothingCreated(async () =>
      expect((await any.create(10, { filename: freshName() }, headers)).status).toBe(status),
    ),
  )

  test.each<[string, OutgoingHttpHeaders, string]>([
    ['no metadata', { 'upload-metadata': undefined }, 'invalid_filename'],
    ['no file name', { 'upload-metadata': encodeMetadata({ colour: 'blue' }) }, 'invalid_filename'],
    ['a file name that climbs', { 'upload-metadata': encodeMetadata({ filename: '../../x' }) }, 'invalid_filename'],
    [
      'a file name with a line break',
      { 'upload-metadata': encodeMetadata({ filename: 'a\r\nb' }) },
      'invalid_filename',
    ],
    ['an empty file name', { 'upload-metadata': 'filename' }, 'invalid_filename'],
    ['a path that climbs', { 'upload-metadata': encodeMetadata({ filename: 'a', path: '../a' }) }, 'invalid_path'],
    [
      'an expiry that is none',
      { 'upload-metadata': encodeMetadata({ filename: 'a', expires_in: 'soon' }) },
      'invalid_expiry',
    ],
    [
      'a checksum that is none',
      { 'upload-metadata': encodeMetadata({ filename: 'a', checksum: 'abc' }) },
      'invalid_request',
    ],
    ['a value that is not base64', { 'upload-metadata': 'filename a.txt' }, 'invalid_metadata'],
    [
      'a key twice',
      { 'upload-metadata': `${encodeMetadata({ filename: 'a' })},${encodeMetadata({ filename: 'b' })}` },
      'invalid_metadata',
    ],
    [
      'a name that is not UTF-8',
      { 'upload-metadata': `filename ${Buffer.from([0xff]).toString('base64')}` },
      'invalid_metadata',
    ],
  ])('with %s is 400', (_, headers, code) =>
    expectNothingCreated(async () => expect(await any.create(1, {}, headers)).toMatchObject({ status: 400, code })),
  )

  test('beyond the bucket’s largest size is 413 before any byte (105)', () =>
    expectNothingCreated(async () => {
      const answer = await img.create(MIB + 1)
      expect(answer).toMatchObject({ status: 413, code: 'file_too_large' })
      expect(answer.json()).toMatchObject({ error: { details: { limit: MIB, size: MIB + 1 } } })
    }, img))

  test('on a path that is taken is 422', async () => {
    const name = freshName()
    const id = await any.begin(3, { filename: name })
    expect(await any.create(3, { filename: name })).toMatchObject({ status: 422, code: 'file_exists' })
    expect((await any.patch(id, 0, Buffer.from('abc'))).status).toBe(204)
    expect(await any.create(3, { filename: name })).toMatchObject({ status: 422, code: 'file_exists' })
  })

  test('without the right to create is 401 or 403', async () => {
    expect(await tusOn(server, 'none', alice).create(1)).toMatchObject({ status: 403, code: 'forbidden' })
    expect(await tusOn(server, 'none', null).create(1)).toMatchObject({ status: 401, code: 'unauthenticated' })
    expect(await tusOn(server, 'nope', alice).create(1)).toMatchObject({ status: 404, code: 'bucket_not_found' })
  })

  test('no metadata reaches what the server decides (117)', async () => {
    const other = {
      contentType: 'text/html',
      cacheControl: 'public',
      bucket: 'priv',
      owner: 'bob',
      owner_id: 'bob',
      id: '0',
      size: '1',
      mime_type: 'text/html',
    }
    const answer = await any.create(PNG.length, {
      filename: freshName('png'),
      filetype: 'text/html',
      type: 'text/html',
      relativePath: '../x',
      ...other,
    })
    const id = idOf(answer)
    expect((await any.patch(id, 0, PNG)).status).toBe(204)
    const file = (await any.stat(id)).json()
    expect(file).toMatchObject({
      id,
      bucket: 'any',
      owner_id: 'alice',
      mime_type: 'image/png',
      size: PNG.length,
      metadata: other,
    })
    expect((await any.download(id)).headers).toMatchObject({
      'content-type': 'image/png',
      'cache-control': 'private, no-store, max-age=0',
    })
  })
})

describe('creation with bytes', () => {
  test('takes some, or all of them', async () => {
    const content = seededBytes(1, 10_000)
    const some = await any.create(content.length, undefined, { 'content-type': BYTES }, content.subarray(0, 4000))
    expect(some.status).toBe(201)
    expect(some.headers['upload-offset']).toBe('4000')
    expect((await any.patch(idOf(some), 4000, content.subarray(4000))).status).toBe(204)
    const all = await any.create(content.length, undefined, { 'content-type': BYTES }, content)
    expect(all.headers['upload-offset']).toBe('10000')
    for (const answer of [some, all]) expect((await any.download(idOf(answer))).body.equals(content)).toBe(true)
  })

  test.each<[string, OutgoingHttpHeaders, number]>([
    ['another content type', { 'content-type': 'application/octet-stream' }, 415],
    ['no content type', {}, 415],
    ['a content coding', { 'content-type': BYTES, 'content-encoding': 'gzip' }, 415],
    ['more bytes than announced', { 'content-type': BYTES, 'upload-length': '4' }, 413],
  ])('with %s is refused and creates nothing', (_, headers, status) =>
    expectNothingCreated(async () => {
      expect((await any.create(10, { filename: freshName() }, headers, Buffer.alloc(10))).status).toBe(status)
    }),
  )

  test('with more bytes than announced, chunked, leaves nothing', () =>
    expectNothingCreated(async () => {
      const answer = await request({
        port: server.port,
        method: 'POST',
        path: '/api/files/any/tus',
        token: alice,
        headers: {
          ...V1,
          'content-type': BYTES,
          'upload-length': '4',
          'upload-metadata': encodeMetadata({ filename: freshName() }),
        },
        body: Readable.from([Buffer.alloc(10)]),
      })
      expect(answer.status).toBe(413)
    }))
})

describe('bytes', () => {
  test('are acknowledged with their offset and a new time to run out', async () => {
    const id = await any.begin(8)
    const answer = await any.patch(id, 0, Buffer.from('1234'))
    expect(answer.status).toBe(204)
    expect(answer.headers['upload-offset']).toBe('4')
    expect(answer.headers['upload-expires']).toMatch(/ GMT$/)
    const head = await any.head(id)
    expect(head.status).toBe(200)
    expect(head.headers).toMatchObject({ 'upload-offset': '4', 'upload-length': '8', 'cache-control': 'no-store' })
    expect(head.headers['upload-metadata']).toMatch(/^filename /)
    expect(head.body).toHaveLength(0)
  })

  test.each([['text/plain'], [undefined], ['application/octet-stream'], [`${BYTES}; charset=utf-8`]])(
    'of content type %j are 415 (108)',
    async (type) => {
      const id = await any.begin(4)
      expect(await any.patch(id, 0, Buffer.alloc(4), { 'content-type': type })).toMatchObject({
        status: 415,
        code: 'unsupported_media_type',
      })
      expect((await any.head(id)).headers['upload-offset']).toBe('0')
    },
  )

  test.each([['-1'], ['1e0'], ['0x0'], [''], ['a'], ['0, 0']])('at offset %j are 400', async (offset) => {
    expect((await any.patch(await any.begin(4), offset, Buffer.alloc(4))).status).toBe(400)
  })

  test('without an offset are 400, at a wrong one 409', async () => {
    const id = await any.begin(4)
    expect((await any.patch(id, 0, Buffer.alloc(4), { 'upload-offset': undefined })).status).toBe(400)
    for (const offset of [1, 4, 5, 999_999_999_999_999])
      expect(await any.patch(id, offset, Buffer.alloc(1))).toMatchObject({ status: 409, code: 'offset_mismatch' })
    expect((await any.head(id)).headers['upload-offset']).toBe('0')
  })

  test('beyond the length are 413, however they come (106)', async () => {
    const content = Buffer.from('0123456789')
    for (const body of [
      Buffer.alloc(11),
      Readable.from([Buffer.alloc(11)]),
      Readable.from([Buffer.alloc(6), Buffer.alloc(6)]),
    ]) {
      const id = await any.begin(10)
      expect(await any.patch(id, 0, body)).toMatchObject({ status: 413, code: 'body_too_large' })
      const offset = Number((await any.head(id)).headers['upload-offset'])
      expect(offset).toBeLessThan(10)
      expect((await any.patch(id, offset, content.subarray(offset))).status).toBe(204)
    }
  })

  test('more than Content-Length says are not part of the request (106)', async () => {
    const id = await any.begin(5)
    const head = [
      `PATCH /api/files/any/tus/${id} HTTP/1.1`,
      'Host: localhost',
      `Authorization: Bearer ${alice}`,
      'Tus-Resumable: 1.0.0',
      'Upload-Offset: 0',
      `Content-Type: ${BYTES}`,
      'Content-Length: 5',
    ].join('\r\n')
    const { text } = await rawExchange(server.port, `${head}\r\n\r\n0123456789`)
    // The rest is no request: the connection may end over it before the answer to the first is out.
    expect([204, 400]).toContain(parseRaw(text).status)
    const offset = Number((await any.head(id)).headers['upload-offset'])
    expect((await any.patch(id, offset, Buffer.from('01234').subarray(offset))).status).toBe(204)
    expect((await any.download(id)).text).toBe('01234')
  })

  test('with a checksum of tus are 400, because nobody would check it', async () => {
    const id = await any.begin(4)
    expect((await any.patch(id, 0, Buffer.alloc(4), { 'upload-checksum': 'sha1 AAAA' })).status).toBe(400)
  })

  test('none at all change nothing', async () => {
    const id = await any.begin(4)
    const answer = await any.patch(id, 0, Buffer.alloc(0))
    expect(answer.status).toBe(204)
    expect(answer.headers['upload-offset']).toBe('0')
  })

  test('of two requests at one offset never mix (109)', async () => {
    const [one, two] = [Buffer.alloc(2 * MIB, 'a'), Buffer.alloc(2 * MIB, 'b')]
    for (let round = 0; round < 3; round += 1) {
      const id = await any.begin(2 * MIB)
      const statuses = (await Promise.all([any.patch(id, 0, one), any.patch(id, 0, two)])).map(({ status }) => status)
      expect(statuses.filter((status) => status === 204)).toHaveLength(1)
      expect(statuses.filter((status) => status === 409 || status === 423)).toHaveLength(1)
      expect([sha256(one), sha256(two)]).toContain(sha256((await any.download(id)).body))
    }
  })

  test('that break off are kept as far as they came', async () => {
    const content = seededBytes(2, MIB)
    const id = await any.begin(content.length)
    const body = new PassThrough()
    body.write(content.subarray(0, 600 * KIB))
    const writing = expect(any.patch(id, 0, body, { 'content-length': content.length })).rejects.toThrow()
    const spool = join(server.dir, 'data', 'uploads')
    await eventually('some bytes are on the disk', () =>
      readdirSync(spool).some((name) => name.includes(id) && statSync(join(spool, name)).size > 0),
    )
    body.destroy(new Error('the client goes away'))
    await writing
    const offset = Number((await any.head(id)).headers['upload-offset'])
    expect(offset).toBeGreaterThan(0)
    expect(offset).toBeLessThanOrEqual(600 * KIB)
    expect((await any.patch(id, offset, content.subarray(offset))).status).toBe(204)
    expect((await any.download(id)).body.equals(content)).toBe(true)
  })
})

describe('the end of an upload', () => {
  test('is reported by HEAD for as long as the file exists', async () => {
    const id = await any.begin(3)
    await any.patch(id, 0, Buffer.from('abc'))
    const head = await any.head(id)
    expect(head.headers).toMatchObject({ 'upload-offset': '3', 'upload-length': '3' })
    expect(head.headers).not.toHaveProperty('upload-expires')
    expect((await any.send('DELETE', `/${id}`)).status).toBe(204)
    expect((await any.head(id)).status).toBe(404)
  })

  test('happens once, however often it is asked for (111)', async () => {
    const name = freshName()
    const id = await any.begin(6, { filename: name })
    await any.patch(id, 0, Buffer.from('abc'))
    const finals = await Promise.all(Array.from({ length: 5 }, () => any.patch(id, 3, Buffer.from('def'))))
    for (const { status } of finals) expect([204, 409, 423]).toContain(status)
    expect(finals.some(({ status }) => status === 204)).toBe(true)
    const empties = await Promise.all(Array.from({ length: 5 }, () => any.patch(id, 6, Buffer.alloc(0))))
    for (const { status } of empties) expect([204, 409, 423]).toContain(status)
    expect((await any.list()).filter((file) => file.name === name)).toHaveLength(1)
    expect((await any.download(id)).text).toBe('abcdef')
    expect((await server.doctor()).problems).toEqual([])
  })

  test('that is refused for its type leaves nothing (112, 121)', async () => {
    const id = await img.begin(1 + HTML.length, { filename: freshName('png') })
    expect((await img.patch(id, 0, PNG.subarray(0, 1))).status).toBe(204)
    expect(await img.patch(id, 1, HTML)).toMatchObject({ status: 415, code: 'file_type_not_allowed' })
    expect((await img.head(id)).status).toBe(404)
    expect((await img.stat(id)).status).toBe(404)
    expect(readdirSync(join(server.dir, 'data', 'uploads'), { recursive: true }).join(' ')).not.toContain(id)
  })

  test('that the storage cannot take now is 503, and can be repeated (112)', async () => {
    const content = seededBytes(3, 5000)
    const id = await any.begin(content.length)
    expect((await any.patch(id, 0, content.subarray(0, 2000))).status).toBe(204)
    await withoutStorage(async () => {
      expect(await any.patch(id, 2000, content.subarray(2000))).toMatchObject({
        status: 503,
        code: 'storage_unavailable',
      })
      expect(Number((await any.head(id)).headers['upload-offset'])).toBeLessThan(content.length)
    })
    await expectToEnd(id, content)
  })

  test('that the storage cannot take at creation: the client learns where to go on (112)', async () => {
    const content = seededBytes(4, 5000)
    const created = await withoutStorage(() =>
      any.create(content.length, undefined, { 'content-type': BYTES }, content),
    )
    expect(created.status).toBe(201)
    expect(Number(created.headers['upload-offset'])).toBeLessThan(content.length)
    await expectToEnd(idOf(created), content)
  })

  async function expectToEnd(id: string, content: Buffer): Promise<void> {
    const offset = Number((await any.head(id)).headers['upload-offset'])
    expect((await any.patch(id, offset, content.subarray(offset))).status).toBe(204)
    expect((await any.download(id)).body.equals(content)).toBe(true)
  }

  /** For the time of `work` a file stands where the backend's directory was. */
  async function withoutStorage<T>(work: () => Promise<T>): Promise<T> {
    const files = join(server.dir, 'data', 'files')
    renameSync(files, `${files}.away`)
    writeFileSync(files, 'not a directory')
    try {
      return await work()
    } finally {
      rmSync(files)
      renameSync(`${files}.away`, files)
    }
  }
})

describe('who may', () => {
  test('only the creator and admins see, continue or end an upload (97)', async () => {
    const id = await any.begin(6)
    await any.patch(id, 0, Buffer.from('abc'))
    const strangers = [
      tusOn(server, 'any', await server.token('bob')),
      tusOn(server, 'any', null),
      tusOn(server, 'pub', alice),
    ]
    for (const stranger of strangers) {
      expect((await stranger.head(id)).status).toBe(404)
      expect(await stranger.patch(id, 3, Buffer.from('xyz'))).toMatchObject({ status: 404, code: 'upload_not_found' })
      expect(await stranger.remove(id)).toMatchObject({ status: 404, code: 'upload_not_found' })
    }
    const admin = tusOn(server, 'any', await server.admin())
    expect((await admin.head(id)).headers['upload-offset']).toBe('3')
    expect((await any.patch(id, 3, Buffer.from('def'))).status).toBe(204)
    expect((await any.download(id)).text).toBe('abcdef')
  })

  test('GET gives no bytes, of an unfinished upload or a finished one (99)', async () => {
    const id = await any.begin(6)
    for (const body of ['abc', 'def']) {
      await any.patch(id, body === 'abc' ? 0 : 3, Buffer.from(body))
      const answer = await any.send('GET', `/tus/${id}`, V1)
      expect(answer.status).toBe(405)
      expect(answer.text).not.toContain('abc')
      expect(answer.headers.allow).toContain('PATCH')
    }
  })

  test.each([
    ['..%2f..%2fetc%2fpasswd'],
    ['{id}.json'],
    ['{id}.info'],
    ['{id}.part'],
    ['{id}%00'],
    ['{id}%0a'],
    ['{id}%20'],
    ['%00'],
    ['{ID}'],
    ['x'.repeat(5 * KIB)],
    ['__proto__'],
    ['00000000-0000-7000-8000-000000000000'],
  ])('an upload called %s is 404 (118)', async (pattern) => {
    const id = await any.begin(3)
    const strange = pattern.replace('{id}', id).replace('{ID}', id.toUpperCase())
    expect((await any.head(strange)).status).toBe(404)
    expect((await any.patch(strange, 0, Buffer.from('abc'))).status).toBe(404)
    expect((await any.remove(strange)).status).toBe(404)
    expect((await any.head(id)).headers['upload-offset']).toBe('0')
  })
})

describe('method override', () => {
  test.each(['HEAD', 'PATCH', 'DELETE'])('POST stands for %s', async (method) => {
    const id = await any.begin(3)
    const headers = {
      ...V1,
      'x-http-method-override': method,
      ...(method === 'PATCH' ? { 'upload-offset': '0', 'content-type': BYTES } : {}),
    }
    const answer = await any.send('POST', `/tus/${id}`, headers, method === 'PATCH' ? Buffer.from('abc') : null)
    expect(answer.status).toBe(method === 'HEAD' ? 200 : 204)
    expect((await any.head(id)).status).toBe(method === 'DELETE' ? 404 : 200)
  })

  test('POST on an upload without it, with GET or with nonsense is 405', async () => {
    const id = await any.begin(3)
    expect((await any.send('POST', `/tus/${id}`, V1)).status).toBe(405)
    for (const method of ['GET', 'TRACE', 'PATCHY', '__proto__'])
      expect((await any.send('POST', `/tus/${id}`, { ...V1, 'x-http-method-override': method })).status).toBe(405)
    expect((await any.head(id)).status).toBe(200)
  })

  test('nothing but POST can be overridden', async () => {
    const id = await any.begin(3)
    expect((await any.send('HEAD', `/tus/${id}`, { ...V1, 'x-http-method-override': 'DELETE' })).status).toBe(200)
    expect((await any.head(id)).status).toBe(200)
  })
})

describe('giving up', () => {
  test('ends an upload once; the file of a finished one stays (114)', async () => {
    const gone = await any.begin(3)
    expect((await any.remove(gone)).status).toBe(204)
    expect((await any.remove(gone)).status).toBe(404)
    expect((await any.head(gone)).status).toBe(404)
    expect((await any.patch(gone, 0, Buffer.from('abc'))).status).toBe(404)
    const kept = await any.begin(3)
    await any.patch(kept, 0, Buffer.from('abc'))
    expect([404, 405]).toContain((await any.remove(kept)).status)
    expect((await any.download(kept)).text).toBe('abc')
  })

  test('while bytes are coming ends them too, or has to wait (114)', async () => {
    const id = await any.begin(MIB)
    const body = new PassThrough()
    body.write(Buffer.alloc(1000))
    const writing = any.patch(id, 0, body).then(
      ({ status }) => status,
      () => 0,
    )
    await pause(200)
    const removed = await any.remove(id)
    expect([204, 423]).toContain(removed.status)
    body.end(Buffer.alloc(1000))
    await writing
    if (removed.status === 204) expect((await any.head(id)).status).toBe(404)
  })

  test('returns what was reserved', async () => {
    const ids = []
    for (let i = 0; i < 5; i += 1) ids.push(await img.begin(MIB))
    expect(await img.create(MIB)).toMatchObject({ status: 413, code: 'quota_exceeded' })
    for (const id of ids) expect((await img.remove(id)).status).toBe(204)
    const again = await img.create(MIB)
    expect(again.status).toBe(201)
    await img.remove(idOf(again))
  })
})

describe('a process that is killed', () => {
  test('between the last byte and the answer: the file appears once (113)', async () => {
    const contents = Array.from({ length: 4 }, (_, i) => seededBytes(50 + i, 300_000))
    const ids = await Promise.all(contents.map((content) => any.begin(content.length)))
    const writing = ids.map((id, i) => any.patch(id, 0, contents[i] as Buffer).catch(() => null))
    await pause(15)
    await server.kill('SIGKILL')
    await Promise.all(writing)
    await server.restart()
    for (const [i, id] of ids.entries()) {
      const content = contents[i] as Buffer
      // The dead process still holds its uploads for the rest of its lease; clients repeat a 423.
      await eventually('the lease of the dead process ends', async () => (await any.head(id)).status !== 423)
      const offset = Number((await any.head(id)).headers['upload-offset'])
      expect((await any.patch(id, offset, content.subarray(offset))).status).toBe(204)
      expect((await any.download(id)).body.equals(content)).toBe(true)
    }
    // Of one that died between its commit and the removal of what it had gathered, that is left for the sweep.
    expect((await server.sweep()).code).toBe(0)
    expect((await server.doctor()).problems).toEqual([])
  })
})

describe('time', () => {
  let short: TestServer
  let tus: Tus

  beforeAll(async () => {
    short = await startServer({ config: { uploads: { expiry: '2s' } } })
    tus = tusOn(short, 'img', await short.token('alice'))
  })

  afterAll(() => short?.stop())

  const expired = (id: string): Promise<void> =>
    eventually('the upload expires', async () => [404, 410].includes((await tus.head(id)).status))

  test('what is not finished in time is 410, then swept with its bytes and reservation (115, 120)', async () => {
    const ids = []
    for (let i = 0; i < 5; i += 1) {
      const id = await tus.begin(MIB)
      await tus.patch(id, 0, PNG)
      ids.push(id)
    }
    expect(await tus.create(MIB)).toMatchObject({ status: 413, code: 'quota_exceeded' })
    for (const id of ids) await expired(id)
    expect(await tus.patch(ids[0] as string, PNG.length, Buffer.alloc(10))).toMatchObject({
      status: 410,
      code: 'upload_expired',
    })
    expect((await short.sweep()).code).toBe(0)
    expect((await tus.head(ids[0] as string)).status).toBe(404)
    expect(readdirSync(join(short.dir, 'data', 'uploads'))).toEqual([])
    for (let i = 0; i < 5; i += 1) await tus.remove(await tus.begin(MIB))
    expect((await short.doctor()).problems).toEqual([])
  })

  test('a sweep leaves an upload alone whose bytes are coming (115)', async () => {
    const any = tusOn(short, 'any', await short.token('alice'))
    const id = await any.begin(8)
    const body = new PassThrough()
    const writing = any.patch(id, 0, body, { 'content-length': 8 })
    for (const piece of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
      body.write(piece)
      await pause(400)
    }
    expect((await short.sweep()).code).toBe(0)
    body.end('h')
    expect((await writing).status).toBe(204)
    expect((await any.download(id)).text).toBe('abcdefgh')
  })
})
