// The download limit of a share under load: over two server processes on one database, with connections that break and processes that die.
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, request } from '../support/http.ts'
import { seededBytes } from '../support/random.ts'
import { startSecond } from '../support/records.ts'
import { LONG } from '../support/scenario.ts'
import { eventually, startServer, type TestServer } from '../support/server.ts'

const ROUNDS = LONG ? 50 : 6
const BIG = seededBytes(11, 24 * 1024 * 1024)

interface Share {
  readonly id: string
  readonly token: string
}

let server: TestServer
let second: Awaited<ReturnType<typeof startSecond>>
let token: string
beforeAll(async () => {
  server = await startServer()
  second = await startSecond(server)
  token = await server.token('A')
})
afterAll(async () => {
  await second?.stop()
  await server?.stop()
})

async function store(body: Buffer | string, bucket = 'any'): Promise<string> {
  const path = `/api/files/${bucket}?name=${Math.random()}`
  const answer = await request({ port: server.port, token, method: 'PUT', path, body })
  expect(answer.status, answer.text).toBe(201)
  return answer.json<{ id: string }>().id
}

async function share(id: string, max_downloads: number, bucket = 'any'): Promise<Share> {
  const json = { files: [{ bucket, id }], expires_in: '1h', max_downloads }
  const answer = await request({ port: server.port, token, method: 'POST', path: '/api/shares', json })
  expect(answer.status, answer.text).toBe(201)
  return answer.json<{ id: string; token: string }>()
}

const pathOf = (made: Share, id: string): string => `/api/shares/${made.id}/files/${id}/download?token=${made.token}`
const get = (port: number, made: Share, id: string, range?: string): Promise<Answer> =>
  request({ port, path: pathOf(made, id), headers: range === undefined ? {} : { range } })
const downloads = (made: Share): number =>
  server.query<{ downloads: number }>('select downloads from _alyx_shares where id = ?', made.id)[0]!.downloads

/** How a GET looks whose client reads until it has `bytes` of the body, and then is gone. Resolves with how much it had. */
function breakOff(port: number, path: string, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let got = 0
    let head = true
    const socket = connect(port, '127.0.0.1')
    socket.on('error', reject)
    socket.on('data', (part) => {
      const end = head ? part.indexOf('\r\n\r\n') : -4
      got += end === -1 ? 0 : part.length - end - 4
      head &&= end === -1
      if (got < bytes) return
      socket.resetAndDestroy()
      resolve(got)
    })
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
  })
}

describe('a download limit', () => {
  it('is obeyed exactly by 20 requests at once, also over two processes', { timeout: 240_000 }, async () => {
    const small = await store('what only one may have')
    const big = await store(BIG.subarray(0, 700_000))
    for (let round = 0; round < ROUNDS; round++) {
      const [id, limit] = round % 2 === 0 ? [small, 1] : [big, 1 + (round % 3)]
      const made = await share(id, limit)
      const ports = (n: number): number => (round === 0 || n % 2 === 0 ? server.port : second.port)
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => get(ports(n), made, id)))
      expect(answers.map(({ status }) => status).sort()).toEqual([
        ...Array<number>(limit).fill(200),
        ...Array<number>(20 - limit).fill(410),
      ])
      for (const answer of answers) if (answer.status === 410) expect(answer.code).toBe('share_exhausted')
      expect(downloads(made)).toBe(limit)
    }
  })

  it('is obeyed by ranges at once over two processes: their bytes add up', { timeout: 240_000 }, async () => {
    const id = await store(BIG.subarray(0, 100_000))
    const made = await share(id, 2)
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        get(n % 2 === 0 ? server.port : second.port, made, id, `bytes=${(n % 3) * 30_000}-${(n % 3) * 30_000 + 9999}`),
      ),
    )
    expect(answers.filter(({ status }) => status === 206)).toHaveLength(20)
    expect(answers.filter(({ code }) => code === 'share_exhausted')).toHaveLength(10)
  })

  it('a revocation by one process is obeyed by the other at the next request', async () => {
    const id = await store('soon gone')
    const made = await share(id, 100)
    expect((await get(second.port, made, id)).status).toBe(200)
    const path = `/api/shares/${made.id}`
    expect((await request({ port: server.port, token, method: 'DELETE', path })).status).toBe(204)
    expect((await get(second.port, made, id)).code).toBe('share_revoked')
  })

  it('lets a download that broke off be finished, and gives no byte twice', { timeout: 240_000 }, async () => {
    const id = await store(BIG)
    const made = await share(id, 1)
    const got = await breakOff(server.port, pathOf(made, id), 1_000_000)
    expect(got).toBeLessThan(BIG.length)
    const left = (): number =>
      server.query<{ left: number }>('select "left" from _alyx_share_files where share_id = ?', made.id)[0]!.left
    await eventually('what was not sent comes back', () => left() > 0)
    expect(downloads(made)).toBe(1)
    expect((await get(server.port, made, id)).code).toBe('share_exhausted')
    // What may have been on the way when the connection broke is not given again.
    const sent = BIG.length - left()
    expect(sent).toBeGreaterThanOrEqual(got)
    expect((await get(second.port, made, id, `bytes=${sent - 1}-`)).code).toBe('share_exhausted')
    const rest = await get(second.port, made, id, `bytes=${sent}-`)
    expect(rest.status).toBe(206)
    expect(rest.body.equals(BIG.subarray(sent))).toBe(true)
    expect((await get(server.port, made, id, 'bytes=0-0')).code).toBe('share_exhausted')
  })

  it('is not used up by a download whose bytes are missing: 500 gives the count back', async () => {
    const id = await store('bytes that get lost')
    const made = await share(id, 1)
    const { rmSync, readdirSync } = await import('node:fs')
    const root = `${server.dir}/data/files`
    const lost = readdirSync(root, { recursive: true }).find((path) => String(path).endsWith(id))
    rmSync(`${root}/${String(lost)}`)
    expect((await get(server.port, made, id)).status).toBe(500)
    await eventually('the count comes back', () => downloads(made) === 0)
    await request({ port: server.port, token, method: 'DELETE', path: `/api/files/any/${id}` })
    expect((await get(server.port, made, id)).code).toBe('file_not_found')
  })
})

it('what was counted stays counted when the process dies in the middle of a download', {
  timeout: 240_000,
}, async () => {
  const own = await startServer()
  try {
    const headers = { authorization: `Bearer ${token}` }
    const url = `${own.url}/api/files/any?name=big`
    const { id } = (await (await fetch(url, { method: 'PUT', headers, body: new Uint8Array(BIG) })).json()) as Share
    const json = { files: [{ bucket: 'any', id }], expires_in: '1h', max_downloads: 2 }
    const made = (await request({ port: own.port, token, method: 'POST', path: '/api/shares', json })).json<{
      id: string
      token: string
    }>()
    const answer = await fetch(own.url + pathOf(made, id))
    const reader = answer.body!.getReader()
    await reader.read()
    await own.kill()
    await reader.cancel().catch(() => {})
    await own.restart()
    const shown = await request({ port: own.port, token, path: `/api/shares/${made.id}` })
    expect(shown.json()).toMatchObject({ downloads: 1, state: 'active' })
    expect((await get(own.port, made, id)).body.equals(BIG)).toBe(true)
    expect((await get(own.port, made, id)).code).toBe('share_exhausted')
    expect((await own.doctor()).problems).toEqual([])
  } finally {
    await own.stop()
  }
})
