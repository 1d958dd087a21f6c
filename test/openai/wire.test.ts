// /v1 as other clients speak to it: what the Python SDK really sends, browsers, and bodies that are too large.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { openStage, SCHEMA, type Stage } from './stage.ts'

let stage: Stage
let key: string
let port: number
beforeAll(async () => {
  stage = await openStage({
    config: {
      files_api: { bucket: 'openai', max_size: '1MiB' },
      server: { cors: { allowed_origins: ['https://app.example'] } },
    },
  })
  key = await stage.key()
  port = Number(new URL(stage.url).port)
})
afterAll(() => stage.close())

/** As httpx writes forms: fields first, then files, no filename* and a boundary of 32 hex digits. */
const BOUNDARY = '0123456789abcdef0123456789abcdef'
function form(
  fields: Readonly<Record<string, string>>,
  name: string,
  file: Buffer | string,
  filename = 'upload',
): Buffer {
  const parts = Object.entries(fields).map(
    ([field, value]) => `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${field}"\r\n\r\n${value}\r\n`,
  )
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: application/octet-stream\r\n\r\n`
  return Buffer.concat([Buffer.from(parts.join('') + head), Buffer.from(file), Buffer.from(`\r\n--${BOUNDARY}--\r\n`)])
}
const PYTHON = {
  accept: 'application/json',
  'user-agent': 'OpenAI/Python 2.0.0',
  'x-stainless-lang': 'python',
  'accept-encoding': 'gzip, deflate',
}
const FORM = { ...PYTHON, 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }
const JSON_TYPE = { ...PYTHON, 'content-type': 'application/json' }
const post = (path: string, body: Buffer, headers: Record<string, string> = FORM) =>
  request({ port, method: 'POST', path, token: key, headers, body })

describe('the Python SDK', () => {
  it('works where it is installed', (context) => {
    const found = spawnSync('python3', ['-c', 'import openai'], { encoding: 'utf8' })
    if (found.status !== 0)
      return context.skip('python3 -c "import openai" fails: the Python SDK is not installed here')
    const script = join(stage.project.dir, 'smoke.py')
    writeFileSync(
      script,
      [
        'import io, sys, openai',
        'client = openai.OpenAI(api_key=sys.argv[2], base_url=sys.argv[1] + "/v1")',
        'made = client.files.create(file=("a.txt", io.BytesIO(b"hello")), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600})',
        'assert client.files.content(made.id).read() == b"hello"',
        'assert client.files.wait_for_processing(made.id).status == "processed"',
        'assert made.id in [f.id for f in client.files.list(limit=1)]',
        'up = client.uploads.upload_file_chunked(file=b"x" * 100, filename="b", bytes=100, purpose="batch", mime_type="text/plain", part_size=30)',
        'assert up.status == "completed" and up.file.bytes == 100',
        'assert client.files.delete(made.id).deleted',
        'print("fine")',
      ].join('\n'),
    )
    const run = spawnSync('python3', [script, stage.url, key], { encoding: 'utf8' })
    expect(`${run.stdout}${run.stderr}`).toBe('fine\n')
  })

  it('sends fields before the file, and JSON types without a body', async () => {
    const fields = { purpose: 'batch', 'expires_after[anchor]': 'created_at', 'expires_after[seconds]': '3600' }
    const made = await post('/v1/files', form(fields, 'file', 'hello', 'ä".txt'.replace('"', '\\"')))
    expect([made.status, made.json()]).toMatchObject([200, { filename: 'ä".txt', bytes: 5 }])
    const { id, created_at, expires_at } = made.json<{ id: string; created_at: number; expires_at: number }>()
    expect(expires_at).toBe(created_at + 3600)
    const content = await request({
      port,
      path: `/v1/files/${id}/content`,
      token: key,
      headers: { ...PYTHON, accept: 'application/binary' },
    })
    expect(content.text).toBe('hello')
    const gone = await request({ port, method: 'DELETE', path: `/v1/files/${id}`, token: key, headers: JSON_TYPE })
    expect([gone.status, gone.json()]).toEqual([200, { id, object: 'file', deleted: true }])

    const begun = await request({
      port,
      method: 'POST',
      path: '/v1/uploads',
      token: key,
      headers: PYTHON,
      json: { bytes: 5, filename: 'b', mime_type: 'text/plain', purpose: 'batch' },
    })
    const upload = begun.json<{ id: string }>()
    const part = await post(`/v1/uploads/${upload.id}/parts`, form({}, 'data', 'hello'))
    expect(part.status).toBe(200)
    const cancelled = await request({
      port,
      method: 'POST',
      path: `/v1/uploads/${upload.id}/cancel`,
      token: key,
      headers: { ...JSON_TYPE, 'content-length': 0 },
    })
    expect([cancelled.status, cancelled.json()]).toMatchObject([200, { status: 'cancelled' }])
  })

  it('is told of a bad purpose before it has sent the file', async () => {
    const head = form({ purpose: 'nonsense' }, 'file', Buffer.alloc(1000)).subarray(0, -BOUNDARY.length - 8)
    const answer = await request({
      port,
      method: 'POST',
      path: '/v1/files',
      token: key,
      headers: { ...FORM, 'content-length': head.length + 100_000 },
      body: head,
    })
    expect([answer.status, answer.json()]).toMatchObject([400, { error: { param: 'purpose' } }])
  })
})

describe('a body that is too large', () => {
  /** Sends everything before it looks for an answer, as httpx does; resolves with the head of the answer. */
  function stubborn(head: string, body: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      let answer = ''
      let at = 0
      socket.pause()
      const send = (): void => {
        while (at < body.length) {
          const more = socket.write(body.subarray(at, at + 65_536))
          at += 65_536
          if (!more) return void socket.once('drain', send)
        }
        socket.on('data', (chunk: Buffer) => {
          answer += chunk.toString()
          if (/\r\n\r\n[\s\S]*\}\}/.test(answer)) socket.end(() => resolve(answer))
        })
        socket.resume()
      }
      socket.on('error', reject)
      socket.on('end', () => resolve(answer))
      socket.write(head)
      send()
    })
  }
  const headOf = (path: string, length: string, authorization = key): string =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${authorization}\r\nContent-Type: ${FORM['content-type']}\r\n${length}\r\n\r\n`

  it('is a clean 400 without a reset, for clients that first send all of it', async () => {
    const body = form({ purpose: 'batch' }, 'file', Buffer.alloc(48 * 1024 * 1024))
    const answer = await stubborn(headOf('/v1/files', `Content-Length: ${body.length}`), body)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('"code":"file_too_large"')
    const chunk = Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')])
    const chunked = await stubborn(headOf('/v1/files', 'Transfer-Encoding: chunked'), chunk)
    expect(chunked).toContain('"code":"file_too_large"')
    expect(await stage.alyx.meta.scanUploads('', 10)).toEqual([])
  })

  it('is as clean a 401 with a wrong key, and a 404 for an upload that is not there', async () => {
    const body = form({}, 'data', Buffer.alloc(16 * 1024 * 1024))
    const length = `Content-Length: ${body.length}`
    expect(await stubborn(headOf('/v1/files', length, `alyx_${'B'.repeat(43)}`), body)).toMatch(/^HTTP\/1\.1 401 /)
    expect(await stubborn(headOf('/v1/uploads/upload_x/parts', length), body)).toMatch(/^HTTP\/1\.1 404 /)
  })

  it('that breaks off leaves nothing', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write(headOf('/v1/files', 'Content-Length: 1000000'))
    socket.write(form({ purpose: 'batch' }, 'file', 'x'.repeat(10_000)).subarray(0, 5000))
    await expect.poll(async () => (await stage.alyx.meta.scanUploads('', 10)).length).toBe(1)
    socket.destroy()
    await expect.poll(async () => (await stage.alyx.meta.scanUploads('', 10)).length).toBe(0)
    expect(await stage.alyx.doctor({ readData: false, fix: false })).toMatchObject({ ok: true })
  })
})

