// Stored bytes that were changed, cut, swapped or moved, and keys that are not the right ones: never a wrong byte for a right one.
import { copyFileSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Answer } from '../support/http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import {
  BUCKETS,
  type BucketName,
  blobPath,
  type CodecClient,
  codecClient,
  KEY_1,
  KEY_2,
  NAMES,
  SCHEMA,
  textOf,
  withKeys,
} from './codecs.ts'

const SIZES = [5000, 1_400_000]

let server: TestServer
let client: CodecClient

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: withKeys(['k1', KEY_1]) })
  client = codecClient(server, await server.token('alice'))
})
afterAll(async () => {
  await server?.stop()
})

/** The answer is an error, or the connection broke before it was complete. */
async function expectBroken(asked: Promise<Answer>, codes: readonly string[] = ['file_corrupt']): Promise<void> {
  const answer = await asked.catch((error: Error) => error)
  if (answer instanceof Error) return expect(answer.message).not.toContain('no complete answer')
  expect(answer.status, answer.text.slice(0, 200)).toBe(500)
  expect(codes).toContain(answer.code)
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at]! ^= 1
  writeFileSync(path, bytes)
}

describe.each(NAMES)('a damaged file in the bucket %s', (bucket) => {
  it('is not sent when one bit is flipped, wherever it is', async () => {
    for (const size of SIZES) {
      const { id } = await client.store(bucket, `flip-${size}.txt`, textOf(size, size))
      const path = blobPath(server, id)
      const { length } = readFileSync(path)
      for (const at of [0, 20, length >> 1, length - 20, length - 1]) {
        flip(path, at)
        await expectBroken(client.get(bucket, id))
        flip(path, at)
      }
      expect((await client.get(bucket, id)).status).toBe(200)
    }
  })

  it('is not sent when it was cut short', async () => {
    for (const size of SIZES) {
      const { id } = await client.store(bucket, `cut-${size}.txt`, textOf(size, size))
      const path = blobPath(server, id)
      truncateSync(path, readFileSync(path).length - 17)
      await expectBroken(client.get(bucket, id))
      await expectBroken(client.get(bucket, id, { range: `bytes=${size - 10}-${size - 1}` }))
    }
  })

  it('is not sent in place of another', async () => {
    const one = await client.store(bucket, 'one.txt', textOf(1, 700_000))
    const two = await client.store(bucket, 'two.txt', textOf(2, 700_000))
    const [first, second] = [blobPath(server, one.id), blobPath(server, two.id)]
    renameSync(first, `${first}.aside`)
    renameSync(second, first)
    renameSync(`${first}.aside`, second)
    for (const { id } of [one, two]) await expectBroken(client.get(bucket, id))
    if (BUCKETS[bucket].encryption) {
      for (const { id } of [one, two]) await expectBroken(client.get(bucket, id, { range: 'bytes=0-99' }))
    }
    copyFileSync(first, `${first}.aside`)
    copyFileSync(second, first)
    copyFileSync(`${first}.aside`, second)
    for (const { id } of [one, two]) expect((await client.get(bucket, id)).status).toBe(200)
    renameSync(`${first}.aside`, `${second}.tmp`)
  })
})

it('an encrypted file copied over another, row and all, does not open', async () => {
  const one = await client.store('enc', 'mine.txt', textOf(1, 1000))
  const two = await client.store('enc', 'yours.txt', textOf(2, 1000))
  copyFileSync(blobPath(server, one.id), blobPath(server, two.id))
  await expectBroken(client.get('enc', two.id))
})

describe('encryption keys', () => {
  const serve = async (...keys: readonly (readonly [string, string])[]): Promise<void> => {
    await server.kill()
    server.project.writeConfig(withKeys(...keys))
    await server.restart()
  }
  const contentOf = async (bucket: BucketName, id: string): Promise<Buffer> => (await client.get(bucket, id)).body

  it('refuse the start when one is not what it was; an old one in the list is read by; without it only its files fail', {
    timeout: 300_000,
  }, async () => {
    const text = textOf(22, 300_000)
    const old = await client.store('enc', 'old.txt', text)
    await server.kill()
    server.project.writeConfig(withKeys(['k1', KEY_2]))
    const { code, stderr, stdout } = await server.project.run(['serve'], 60_000)
    expect(code).not.toBe(0)
    expect(code).not.toBeNull()
    expect(stderr + stdout).toMatch(/storage\.encryption\.keys: k1 is not the key that was in use/)
    expect(stderr + stdout).not.toContain(KEY_2.slice(7))

    await serve(['k2', KEY_2], ['k1', KEY_1])
    expect((await contentOf('enc', old.id)).equals(text)).toBe(true)
    const young = await client.store('both', 'young.txt', text)
    await serve(['k2', KEY_2])
    expect((await contentOf('both', young.id)).equals(text)).toBe(true)
    for (const headers of [{}, { range: 'bytes=70000-70001' }]) {
      const refused = await client.get('enc', old.id, headers)
      expect([refused.status, refused.code]).toEqual([500, 'decrypt_failed'])
    }
    const plain = await client.store('zs', 'plain.txt', text)
    expect((await contentOf('zs', plain.id)).equals(text)).toBe(true)
    await serve(['k1', KEY_1], ['k2', KEY_2])
    for (const [bucket, { id }] of [
      ['enc', old],
      ['both', young],
    ] as const) {
      expect((await contentOf(bucket, id)).equals(text)).toBe(true)
    }
  })
})
