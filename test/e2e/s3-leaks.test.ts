// Clients that break off while their files go to S3 or come from there: nothing of it stays, on either side.
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createChance, seededBytes } from '../support/random.ts'
import { newS3Bucket, objectsIn, s3Client, s3Config, s3Server, unfinishedIn } from '../support/s3-server.ts'
import { eventually, startServer, type TestServer } from '../support/server.ts'
import { codecClient, filesOnDisk, KEY_1, withKeys } from './codecs.ts'
import { tusOn } from './tus-requests.ts'

const MIB = 1024 * 1024
const BODY = seededBytes(1, 12 * MIB)
const RULES = 'rules: {create: "true", read: "true", download: "true", delete: "true"}'
const NAMES = ['plain', 'zs', 'both'] as const
const SCHEMA = `version: 1
buckets:
  plain: {backend: cloud, max_file_size: 64MiB, ${RULES}}
  zs: {backend: cloud, max_file_size: 64MiB, compression: zstd, ${RULES}}
  both: {backend: cloud, max_file_size: 64MiB, compression: gzip, encryption: true, ${RULES}}
`
const { access, skipped } = await s3Server()

describe.skipIf(access === null)(`clients of files in S3 that go away${skipped}`, { timeout: 300_000 }, () => {
  const client = access === null ? null : s3Client(access)
  const seed = Number(process.env.ALYX_TEST_SEED ?? 6)
  const dice = createChance(seed)
  const ids: string[] = []
  let s3Bucket: string
  let server: TestServer
  let token: string
  let atRest: number

  beforeAll(async () => {
    s3Bucket = await newS3Bucket(client!)
    const { storage } = withKeys(['k1', KEY_1])
    const backends = { cloud: s3Config(access!, s3Bucket) }
    server = await startServer({ schema: SCHEMA, config: { storage: { ...storage, backends } } })
    token = await server.token('alice')
    const user = codecClient(server, token)
    for (const bucket of NAMES) {
      const { id } = await user.store(bucket, 'kept', BODY)
      expect((await user.get(bucket, id)).body.equals(BODY)).toBe(true)
      ids.push(id)
    }
    atRest = server.fds()
  })
  afterAll(async () => {
    await server?.stop()
    client?.destroy()
  })

  const send = (method: string, path: string, headers: Readonly<Record<string, string | number>> = {}): ClientRequest =>
    httpRequest({
      port: server.port,
      agent: false,
      method,
      path,
      headers: { authorization: `Bearer ${token}`, ...headers },
    }).on('error', () => {})
  const ended = (request: ClientRequest): Promise<void> => new Promise((resolve) => request.once('close', resolve))
  /** Breaks off behind so many bytes. */
  const breakOff = async (request: ClientRequest, bytes: number): Promise<void> => {
    const closed = ended(request)
    request.write(BODY.subarray(0, bytes), () => request.destroy())
    await closed
  }
  const flock = (count: number, one: (n: number) => Promise<unknown>): Promise<unknown> => {
    let next = 0
    const some = async (): Promise<void> => {
      while (next < count) await one(next++)
    }
    return Promise.all(Array.from({ length: 6 }, some))
  }
  const expectNothingLeft = async (): Promise<void> => {
    // Connections to S3 that are kept for the next request go with their time.
    await eventually(
      'no connection and no claim is left',
      () => server.fds() <= atRest && server.query('SELECT 1 FROM _alyx_uploads').length === 0,
      120_000,
    )
    expect(await unfinishedIn(client!, s3Bucket)).toEqual([])
    expect(server.query('SELECT * FROM _alyx_multiparts')).toEqual([])
    expect((await objectsIn(client!, s3Bucket)).toSorted()).toEqual(
      ids.map((id, n) => `alyx/${NAMES[n]}/${id}`).toSorted(),
    )
    expect(filesOnDisk(server).filter((path) => !path.includes('alyx.db'))).toEqual([])
    expect(server.query('SELECT * FROM _alyx_usage WHERE reserved <> 0')).toEqual([])
  }

  it('in the middle of an upload, announced or not', async () => {
    await flock(18, (n) => {
      const headers = n % 2 === 0 ? { 'content-length': BODY.length } : {}
      const path = `/api/files/${NAMES[n % NAMES.length]}?name=n${n}`
      return breakOff(send('PUT', path, headers), dice.pick([0, 100_000, 6 * MIB, 11 * MIB]))
    })
    await expectNothingLeft()
  })

  it('in the middle of a download, before its first byte, or behind its head', async () => {
    await flock(18, async (n) => {
      const bucket = n % NAMES.length
      const request = send('GET', `/api/files/${NAMES[bucket]}/${ids[bucket]}/download`)
      const closed = ended(request)
      request.end()
      if (n % 3 > 0) {
        const answer = await new Promise<IncomingMessage>((resolve) => request.once('response', resolve))
        answer.on('error', () => {})
        // A third reads some of it, a third nothing but the head.
        if (n % 3 === 1) await new Promise((resolve) => answer.once('data', resolve))
      }
      request.destroy()
      await closed
    })
    await expectNothingLeft()
  })

  it('in the middle of a resumable upload that is given up then', async () => {
    await flock(6, async (n) => {
      const tus = tusOn(server, NAMES[n % NAMES.length]!, token)
      const id = await tus.begin(BODY.length)
      const headers = {
        'tus-resumable': '1.0.0',
        'upload-offset': 0,
        'content-type': 'application/offset+octet-stream',
        'content-length': BODY.length,
      }
      const path = `/api/files/${NAMES[n % NAMES.length]}/tus/${id}`
      await breakOff(send('PATCH', path, headers), dice.pick([0, 5000, 7 * MIB]))
      await eventually('it is given up', async () => (await tus.remove(id)).status === 204)
    })
    await expectNothingLeft()
  })
})
