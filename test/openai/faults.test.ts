// /v1 where servers die, several serve at once, and bytes are stored otherwise than they are.
import { createHash } from 'node:crypto'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAlyx, serveAlyx } from '../../src/app.ts'
import { SECRET } from '../support/buckets.ts'
import { eventually, startServer, type TestServer } from '../support/server.ts'
import { all, openStage, refusal, SCHEMA } from './stage.ts'

const MIB = 1024 * 1024
const CONFIG = { files_api: { bucket: 'openai', max_size: '150MB' } }
const KEYS = {
  storage: { encryption: { keys: [{ id: 'k1', key: `base64:${Buffer.alloc(32, 7).toString('base64')}` }] } },
}

/** Bytes in which every position tells. */
function bytesOf(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let i = 0; i + 4 <= size; i += 4) bytes.writeUInt32LE((i * 2_654_435_761) >>> 0, i)
  return bytes
}

/** A server process of its own, for those who kill it, join it or ask its command line. Every test brings an account of its own. */
let server: TestServer
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: CONFIG })
})
afterAll(() => server?.stop())

/** A key as `alyx key create` makes it. */
async function keyOf(...args: readonly string[]) {
  const { code, stdout } = await server.project.run(['key', 'create', '--json', ...args])
  expect(code).toBe(0)
  return JSON.parse(stdout) as { id: string; key: string; tenant: string | null; scopes: string[] }
}
const clientOf = ({ key }: { readonly key: string }, maxRetries = 0, url = server.url) =>
  new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries, timeout: 60_000 })

describe('killed during complete', () => {
  it('a server has afterwards exactly one file, or a pending upload that completes', async () => {
    const client = clientOf(await keyOf('--tenant', 'acme'))
    const bytes = bytesOf(9 * MIB)
    const md5 = createHash('md5').update(bytes).digest('hex')
    const outcomes = { before: 0, after: 0 }
    // From before the first byte is put together to after the answer.
    for (const wait of [0, 15, 30, 60, 150]) {
      const upload = await client.uploads.create({
        filename: 'a',
        purpose: 'batch',
        bytes: bytes.length,
        mime_type: '',
      })
      const part_ids: string[] = []
      for (let at = 0; at < bytes.length; at += 3 * MIB) {
        const data = await toFile(bytes.subarray(at, at + 3 * MIB), 'chunk')
        part_ids.push((await client.uploads.parts.create(upload.id, { data })).id)
      }
      const completing = client.uploads.complete(upload.id, { part_ids, md5 }).then(
        () => true,
        () => false,
      )
      await new Promise((resolve) => setTimeout(resolve, wait))
      await server.kill()
      await completing
      await server.restart()
      const files = await all(await client.files.list())
      expect(files.length).toBeLessThanOrEqual(1)
      outcomes[files.length === 1 ? 'after' : 'before'] += 1
      const done = await client.uploads.complete(upload.id, { part_ids, md5 })
      expect(done.status).toBe('completed')
      const found = await all(await client.files.list())
      expect(found.map(({ id }) => id)).toEqual([done.file!.id])
      const content = Buffer.from(await (await client.files.content(done.file!.id)).arrayBuffer())
      expect(content.equals(bytes)).toBe(true)
      await client.files.delete(done.file!.id)
    }
    expect(outcomes.before).toBeGreaterThan(0)
    await server.sweep()
    expect(await server.doctor()).toMatchObject({ ok: true, problems: [] })
    // What each round left would still be there.
    expect(server.query('SELECT id FROM _alyx_uploads')).toEqual([])
    expect(server.query("SELECT id FROM _alyx_files WHERE bucket = 'openai'")).toEqual([])
  })

  it('a server that died while parts arrived leaves nothing once the upload is over', async () => {
    const own = await keyOf()
    const client = clientOf(own)
    const claims = () =>
      server.query<{ protocol: string }>('SELECT protocol FROM _alyx_uploads WHERE owner_id = ?', own.id)
    const upload = await client.uploads.create({ filename: 'a', purpose: 'batch', bytes: 1000, mime_type: '' })
    const stuck = fetch(`${server.url}/v1/uploads/${upload.id}/parts`, {
      method: 'POST',
      headers: { authorization: `Bearer ${own.key}`, 'content-type': 'multipart/form-data; boundary=x' },
      body: new ReadableStream({
        start: (controller) =>
          controller.enqueue(
            Buffer.from('--x\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\nhalf of'),
          ),
      }),
      duplex: 'half',
    } as RequestInit).catch(() => null)
    await eventually('the part has a claim', () => claims().length === 2)
    await server.kill()
    await stuck
    await server.restart()
    await client.uploads.cancel(upload.id)
    expect(await server.doctor()).toMatchObject({ ok: true })
    expect(claims()).toEqual([{ protocol: 'part' }])
  })
})

