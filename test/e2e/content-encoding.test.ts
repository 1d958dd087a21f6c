// Compressed files for clients that accept them so: what every client ends up with is what was uploaded, to the byte.
import { execFile, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { zstdDecompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededText } from '../contract/codec.ts'
import { type Answer, request } from '../support/http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { blobPath, KEY_1, withKeys } from './codecs.ts'

const RULES = '{create: "true", read: "true", download: "true", update: "true"}'
const BUCKETS = {
  gz: 'compression: gzip, cache: "public, 1h"',
  zs: 'compression: zstd, cache: revalidate',
  plain: 'compression: none',
  both: 'compression: gzip, encryption: true',
} as const
type Bucket = keyof typeof BUCKETS
const SCHEMA = `version: 1
buckets:
${Object.entries(BUCKETS)
  .map(([name, more]) => `  ${name}: {backend: local, max_file_size: 10MB, ${more}, rules: ${RULES}}\n`)
  .join('')}`

interface File {
  readonly id: string
  readonly checksum: string
  readonly stored_size: number
}

const small = seededText(1, 100_000)
const large = seededText(2, 1_500_000)

let server: TestServer
let token: string
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: withKeys(['k1', KEY_1]) })
  token = await server.token('ada')
})
afterAll(() => server.stop())

