// Resumable uploads to buckets that compress, encrypt, or both: over breaks and a killed server, and never in the clear on the disk.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, truncateSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, startServer, type TestServer } from '../support/server.ts'
import {
  BUCKETS,
  type BucketName,
  filesHolding,
  KEY_1,
  NAMES,
  SCHEMA,
  type StoredView,
  textOf,
  withKeys,
} from './codecs.ts'
import { type Tus, tusOn, V1 } from './tus-requests.ts'

const MiB = 1024 * 1024
const SIZE = 3 * MiB + 777
const MARKER = 'these words are told to nobody'

let server: TestServer
let token: string

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: withKeys(['k1', KEY_1]) })
  token = await server.token('alice')
})
afterAll(async () => {
  await server?.stop()
})

const offsetOf = async (tus: Tus, id: string): Promise<number> => Number((await tus.head(id)).headers['upload-offset'])
const spooled = (id: string): readonly string[] =>
  readdirSync(join(server.dir, 'data', 'uploads')).filter((name) => name.startsWith(id))

/** Sends the bytes from `from` on and breaks the connection behind `to`; resolves with the offset that was kept. */
async function sendAndBreak(tus: Tus, id: string, bytes: Buffer, from: number, to: number): Promise<number> {
  const body = new Readable({ read() {} })
  body.push(bytes.subarray(from, to))
  const sending = tus.patch(id, from, body, { 'content-length': String(bytes.length - from) }).catch(() => null)
  const spool = join(server.dir, 'data', 'uploads', id)
  await eventually('some of it has arrived', () => statSync(spool).size > from, 30_000)
  body.destroy(new Error('the line is dead'))
  await sending
  return offsetOf(tus, id)
}

it('resumable uploads to all of them go on after breaks and after the server was killed', {
  timeout: 300_000,
}, async () => {
  const text = textOf(11, SIZE, MARKER)
  const each = <T>(work: (at: { tus: Tus; bucket: BucketName; id: string; kept: number }) => Promise<T>) =>
    Promise.all(begun.map(work))
  const begun = await Promise.all(
    NAMES.map(async (bucket) => {
      const tus = tusOn(server, bucket, token)
      const id = await tus.begin(SIZE)
      expect((await tus.patch(id, 0, text.subarray(0, 100_000))).status).toBe(204)
      const kept = await sendAndBreak(tus, id, text, 100_000, 1_500_001)
      expect(kept).toBeGreaterThan(100_000)
      expect(spooled(id)).toEqual(BUCKETS[bucket].encryption ? [id, `${id}.keys`] : [id])
      return { tus, bucket, id, kept }
    }),
  )
  const plain = begun.filter(({ bucket }) => !BUCKETS[bucket].encryption).map(({ id }) => id)
  /** The words may lie in the spools of what is not to be encrypted, and nowhere else. */
  const expectHidden = (): void => {
    const strange = filesHolding(server, MARKER).filter((path) => !plain.some((id) => path.includes(id)))
    expect(strange).toEqual([])
  }
  expectHidden()
  await server.kill()
  await server.restart()
  await each(async ({ tus, id, kept }) => {
    expect(await offsetOf(tus, id)).toBe(kept)
    expect((await tus.patch(id, kept, text.subarray(kept, 2 * MiB))).status).toBe(204)
  })
  expectHidden()
  expect((await server.doctor()).problems).toEqual([])
  await each(async ({ tus, bucket, id }) => {
    const { compression, encryption } = BUCKETS[bucket]
    expect((await tus.patch(id, 2 * MiB, text.subarray(2 * MiB))).status).toBe(204)
    expect((await tus.stat(id)).json<StoredView>()).toMatchObject({
      size: SIZE,
      original_size: SIZE,
      compression_type: compression === 'none' ? null : compression,
      encrypted: encryption,
      checksum: createHash('sha256').update(text).digest('hex'),
    })
    expect((await tus.download(id)).body.equals(text)).toBe(true)
  })
  expectHidden()
  await eventually('the spools are gone', () => begun.every(({ id }) => spooled(id).length === 0), 30_000)
})

it.each(NAMES)('a resumable upload to the bucket %s may be empty, one byte, or given up', async (bucket) => {
  const tus = tusOn(server, bucket, token)
  const empty = await tus.create(0)
  expect(empty.status).toBe(201)
  const one = await tus.begin(1)
  expect((await tus.patch(one, 0, Buffer.from('x'))).status).toBe(204)
  expect((await tus.download(one)).text).toBe('x')
  const left = await tus.begin(1000)
  expect((await tus.patch(left, 0, Buffer.alloc(10))).status).toBe(204)
  expect((await tus.remove(left)).status).toBe(204)
  expect(spooled(left)).toEqual([])
})

describe('the spool of an encrypted upload', () => {
  const begun = async (tus: Tus, text: Buffer, offset: number): Promise<string> => {
    const id = await tus.begin(text.length)
    expect((await tus.patch(id, 0, text.subarray(0, offset))).status).toBe(204)
    return id
  }

  it('is not taken for plain when its keys are lost', async () => {
    const tus = tusOn(server, 'enc', token)
    const text = textOf(12, 200_000)
    const id = await begun(tus, text, 100_000)
    unlinkSync(join(server.dir, 'data', 'uploads', `${id}.keys`))
    const refused = await tus.patch(id, 100_000, text.subarray(100_000))
    expect([refused.status, refused.code]).toEqual([410, 'upload_expired'])
    // Nothing of it stays: a client that asks begins again.
    expect([(await tus.head(id)).status, (await tus.stat(id)).status, spooled(id)]).toEqual([404, 404, []])
  })

  it('is known by doctor to be short when its keys do not reach far enough', async () => {
    const tus = tusOn(server, 'both', token)
    const text = textOf(13, 200_000)
    const id = await begun(tus, text, 100_000)
    const side = join(server.dir, 'data', 'uploads', `${id}.keys`)
    truncateSync(side, readFileSync(side).length - 1)
    expect((await server.doctor()).problems).toMatchObject([{ invariant: 'I7', kind: 'spool_short', id }])
    expect((await tus.send('DELETE', `/tus/${id}`, V1)).status).toBe(204)
    expect(spooled(id)).toEqual([])
  })
})
