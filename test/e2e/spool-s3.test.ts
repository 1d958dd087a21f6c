// Two servers with one database and no folder in common: what is begun on one is continued on the other, unfinished bytes are in S3.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DeleteObjectCommand, GetObjectCommand } from '@aws-sdk/client-s3'
import Database from 'better-sqlite3'
import { Upload } from 'tus-js-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededBytes, sha256 } from '../support/random.ts'
import { newS3Bucket, objectsIn, s3Client, s3Config, s3Server, unfinishedIn } from '../support/s3-server.ts'
import { eventually, startServer, type TestServer } from '../support/server.ts'
import { KEY_1, textOf, withKeys } from './codecs.ts'
import { freshName, tusOn } from './tus-requests.ts'

const { access, skipped } = await s3Server()
const MIB = 1024 * 1024
/** Bytes of one request. */
const CHUNK = 2 * MIB
const MARKER = 'nobody may read this in S3'
const RULES = 'rules: {create: "true", read: "true", download: "true", delete: "true"}'
const SCHEMA = `version: 1
buckets:
  plain: {backend: cloud, max_file_size: 1GiB, ${RULES}}
  secret: {backend: cloud, max_file_size: 1GiB, compression: zstd, encryption: true, ${RULES}}
  near: {backend: local, max_file_size: 1GiB, ${RULES}}
`

