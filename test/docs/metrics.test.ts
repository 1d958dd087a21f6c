// docs/metrics.md tells the truth: it lists every metric that /metrics gives, with the labels it has.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { createWorld, type World } from '../support/scenario.ts'
import { eventually, startServer, type TestServer } from '../support/server.ts'

const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
const rows = [...text.matchAll(/^\| `(alyx_\w+)` \| (.*?) ?\| /gm)].map(([, name, labels]) => ({
  name: name!,
  labels: [...labels!.replaceAll(/\([^)]*\)/g, '').matchAll(/`(\w+)`/g)].map(([, label]) => label!),
}))

describe('docs/metrics.md', () => {
  let server: TestServer
  let world: World
  let body: string
  beforeAll(async () => {
    server = await startServer({ config: { cleanup: { interval: '1s' }, rate_limits: { sign: '2/1h' } } })
    world = await createWorld(server)
    const file = `/api/files/priv/${world.fa.id}`
    await world.get(`${file}/download`, world.a, { range: 'bytes=0-3' })
    await world.get(`${file}/download`, world.b)
    await world.get(`${file}/download`, world.a, { 'if-none-match': '*' })
    const { token } = (await world.get(`${file}/sign`)).json<{ token: string }>()
    await world.get(`${file}/download?token=${token}`, null)
    for (let i = 0; i < 3; i++) await world.get(`${file}/sign`)
    await world.put('tiny', { name: 'too-large' }, 'more than ten bytes')
    await eventually('a sweep has run', async () => {
      body = (await request({ port: server.port, path: '/metrics' })).text
      return body.includes('alyx_sweep_runs_total{result="done"}')
    })
  })
  afterAll(() => server.stop())

  it('lists every metric', () => {
    const given = [...body.matchAll(/^# TYPE (alyx_\w+) /gm)].map(([, name]) => name)
    expect(rows.map(({ name }) => name).sort()).toEqual(given.sort())
  })

  it('lists the labels of each that has counted something', () => {
    let seen = 0
    for (const { name, labels } of rows)
      for (const [, pairs = ''] of body.matchAll(
        new RegExp(`^${name}(?:_(?:bucket|sum|count))?(?:\\{(.*)\\})? `, 'gm'),
      )) {
        const found = [...pairs.matchAll(/(\w+)="/g)].map(([, label]) => label!).filter((label) => label !== 'le')
        expect(found.sort(), name).toEqual(labels.toSorted())
        seen += 1
      }
    expect(seen).toBeGreaterThan(30)
  })

  it('counts what was done, by protocol and result', () => {
    for (const line of [
      /^alyx_downloads_total\{protocol="rest",result="part"\} 1$/m,
      /^alyx_downloads_total\{protocol="rest",result="not_modified"\} 1$/m,
      /^alyx_downloads_total\{protocol="link",result="whole"\} 1$/m,
      /^alyx_uploads_total\{protocol="put",result="file_too_large"\} 1$/m,
      /^alyx_rate_refused_total\{limit="sign"\} 2$/m,
      /^alyx_active_uploads 0$/m,
      /^alyx_sweep_clock_held 0$/m,
    ])
      expect(body).toMatch(line)
  })

  it('M174 names no bucket, file or caller in any label', () => {
    const values = [...body.matchAll(/="([^"]*)"/g)].map(([, value]) => value)
    const buckets = ['pub', 'priv', 'meta', 'img', 'any', 'none', 'sec', 'tiny']
    for (const secret of [...buckets, 'A', 'B', 'root', world.fa.id, 'fa.txt']) expect(values).not.toContain(secret)
  })
})
