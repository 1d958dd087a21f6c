// Rate limits (ADVERSARIAL.md E96, J150): the greedy are told to wait, others are not.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { form } from '../support/multipart.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer({ config: { rate_limits: { sign: '5/1h', uploads: '3/1h', failed_auth: '4/1h' } } })
})
afterAll(() => server.stop())

const upload = async (user: string, name: string) =>
  request({
    port: server.port,
    token: await server.token(user),
    method: 'PUT',
    path: `/api/files/any?name=${name}`,
    headers: { 'content-length': 5 },
    body: 'bytes',
  })

describe('a rate limit', () => {
  it('E96 refuses further links with 429 and Retry-After; another caller still gets one', async () => {
    const { id } = (await upload('A', 'signed')).json() as { id: string }
    const sign = async (user: string) =>
      request({ port: server.port, token: await server.token(user), path: `/api/files/any/${id}/sign` })
    for (let i = 0; i < 5; i++) expect((await sign('A')).status).toBe(200)
    const refused = await sign('A')
    expect(refused.status).toBe(429)
    expect(refused.json()).toMatchObject({ error: { code: 'rate_limited' } })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await sign('B')).status).not.toBe(429)
  })

  it('J150 refuses further uploads of one caller before a byte is stored', async () => {
    const statuses: number[] = []
    for (let i = 0; i < 5; i++) statuses.push((await upload('C', `c${i}`)).status)
    expect(statuses).toEqual([201, 201, 201, 429, 429])
    expect((await upload('D', 'd')).status).toBe(201)
  })

  it('J150 counts uploads of one caller together, whatever their protocol, and what goes on with one not at all', async () => {
    const { port } = server
    const token = await server.token('E')
    const made = form({ filename: 'e1', body: 'bytes' }, {})
    const post = () =>
      request({
        port,
        token,
        method: 'POST',
        path: '/api/files/any',
        headers: { 'content-type': made.contentType },
        body: made.body,
      })
    const tus = { 'tus-resumable': '1.0.0', 'upload-length': '4', 'upload-metadata': 'filename ZTI=' }
    const begin = () => request({ port, token, method: 'POST', path: '/api/files/any/tus', headers: tus })
    expect((await post()).status).toBe(201)
    const begun = await begin()
    expect(begun.status).toBe(201)
    expect((await upload('E', 'e3')).status).toBe(201)
    for (const refused of [await post(), await begin(), await upload('E', 'e4')]) {
      expect(refused.status).toBe(429)
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    }
    const path = begun.headers.location as string
    const headers = { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }
    expect((await request({ port, token, method: 'PATCH', path, headers, body: 'four' })).status).toBe(204)
    expect((await request({ port, token, path: '/api/buckets' })).status).toBe(200)
  })

  it('E96 counts every link of a request for many', async () => {
    const { id } = (await upload('F', 'many')).json() as { id: string }
    const token = await server.token('F')
    const sign = (ids: readonly string[]) =>
      request({
        port: server.port,
        token,
        method: 'POST',
        path: '/api/files/any/sign',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ids }),
      })
    expect((await sign([id])).status).toBe(200)
    expect((await sign(Array(20).fill(id))).status).toBe(200)
    const refused = await sign([id])
    expect(refused.status).toBe(429)
    expect(refused.json()).toMatchObject({ error: { code: 'rate_limited' } })
    expect(server.query("select count(*) n from sqlite_schema where name like '%link%'")).toEqual([{ n: 0 }])
  })

  it('M172 slows down who guesses credentials, and nobody else at the same address', async () => {
    const { port } = server
    const guess = (token: string) => request({ port, token, path: '/api/buckets' })
    const right = await server.token('G')
    const wrong = [`${right.slice(0, -3)}AAA`, 'x', 'alyx_guess', right.slice(1), `${right}A`]
    const statuses: number[] = []
    for (const token of wrong) statuses.push((await guess(token)).status)
    expect(statuses).toEqual([401, 401, 401, 401, 429])
    const refused = await guess('alyx_other')
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await guess(right)).status).toBe(200)
    expect((await request({ port, path: `/api/buckets?token=${right}` })).status).not.toBe(200)
  })
})
