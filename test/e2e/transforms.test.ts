// /view in other sizes over HTTP, with a server that has a transformer and one that has none; and a kill in the middle of one.
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PolicyServer, refusal, startPolicyServer } from '../support/policy-server.ts'
import { eventually } from '../support/server.ts'

const script = fileURLToPath(new URL('../support/transform-main.ts', import.meta.url))
let world: PolicyServer
let plain: PolicyServer
let id: string
beforeAll(async () => {
  world = await startPolicyServer({ script })
  plain = await startPolicyServer()
  world.sql("INSERT INTO _alyx_storages (owner_id, transform_limit) VALUES ('ada', 3)")
  id = (await world.store('ada', 'pub', 'the words of ada')).id
})
afterAll(async () => {
  await world?.expectSound()
  await world?.server.stop()
  await plain?.server.stop()
})

const view = (query: string, method = 'GET', headers: Record<string, string> = {}) =>
  world.as('ben', { method, path: `/api/files/pub/${id}/view?${query}`, headers })
const used = (): unknown =>
  world.server.query("SELECT transform_used FROM _alyx_storages WHERE owner_id = 'ada'")[0]?.transform_used
const inMonth = (): unknown => world.server.query('SELECT sum(used) AS used FROM _alyx_transform_months')[0]?.used

describe('a server with a transformer', () => {
  it('gives what it makes, whole and once charged, and the original without parameters', async () => {
    const answer = await view('width=9')
    expect(answer).toMatchObject({ status: 200, text: 'the words' })
    expect(answer.headers).toMatchObject({ 'content-length': '9', 'x-content-type-options': 'nosniff' })
    expect(answer.headers.etag).toMatch(/^W\/"[0-9a-f]{64}-9x---"$/)
    expect((await view('width=9', 'GET', { 'if-none-match': String(answer.headers.etag) })).status).toBe(304)
    expect((await view('width=9', 'HEAD')).status).toBe(200)
    expect((await view('')).text).toBe('the words of ada')
    expect(used()).toBe(1)
    expect(inMonth()).toBe(1)
  })

  it('refunds what fails, and says no more than that', async () => {
    const answer = await view('width=13')
    expect(refusal(answer)).toMatchObject({ status: 500, code: 'internal' })
    expect(answer.text).not.toContain('unlucky')
    await eventually('the log says why', () => world.server.logs().includes('unlucky'))
    expect(used()).toBe(1)
  })

  it('that is killed while it makes one has not charged it once it is there again', async () => {
    const pending = view('width=1').catch(() => null)
    await eventually('it is charged', () => used() === 2)
    await world.server.kill()
    await pending
    expect(used()).toBe(2)
    await world.server.restart()
    expect(used()).toBe(1)
    expect(inMonth()).toBe(1)
    expect(world.server.query('SELECT * FROM _alyx_transforms')).toEqual([])
  })

  it('refuses when the owner’s are used up, until an operator gives more', async () => {
    expect((await view('width=2')).text).toBe('th')
    expect((await view('width=3')).text).toBe('the')
    expect(refusal(await view('width=4'))).toEqual({
      status: 413,
      code: 'quota_exceeded',
      scope: 'transforms',
      limit: 3,
      used: 3,
      reserved: 0,
      requested: 1,
    })
    await world.as('root', { method: 'PUT', path: '/api/admin/storage/ada', json: { transform_used: 0 } })
    expect((await view('width=4')).text).toBe('the ')
    expect((await world.as('ada', { path: '/api/storage/policy' })).json()).toMatchObject({
      transform_limit: 3,
      transform_used: 1,
      transform_month_remaining: 996,
    })
  })

  it.each([
    ['width=0', 'width'],
    ['width=-1', 'width'],
    ['width=1.5', 'width'],
    ['width=8193', 'width'],
    ['width=1e3', 'width'],
    ['width=', 'width'],
    ['width=1&width=2', 'width'],
    ['height=99999999999999999999', 'height'],
    ['fit=cover', 'fit'],
    ['width=1&fit=Cover', 'fit'],
    ['format=gif', 'format'],
    ['format=image/png', 'format'],
    ['quality=0', 'quality'],
    ['quality=101', 'quality'],
    ['blur=3', 'blur'],
    ['Width=3', 'Width'],
  ])('refuses ?%s and names the parameter', async (query, parameter) => {
    expect(refusal(await view(query))).toEqual({ status: 400, code: 'invalid_query', parameter })
  })

  it('takes the parameters for /view only', async () => {
    const download = await world.as('ada', { path: `/api/files/pub/${id}/download?width=3` })
    expect(refusal(download)).toMatchObject({ code: 'invalid_query', parameter: 'width' })
    expect(refusal(await world.put('ada', 'pub', 'x', { width: '3' }))).toMatchObject({ parameter: 'width' })
  })
})

describe('a server without one', () => {
  it('says so, and serves the original; an upload keeps the bytes that were sent', async () => {
    const file = await plain.store('ada', 'pub', 'as it was sent')
    const path = `/api/files/pub/${file.id}/view`
    const refused = await plain.as('ada', { path: `${path}?width=10` })
    expect(refusal(refused)).toMatchObject({ status: 501, code: 'not_implemented' })
    expect(refused.text).toContain('give createAlyx a transformer')
    expect((await plain.as('ada', { path })).text).toBe('as it was sent')
    expect((await plain.as('ada', { path: `${path}?width=x` })).code).toBe('invalid_query')
    const absent = '/api/files/pub/01900000-0000-7000-8000-000000000000/view?width=10'
    expect((await plain.as('ada', { path: absent })).code).toBe('file_not_found')
    expect(plain.server.query('SELECT * FROM _alyx_transform_months')).toEqual([])
  })
})