describe('two servers on one database', () => {
  it('take parts of one upload and complete it once', async () => {
    const own = await keyOf()
    const alyx = await createAlyx({
      configFile: `${server.dir}/alyx.yml`,
      schemaFile: `${server.dir}/schema.yaml`,
      env: { ALYX_AUTH_JWT_SECRET: SECRET },
      overrides: { 'server.port': '0', 'logging.level': 'silent' },
    })
    const second = await serveAlyx(alyx)
    try {
      const clients = [clientOf(own, 8), clientOf(own, 8, second.url)] as const
      const [one, two] = clients
      const bytes = bytesOf(8 * MIB)
      const upload = await one.uploads.create({ filename: 'a', purpose: 'batch', bytes: bytes.length, mime_type: '' })
      const half = bytes.length / 2
      const parts = await Promise.all([
        one.uploads.parts.create(upload.id, { data: await toFile(bytes.subarray(0, half), 'a') }),
        two.uploads.parts.create(upload.id, { data: await toFile(bytes.subarray(half), 'b') }),
      ])
      const part_ids = parts.map(({ id }) => id)
      const done = await Promise.all(
        Array.from({ length: 6 }, (_, i) => clients[i % 2]!.uploads.complete(upload.id, { part_ids })),
      )
      expect(new Set(done.map(({ file }) => file?.id)).size).toBe(1)
      expect(await all(await two.files.list())).toHaveLength(1)
      const content = Buffer.from(await (await two.files.content(done[0]!.file!.id)).arrayBuffer())
      expect(content.equals(bytes)).toBe(true)
      expect(await server.doctor()).toMatchObject({ ok: true, problems: [] })
    } finally {
      await second.close()
      await alyx.close()
    }
  })
})

describe('a bucket that compresses and encrypts', () => {
  it('does so with files and uploads of /v1, and with parts that wait', async () => {
    const schema = SCHEMA.replace('200MiB}', '200MiB, compression: zstd, encryption: true}')
    const stage = await openStage({ schema, config: { ...CONFIG, ...KEYS } })
    try {
      const client = await stage.client('acme')
      const text = 'the same line, over and over again\n'.repeat(50_000)
      const file = await client.files.create({ file: await toFile(Buffer.from(text), 'a.jsonl'), purpose: 'batch' })
      expect(await (await client.files.content(file.id)).text()).toBe(text)
      const upload = await client.uploads.create({ filename: 'b', purpose: 'batch', bytes: text.length, mime_type: '' })
      const half = text.length / 2
      const parts = []
      for (const data of [text.slice(0, half), text.slice(half)])
        parts.push(await client.uploads.parts.create(upload.id, { data: await toFile(Buffer.from(data), 'chunk') }))
      const done = await client.uploads.complete(upload.id, { part_ids: parts.map(({ id }) => id) })
      expect(await (await client.files.content(done.file!.id)).text()).toBe(text)
      const rows = await stage.alyx.meta.scanFiles('', 10)
      for (const row of rows) {
        expect(row.codecs.map(({ name }) => name)).toEqual(['zstd', 'aes-256-gcm'])
        expect(row.storedSize).toBeLessThan(text.length / 10)
      }
      expect(await stage.alyx.doctor({ readData: true, fix: false })).toMatchObject({ ok: true })
    } finally {
      await stage.close()
    }
  })
})