describe.skipIf(access === null)(`unfinished uploads in S3${skipped}`, () => {
  const client = access === null ? null : s3Client(access)
  let bucket: string
  let one: TestServer
  let two: TestServer
  let token: string

  const config = (more: Record<string, unknown> = {}) => ({
    storage: { ...withKeys(['k1', KEY_1]).storage, backends: { cloud: s3Config(access!, bucket) } },
    uploads: { spool: 's3' },
    ...more,
  })
  beforeAll(async () => {
    bucket = await newS3Bucket(client!)
    one = await startServer({ schema: SCHEMA, config: config() })
    const database = { url: `sqlite:${join(one.dir, 'data', 'alyx.db')}` }
    // Files of the bucket near are in a folder that both must have; the others need none.
    const local = { type: 'filesystem', path: join(one.dir, 'data', 'files') }
    const { storage, uploads } = config()
    two = await startServer({
      schema: SCHEMA,
      config: { database, uploads, storage: { ...storage, backends: { ...storage.backends, local } } },
    })
    token = await one.token('alice')
  })
  afterAll(async () => {
    await two?.stop()
    await one?.stop()
    client?.destroy()
  })

  const spooled = (): Promise<string[]> => objectsIn(client!, bucket, 'alyx/.spool/')
  const nothingSpooled = async (): Promise<void> => {
    await eventually('nothing is left below .spool', async () => (await spooled()).length === 0)
    expect(one.query('SELECT * FROM _alyx_spool_parts')).toEqual([])
    expect(await unfinishedIn(client!, bucket)).toEqual([])
  }
  const urlOn = (server: TestServer, to: string, id: string): string => `${server.url}/api/files/${to}/tus/${id}`
  const idOf = (url: string): string => url.split('/').at(-1)!

  /** Sends with the real client until `until` bytes were accepted, the end, or a failure. */
  const send = (server: TestServer, to: string, body: Buffer, uploadUrl: string | null, until = body.length) =>
    new Promise<{ id: string; accepted: number; first: number | null; error: Error | null }>((resolve) => {
      let accepted = 0
      let first: number | null = null
      const end = (error: Error | null): void => resolve({ id: idOf(upload.url ?? ''), accepted, first, error })
      const upload = new Upload(body as unknown as Blob, {
        endpoint: `${server.url}/api/files/${to}/tus`,
        ...(uploadUrl === null ? {} : { uploadUrl }),
        chunkSize: CHUNK,
        // A busy machine's S3 server may not answer in time; a server that is gone is not asked again.
        retryDelays: [500, 2000, 5000, 5000],
        onShouldRetry: () => server.running(),
        headers: { Authorization: `Bearer ${token}` },
        metadata: { filename: freshName() },
        onAfterResponse(request, response) {
          if (request.getMethod() === 'HEAD') first ??= Number(response.getHeader('upload-offset'))
        },
        onChunkComplete(_size, bytes) {
          accepted = bytes
          if (bytes >= until && bytes < body.length) void upload.abort().then(() => end(null))
        },
        onSuccess: () => end(null),
        onError: end,
      })
      upload.start()
    })

  const expectFile = async (to: string, id: string, body: Buffer): Promise<void> => {
    for (const server of [one, two]) {
      const got = await tusOn(server, to, token).download(id)
      expect([got.status, got.body.equals(body)]).toEqual([200, true])
    }
    expect((await tusOn(two, to, token).stat(id)).json()).toMatchObject({ size: body.length, checksum: sha256(body) })
  }

  it.each(['plain', 'secret', 'near'])('go on at the other server and back, in the bucket %s', async (to) => {
    const body = to === 'secret' ? textOf(3, 2.5 * CHUNK, MARKER) : seededBytes(1, 2.5 * CHUNK)
    const begun = await send(one, to, body, null, CHUNK)
    expect(begun).toMatchObject({ accepted: CHUNK, error: null })
    const names = await spooled()
    expect(names.length).toBeGreaterThan(0)
    for (const Key of names) {
      const { Body } = await client!.send(new GetObjectCommand({ Bucket: bucket, Key }))
      expect(Buffer.from(await Body!.transformToByteArray()).includes(MARKER)).toBe(false)
    }
    const { id } = begun
    const there = await send(two, to, body, urlOn(two, to, id), 2 * CHUNK)
    expect(there).toMatchObject({ id, first: CHUNK, error: null })
    expect((await one.doctor()).problems).toEqual([])
    const back = await send(one, to, body, urlOn(one, to, id))
    expect(back).toMatchObject({ id, accepted: body.length, error: null })
    expect(back.first).toBeGreaterThanOrEqual(2 * CHUNK)
    await expectFile(to, id, body)
    await nothingSpooled()
  })

  it.each(['plain', 'secret'])(
    'go on at the other server after kill -9 in the middle, in the bucket %s',
    async (to) => {
      // More than goes to S3 in one request.
      const size = 4.5 * CHUNK
      const body = to === 'secret' ? textOf(4, size, MARKER) : seededBytes(2, size)
      const dying = send(one, to, body, null)
      await eventually(
        'the second chunk is acknowledged',
        () => one.query('SELECT 1 FROM _alyx_uploads WHERE "offset" >= ?', 2 * CHUNK).length === 1,
      )
      await one.kill('SIGKILL')
      const { id, accepted, error } = await dying
      expect(error).not.toBeNull()
      const rest = await send(two, to, body, urlOn(two, to, id))
      expect(rest).toMatchObject({ id, accepted: body.length, error: null })
      expect(rest.first).toBeGreaterThanOrEqual(Math.max(accepted, 2 * CHUNK))
      await one.restart()
      await expectFile(to, id, body)
      await nothingSpooled()
    },
  )

  it('are cut back to what was acknowledged, whatever a dead server left', async () => {
    const tus = tusOn(one, 'plain', token)
    const body = seededBytes(5, 3 * MIB)
    const id = await tus.begin(body.length)
    expect((await tus.patch(id, 0, body.subarray(0, MIB))).status).toBe(204)
    expect((await tus.patch(id, MIB, seededBytes(6, MIB))).status).toBe(204)
    // As if the second answer had never been sent, nor the offset been moved.
    const database = new Database(join(one.dir, 'data', 'alyx.db'))
    database.prepare('UPDATE _alyx_uploads SET "offset" = ? WHERE id = ?').run(MIB, id)
    database.close()
    expect((await tusOn(two, 'plain', token).patch(id, MIB, body.subarray(MIB))).status).toBe(204)
    await expectFile('plain', id, body)
    await nothingSpooled()
  })

  it('leave nothing when they are given up, or expire', async () => {
    const begin = async (): Promise<string> => {
      const tus = tusOn(one, 'secret', token)
      const id = await tus.begin(3 * MIB)
      expect((await tus.patch(id, 0, seededBytes(7, 2 * MIB))).status).toBe(204)
      expect(await spooled()).not.toEqual([])
      return id
    }
    const given = await begin()
    expect((await tusOn(two, 'secret', token).remove(given)).status).toBe(204)
    await nothingSpooled()
    const late = await begin()
    const database = new Database(join(one.dir, 'data', 'alyx.db'))
    const past = '2026-01-01T00:00:00.000Z'
    // The lease of the last request would be waited for, twenty seconds.
    database.prepare('UPDATE _alyx_uploads SET expires_at = ?, lease_expires_at = ? WHERE id = ?').run(past, past, late)
    database.close()
    expect((await tusOn(one, 'secret', token).head(late)).status).toBe(410)
    expect(JSON.parse((await two.sweep()).stdout)).toMatchObject({ uploads: 1, errors: 0 })
    expect(one.query('SELECT 1 FROM _alyx_uploads WHERE id = ?', late)).toEqual([])
    await nothingSpooled()
  })

  it('are missed by doctor when a part is gone, and swept when nothing needs them', async () => {
    const tus = tusOn(one, 'plain', token)
    const id = await tus.begin(3 * MIB)
    expect((await tus.patch(id, 0, seededBytes(8, MIB))).status).toBe(204)
    expect((await tus.patch(id, MIB, seededBytes(9, MIB))).status).toBe(204)
    const [first] = one.query<{ key: string }>('SELECT key FROM _alyx_spool_parts ORDER BY start')
    await client!.send(new DeleteObjectCommand({ Bucket: bucket, Key: `alyx/.spool/${first!.key}` }))
    expect((await two.doctor()).problems).toMatchObject([{ invariant: 'I7', kind: 'spool_short', id }])
    // A server that died between the commit and the removal of the parts.
    const database = new Database(join(one.dir, 'data', 'alyx.db'))
    database.prepare('DELETE FROM _alyx_uploads WHERE id = ?').run(id)
    database.close()
    expect(JSON.parse((await one.sweep()).stdout)).toMatchObject({ leftovers: 1, errors: 0 })
    // The reservation of the row that was taken away by hand.
    await one.project.run(['doctor', '--fix'])
    await nothingSpooled()
  })

  it('are nowhere on the disk, and must not be looked for there while some are in S3', async () => {
    for (const { dir } of [one, two]) expect(existsSync(join(dir, 'data', 'uploads'))).toBe(false)
    const tus = tusOn(one, 'plain', token)
    const id = await tus.begin(MIB)
    expect((await tus.patch(id, 0, Buffer.alloc(10))).status).toBe(204)
    await one.kill('SIGTERM')
    one.project.writeConfig(config({ uploads: { spool: 'disk' } }))
    await expect(one.restart()).rejects.toThrow('unfinished uploads are kept in storage.backends.cloud')
    one.project.writeConfig(config())
    await one.restart()
    expect((await tus.remove(id)).status).toBe(204)
    await nothingSpooled()
  })
})
