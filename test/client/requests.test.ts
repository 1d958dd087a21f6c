// What the client makes of what it is given, before anything is sent: tokens, names and values that no request can carry.
import { getEventListeners } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient } from 'alyx/client'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { failure } from './failure.ts'

const BYTES = new Uint8Array(3)
const USUAL = { id: '1', files: [], next_cursor: null }

let server: Server
let url: string
/** What is answered next, before the usual. */
const answers: { readonly status: number; readonly body: unknown }[] = []
const asked: { readonly line: string; readonly token: string | undefined }[] = []
beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume().on('end', () => {
      if (request.method !== 'OPTIONS')
        asked.push({ line: `${request.method} ${request.url}`, token: request.headers.authorization })
      const answer = answers.shift() ?? { status: request.method === 'PUT' ? 201 : 200, body: USUAL }
      response.writeHead(answer.status).end(JSON.stringify(answer.body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
beforeEach(() => void asked.splice(0))
afterAll(() => void server.closeAllConnections())

const open = (token: unknown, uploadRetries = 0) => createClient({ url, token: token as string, uploadRetries })
const filesOf = (token: unknown) => open(token).storage.bucket('files')

describe('a token', () => {
  it('that cannot be had fails calls and uploads of any size the same way, and nothing is sent', async () => {
    const cause = new TypeError('no session')
    const files = filesOf(() => Promise.reject(cause))
    const works = [
      () => files.list(),
      () => files.upload(BYTES),
      () => files.upload(new Uint8Array(6_000_000)),
      () => files.upload(new Blob(['x']).stream(), { metadata: { a: 1 } }),
    ]
    for (const work of works) {
      const error = await failure(work())
      expect(error).toMatchObject({ code: 'unauthenticated', status: 0, cause })
      expect(error.message).toContain('no session')
    }
    expect(asked).toEqual([])
  })

  it('that cannot be had for a moment does not end an upload', async () => {
    let count = 0
    const token = (): string => {
      count += 1
      if (count === 1) throw new TypeError('fetch failed')
      return 'good'
    }
    expect(await open(token, 10).storage.bucket('files').upload(BYTES)).toMatchObject({ id: '1' })
    expect(asked.map(({ token }) => token)).toEqual(['Bearer good'])
  })

  it('is sent without the line end of the file it came from, and none is none', async () => {
    for (const token of ['good\n', ' good ', '', undefined, null]) {
      await filesOf(token).list()
      await filesOf(token).upload(BYTES)
    }
    const good = Array.from({ length: 4 }, () => 'Bearer good')
    expect(asked.map(({ token }) => token)).toEqual([...good, ...Array.from({ length: 6 }, () => undefined)])
  })

  it('that no header can carry is refused before anything is sent', async () => {
    for (const token of ['töken', 'a b', 'a\r\nX: y']) {
      expect(await failure(filesOf(token).list())).toMatchObject({ code: 'invalid_token', status: 0 })
      expect(await failure(filesOf(token).upload(BYTES))).toMatchObject({ code: 'invalid_token', status: 0 })
    }
    expect(asked).toEqual([])
  })
})

describe('a signal', () => {
  it('that many calls share is left alone once they are over', async () => {
    const { signal } = new AbortController()
    const files = filesOf(null)
    for (let count = 0; count < 3; count += 1) {
      await files.list({ signal })
      await files.stat('1', { signal })
      await files.upload(BYTES, { signal })
    }
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

describe('texts and values', () => {
  it('halves of characters are replaced, wherever they stand in an address', async () => {
    const files = filesOf(null)
    await files.list({ search: 'a\ud800' })
    await files.stat('\udc00')
    await files.upload(BYTES, { name: '\ud83d.bin', path: 'ok 😀' })
    expect(asked.map(({ line }) => decodeURIComponent(line))).toEqual([
      'GET /api/files/files?search=a\ufffd',
      'GET /api/files/files/\ufffd',
      'PUT /api/files/files?name=\ufffd.bin&path=ok 😀',
    ])
  })

  it('what can be no id or bucket is refused before anything is sent', async () => {
    for (const nothing of ['', '.', '..', undefined, null] as string[]) {
      const refused = { code: 'invalid_request', status: 0 }
      expect(await failure(filesOf(null).stat(nothing))).toMatchObject(refused)
      expect(await failure(filesOf(null).delete(nothing))).toMatchObject(refused)
      expect(await failure(open(null).storage.bucket(nothing).upload(BYTES))).toMatchObject(refused)
    }
    expect(asked).toEqual([])
  })

  it('what JSON cannot say is refused, and not taken for trouble of the network', async () => {
    const round: Record<string, unknown> = {}
    round.round = round
    for (const metadata of [round, { big: 1n }] as object[]) {
      const refused = await failure(filesOf(null).upload(BYTES, { metadata: metadata as never }))
      expect(refused).toMatchObject({ code: 'invalid_metadata', status: 0 })
      const update = filesOf(null).update('1', { metadata: metadata as never })
      expect(await failure(update)).toMatchObject({ code: 'invalid_request', status: 0 })
    }
    expect(asked).toEqual([])
  })
})

it('deleteMany that ends on its way tells what is gone', async () => {
  const ids = Array.from({ length: 250 }, (_, count) => `id ${count}`)
  const refusal = { id: 'id 99', code: 'file_in_use', message: 'it is needed' }
  const error = { code: 'forbidden', message: 'not any more', details: { operation: 'delete' }, request_id: 'r' }
  answers.push(
    {
      status: 409,
      body: {
        error: { code: 'partial_failure', message: 'm', details: { deleted: ids.slice(0, 99), failed: [refusal] } },
      },
    },
    { status: 403, body: { error } },
  )
  const failed = await failure(filesOf(null).deleteMany(ids))
  expect(failed).toMatchObject({ code: 'forbidden', status: 403, requestId: 'r', message: 'not any more' })
  expect(failed.details).toEqual({ operation: 'delete', deleted: ids.slice(0, 99), failed: [refusal] })
  expect(asked).toHaveLength(2)
})
