// Upload forms: what is taken, what is refused, and that a broken one never looks complete.
import { describe, expect, test } from 'vitest'
import { createWorld, errorOf } from './double.ts'

const TYPE = 'multipart/form-data; boundary=XX'
const part = (disposition: string, content: string | Buffer, headers = ''): Buffer =>
  Buffer.concat([
    Buffer.from(`--XX\r\nContent-Disposition: form-data; ${disposition}\r\n${headers}\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ])
const END = Buffer.from('--XX--\r\n')
const file = (content: string | Buffer = 'hello', filename = 'a.txt') =>
  part(`name="file"; filename="${filename}"`, content)

function post(body: Buffer | readonly Buffer[], type: string | null = TYPE, size?: number) {
  const world = createWorld()
  const whole = Buffer.isBuffer(body) ? body : Buffer.concat(body)
  const step = size ?? whole.length
  const stream = new ReadableStream({
    async start(controller) {
      for (let at = 0; at < whole.length; at += step) controller.enqueue(new Uint8Array(whole.subarray(at, at + step)))
      controller.close()
    },
  })
  const answer = world.app.request('/api/files/pub', {
    method: 'POST',
    headers: type === null ? {} : { 'content-type': type },
    body: stream,
    duplex: 'half',
  } as RequestInit)
  return { world, answer: Promise.resolve(answer) }
}

describe('taken', () => {
  test('fields and the file arrive as they were written', async () => {
    const { world, answer } = post([
      part('name="metadata"', '{"a":"é"}'),
      part('name="expires_in"', '7d'),
      part('name="file"; filename="€漢😀 \\"q\\".txt"', 'hello', 'Content-Type: text/plain\r\n'),
      END,
    ])
    expect((await answer).status).toBe(201)
    expect(world.uploads[0]).toMatchObject({
      fields: { name: '€漢😀 "q".txt', metadata: '{"a":"é"}', expires_in: '7d' },
      declaredType: 'text/plain',
      size: null,
    })
    expect([...world.bytes.values()]).toEqual([Buffer.from('hello')])
  })

  test.each([1, 2, 3, 7, 64])('cut into chunks of %i bytes', async (size) => {
    const tricky = Buffer.from('\r\n--X\r\n--XY\r\n\r\n-- XX\r\n--X', 'latin1')
    const { world, answer } = post([part('name="path"', 'p/q'), file(tricky), END], TYPE, size)
    expect((await answer).status).toBe(201)
    expect([...world.bytes.values()]).toEqual([tricky])
    expect(world.uploads[0]?.fields.path).toBe('p/q')
  })

  test.each([1, 5, 1000])('an empty file in chunks of %i', async (size) => {
    const { world, answer } = post([file(''), END], TYPE, size)
    expect((await answer).status).toBe(201)
    expect([...world.bytes.values()]).toEqual([Buffer.alloc(0)])
  })

  test('a preamble, a short epilogue, a quoted boundary and an extended file name', async () => {
    const named = part("name=file; filename*=UTF-8''%e2%82%ac.txt", 'x')
    const { world, answer } = post(
      [Buffer.from('hi\r\n'), named, END, Buffer.from('bye')],
      'multipart/form-data; charset=utf-8; boundary="XX"',
    )
    expect((await answer).status).toBe(201)
    expect(world.uploads[0]?.fields.name).toBe('€.txt')
  })

  test('a file of many megabytes, byte for byte', async () => {
    const content = Buffer.alloc(9_000_001, Buffer.from([0x0d, 0x0a, 0x2d, 0x2d, 0x58, 0x00, 0xff]))
    const { world, answer } = post([file(content), END], TYPE, 65_536)
    expect((await answer).status).toBe(201)
    expect([...world.bytes.values()][0]?.equals(content)).toBe(true)
  })

  test('file names are handed on whole, so that the service can refuse paths', async () => {
    for (const name of ['../../x', '/etc/x', 'C:\\x', '\\\\srv\\x', '', 'a\tb']) {
      const { world, answer } = post([file('x', name), END])
      await answer
      expect(world.uploads[0]?.fields.name).toBe(name.replace('\\\\srv', '\\srv'))
    }
  })
})

describe('refused', () => {
  const many = Array.from({ length: 2000 }, (_, i) => part(`name="f${i}"`, 'x'))
  test.each<[string, readonly Buffer[], number, string]>([
    ['no file', [part('name="path"', 'p'), END], 400, 'invalid_request'],
    ['nothing but the end', [END], 400, 'invalid_request'],
    ['an empty body', [], 400, 'invalid_request'],
    ['two files', [file(), file(), END], 400, 'invalid_request'],
    ['a field after the file', [file(), part('name="path"', 'p'), END], 400, 'invalid_request'],
    ['a part without a name', [part('filename="x"', 'x'), END], 400, 'invalid_request'],
    ['a part without a disposition', [Buffer.from('--XX\r\nX: y\r\n\r\nabc\r\n'), file(), END], 400, 'invalid_request'],
    [
      'a part that is no form-data',
      [Buffer.from('--XX\r\nContent-Disposition: attachment; name="path"\r\n\r\nabc\r\n'), END],
      400,
      'invalid_request',
    ],
    [
      'a duplicate field',
      [part('name="metadata"', '{}'), part('name="metadata"', '{}'), file(), END],
      400,
      'invalid_request',
    ],
    ['__proto__', [part('name="__proto__"', '{}'), file(), END], 400, 'invalid_request'],
    ['id', [part('name="id"', 'x'), file(), END], 400, 'invalid_request'],
    ['owner', [part('name="owner"', 'x'), file(), END], 400, 'invalid_request'],
    ['a field that is not UTF-8', [part('name="path"', Buffer.from([0xff])), file(), END], 400, 'invalid_request'],
    ['an unterminated file name', [part('name="file"; filename="', ''), END], 400, 'invalid_request'],
    ['a file part without a file name', [part('name="file"', 'x'), END], 400, 'invalid_filename'],
    [
      'no blank line after the headers',
      [Buffer.from('--XX\r\nContent-Disposition: form-data; name="path"\r\n'), file(), END],
      400,
      'invalid_request',
    ],
    ['an unterminated part', [file()], 400, 'invalid_request'],
    ['an unterminated field', [part('name="path"', 'p')], 400, 'invalid_request'],
    ['a boundary that never appears', [Buffer.from('hello')], 400, 'invalid_request'],
    [
      'headers of 100 KB',
      [part('name="path"', 'p', `X: ${'y'.repeat(100_000)}\r\n`), file('x', 'n'.repeat(30_000)), END],
      400,
      'invalid_request',
    ],
    [
      '20 000 headers in one part',
      [part('name="file"; filename="x"', 'x', 'X: y\r\n'.repeat(20_000)), END],
      400,
      'invalid_request',
    ],
    [
      'a header of 100 KB',
      [part('name="file"; filename="x"', 'x', `X: ${'y'.repeat(100_000)}\r\n`), END],
      400,
      'invalid_request',
    ],
    ['2000 parts', [...many, file(), END], 400, 'invalid_request'],
    ['a field of 10 MB', [part('name="metadata"', 'x'.repeat(10_000_000)), file(), END], 413, 'body_too_large'],
    ['a preamble of 10 MB', [Buffer.alloc(10_000_000), file(), END], 413, 'body_too_large'],
    ['an epilogue of 10 MB', [file(), END, Buffer.alloc(10_000_000)], 400, 'invalid_request'],
    [
      'base64',
      [part('name="file"; filename="x"', 'eA==', 'Content-Transfer-Encoding: base64\r\n'), END],
      400,
      'invalid_request',
    ],
  ])('%s', async (_, body, status, code) => {
    const { world, answer } = post(body, TYPE, 65_536)
    const result = await answer
    expect([result.status, (await errorOf(result)).code]).toEqual([status, code])
    expect(world.rows.size).toBe(0)
  })

  test('invalid UTF-8 in the file name', async () => {
    const bad = Buffer.from(file('x', 'a\xffb.txt').toString('latin1').replace('Ã¿', '\xff'), 'latin1')
    const { answer } = post([bad, END])
    expect((await errorOf(await answer)).code).toBe('invalid_filename')
  })

  test.each([
    ['multipart/form-data', 400],
    [`multipart/form-data; boundary=${'x'.repeat(200)}`, 400],
    ['multipart/mixed; boundary=XX', 415],
    ['application/json', 415],
    [null, 415],
  ])('content type %s', async (type, status) => {
    const { answer } = post([file(), END], type)
    expect((await answer).status).toBe(status)
  })

  test('an encoded body is 415', async () => {
    const answer = await createWorld().app.request('/api/files/pub', {
      method: 'POST',
      headers: { 'content-type': TYPE, 'content-encoding': 'gzip' },
      body: 'x',
    })
    expect(answer.status).toBe(415)
  })
})