const pathOf = (bucket: Bucket, { id }: File): string => `/api/files/${bucket}/${id}/download`
let names = 0
async function store(bucket: Bucket, body: Buffer): Promise<File> {
  const answer = await request({
    port: server.port,
    token,
    method: 'PUT',
    path: `/api/files/${bucket}?name=${names++}.txt`,
    body,
  })
  expect(answer.status, answer.text).toBe(201)
  return answer.json<File>()
}
const get = (bucket: Bucket, file: File, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
  request({ port: server.port, token, method, path: pathOf(bucket, file), headers })
const encodingOf = ({ headers }: Answer) => headers['content-encoding'] ?? null

describe('a client', () => {
  it.each<[Bucket, Buffer, string | null]>([
    ['gz', small, 'gzip'],
    ['gz', large, 'gzip'],
    ['zs', small, 'zstd'],
    // Of several Zstandard frames some clients read only the first.
    ['zs', large, null],
    ['both', small, null],
    ['plain', small, null],
  ])('of bucket %s gets the bytes that were uploaded', async (bucket, body, coding) => {
    const file = await store(bucket, body)
    const url = `${server.url}${pathOf(bucket, file)}`
    for (const accepted of ['gzip', 'zstd', 'gzip, deflate, br, zstd', 'identity']) {
      const headers = { authorization: `Bearer ${token}`, 'accept-encoding': accepted }
      const answer = await fetch(url, { headers })
      expect(answer.headers.get('content-encoding')).toBe(coding !== null && accepted.includes(coding) ? coding : null)
      expect(Buffer.from(await answer.arrayBuffer()).equals(body), accepted).toBe(true)
    }
  })

  const hasCurl = spawnSync('curl', ['--version']).error === undefined
  it.skipIf(!hasCurl)('may be curl (skipped where curl is not installed)', async () => {
    for (const bucket of ['gz', 'zs'] as const) {
      const url = `${server.url}${pathOf(bucket, await store(bucket, small))}`
      const options = ['-sf', '--compressed', '-H', `Authorization: Bearer ${token}`, url]
      const { stdout } = await promisify(execFile)('curl', options, { encoding: 'buffer', maxBuffer: 2 * small.length })
      expect(stdout.equals(small)).toBe(true)
    }
  })

  it('that does not ask for a coding gets none', async () => {
    const file = await store('gz', large)
    for (const accepted of [undefined, '', 'identity', 'gzip;q=0', 'br, *', 'identity;q=1, *;q=0']) {
      const answer = await get('gz', file, accepted === undefined ? {} : { 'accept-encoding': accepted })
      expect(encodingOf(answer)).toBe(null)
      expect(answer.body.equals(large)).toBe(true)
      expect(answer.headers.vary).toMatch(/Accept-Encoding/)
    }
  })
})

describe('the answer with a coding', () => {
  it('has its own tag and length, and says everything else as the plain one does', async () => {
    for (const [bucket, coding] of [
      ['gz', 'gzip'],
      ['zs', 'zstd'],
    ] as const) {
      const file = await store(bucket, small)
      const plain = await get(bucket, file)
      const coded = await get(bucket, file, { 'accept-encoding': coding })
      const head = await get(bucket, file, { 'accept-encoding': coding }, 'HEAD')
      expect(coded.headers).toMatchObject({ 'content-encoding': coding, etag: `"${file.checksum}-${coding}"` })
      expect(Number(coded.headers['content-length'])).toBe(coded.body.length)
      expect(coded.body.length).toBeLessThan(file.stored_size)
      expect(plain.headers.etag).toBe(`"${file.checksum}"`)
      const own = ['content-encoding', 'etag', 'content-length', 'date', 'x-request-id']
      const rest = ({ headers }: Answer) =>
        Object.fromEntries(Object.entries(headers).filter(([name]) => !own.includes(name)))
      expect(rest(coded)).toEqual(rest(plain))
      expect(plain.headers.vary).toMatch(/(^|, )Accept-Encoding$/)
      for (const name of ['content-encoding', 'etag', 'content-length', 'vary']) {
        expect(head.headers[name]).toBe(coded.headers[name])
      }
    }
  })

  it('is one zstd frame with the uploaded bytes and nothing behind it', async () => {
    const file = await store('zs', small)
    const { body } = await get('zs', file, { 'accept-encoding': 'zstd' })
    expect(zstdDecompressSync(body).equals(small)).toBe(true)
  })

  it('is confirmed by 304 with the tag of the form the client has', async () => {
    const file = await store('gz', small)
    const [plain, coded] = [`"${file.checksum}"`, `"${file.checksum}-gzip"`]
    for (const [tag, accepted, status, etag] of [
      [coded, 'gzip', 304, coded],
      [plain, 'gzip', 304, plain],
      [plain, 'identity', 304, plain],
      [coded, 'identity', 200, plain],
    ] as const) {
      const answer = await get('gz', file, { 'accept-encoding': accepted, 'if-none-match': tag })
      expect([answer.status, answer.headers.etag]).toEqual([status, etag])
      expect(answer.headers.vary).toMatch(/Accept-Encoding/)
    }
  })

  it('that broke off is never completed by a part of the plain bytes', async () => {
    const file = await store('gz', large)
    const accepted = { 'accept-encoding': 'gzip' }
    const { headers } = await get('gz', file, accepted)
    for (const validator of [headers.etag!, headers['last-modified']!]) {
      const answer = await get('gz', file, { ...accepted, range: 'bytes=5000-', 'if-range': validator })
      expect([answer.status, encodingOf(answer)]).toEqual([200, null])
      expect(answer.body.equals(large)).toBe(true)
    }
    const matched = await get('gz', file, { ...accepted, range: 'bytes=5000-', 'if-match': headers.etag! })
    expect(matched.status).toBe(412)
    const plain = await get('gz', file, { ...accepted, range: 'bytes=5000-5999', 'if-range': `"${file.checksum}"` })
    expect([plain.status, encodingOf(plain)]).toEqual([206, null])
    expect(plain.body.equals(large.subarray(5000, 6000))).toBe(true)
  })

  it('is broken off, not ended, when a bit of the stored bytes has changed', async () => {
    for (const body of [small, large]) {
      const file = await store('gz', body)
      const path = blobPath(server, file.id)
      const stored = readFileSync(path)
      stored[4000]! ^= 1
      writeFileSync(path, stored)
      const answer = await get('gz', file, { 'accept-encoding': 'gzip' }).catch((error: unknown) => error)
      if (answer instanceof Error) continue
      expect((answer as Answer).code).toBe('file_corrupt')
    }
  })
})