describe('rules of the bucket', () => {
  it('let its files be read, shared and referenced like any other; types and lives keep to it', async () => {
    const schema = `version: 1
buckets:
  openai:
    backend: local
    max_file_size: 1MiB
    allowed_types: [text/plain, application/json]
    retention: {max: 2d}
    staging: 1h
    rules:
      read: file.owner_id == "tenant:" + auth.tenant
      download: file.owner_id == "tenant:" + auth.tenant
`
    const stage = await openStage({ schema })
    try {
      const client = await stage.client('acme')
      const file = await client.files.create({ file: await toFile(Buffer.from('hello'), 'a.txt'), purpose: 'batch' })
      expect(file.expires_at).toBe(file.created_at + 2 * 86_400)
      const { fileId } = (await stage.alyx.meta.openAiFile(file.id))!
      const path = `/api/files/openai/${fileId}`
      expect(await (await stage.ask('GET', `${path}/download`, client.apiKey)).text()).toBe('hello')
      const link = (await (await stage.ask('GET', `${path}/sign`, client.apiKey)).json()) as { token: string }
      expect(await (await stage.ask('GET', `${path}/download?token=${link.token}`, null)).text()).toBe('hello')
      expect((await stage.ask('GET', path, await stage.key({ tenant: 'other' }))).status).toBe(403)
      const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
      const call = client.files.create({ file: await toFile(png, 'a.txt'), purpose: 'batch' })
      expect(await refusal(call)).toMatchObject({ status: 400, param: 'file', code: 'file_type_not_allowed' })
      const long = { expires_after: { anchor: 'created_at', seconds: 3 * 86_400 } } as const
      const longer = client.files.create({ file: await toFile(Buffer.from('x'), 'a'), purpose: 'batch', ...long })
      expect(await refusal(longer)).toMatchObject({ status: 400, param: 'expires_after.seconds' })
      const upload = await client.uploads.create({ filename: 'p', purpose: 'batch', bytes: png.length, mime_type: '' })
      const part = await client.uploads.parts.create(upload.id, { data: await toFile(png, 'chunk') })
      const complete = client.uploads.complete(upload.id, { part_ids: [part.id] })
      expect(await refusal(complete)).toMatchObject({ status: 400, code: 'file_type_not_allowed' })
      expect(await client.uploads.cancel(upload.id)).toMatchObject({ status: 'cancelled' })
      expect(await stage.alyx.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
    } finally {
      await stage.close()
    }
  })
})

describe('keys from the command line', () => {
  it('have the tenant, scopes and expiry they were made with, and end when they are revoked', async () => {
    const writer = await keyOf('--tenant', 'keys', '--scopes', 'write')
    const reader = await keyOf('--tenant', 'keys', '--scopes', 'read', '--expires', '90d')
    expect([writer.tenant, writer.scopes, reader.scopes]).toEqual(['keys', ['write'], ['read']])
    const [writing, reading] = [clientOf(writer), clientOf(reader)]
    const file = await writing.files.create({ file: await toFile(Buffer.from('x'), 'a'), purpose: 'batch' })
    expect((await reading.files.retrieve(file.id)).id).toBe(file.id)
    expect(await refusal(reading.files.delete(file.id))).toMatchObject({ status: 403 })
    const rows = server.query('SELECT * FROM _alyx_api_keys')
    expect(rows.some((row) => JSON.stringify(row).includes(reader.key))).toBe(false)
    expect((await server.project.run(['key', 'list'])).stdout).toContain(reader.id)
    expect((await server.project.run(['key', 'revoke', reader.id])).code).toBe(0)
    expect(await refusal(reading.files.retrieve(file.id))).toMatchObject({ status: 401, code: 'invalid_api_key' })
    expect(server.logs()).not.toContain(writer.key)
  })
})
