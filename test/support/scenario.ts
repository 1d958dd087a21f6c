// Adversarial scenarios as a table: what is sent, what must come back, what must not, and that the server lives on.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SECRET } from './buckets.ts'
import { type Answer, type RequestOptions, request } from './http.ts'
import { form } from './multipart.ts'
import { eventually, type StartOptions, startServer, type TestServer } from './server.ts'

export interface Stored {
  readonly bucket: string
  readonly id: string
  readonly name: string
  readonly body: Buffer
}

export interface World {
  readonly server: TestServer
  readonly port: number
  /** Tokens. */
  readonly a: string
  readonly b: string
  readonly admin: string
  /** A's file in priv, B's file in priv, A's file in meta. */
  readonly fa: Stored
  readonly fb: Stored
  readonly fm: Stored
  /** One request, as caller A unless a token (or null) is given. */
  send(options: Omit<RequestOptions, 'port'>): Promise<Answer>
  get(path: string, token?: string | null, headers?: Readonly<Record<string, string>>): Promise<Answer>
  /** Raw PUT; the answer as it came. */
  put(
    bucket: string,
    query: Readonly<Record<string, string>>,
    body: Buffer | string,
    token?: string | null,
  ): Promise<Answer>
  /** Multipart POST. */
  post(
    bucket: string,
    filename: string | Buffer,
    body: Buffer | string,
    fields?: Readonly<Record<string, string>>,
  ): Promise<Answer>
  /** PUT that must succeed. */
  store(bucket: string, name: string, body: Buffer | string, token?: string | null): Promise<Stored>
}

export interface Scenario {
  /** Starts with the number of the case: `A1 …`. */
  readonly title: string
  run(world: World): Promise<Answer | readonly Answer[]>
  /** One of these, for every answer; default: not checked here. */
  readonly status?: number | readonly number[]
  readonly code?: string | readonly string[]
  /** Must not appear in headers or body of any answer. */
  readonly absent?: readonly (string | RegExp)[]
  check?(answers: readonly Answer[], world: World): void | Promise<void>
  /** Refused below the application: no envelope is due. */
  readonly plain?: boolean
  /** A reason why it does not run. */
  readonly skip?: string | false
  readonly timeout?: number
}

/** True with ALYX_TEST_LONG=1: cases that need minutes. */
export const LONG = process.env.ALYX_TEST_LONG === '1'

const NEVER: readonly (string | RegExp)[] = [
  /\bat .+\.[cm]?[jt]s:\d+/,
  'node_modules',
  SECRET,
  /sqlite|SQLITE/,
  /root:x:0/,
  /ENOENT|EACCES|EISDIR/,
]

/** Starts one server for the table, runs each scenario, and asks doctor at the end. */
export function scenarios(name: string, table: readonly Scenario[], options: StartOptions = {}): void {
  describe(name, () => {
    let world: World
    let idle = 0
    beforeAll(async () => {
      world = await createWorld(await startServer(options))
      idle = world.server.fds()
    })
    afterAll(async () => {
      await world?.server.stop()
    })
    for (const scenario of table) {
      const title = scenario.skip ? `${scenario.title} (skipped: ${scenario.skip})` : scenario.title
      it.skipIf(Boolean(scenario.skip))(title, { timeout: scenario.timeout ?? 240_000 }, async () => {
        const result = await scenario.run(world)
        const answers = Array.isArray(result) ? (result as readonly Answer[]) : [result as Answer]
        for (const [index, answer] of answers.entries()) judge(scenario, answer, index, world)
        await scenario.check?.(answers, world)
        await expectAlive(world, idle)
      })
    }
    it(`leaves nothing for doctor to find after ${name}`, async () => {
      await eventually(
        'open claims are gone',
        () => world.server.query('select id from _alyx_uploads').length === 0,
        5000,
      ).catch(() => {})
      const report = await world.server.doctor()
      expect(report.problems).toEqual([])
      expect(report.ok).toBe(true)
    })
  })
}

function judge(scenario: Scenario, answer: Answer, index: number, world: World): void {
  const label = `answer ${index}: ${answer.status} ${answer.text.slice(0, 300)}`
  if (scenario.status !== undefined) expect([scenario.status].flat(), label).toContain(answer.status)
  if (scenario.code !== undefined) expect([scenario.code].flat(), label).toContain(answer.code)
  const whole = `${JSON.stringify(answer.headers)}\n${answer.text}`
  for (const unwanted of scenario.absent ?? []) expectAbsent(whole, unwanted, label)
  if (answer.status < 400) return
  for (const unwanted of [...NEVER, world.server.dir]) expectAbsent(whole, unwanted, label)
  if (scenario.status === undefined)
    expect(answer.status, `${label}: a refusal is never an internal error`).not.toBe(500)
  if (!scenario.plain && answer.body.length > 0) expectEnvelope(answer)
}

