// Group G: multipart bodies that are wrong, huge or broken off.
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { expect } from 'vitest'
import { type Answer, parseRaw, raw } from '../support/http.ts'
import { form, formFrame, type MultipartOptions, multipart, type Part } from '../support/multipart.ts'
import { dataFiles, type Scenario, scenarios, type World } from '../support/scenario.ts'
import { eventually } from '../support/server.ts'

const FILE: Part = { name: 'file', filename: 'x.bin', type: 'application/octet-stream', body: 'file body' }

async function send(w: World, parts: readonly Part[], options: MultipartOptions = {}, bucket = 'pub'): Promise<Answer> {
  const made = multipart(parts, options)
  return w.send({
    method: 'POST',
    path: `/api/files/${bucket}`,
    headers: { 'content-type': made.contentType },
    body: made.body,
  })
}

const typed = (w: World, contentType: string | null, body: Buffer | string): Promise<Answer> =>
  w.send({
    method: 'POST',
    path: '/api/files/pub',
    headers: contentType === null ? {} : { 'content-type': contentType },
    body,
  })

/** Neither row nor claim nor byte came of it. */
async function nothingNew(w: World, run: () => Promise<readonly Answer[] | Answer>): Promise<readonly Answer[]> {
  const files = (): number => w.server.query('select id from _alyx_files').length
  const rows = files()
  const blobs = (await dataFiles(w)).length
  const answers = [await run()].flat() as readonly Answer[]
  // The refusal may be that of the parser, while the form is still on its way through the service: a claim may come after it, and go.
  const reserved = (): number =>
    w.server.query<{ n: number | null }>('select sum(reserved) n from _alyx_usage')[0]?.n ?? 0
  const claims = (): number => w.server.query('select id from _alyx_uploads').length
  await eventually('no claim is left', () => claims() === 0 && reserved() === 0)
  expect(files()).toBe(rows)
  expect((await dataFiles(w)).length).toBe(blobs)
  return answers
}

const refused = (
  title: string,
  run: (w: World) => Promise<readonly Answer[] | Answer>,
  status: readonly number[] = [400, 413],
): Scenario => ({
  title,
  run: async (w) => {
    const began = performance.now()
    const answers = await nothingNew(w, () => run(w))
    // The server waits for silent bodies for a minute: no refusal waits for that.
    expect(performance.now() - began).toBeLessThan(30_000)
    return answers
  },
  status,
})

const LENGTH = 5_000_000

