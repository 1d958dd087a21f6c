// Memory under large uploads: nothing is held whole.
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { type Answer, request } from '../support/http.ts'
import { formFrame } from '../support/multipart.ts'
import { seededStream, sha256OfSeed } from '../support/random.ts'
import { startServer } from '../support/server.ts'

const MiB = 1024 * 1024
const SIZE = (process.env.ALYX_TEST_LONG === '1' ? 1024 : 128) * MiB
const CLIENTS = 4

type Way = (port: number, token: string, name: string, seed: number, size: number) => Promise<Answer>

const put: Way = (port, token, name, seed, size) =>
  request({
    port,
    token,
    method: 'PUT',
    path: `/api/files/any?name=${name}`,
    headers: { 'content-length': size },
    body: seededStream(seed, size),
    timeout: 600_000,
  })

const post: Way = (port, token, name, seed, size) => {
  const frame = formFrame(name)
  async function* body(): AsyncGenerator<Buffer> {
    yield frame.head
    for await (const part of seededStream(seed, size)) yield part as Buffer
    yield frame.tail
  }
  const headers = { 'content-type': frame.contentType }
  return request({
    port,
    token,
    method: 'POST',
    path: '/api/files/any',
    headers,
    body: Readable.from(body(), { objectMode: false }),
    timeout: 600_000,
  })
}

describe(`${CLIENTS} uploads of ${SIZE / MiB} MiB at once`, () => {
  it.each([
    ['raw PUT', put],
    ['multipart POST', post],
  ] as const)('by %s grow the server by less than 64 MiB', { timeout: 900_000 }, async (_name, way) => {
    const server = await startServer()
    try {
      const token = await server.token('A')
      for (let i = 0; i < 4; i++) expect((await way(server.port, token, `warm-${i}`, i, 2 * MiB)).status).toBe(201)
      const idle = server.rss()
      let peak = idle
      const watch = setInterval(() => (peak = Math.max(peak, server.rss())), 50)
      const answers = await Promise.all(
        Array.from({ length: CLIENTS }, (_, i) => way(server.port, token, `big-${i}`, 100 + i, SIZE)),
      )
      clearInterval(watch)
      for (const answer of answers) expect(answer.status, answer.text).toBe(201)
      expect(answers[0]?.json()).toMatchObject({ size: SIZE, checksum: await sha256OfSeed(100, SIZE) })
      console.info(`${_name}: ${(idle / MiB).toFixed(0)} MiB at rest, ${(peak / MiB).toFixed(0)} MiB at most`)
      expect((peak - idle) / MiB).toBeLessThan(64)
    } finally {
      await server.stop()
    }
  })
})
