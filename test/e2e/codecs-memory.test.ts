// Memory and descriptors under large files that are compressed and encrypted: nothing is held whole, and nothing stays behind.
import { createHash } from 'node:crypto'
import { type ClientRequest, get, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededText } from '../contract/codec.ts'
import { request } from '../support/http.ts'
import { eventually, pause, startServer, type TestServer } from '../support/server.ts'
import { filesOnDisk, KEY_1, SCHEMA, type StoredView, withKeys } from './codecs.ts'

const MiB = 1024 * 1024
const SIZE = (process.env.ALYX_TEST_LONG === '1' ? 1024 : 128) * MiB
const LIMIT = 64 * MiB
const READERS = 4

const text = seededText(7, 2 * MiB)

/** Text of `size` bytes, over and over the same 2 MiB: many frames long. */
function textStream(size: number): Readable {
  let at = 0
  return new Readable({
    highWaterMark: MiB,
    read() {
      if (at === size) return void this.push(null)
      const part = text.subarray(at % text.length, (at % text.length) + Math.min(MiB, size - at))
      at += part.length
      this.push(part)
    },
  })
}

describe(`a text of ${SIZE / MiB} MiB, compressed and encrypted`, { timeout: 600_000 }, () => {
  let server: TestServer
  let token: string
  let file: StoredView
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA, config: withKeys(['k1', KEY_1]) })
    token = await server.token('ada')
    for (let i = 0; i < 3; i++) await taken(await opened(await store(`warm-${i}`, 4 * MiB)))
  })
  afterAll(() => server.stop())

  async function store(name: string, size: number): Promise<StoredView> {
    const answer = await request({
      port: server.port,
      token,
      method: 'PUT',
      path: `/api/files/both?name=${name}`,
      headers: { 'content-length': size },
      body: textStream(size),
      timeout: 600_000,
    })
    expect(answer.status, answer.text).toBe(201)
    return answer.json<StoredView>()
  }
  /** A download of which nothing was read yet. */
  const opened = ({ id }: StoredView): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const asked: ClientRequest = get(
        {
          port: server.port,
          path: `/api/files/both/${id}/download`,
          headers: { authorization: `Bearer ${token}` },
          agent: false,
        },
        resolve,
      )
      asked.on('error', reject)
    })
  async function taken(answer: IncomingMessage): Promise<{ size: number; checksum: string }> {
    const hash = createHash('sha256')
    let size = 0
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length
      hash.update(chunk)
    }
    return { size, checksum: hash.digest('hex') }
  }
  /** By how much the server grew at most while the work was done. */
  async function growth(work: () => Promise<unknown>): Promise<number> {
    const before = server.rss()
    let peak = before
    const watch = setInterval(() => (peak = Math.max(peak, server.rss())), 25)
    await work().finally(() => clearInterval(watch))
    return Math.max(peak, server.rss()) - before
  }

  it('is stored with less than 64 MiB of memory', async () => {
    const grown = await growth(async () => (file = await store('big', SIZE)))
    expect(file).toMatchObject({ size: SIZE, encrypted: true, compression_type: 'zstd' })
    expect(file.stored_size).toBeLessThan(SIZE / 2)
    expect(grown).toBeLessThan(LIMIT)
  })

  it('comes back with less than 64 MiB of memory', async () => {
    const grown = await growth(async () =>
      expect(await taken(await opened(file))).toEqual({ size: SIZE, checksum: file.checksum }),
    )
    expect(grown).toBeLessThan(LIMIT)
  })

  it(`waits in less than 64 MiB for ${READERS} clients that do not read, and forgets them when they go`, async () => {
    const before = server.fds()
    const answers: IncomingMessage[] = []
    const grown = await growth(async () => {
      for (let i = 0; i < READERS; i++) answers.push(await opened(file))
      // Time to decode everything, were nobody to hold it back.
      await pause(1500)
    })
    expect(grown).toBeLessThan(LIMIT)
    expect(server.fds()).toBeGreaterThan(before)
    for (const answer of answers) answer.destroy()
    await eventually('every descriptor is closed', () => server.fds() <= before, 30_000)
  })

  it('leaves no descriptor and no bytes when its upload breaks off', async () => {
    const [descriptors, blobs] = [server.fds(), filesOnDisk(server).length]
    const body = Readable.from(
      (async function* () {
        for (let sent = 0; sent < 16; sent++) yield text.subarray(0, MiB)
        throw new Error('the client goes away')
      })(),
    )
    const headers = { 'content-length': SIZE }
    const path = '/api/files/both?name=broken'
    await expect(request({ port: server.port, token, method: 'PUT', path, headers, body })).rejects.toThrow()
    await eventually('every descriptor is closed', () => server.fds() <= descriptors, 30_000)
    await eventually('its bytes are gone', () => filesOnDisk(server).length === blobs, 30_000)
  })
})