function expectAbsent(whole: string, unwanted: string | RegExp, label: string): void {
  const there = typeof unwanted === 'string' ? whole.includes(unwanted) : unwanted.test(whole)
  expect(there, `${label} must not contain ${String(unwanted)}`).toBe(false)
}

/** The error envelope of API.md §1. */
export function expectEnvelope(answer: Answer): void {
  expect(answer.headers['content-type'], answer.text.slice(0, 200)).toMatch(/^application\/json/)
  expect(answer.headers['cache-control']).toBe('no-store')
  expect(answer.headers['x-request-id']).toBeTruthy()
  const { error } = answer.json<{ error: Record<string, unknown> }>()
  expect(error).toMatchObject({ code: expect.any(String), message: expect.any(String), hint: expect.any(String) })
  expect(error.request_id).toBe(answer.headers['x-request-id'])
}

/** Health is 200 and descriptors return to what they were. */
export async function expectAlive(world: World, idle: number): Promise<void> {
  expect((await request({ port: world.port, path: '/health/live' })).status).toBe(200)
  await eventually(`descriptors back to ${idle}, now ${world.server.fds()}`, () => world.server.fds() <= idle, 20_000)
}

/** Tokens for A, B and an admin, and one file of each kind. */
export async function createWorld(server: TestServer): Promise<World> {
  const { port } = server
  const [a, b, admin] = await Promise.all([server.token('A'), server.token('B'), server.admin()])
  const send: World['send'] = (given) => request({ port, token: a, ...given })
  const put: World['put'] = (bucket, query, body, token = a) =>
    send({ method: 'PUT', path: `/api/files/${bucket}?${new URLSearchParams(query)}`, body, token })
  const store: World['store'] = async (bucket, name, body, token = a) => {
    const answer = await put(bucket, { name }, body, token)
    if (answer.status !== 201) throw new Error(`storing ${name} in ${bucket}: ${answer.status} ${answer.text}`)
    return { bucket, id: answer.json<{ id: string }>().id, name, body: Buffer.from(body) }
  }
  const world = {
    server,
    port,
    a,
    b,
    admin,
    send,
    put,
    store,
    get: (path: string, token: string | null = a, headers: Readonly<Record<string, string>> = {}) =>
      send({ path, token, headers: { ...headers } }),
    post: (
      bucket: string,
      filename: string | Buffer,
      body: Buffer | string,
      fields: Readonly<Record<string, string>> = {},
    ) => {
      const made = form({ filename, body }, fields)
      return send({
        method: 'POST',
        path: `/api/files/${bucket}`,
        headers: { 'content-type': made.contentType },
        body: made.body,
      })
    },
  }
  const declared = server.query<{ n: number }>("select count(*) n from sqlite_master where name = '_alyx_files'")
  if (declared[0]?.n !== 1) throw new Error('the database has no _alyx_files')
  const fa = await store('priv', 'fa.txt', 'the secret words of A', a)
  const fb = await store('priv', 'fb.txt', 'the secret words of B', b)
  const fm = await store('meta', 'fm.txt', 'the metadata bucket file of A', a)
  // Threads that start when first needed (hashing of large content, scans of the database) hold descriptors for good:
  // they must be there before descriptors are counted, so that whatever is added later is a leak.
  const large = await store('any', 'large enough for every thread', Buffer.alloc(2_000_000), a)
  await send({ method: 'DELETE', path: `/api/files/any/${large.id}` })
  await world.get(`/api/files/priv/${fa.id}/download`)
  for (const query of ['', '?search=x&total=true', '?sort=name&mime_type=text/*'])
    await world.get(`/api/files/priv${query}`)
  return { ...world, fa, fb, fm }
}

/** All regular files below the blob and spool directories, as paths relative to the data directory. */
export function dataFiles(world: World): Promise<readonly string[]> {
  return import('node:fs/promises').then(async ({ readdir }) => {
    const found = await readdir(`${world.server.dir}/data`, { recursive: true, withFileTypes: true })
    return found
      .filter((entry) => entry.isFile() && !/alyx\.db/.test(entry.name))
      .map((entry) => `${entry.parentPath}/${entry.name}`)
  })
}
