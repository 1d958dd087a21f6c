// S3 goes away, by refusing and by silence, and comes back; and servers die in the middle of what they send there.
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, request } from '../support/http.ts'
import { type CuttingProxy, startProxy } from '../support/proxy.ts'
import { seededBytes } from '../support/random.ts'
import { newS3Bucket, objectsIn, s3Client, s3Config, s3Server, unfinishedIn } from '../support/s3-server.ts'
import { eventually, pause, startServer, type TestServer } from '../support/server.ts'

const { access, skipped } = await s3Server()
const MIB = 1024 * 1024
/** In parts, and a resumable upload of which more than one part has arrived with the first request. */
const LARGE = seededBytes(9, 12 * MIB)
const FIRST = 6 * MIB
const LEASE = 500
/** Where silence is waited for; with ALYX_TEST_LONG=1 for as long as it is in use. */
const SHORT =
  process.env.ALYX_TEST_LONG === '1'
    ? {}
    : { connect: 3000, idle: 3000, answer: 3000, window: 3000, settle: 2000, ready: 2000 }
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

  const start = async (times: object, order: Readonly<Record<string, string>> = {}): Promise<void> => {
    bucket = await newS3Bucket(client!)
    server = await startServer({
      script: fileURLToPath(new URL('../kill/server-main.ts', import.meta.url)),
      schema: SCHEMA,
      config: { storage: { backends: { cloud: s3Config(access!, bucket, `http://127.0.0.1:${proxy.port}`) } } },
      env: { KILL_LEASE: String(LEASE), KILL_S3_TIMES: JSON.stringify(times) },
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
  /** Where nothing is wrong with S3: on a busy machine it may all the same be slower than it is waited for here, and then it is asked again. */
  const inTime = async (send: () => Promise<Answer>): Promise<Answer> => {
    const end = performance.now() + 120_000
    for (;;) {
      const answer = await send()
      if (answer.status !== 503 || performance.now() > end) return answer
      await pause(200)
    }
  }
  const put = async (to: string, body: Buffer | string): Promise<string> => {
    const send = () => ask('PUT', `/api/files/${to}?name=f${Math.random()}`, { body })
    const made = to === 'near' ? await send() : await inTime(send)
    expect(made.status).toBe(201)
    return made.json<{ id: string }>().id
  }
  const tus = { 'tus-resumable': '1.0.0' }
  const begin = async (): Promise<string> => {
    const headers = {
      ...tus,
      'upload-length': LARGE.length,
      'upload-metadata': `filename ${Buffer.from(`tus${Math.random()}`).toString('base64')}`,
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
    const answer = await asked
    expect([answer.status, answer.code]).toEqual([503, 'storage_unavailable'])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  }
  /** From here on the server dies at its KILL_POINT. */
  const arm = async (): Promise<void> => {
    const seen = server.logs().length
    process.kill(server.pid(), 'SIGUSR2')
    await eventually('the server is armed', () => server.logs().slice(seen).includes('ARMED'), 30_000)
  }
  const expectDeath = async (asked: Promise<Answer>): Promise<void> => {
    await expect(asked).rejects.toThrow()
    expect((await server.exited()).signal).toBe('SIGKILL')
  }

  it('a server that cannot reach it says so in time, whether it is refused or hears nothing, and goes on', {
    timeout: 300_000,
  }, async () => {
    await start(SHORT)
    const kept = await put('far', 'kept')
    const near = await put('near', 'near')
    const whole: string[] = []
    for (const how of ['refuse', 'hang'] as const) {
      const doomed = await put('far', 'doomed')
      const path = await begin()
      expect((await append(path, 0, FIRST)).status).toBe(204)

      proxy.turn(how)
      proxy.cut()
      await Promise.all([
        expectOutage(ask('GET', `/api/files/far/${kept}/download`)),
        expectOutage(ask('PUT', '/api/files/far?name=x', { body: 'x' })),
        expectOutage(ask('PUT', '/api/files/far?name=y', { body: LARGE })),
        expectOutage(ask('DELETE', `/api/files/far/${doomed}`)),
        expectOutage(append(path, FIRST, LARGE.length)),
        expect(ask('GET', '/health/ready')).resolves.toMatchObject({ status: 503 }),
      ])
      expect((await ask('GET', '/health/live')).status).toBe(200)
      expect((await ask('GET', `/api/files/near/${near}/download`)).text).toBe('near')
      await put('near', 'also in trouble')
      expect((await ask('GET', `/api/files/far/${kept}`)).status).toBe(200)
      expect((await ask('GET', `/api/files/far/${doomed}`)).status).toBe(404)
      const at = await offset(path)
      expect(at).toBeGreaterThanOrEqual(FIRST)
      expect(at).toBeLessThan(LARGE.length)

      proxy.turn('on')
      proxy.cut()
      await eventually('it is ready', async () => (await ask('GET', '/health/ready')).status === 200, 60_000)
      expect((await inTime(() => ask('GET', `/api/files/far/${kept}/download`))).text).toBe('kept')
      expect((await inTime(async () => append(path, await offset(path), LARGE.length))).status).toBe(204)
      const id = path.split('/').at(-1)!
      whole.push(id)
      expect((await inTime(() => ask('GET', `/api/files/far/${id}/download`))).body.equals(LARGE)).toBe(true)
    }
    // What was refused or never answered holds neither its path nor its bytes.
    expect(server.query("SELECT path FROM _alyx_uploads WHERE state = 'open'")).toEqual([])
    expect(await inspect()).toMatchObject({ swept: { errors: 0 }, report: { ok: true, problems: [] } })
    expect(server.query('SELECT id FROM _alyx_uploads')).toEqual([])
    expect(server.query('SELECT * FROM _alyx_multiparts')).toEqual([])
    const names = [kept, ...whole].map((id) => `alyx/far/${id}`)
    expect((await objectsIn(client!, bucket)).toSorted()).toEqual(names.toSorted())
    expect(await unfinishedIn(client!, bucket)).toEqual([])
  })

  it('parts that a server sent before it was killed are aborted, also those of an upload that became a file with others', {
    timeout: 300_000,
  }, async () => {
    await start({}, { KILL_POINT: 's3.opened' })
    await arm()
    await expectDeath(ask('PUT', '/api/files/far?name=x', { body: LARGE }))
    expect(await unfinishedIn(client!, bucket)).toHaveLength(1)

    await server.restart({ KILL_POINT: 's3.part' })
    await arm()
    await expectDeath(ask('PUT', '/api/files/far?name=y', { body: LARGE }))
    expect(await unfinishedIn(client!, bucket)).toHaveLength(2)

    await server.restart({ KILL_POINT: 's3.part' })
    const path = await begin()
    expect((await append(path, 0, FIRST)).status).toBe(204)
    await arm()
    await expectDeath(append(path, FIRST, LARGE.length))
    await server.restart()
    const at = await offset(path)
    expect((await append(path, at, LARGE.length)).status).toBe(204)
    expect(await unfinishedIn(client!, bucket)).toHaveLength(3)

    const swept = { uploads: 2, leftovers: 1, errors: 0 }
    expect(await inspect()).toMatchObject({ swept, report: { ok: true, problems: [] } })
    expect(await unfinishedIn(client!, bucket)).toEqual([])
    expect(await objectsIn(client!, bucket)).toEqual([`alyx/far/${path.split('/').at(-1)}`])
    expect(server.query('SELECT * FROM _alyx_multiparts')).toEqual([])
  })
})
