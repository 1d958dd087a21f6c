// Buckets that compress, encrypt, or both: whoever talks to them notices nothing but the sizes.
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import {
  BUCKETS,
  type CodecClient,
  codecClient,
  filesHolding,
  filesOnDisk,
  KEY_1,
  NAMES,
  SCHEMA,
  type StoredView,
  textOf,
  withKeys,
} from './codecs.ts'

const KiB = 1024
/** Frames of encryption hold 64 KiB, those of compression 128 KiB. */
const BORDERS = [
  0,
  1,
  64 * KiB - 1,
  64 * KiB,
  64 * KiB + 1,
  128 * KiB - 1,
  128 * KiB,
  128 * KiB + 1,
  512 * KiB,
  1024 * KiB - 1,
  1024 * KiB,
]
const SIZE = 1024 * KiB + 4321

let server: TestServer
let client: CodecClient
let token: string

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: withKeys(['k1', KEY_1]) })
  token = await server.token('alice')
  client = codecClient(server, token)
})
afterAll(async () => {
  await server?.stop()
})

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

describe.each(NAMES)('a file in the bucket %s', (bucket) => {
  const { compression, encryption } = BUCKETS[bucket]
  const compressed = compression !== 'none'

  it('comes back as it went in, by PUT and by multipart, and says what it is stored as', async () => {
    const text = textOf(7, SIZE)
    for (const answer of [await client.put(bucket, 'a.txt', text), await client.post(bucket, 'b.txt', text)]) {
      expect(answer.status, answer.text).toBe(201)
      const file = answer.json<StoredView>()
      expect(file).toMatchObject({
        size: SIZE,
        original_size: SIZE,
        checksum: sha256(text),
        compressed,
        compression_type: compressed ? compression : null,
        encrypted: encryption,
      })
      if (compressed) expect(file.stored_size).toBeLessThan(SIZE / 2)
      else expect(file.stored_size).toBeGreaterThan(SIZE)
      const got = await client.get(bucket, file.id)
      expect(got.status).toBe(200)
      expect(got.body.equals(text)).toBe(true)
      expect(got.headers['content-length']).toBe(String(SIZE))
      expect(got.headers['content-encoding']).toBeUndefined()
    }
  })

  it('answers ranges at every border of a frame, and HEAD', async () => {
    const text = textOf(9, SIZE)
    const { id } = await client.store(bucket, 'ranges.txt', text)
    for (const start of BORDERS) {
      for (const end of [...BORDERS, SIZE - 1].filter((each) => each >= start)) {
        const got = await client.get(bucket, id, { range: `bytes=${start}-${end}` })
        expect(got.status).toBe(206)
        expect(got.headers['content-range']).toBe(`bytes ${start}-${end}/${SIZE}`)
        expect(got.body.equals(text.subarray(start, end + 1)), `${start}-${end}`).toBe(true)
      }
    }
    const head = await client.get(bucket, id, {}, 'HEAD')
    expect(head.status).toBe(200)
    expect(head.headers['content-length']).toBe(String(SIZE))
  })

  it('may be empty, or one byte', async () => {
    for (const body of [Buffer.alloc(0), Buffer.from('x')]) {
      const file = await client.store(bucket, `size-${body.length}`, body)
      expect(file).toMatchObject({ size: body.length, encrypted: encryption, checksum: sha256(body) })
      const got = await client.get(bucket, file.id)
      expect(got.status).toBe(200)
      expect(got.body.equals(body)).toBe(true)
    }
  })

  it('is not compressed when its type is compressed already', async () => {
    const zipped = gzipSync(textOf(3, 200 * KiB))
    const file = await client.store(bucket, 'a.gz', zipped)
    expect(file).toMatchObject({ mime_type: 'application/gzip', compressed: false, compression_type: null })
    expect(file).toMatchObject({ encrypted: encryption, original_size: encryption ? zipped.length : null })
    expect((await client.get(bucket, file.id)).body.equals(zipped)).toBe(true)
  })

  it('is refused like any other when its bytes are not the announced ones, and nothing stays', async () => {
    const before = filesOnDisk(server).length
    const body = textOf(1, 500_000)
    const path = `/api/files/${bucket}?name=wrong.txt&checksum=${'0'.repeat(64)}`
    const answer = await request({ port: server.port, token, method: 'PUT', path, body })
    expect(answer.code).toBe('checksum_mismatch')
    expect(filesOnDisk(server)).toHaveLength(before)
  })
})

it('keeps the words of encrypted files off the disk', async () => {
  const marker = 'a sentence that only the owner may read'
  for (const bucket of ['enc', 'both'] as const) await client.store(bucket, 'secret.txt', textOf(5, 300_000, marker))
  expect(filesHolding(server, marker)).toEqual([])
})

it('leaves nothing for doctor to find, who reads every byte', async () => {
  const { stdout } = await server.project.run(['doctor', '--json', '--read-data'])
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, problems: [] })
})
