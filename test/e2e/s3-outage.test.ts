// S3 goes away, by refusing and by silence, and comes back; and servers die in the middle of what they send there.
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, request } from '../support/http.ts'
import { type CuttingProxy, startProxy } from '../support/proxy.ts'
import { seededBytes } from '../support/random.ts'
import { newS3Bucket, objectsIn, s3Client, s3Config, s3Server, unfinishedIn } from '../support/s3-server.ts'
import { pause, startServer, type TestServer } from '../support/server.ts'

const { access, skipped } = await s3Server()
const MIB = 1024 * 1024
const LARGE = seededBytes(9, 20 * MIB)
const LEASE = 500
const OPEN = 'rules: {create: "true", read: "true", download: "true", delete: "true"}'
const SCHEMA = `version: 1
buckets:
  far: {backend: cloud, max_file_size: 64MiB, ${OPEN}}
  near: {backend: local, max_file_size: 64MiB, ${OPEN}}
`

describe.skipIf(access === null)(`S3 in trouble${skipped}`, () => {
  const client = access === null ? null : s3Client(access)
  let proxy: CuttingProxy
  let bucket: string
  let server: TestServer

  const start = async (order: Readonly<Record<string, string>> = {}): Promise<void> => {
    bucket = await newS3Bucket(client!)
    server = await startServer({
      script: fileURLToPath(new URL('../kill/server-main.ts', import.meta.url)),
      schema: SCHEMA,
      config: { storage: { backends: { cloud: s3Config(access!, bucket, `http://127.0.0.1:${proxy.port}`) } } },
      env: { KILL_LEASE: String(LEASE) },
      launchEnv: order,
    })
  }
  beforeAll(async () => {
    proxy = await startProxy(Number(new URL(access!.endpoint).port))
  })
  afterEach(async () => {
    proxy.turn('on')
    await server?.stop()
  })
  afterAll(async () => {
    await proxy?.close()
    client?.destroy()
  })

  const ask = (method: string, path: string, more: Partial<Parameters<typeof request>[0]> = {}): Promise<Answer> =>
    request({ port: server.port, method, path, timeout: 60_000, ...more })
  const put = async (to: string, body: Buffer | string): Promise<string> => {
    const made = await ask('PUT', `/api/files/${to}?name=f${Math.random()}`, { body })
    expect(made.status).toBe(201)
    return made.json<{ id: string }>().id
  }
  const tus = { 'tus-resumable': '1.0.0' }
  const begin = async (): Promise<string> => {
    const headers = {
      ...tus,
      'upload-length': LARGE.length,
      'upload-metadata': `filename ${Buffer.from('tus').toString('base64')}`,
    }
    const made = await ask('POST', '/api/files/far/tus', { headers })
    expect(made.status).toBe(201)
    return new URL(made.headers.location!, server.url).pathname
  }
  const append = (path: string, from: number, to: number): Promise<Answer> =>
    ask('PATCH', path, {
      headers: { ...tus, 'upload-offset': from, 'content-type': 'application/offset+octet-stream' },
      body: LARGE.subarray(from, to),
    })
  const offset = async (path: string): Promise<number> =>
    Number((await ask('HEAD', path, { headers: tus })).headers['upload-offset'])
  /** One sweep and a doctor in a process of their own, to which the server's deletions are old. */
  const inspect = async (): Promise<{ swept: Record<string, unknown>; report: Record<string, unknown> }> => {
    await pause(LEASE + 50)
    const child = server.project.spawn(['inspect', ...server.project.fileArguments])
    let said = ''
    child.stdout?.on('data', (part: Buffer) => (said += part.toString()))
    await new Promise((resolve) => child.once('close', resolve))
    return JSON.parse(said.trim().split('\n').at(-1) ?? '')
  }
  const expectOutage = async (asked: Promise<Answer>): Promise<void> => {
    const began = performance.now()
    const answer = await asked
    expect([answer.status, answer.code]).toEqual([503, 'storage_unavailable'])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    // Silence costs most: 20 s without a sign of life, then what became of it is asked, then the rest is cleared up.
    expect(performance.now() - began).toBeLessThan(50_000)
  }

  it.each(['refuse', 'hang'] as const)(
    'a server that cannot reach it (%s) says so in time, and goes on',
    {
      timeout: 150_000,
    },
    async (how) => {
      await start()
      const [kept, doomed] = [await put('far', 'kept'), await put('far', 'doomed')]
      const path = await begin()
      expect((await append(path, 0, 10 * MIB)).status).toBe(204)
      const near = await put('near', 'near')

      proxy.turn(how)
      proxy.cut()
      await Promise.all([
        expectOutage(ask('GET', `/api/files/far/${kept}/download`)),
        expectOutage(ask('PUT', '/api/files/far?name=x', { body: 'x' })),
        expectOutage(ask('PUT', '/api/files/far?name=y', { body: LARGE })),
        expectOutage(ask('DELETE', `/api/files/far/${doomed}`)),
        expectOutage(append(path, 10 * MIB, LARGE.length)),
      ])
      expect((await ask('GET', '/health/ready')).status).toBe(503)
      expect((await ask('GET', '/health/live')).status).toBe(200)
      expect((await ask('GET', `/api/files/near/${near}/download`)).text).toBe('near')
      await put('near', 'also in trouble')
      expect((await ask('GET', `/api/files/far/${kept}`)).status).toBe(200)
      expect((await ask('GET', `/api/files/far/${doomed}`)).status).toBe(404)
      const at = await offset(path)
      expect(at).toBeGreaterThanOrEqual(10 * MIB)
      expect(at).toBeLessThan(LARGE.length)

      proxy.turn('on')
      proxy.cut()
      await expect.poll(async () => (await ask('GET', '/health/ready')).status, { timeout: 15_000 }).toBe(200)
      expect((await ask('GET', `/api/files/far/${kept}/download`)).text).toBe('kept')
      expect((await append(path, at, LARGE.length)).status).toBe(204)
      const got = await ask('GET', `/api/files/far/${path.split('/').at(-1)}/download`)
      expect(got.body.equals(LARGE)).toBe(true)
      expect(await inspect()).toMatchObject({ swept: { errors: 0 }, report: { ok: true, problems: [] } })
      const names = [kept, path.split('/').at(-1)].map((id) => `alyx/far/${id}`)
      expect((await objectsIn(client!, bucket)).toSorted()).toEqual(names.toSorted())
      expect(await unfinishedIn(client!, bucket)).toEqual([])
    },
  )

  it.each(['s3.opened', 's3.part'])(
    'parts that a server sent before it was killed at %s are aborted',
    async (point) => {
      await start({ KILL_POINT: point })
      process.kill(server.pid(), 'SIGUSR2')
      await pause(100)
      await expect(ask('PUT', '/api/files/far?name=x', { body: LARGE })).rejects.toThrow()
      expect((await server.exited()).signal).toBe('SIGKILL')
      expect(await unfinishedIn(client!, bucket)).toHaveLength(1)
      await server.restart()
      expect(await inspect()).toMatchObject({ swept: { uploads: 1, errors: 0 }, report: { ok: true, problems: [] } })
      expect(await unfinishedIn(client!, bucket)).toEqual([])
      expect(await objectsIn(client!, bucket)).toEqual([])
      expect(server.query('SELECT * FROM _alyx_multiparts')).toEqual([])
    },
  )

  it('so are those of an upload that was resumed and became a file with other parts', async () => {
    await start({ KILL_POINT: 's3.part' })
    const path = await begin()
    expect((await append(path, 0, 10 * MIB)).status).toBe(204)
    process.kill(server.pid(), 'SIGUSR2')
    await pause(100)
    await expect(append(path, 10 * MIB, LARGE.length)).rejects.toThrow()
    await server.restart()
    const at = await offset(path)
    expect((await append(path, at, LARGE.length)).status).toBe(204)
    expect(await unfinishedIn(client!, bucket)).toHaveLength(1)
    expect(await inspect()).toMatchObject({ swept: { leftovers: 1, errors: 0 }, report: { ok: true, problems: [] } })
    expect(await unfinishedIn(client!, bucket)).toEqual([])
    expect(await objectsIn(client!, bucket)).toEqual([`alyx/far/${path.split('/').at(-1)}`])
    expect(server.query('SELECT * FROM _alyx_multiparts')).toEqual([])
  })
})