/** Starts an upload of 5 MB and resets the connection in the middle of it. */
function broken(w: World, half: boolean): Promise<void> {
  const frame = formFrame(`broken-${Math.random()}`)
  return new Promise((resolve) => {
    const socket = connect(w.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    socket.on('data', () => {})
    socket.write(
      `POST /api/files/pub HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.a}\r\nContent-Type: ${frame.contentType}\r\nContent-Length: ${frame.head.length + LENGTH + frame.tail.length}\r\n\r\n`,
    )
    socket.write(frame.head)
    socket.write(Buffer.alloc(50_000), () => (half ? socket.end() : socket.resetAndDestroy()))
  })
}

const table: readonly Scenario[] = [
  refused(
    'G123 a multipart body without boundary',
    (w) => typed(w, 'multipart/form-data', form({ filename: 'x', body: 'x' }).body),
    [400, 415],
  ),
  refused('G123 a boundary of 200 characters', (w) => send(w, [FILE], { boundary: 'b'.repeat(200) })),
  refused('G123 a boundary that never appears', (w) =>
    typed(w, 'multipart/form-data; boundary=never', form({ filename: 'x', body: 'x' }).body),
  ),
  refused('G123 a last part without end', (w) => send(w, [FILE], { terminated: false })),
  refused('G123 a part without the empty line', (w) => send(w, [FILE], { blankLine: false })),
  refused('G123 a part header of 100 KB', (w) =>
    send(w, [
      { ...FILE, headers: [`Content-Disposition: form-data; name="file"; filename="x"; y="${'x'.repeat(100_000)}"`] },
    ]),
  ),
  refused(
    'G123 twenty thousand headers in one part',
    (w) =>
      send(w, [
        {
          ...FILE,
          headers: [
            'Content-Disposition: form-data; name="file"; filename="x"',
            ...Array.from({ length: 20_000 }, (_, i) => `X-${i}: y`),
          ],
        },
      ]),
    [400, 413],
  ),
  refused('G123 two thousand file parts', (w) =>
    send(
      w,
      Array.from({ length: 2000 }, () => FILE),
    ),
  ),
  refused('G123 two thousand fields', (w) =>
    send(w, [...Array.from({ length: 2000 }, (_, i) => ({ name: `f${i}`, body: 'x' })), FILE]),
  ),
  refused('G123 a field value of 10 MB', (w) => send(w, [{ name: 'metadata', body: 'x'.repeat(10_000_000) }, FILE])),
  refused('G123 a field name of 100 KB', (w) => send(w, [{ name: 'n'.repeat(100_000), body: 'x' }, FILE])),
  refused('G123 multipart inside multipart instead of a file', (w) =>
    send(w, [
      {
        headers: ['Content-Disposition: form-data; name="file"', 'Content-Type: multipart/mixed; boundary=in'],
        body: '--in\r\nContent-Disposition: file; filename="x"\r\n\r\nx\r\n--in--',
      },
    ]),
  ),
  {
    title: 'G123 an epilogue of 100 MB is refused or read past, never kept',
    run: async (w) => {
      const made = form({ filename: 'epilogue', body: 'x' })
      const before = w.server.rss()
      async function* body(): AsyncGenerator<Buffer> {
        yield made.body
        for (let i = 0; i < 100; i++) yield Buffer.alloc(1_000_000)
      }
      const answer = await w.send({
        method: 'POST',
        path: '/api/files/any',
        headers: { 'content-type': made.contentType },
        body: Readable.from(body(), { objectMode: false }),
      })
      expect(w.server.rss() - before).toBeLessThan(80_000_000)
      return answer
    },
    status: [201, 400, 413],
  },
  {
    title: 'G123 Content-Transfer-Encoding is refused or ignored: the bytes are stored as sent',
    run: async (w) => {
      const answer = await send(w, [
        {
          headers: ['Content-Disposition: form-data; name="file"; filename="b64"', 'Content-Transfer-Encoding: base64'],
          body: 'aGVsbG8=',
        },
      ])
      if (answer.status === 201)
        expect((await w.get(`/api/files/pub/${answer.json<{ id: string }>().id}/download`)).text).toBe('aGVsbG8=')
      return answer
    },
    status: [201, 400],
  },
  refused('G123 an empty body', (w) => typed(w, 'multipart/form-data; boundary=b', ''), [400]),
  refused(
    'G123 another content type',
    (w) =>
      Promise.all([
        typed(w, 'application/json', '{}'),
        typed(w, null, 'x'),
        typed(w, 'multipart/mixed; boundary=b', 'x'),
      ]),
    [400, 415],
  ),
  refused('G124 no file part', (w) => send(w, [{ name: 'path', body: 'p' }]), [400]),
  refused('G124 two file parts', (w) => send(w, [FILE, { ...FILE, filename: 'y.bin' }]), [400]),
  refused('G124 a file under another name', (w) => send(w, [{ ...FILE, name: 'upload' }]), [400]),
  refused('G124 a file without a file name', (w) => send(w, [{ name: 'file', body: 'x' }]), [400]),
  refused('G124 a part without name', (w) => send(w, [{ body: 'x' }, FILE]), [400]),
  refused(
    'G124 a field given twice',
    (w) => send(w, [{ name: 'metadata', body: '{"a":1}' }, { name: 'metadata', body: '{"a":2}' }, FILE]),
    [400],
  ),
  refused(
    'G124 metadata that is no JSON object',
    (w) =>
      Promise.all(
        ['[]', '"x"', '{', 'null', '1', '', `{"a":"${'x'.repeat(17_000)}"}`].map((metadata) =>
          w.post('pub', 'x', 'x', { metadata }),
        ),
      ),
    [400],
  ),
  refused(
    'G124 an expiry that is none',
    (w) => Promise.all(['0', '-1', 'x', '', '1e9', '0.5'].map((expires_in) => w.post('pub', 'x', 'x', { expires_in }))),
    [400],
  ),
  {
    title: 'G124 a field named __proto__ is refused or ignored',
    run: (w) =>
      send(w, [
        { name: '__proto__', body: '{"path":"x"}' },
        { name: 'constructor', body: 'x' },
        { ...FILE, filename: 'proto' },
      ]),
    status: [201, 400],
  },
  {
    title: 'G124 a field after the file has no effect',
    run: async (w) => {
      const answer = await send(w, [
        { ...FILE, filename: 'after' },
        { name: 'path', body: 'elsewhere' },
      ])
      if (answer.status === 201) expect(answer.json()).toMatchObject({ path: 'after' })
      return answer
    },
    status: [201, 400],
  },
  {
    title: 'G126 one byte over the limit is refused, declared or not',
    run: (w) =>
      nothingNew(w, () =>
        Promise.all([
          w.put('tiny', { name: 'x' }, '12345678901'),
          w.send({
            method: 'PUT',
            path: '/api/files/tiny?name=y',
            body: Readable.from([Buffer.from('123456'), Buffer.from('78901')]),
          }),
          w.post('tiny', 'z', '12345678901'),
          w.send({
            method: 'POST',
            path: '/api/files/tiny',
            headers: { 'content-type': form({ filename: 'x', body: '' }).contentType },
            body: Readable.from([form({ filename: 'v', body: '12345678901' }).body]),
          }),
        ]),
      ),
    status: 413,
    code: 'file_too_large',
    check: (answers) => {
      for (const answer of answers)
        expect(answer.json<{ error: { details: { limit: number } } }>().error.details.limit).toBe(10)
    },
  },
  {
    title: 'G126 exactly the limit is accepted',
    run: (w) => Promise.all([w.put('tiny', { name: 'a' }, '1234567890'), w.post('tiny', 'b', '1234567890')]),
    status: 201,
  },
  {
    title: 'G126 a multipart body cut short by its own Content-Length is refused',
    run: (w) =>
      nothingNew(w, async () => {
        const made = form({ filename: 'short', body: 'abc' })
        return parseRaw(
          await raw(
            w.port,
            Buffer.concat([
              Buffer.from(
                `POST /api/files/pub HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.a}\r\nContent-Type: ${made.contentType}\r\nContent-Length: ${made.body.length - 20}\r\nConnection: close\r\n\r\n`,
              ),
              made.body,
            ]),
          ),
        )
      }),
    status: 400,
  },
  {
    title: 'G127 500 uploads broken off in the middle leave nothing behind',
    run: async (w) =>
      nothingNew(w, async () => {
        for (let i = 0; i < 25; i++) await Promise.all(Array.from({ length: 20 }, (_, k) => broken(w, k % 4 === 0)))
        return []
      }),
  },
  {
    title: 'G129 a refused upload is answered before more than a quarter of a mebibyte of it is sent',
    run: async (w) => {
      const frame = formFrame('refused')
      const heads = [
        `PUT /api/files/none?name=x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.a}\r\nContent-Length: 50000000\r\n\r\n`,
        `PUT /api/files/none?name=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n`,
        `PUT /api/files/none?name=x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.a}\r\nTransfer-Encoding: chunked\r\n\r\n`,
        `POST /api/files/none HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.a}\r\nContent-Type: ${frame.contentType}\r\nContent-Length: 50000000\r\n\r\n${frame.head.toString('latin1')}${'x'.repeat(262_144)}`,
      ]
      return nothingNew(w, async () =>
        Promise.all(heads.map(async (head) => parseRaw(await raw(w.port, head, { once: true })))),
      )
    },
    status: [401, 403],
  },
  {
    title: 'G129 an upload that declares more than the limit is refused before its body is sent',
    run: async (w) =>
      parseRaw(
        await raw(
          w.port,
          `PUT /api/files/tiny?name=x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${w.a}\r\nContent-Length: 50000000\r\n\r\n`,
          { once: true },
        ),
      ),
    status: 413,
    code: 'file_too_large',
  },
  {
    title: 'G130 an empty file is a file of no bytes',
    run: (w) => Promise.all([w.put('any', { name: 'empty-put' }, ''), w.post('any', 'empty-form', '')]),
    status: 201,
    check: async (answers, w) => {
      for (const answer of answers) {
        expect(answer.json()).toMatchObject({
          size: 0,
          mime_type: 'application/x-empty',
          checksum: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
        })
        const download = await w.get(`/api/files/any/${answer.json<{ id: string }>().id}/download`)
        expect(download.status).toBe(200)
        expect(download.headers['content-length']).toBe('0')
      }
    },
  },
  {
    title: 'G130 an empty file does not fit a bucket of images',
    run: (w) => w.put('img', { name: 'empty.png' }, ''),
    status: 415,
    code: 'file_type_not_allowed',
  },
]

// Left out: G125 2 GiB under a memory budget (test/e2e/memory.test.ts does it) · G128 a stream that errors twice after the reservation
// (needs a faulty backend: the contract suites do it; G127 is the black-box part).
scenarios('multipart bodies', table)
