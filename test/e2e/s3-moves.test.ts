// Files that are compressed, encrypted or both go from a folder to S3 and back while a client downloads them; and what stops that half way.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sweepOriginals } from '../support/originals.ts'
import { sha256 } from '../support/random.ts'
import { newS3Bucket, objectsIn, s3Client, s3Config, s3Server, unfinishedIn } from '../support/s3-server.ts'
import { eventually, startServer, type TestServer } from '../support/server.ts'
import { blobPath, type CodecClient, codecClient, filesOnDisk, KEY_1, SCHEMA, textOf, withKeys } from './codecs.ts'

const { access, skipped } = await s3Server()
const KILLABLE = fileURLToPath(new URL('../kill/server-main.ts', import.meta.url))
const MOVED = ['gz', 'both'] as const
/** More than the sockets between server and client hold. */
const LARGE = 16 * 1024 * 1024
const MANY = 96

describe.skipIf(access === null)(`moving what is not stored as it is${skipped}`, { timeout: 300_000 }, () => {
  const client = access === null ? null : s3Client(access)
  const files = new Map<string, { readonly bucket: string; readonly body: Buffer; readonly stored: string }>()
  let s3Bucket: string
  let server: TestServer
  let user: CodecClient

  beforeAll(async () => {
    s3Bucket = await newS3Bucket(client!)
    const { storage } = withKeys(['k1', KEY_1])
    const backends = { cloud: s3Config(access!, s3Bucket) }
    server = await startServer({ schema: SCHEMA, config: { storage: { ...storage, backends } } })
    user = codecClient(server, await server.token('alice'))
    for (const [n, bucket] of MOVED.entries()) await put(bucket, textOf(n, LARGE))
  })
  afterAll(async () => {
    await server?.stop()
    client?.destroy()
  })

  const put = async (bucket: string, body: Buffer): Promise<void> => {
    const file = await user.store(bucket, sha256(body), body)
    expect(file.checksum).toBe(sha256(body))
    files.set(file.id, { bucket, body, stored: sha256(readFileSync(blobPath(server, file.id))) })
  }
  /** A download of which only the head has arrived. */
  const open = (bucket: string, id: string): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      get({ port: server.port, path: `/api/files/${bucket}/${id}/download`, agent: false }, resolve).on('error', reject)
    })
  /** The large ones and every fifth of the others. */
  const readMany = async (): Promise<void> => {
    for (const [n, [id, { bucket, body }]] of [...files].entries()) {
      if (n >= MOVED.length && n % 5 > 0) continue
      expect(sha256((await user.get(bucket, id)).body)).toBe(sha256(body))
      const start = Math.floor(body.length / 3)
      const part = await user.get(bucket, id, { range: `bytes=${start}-${start + 999}` })
      expect(part.body.equals(body.subarray(start, start + 1000))).toBe(true)
    }
  }
  const args = (bucket: string, to: string) => ['migrate-backend', bucket, '--to', to, '--grace', '1s']
  /** The command line alone needs to know: the server goes on with the schema it has. */
  const migrateAll = async (to: string): Promise<void> => {
    server.project.writeSchema(SCHEMA.replaceAll('backend: local', `backend: ${to}`))
    const downloads = await Promise.all(
      [...files].map(async ([id, file]) => ({ ...file, got: await open(file.bucket, id) })),
    )
    const move = (bucket: string) => server.project.run([...args(bucket, to), '--json'], 120_000)
    for (const { code, stdout, stderr } of await Promise.all(MOVED.map(move))) {
      expect(code, stderr).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({ moved: 1, failed: [], left: 0 })
    }
    for (const { got, body } of downloads) {
      const parts: Buffer[] = []
      for await (const part of got as AsyncIterable<Buffer>) parts.push(part)
      expect(sha256(Buffer.concat(parts))).toBe(sha256(body))
    }
  }
  const onDisk = (): number => filesOnDisk(server).filter((path) => path.includes('/files/')).length
  const isSound = async (): Promise<void> => {
    const [{ code, stdout }] = await Promise.all([server.project.run(['doctor', '--read-data'], 120_000), readMany()])
    expect(code, stdout).toBe(0)
    expect(await unfinishedIn(client!, s3Bucket)).toEqual([])
  }

  it('to S3: downloads go on, and the stored bytes are the same', async () => {
    await migrateAll('cloud')
    await sweepOriginals(server)
    expect(onDisk()).toBe(0)
    for (const [id, { bucket, stored }] of files) {
      const { Body } = await client!.send(new GetObjectCommand({ Bucket: s3Bucket, Key: `alyx/${bucket}/${id}` }))
      expect(sha256(Buffer.from(await Body!.transformToByteArray()))).toBe(stored)
    }
    await readMany()
  })

  it('and back', async () => {
    await migrateAll('local')
    await sweepOriginals(server)
    expect(await objectsIn(client!, s3Bucket)).toEqual([])
    for (const [id, { stored }] of files) expect(sha256(readFileSync(blobPath(server, id)))).toBe(stored)
    await isSound()
  })

  describe('half way', () => {
    const moved = (): number =>
      server.query<{ n: number }>("SELECT count(*) n FROM _alyx_files WHERE bucket = 'both' AND backend = 'cloud'")[0]!
        .n
    const end = (child: ChildProcess): Promise<{ code: number | null; signal: string | null; said: string }> =>
      new Promise((resolve) => {
        let said = ''
        for (const stream of [child.stdout, child.stderr])
          stream?.on('data', (part: Buffer) => (said += part.toString()))
        child.once('close', (code, signal) => resolve({ code, signal, said }))
      })

    it('Ctrl-C ends it with 130 and says how to go on', async () => {
      server.project.writeSchema(SCHEMA.replaceAll('backend: local', 'backend: cloud'))
      for (let n = 0; n < MANY; n += 8)
        await Promise.all(Array.from({ length: 8 }, (_, more) => put('both', textOf(n + more, (n + more) * 50 + 1))))
      const child = server.project.spawn([...args('both', 'cloud'), ...server.project.fileArguments])
      const ended = end(child)
      await eventually('a file has moved', () => moved() > 0, 60_000)
      child.kill('SIGINT')
      const { code, said } = await ended
      expect(code).toBe(130)
      expect(said).toContain('stopped: run it again to go on')
      expect(said).toMatch(
        new RegExp(`^${moved()} files? moved to cloud, .*; ${MANY + 1 - moved()} left elsewhere$`, 'm'),
      )
    })

    it('kill -9 leaves every file where it can be read', async () => {
      const before = moved()
      expect(before).toBeLessThan(MANY - 20)
      const { dir, project } = server
      const child = spawn(process.execPath, [KILLABLE, 'move', 'both', 'cloud', ...project.fileArguments], {
        cwd: dir,
        env: { ...process.env, KILL_POINT: 'move.copied', KILL_COUNT: '9', KILL_LEASE: '100' },
      })
      expect(await end(child)).toMatchObject({ signal: 'SIGKILL', said: expect.stringContaining('KILLED AT') })
      expect(moved()).toBeGreaterThan(before)
      await isSound()
    })

    it('the next run goes on with the rest, and nothing is left behind', async () => {
      const rest = MANY + 1 - moved()
      const { code, stdout } = await server.project.run([...args('both', 'cloud'), '--json'], 120_000)
      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({ moved: rest, failed: [], left: 0, stopped: false })
      await sweepOriginals(server)
      const ids = [...files].flatMap(([id, { bucket }]) => (bucket === 'both' ? [id] : []))
      expect((await objectsIn(client!, s3Bucket)).toSorted()).toEqual(ids.map((id) => `alyx/both/${id}`).toSorted())
      expect(onDisk()).toBe(MOVED.length - 1)
      await isSound()
    })
  })
})
