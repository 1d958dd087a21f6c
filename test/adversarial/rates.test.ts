// Rate limits (ADVERSARIAL.md E96, J150): the greedy are told to wait, others are not.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer({ config: { rate_limits: { sign: '5/1m', uploads: '3/1m' } } })
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
})
