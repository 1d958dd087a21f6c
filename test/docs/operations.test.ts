// docs/operations.md tells the truth: its SQL is run on a database that a server made.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PolicyServer, startPolicyServer } from '../support/policy-server.ts'
import { startServer, type TestServer } from '../support/server.ts'

const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
const [perBucket, unfinished, ...more] = [...text.matchAll(/^sqlite3 -readonly data\/alyx\.db "(.+)"$/gm)].map(
  ([, sql]) => sql!,
)

/** The statements that are shown in SQL, in their order. */
const statements = [...text.matchAll(/^```sql\n([\s\S]*?)^```$/gm)]
  .flatMap(([, block]) => block!.split(/;$/m))
  .map((statement) => statement.trim())
  .filter((statement) => statement !== '' && /_alyx_(storages|usage|transform_months|files)\b/.test(statement))

describe('docs/operations.md', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
    const headers = { authorization: `Bearer ${await server.token('ada')}` }
    await fetch(`${server.url}/api/files/priv?name=a`, { method: 'PUT', headers, body: 'twelve bytes' })
    const metadata = Buffer.from('b').toString('base64')
    await fetch(`${server.url}/api/files/priv/tus`, {
      method: 'POST',
      headers: {
        ...headers,
        'tus-resumable': '1.0.0',
        'upload-length': '7',
        'upload-metadata': `filename ${metadata}`,
      },
    })
  })
  afterAll(() => server.stop())

  it('asks for files and bytes of each bucket', () => {
    expect(server.query(perBucket!)).toEqual([{ bucket: 'priv', 'count(*)': 1, 'sum(size)': 12 }])
  })

  it('asks for uploads that are not finished', () => {
    expect(server.query(unfinished!)).toMatchObject([{ filename: 'b', offset: 0, size: 7 }])
    expect(more).toEqual([])
  })

  it('names the places where things are', () => {
    const { id } = server.query<{ id: string }>('select id from _alyx_files')[0]!
    const path = `data/files/priv/${id.slice(0, 6)}/${id.slice(6, 8)}/${id}`
    expect(readFileSync(`${server.dir}/${path}`, 'utf8')).toBe('twelve bytes')
    expect(text).toContain('`data/files/<bucket>/<6 hex>/<2 hex>/<id>`')
  })
})

describe('the runbook of owners in docs/operations.md', () => {
  const DAY = 86_400_000
  const [
    inspect,
    usage,
    most,
    upsert,
    promote,
    demote,
    custom,
    giveBack,
    months,
    transforms,
    reset,
    recompute,
    clear,
    ...rest
  ] = statements
  let world: PolicyServer
  beforeAll(async () => {
    world = await startPolicyServer()
    await world.store('ada', 'any', 'twelve bytes')
  })
  afterAll(() => world.server.stop())

  const run = (statement: string | undefined): number => world.sql(statement!)
  const policy = async () => (await world.as('ada', { path: '/api/storage/policy' })).json<Record<string, unknown>>()
  const ends = () =>
    world.server
      .query<{ expires_at: string | null; created_at: string }>("SELECT * FROM _alyx_files WHERE owner_id = 'ada'")
      .map((row) => row.expires_at && (Date.parse(row.expires_at) - Date.parse(row.created_at)) / DAY)

  it('inspects', () => {
    expect(rest).toEqual([])
    expect(world.server.query(inspect!)).toEqual([])
    expect(world.server.query(usage!)).toEqual([{ used: 12, reserved: 0, files: 1 }])
    expect(world.server.query(most!)).toEqual([
      { owner_id: 'ada', tier: null, max_storage: null, used: 12, reserved: 0, files: 1 },
    ])
  })

  it('upserts, promotes and demotes while the server runs', async () => {
    expect(run(upsert)).toBe(1)
    expect(await policy()).toMatchObject({ tier: 'vip', retention_days: null })
    expect(run(upsert)).toBe(1)
    world.sql("UPDATE _alyx_storages SET max_storage = 5, tier = NULL WHERE owner_id = 'ada'")
    expect(run(promote)).toBe(1)
    expect(await policy()).toMatchObject({ tier: 'vip', max_storage: 5 })
    expect(run(demote)).toBe(1)
    expect(await policy()).toMatchObject({ tier: 'free', max_storage: 1000 })
    expect(world.server.query(inspect!)).toMatchObject([{ owner_id: 'ada', tier: null, transform_used: 0 }])
  })

  it('sets limits of their own and gives one back', async () => {
    expect(run(custom)).toBe(1)
    // hard_max_storage is below what was set.
    expect(await policy()).toMatchObject({ max_storage: 50_000, retention_days: 90 })
    expect(run(giveBack)).toBe(1)
    expect(await policy()).toMatchObject({ max_storage: 1000, retention_days: 90 })
  })

  it('tells of transforms and sets them back', async () => {
    world.sql("INSERT INTO _alyx_transform_months (month, used) VALUES ('2026-01', 3), ('2026-02', 4)")
    world.sql("UPDATE _alyx_storages SET transform_used = 7 WHERE owner_id = 'ada'")
    expect(world.server.query(months!)).toEqual([
      { month: '2026-02', used: 4 },
      { month: '2026-01', used: 3 },
    ])
    expect(world.server.query(transforms!)).toEqual([{ owner_id: 'ada', transform_used: 7 }])
    expect(run(reset)).toBe(1)
    expect(await policy()).toMatchObject({ transform_used: 0 })
  })

  it('recomputes by the route as it is shown', async () => {
    const shown = /^curl -X POST [\s\S]*?recompute-expiry"$/m.exec(text)![0]
    const env = { PATH: process.env.PATH, ALYX: world.server.url, ADMIN_TOKEN: await world.server.admin() }
    const { status, stdout } = spawnSync('bash', ['-c', shown.replace('curl', 'curl -sS --fail')], { env })
    expect(status).toBe(0)
    expect(text).toContain(`# ${String(stdout)}\n`)
    expect(ends()).toEqual([90])
  })

  it('recomputes and clears by SQL, in the form that the server writes', async () => {
    world.sql("UPDATE _alyx_files SET expires_at = '2999-01-01T00:00:00.000Z'")
    expect(run(recompute)).toBe(1)
    expect(ends()).toEqual([90])
    expect(run(clear)).toBe(1)
    expect(ends()).toEqual([null])
    await world.expectSound()
  })
})