describe('a browser', () => {
  it('may send what the SDK sends, and read the request id', async () => {
    const headers = { origin: 'https://app.example' }
    const preflight = await request({
      port,
      method: 'OPTIONS',
      path: '/v1/files',
      headers: {
        ...headers,
        'access-control-request-method': 'POST',
        'access-control-request-headers':
          'authorization,x-stainless-lang,x-stainless-retry-count,openai-project,x-evil',
      },
    })
    const allowed = String(preflight.headers['access-control-allow-headers']).toLowerCase().split(', ')
    for (const name of [
      'authorization',
      'content-type',
      'x-stainless-lang',
      'x-stainless-retry-count',
      'openai-project',
    ])
      expect(allowed).toContain(name)
    expect(allowed).not.toContain('x-evil')
    const answer = await request({ port, path: '/v1/files', token: key, headers })
    expect(answer.headers['access-control-allow-origin']).toBe('https://app.example')
    expect(answer.headers['access-control-expose-headers']).toContain('X-Request-Id')
    expect(answer.headers['x-request-id']).toBeTruthy()
  })
})

describe('a server without files_api', () => {
  it('has nothing at /v1', async () => {
    const plain = await openStage({ schema: SCHEMA, config: { files_api: null } })
    try {
      const answer = await plain.ask('GET', '/v1/files', await plain.key())
      expect(answer.status).toBe(404)
    } finally {
      await plain.close()
    }
  })
})

describe('the OpenAPI document', () => {
  it('names every route of /v1, with the envelope and the statuses it has', async () => {
    const document = (await stage.alyx.openapi()) as {
      paths: Record<string, Record<string, { responses: Record<string, { content: unknown }> }>>
    }
    expect(Object.keys(document.paths).filter((path) => path.startsWith('/v1/'))).toEqual([
      '/v1/files',
      '/v1/files/{openai_file}',
      '/v1/files/{openai_file}/content',
      '/v1/uploads',
      '/v1/uploads/{openai_upload}',
      '/v1/uploads/{openai_upload}/parts',
      '/v1/uploads/{openai_upload}/complete',
      '/v1/uploads/{openai_upload}/cancel',
    ])
    const { responses } = document.paths['/v1/files']!.post!
    expect(Object.keys(responses)).not.toContain('501')
    expect(JSON.stringify(responses['400'])).toContain('OpenAIError')
    expect(JSON.stringify(responses['400'])).toContain('file_too_large')
  })
})
