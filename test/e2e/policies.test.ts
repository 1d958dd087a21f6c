// What owners may have, over HTTP: by every way bytes come in, seen by owners and admins, changed by PUT and by SQL.
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { form } from '../support/multipart.ts'
import { DAY } from '../support/policies.ts'
import { type PolicyServer, refusal, startPolicyServer } from '../support/policy-server.ts'
import { eventually, startServer } from '../support/server.ts'
import { tusOn } from './tus-requests.ts'

let world: PolicyServer
beforeAll(async () => {
  world = await startPolicyServer()
})
afterAll(async () => {
  await world?.expectSound()
  await world?.server.stop()
})

const bytes = (size: number): Buffer => Buffer.alloc(size, 'a')
const storage = async (user: string) => (await world.as(user, { path: '/api/storage' })).json<Record<string, unknown>>()
const policyOf = async (user: string) =>
  (await world.as(user, { path: '/api/storage/policy' })).json<Record<string, unknown>>()
const admin = (method: string, path: string, json?: unknown, user: string | null = 'root') =>
  world.as(user, { method, path: `/api/admin/storage/${path}`, ...(json === undefined ? {} : { json }) })
const fileOf = async (user: string, bucket: string, id: string) =>
  (await world.as(user, { path: `/api/files/${bucket}/${id}` })).json<{
    expires_at: string | null
    created_at: string
  }>()
const lifeOf = (file: { expires_at: string | null; created_at: string }): number | null =>
  file.expires_at === null ? null : (Date.parse(file.expires_at) - Date.parse(file.created_at)) / DAY

describe('the quota of an owner', () => {
  const chunked = (size: number) => Readable.from([bytes(size - 1), bytes(1)])
  const ways: readonly (readonly [string, (user: string, size: number) => Promise<number>])[] = [
    ['raw', async (user, size) => (await world.put(user, 'any', bytes(size))).status],
    [
      'raw of unknown length',
      async (user, size) =>
        (
          await world.as(user, {
            method: 'PUT',
            path: `/api/files/any?name=c${size}`,
            headers: { 'transfer-encoding': 'chunked' },
            body: chunked(size),
          })
        ).status,
    ],
    [
      'multipart',
      async (user, size) => {
        const { contentType, body } = form({ filename: `m${size}`, body: bytes(size) })
        const headers = { 'content-type': contentType }
        return (await world.as(user, { method: 'POST', path: '/api/files/any', headers, body })).status
      },
    ],
    [
      'multipart of unknown length',
      async (user, size) => {
        const { contentType, body } = form({ filename: `u${size}`, body: bytes(size) })
        const headers = { 'content-type': contentType, 'transfer-encoding': 'chunked' }
        return (await world.as(user, { method: 'POST', path: '/api/files/any', headers, body: Readable.from([body]) }))
          .status
      },
    ],
    [
      'tus',
      async (user, size) => {
        const tus = tusOn(world.server, 'any', await world.server.token(user))
        const created = await tus.create(size)
        if (created.status !== 201) return created.status
        const id = String(created.headers.location).split('/').at(-1)!
        return (await tus.patch(id, 0, bytes(size))).status === 204 ? 201 : 500
      },
    ],
  ]
  it.each(ways)('holds to the byte for %s', async (way, send) => {
    const user = `quota ${way}`
    expect(await send(user, 1001)).toBe(413)
    expect(await storage(user)).toMatchObject({ used: 0, reserved: 0, files: 0 })
    expect(await send(user, 600)).toBe(201)
    expect(await send(user, 401)).toBe(413)
    expect(await send(user, 400)).toBe(201)
    expect(await storage(user)).toMatchObject({ used: 1000, reserved: 0, limit: 1000, percentage: 100, files: 2 })
    expect(await send(user, 1)).toBe(413)
  })

  it('says whose limit it is and how much is left, and names nobody else', async () => {
    await world.store('ida', 'any', bytes(700))
    expect(refusal(await world.put('ida', 'any', bytes(301)))).toEqual({
      status: 413,
      code: 'quota_exceeded',
      scope: 'owner:ida',
      limit: 1000,
      used: 700,
      reserved: 0,
      requested: 301,
    })
    // Both are used up: what others have in the bucket is not told to one who has used up their own.
    await world.store('ben', 'full', bytes(1000))
    expect(refusal(await world.put('ida', 'full', bytes(301)))).toMatchObject({ scope: 'owner:ida' })
    expect(refusal(await world.put('new', 'full', bytes(201)))).toMatchObject({ scope: 'bucket:full', used: 1000 })
  })

  it('is held by an unfinished upload and free again when it is cancelled', async () => {
    const tus = tusOn(world.server, 'any', await world.server.token('leo'))
    const id = await tus.begin(900)
    expect(await storage('leo')).toMatchObject({ used: 0, reserved: 900 })
    expect((await world.put('leo', 'any', bytes(101))).status).toBe(413)
    expect((await tus.remove(id)).status).toBe(204)
    expect((await world.put('leo', 'any', bytes(1000))).status).toBe(201)
  })

  it('returns with a deletion', async () => {
    const { id } = await world.store('kim', 'any', bytes(1000))
    expect((await world.put('kim', 'any', 'x')).status).toBe(413)
    expect((await world.as('kim', { method: 'DELETE', path: `/api/files/any/${id}` })).status).toBe(204)
    expect((await world.put('kim', 'any', bytes(1000))).status).toBe(201)
  })

  it('is not there for callers who are nobody', async () => {
    expect((await world.put(null, 'any', bytes(5000))).status).toBe(201)
  })

  it('is counted and logged when it refuses', async () => {
    const { text } = await world.as(null, { path: '/metrics' })
    expect(text).toMatch(/alyx_quota_refused_total\{scope="owner"\} [1-9]/)
    expect(text).not.toContain('ida')
  })
})

describe('a policy', () => {
  it('is shown to its owner with what is used', async () => {
    await world.store('pia', 'any', bytes(125))
    const policy = {
      tier: 'free',
      max_storage: 1000,
      max_files_per_field: 2,
      max_field_bytes: 500,
      retention_days: 30,
      transform_limit: 0,
      transform_used: 0,
      transform_month_remaining: 1000,
    }
    expect(await policyOf('pia')).toEqual(policy)
    expect(await storage('pia')).toEqual({
      used: 125,
      reserved: 0,
      limit: 1000,
      percentage: 12.5,
      files: 1,
      policy,
    })
  })

  it('set by an admin is obeyed by the next request, part by part', async () => {
    const nothing = {
      owner_id: 'ole',
      tier: null,
      max_storage: null,
      max_files_per_field: null,
      max_field_bytes: null,
      retention_days: null,
      transform_limit: null,
      transform_used: 0,
    }
    expect((await admin('GET', 'ole')).json()).toEqual(nothing)
    expect((await world.put('ole', 'any', bytes(1001))).status).toBe(413)
    expect((await admin('PUT', 'ole', { max_storage: 2000 })).json()).toEqual({ ...nothing, max_storage: 2000 })
    expect((await world.put('ole', 'any', bytes(1001))).status).toBe(201)
    expect((await admin('PUT', 'ole', { tier: 'vip', max_storage: null })).json()).toEqual({ ...nothing, tier: 'vip' })
    expect((await admin('GET', 'ole')).json()).toEqual({ ...nothing, tier: 'vip' })
    // The hard cap is below what the tier has.
    expect(await policyOf('ole')).toMatchObject({ tier: 'vip', max_storage: 50_000, retention_days: null })
    expect((await admin('PUT', 'ole', {})).status).toBe(200)
  })

  it('set by SQL is obeyed by the next request of the running server', async () => {
    expect((await world.put('sue', 'any', bytes(1001))).status).toBe(413)
    world.sql("INSERT INTO _alyx_storages (owner_id, tier) VALUES ('sue', 'vip')")
    const { expires_at: kept } = (await world.put('sue', 'any', bytes(1001))).json<{ expires_at: string | null }>()
    expect(kept).toBeNull()
    world.sql("UPDATE _alyx_storages SET tier = NULL, max_storage = 10, retention_days = 2 WHERE owner_id = 'sue'")
    expect(refusal(await world.put('sue', 'any', 'x'))).toMatchObject({ code: 'quota_exceeded', limit: 10, used: 1001 })
    expect(await storage('sue')).toMatchObject({ percentage: 10_010 })
  })

  it('of a tier that nobody has declared is that of the default tier, and the operator is told', async () => {
    world.sql("INSERT INTO _alyx_storages (owner_id, tier) VALUES ('tim', 'platinum')")
    expect(await policyOf('tim')).toMatchObject({ tier: 'free', max_storage: 1000 })
    expect((await world.put('tim', 'any', bytes(1001))).status).toBe(413)
    await world.server.kill('SIGTERM')
    await world.server.restart()
    await eventually('the log warns', () =>
      world.server
        .logs()
        .split('\n')
        .some(
          (line) => line.includes('config_warning') && line.includes('1 owner is in tier') && line.includes('platinum'),
        ),
    )
    world.sql("DELETE FROM _alyx_storages WHERE owner_id = 'tim'")
  })

  it.each([
    ['an unknown key', { max_storrage: 1 }, 'max_storrage'],
    ['the owner', { owner_id: 'other' }, 'owner_id'],
    ['a negative number', { max_storage: -1 }, 'max_storage'],
    ['a fraction', { max_storage: 1.5 }, 'max_storage'],
    ['more than can be counted', { max_storage: 9_007_199_254_740_992 }, 'max_storage'],
    ['a size as text', { max_storage: '20MB' }, 'max_storage'],
    ['a life of nothing', { retention_days: 0 }, 'retention_days'],
    ['a life beyond all dates', { retention_days: 36_501 }, 'retention_days'],
    ['a tier that is not declared', { tier: 'platinum' }, 'tier'],
    ['null for what is counted', { transform_used: null }, 'transform_used'],
    ['a list', [], ''],
  ])('is not changed by %s', async (_, json, path) => {
    const answer = await admin('PUT', 'una', json)
    expect(answer.status, answer.text).toBe(400)
    expect(answer.code).toBe('validation_failed')
    expect(JSON.stringify(answer.json())).toContain(path)
    expect((await admin('GET', 'una')).json()).toMatchObject({ max_storage: null, tier: null })
  })

  it('takes the largest number exactly', async () => {
    const max = 9_007_199_254_740_991
    expect((await admin('PUT', 'max', { max_storage: max })).text).toContain(`"max_storage":${max}`)
    expect((await admin('GET', 'max')).text).toContain(`"max_storage":${max}`)
  })

  it('is set for whatever id an owner may have', async () => {
    for (const id of ['auth0|5f7c', 'a/b', 'ünï 漢😀', '%41', '__proto__', "o'x"]) {
      const answer = await admin('PUT', encodeURIComponent(id), { max_storage: 77 })
      expect(answer.json(), id).toMatchObject({ owner_id: id, max_storage: 77 })
      expect(await policyOf(id)).toMatchObject({ max_storage: 77 })
    }
    expect((await admin('GET', 'x'.repeat(256))).status).toBe(404)
    expect((await admin('GET', '%0A')).status).toBe(404)
  })

  it.each([
    ['GET', 'ann'],
    ['PUT', 'ann'],
    ['POST', 'ann/recompute-expiry'],
  ])('%s of an owner is for admins only', async (method, path) => {
    const json = method === 'GET' ? undefined : {}
    expect((await admin(method, path, json, null)).code).toBe('unauthenticated')
    expect(refusal(await admin(method, path, json, 'ann'))).toEqual({
      status: 403,
      code: 'forbidden',
      operation: 'admin',
      rule: 'auth.admin_roles',
    })
    const key = async (...args: string[]) => {
      const made = await world.server.project.run(['key', 'create', '--json', ...args])
      return (JSON.parse(made.stdout) as { key: string }).key
    }
    const send = (token: string) =>
      world.as(null, {
        method,
        path: `/api/admin/storage/${path}`,
        headers: { authorization: `Bearer ${token}` },
        ...(json && { json }),
      })
    if (method !== 'PUT') return
    expect((await send(await key('--role', 'admin', '--scopes', 'read'))).code).toBe('forbidden')
    expect((await send(await key('--role', 'admin'))).status).toBe(200)
  })

  it('is for callers who have signed in', async () => {
    expect((await world.as(null, { path: '/api/storage' })).code).toBe('unauthenticated')
    expect((await world.as(null, { path: '/api/storage/policy' })).code).toBe('unauthenticated')
    expect((await world.as('ann', { path: '/api/storage?owner_id=ben' })).code).toBe('invalid_query')
  })
})

describe('retention', () => {
  it('gives a new file the stricter of the two defaults, by every way', async () => {
    expect(lifeOf((await world.store('ria', 'any', 'x')) as never)).toBe(30)
    expect(lifeOf((await world.store('ria', 'dated', 'x')) as never)).toBe(10)
    expect(lifeOf((await world.store(null, 'dated', 'x')) as never)).toBe(10)
    await admin('PUT', 'ria', { retention_days: 3 })
    expect(lifeOf((await world.store('ria', 'dated', 'x')) as never)).toBe(3)
    const tus = tusOn(world.server, 'dated', await world.server.token('ria'))
    const id = await tus.begin(1)
    expect((await tus.patch(id, 0, bytes(1))).status).toBe(204)
    expect(lifeOf(await fileOf('ria', 'dated', id))).toBe(3)
  })

  it('refuses what goes beyond either maximum, at the start and later', async () => {
    const asked = async (user: string, bucket: string, days: string) =>
      refusal(await world.put(user, bucket, 'x', { expires_in: days }))
    expect(await asked('rob', 'dated', '20d')).toMatchObject({ status: 201 })
    expect(await asked('rob', 'dated', '21d')).toMatchObject({ code: 'invalid_expiry', max_seconds: 20 * 86_400 })
    expect(await asked('rob', 'any', '30d')).toMatchObject({ status: 201 })
    expect(await asked('rob', 'any', '31d')).toMatchObject({ code: 'invalid_expiry', max_seconds: 30 * 86_400 })
    const tus = tusOn(world.server, 'any', await world.server.token('rob'))
    expect((await tus.create(1, { filename: 'a', expires_in: '31d' })).code).toBe('invalid_expiry')
    const { id } = await world.store('rob', 'any', 'x')
    const patch = (expires_at: string | null) =>
      world.as('rob', { method: 'PATCH', path: `/api/files/any/${id}`, json: { expires_at } })
    const inDays = (days: number) => new Date(Date.now() + days * DAY).toISOString()
    expect((await patch(inDays(29))).status).toBe(200)
    expect((await patch(inDays(31))).code).toBe('invalid_expiry')
    expect((await patch(null)).code).toBe('invalid_expiry')
  })

  it('is computed anew when an admin asks, and asking is safe to repeat', async () => {
    const first = await world.store('rex', 'any', 'x')
    const second = await world.store('rex', 'priv', 'x')
    await admin('PUT', 'rex', { tier: 'vip' })
    const recompute = async (json?: unknown) => (await admin('POST', 'rex/recompute-expiry', json)).json()
    expect(await recompute({})).toEqual({ retention_days: null, grace_days: 7, total_files: 2, updated_files: 2 })
    expect((await fileOf('rex', 'any', first.id)).expires_at).toBeNull()
    await admin('PUT', 'rex', { tier: null, retention_days: 1 })
    expect(await recompute({ grace_days: 5 })).toMatchObject({ retention_days: 1, grace_days: 5, updated_files: 2 })
    expect(lifeOf(await fileOf('rex', 'priv', second.id))).toBeCloseTo(5, 1)
    expect(await recompute()).toMatchObject({ grace_days: 7, total_files: 2, updated_files: 0 })
    expect((await admin('POST', 'rex/recompute-expiry', { grace_days: -1 })).code).toBe('validation_failed')
    expect((await admin('POST', 'rex/recompute-expiry', { grace: 1 })).code).toBe('validation_failed')
    expect((await admin('POST', 'nobody/recompute-expiry')).json()).toMatchObject({ total_files: 0 })
  })
})

describe('fields of records', () => {
  const files = (user: string, sizes: readonly number[]) =>
    Promise.all(sizes.map(async (size) => (await world.store(user, 'any', bytes(size))).id))
  const create = (user: string | null, json: unknown) =>
    world.as(user, { method: 'POST', path: '/api/collections/albums', json })
  const change = (user: string, id: string, json: unknown) =>
    world.as(user, { method: 'PATCH', path: `/api/collections/albums/${id}`, json })

  it('hold as many files as the policy of whoever fills them says, each field for itself', async () => {
    const [a, b, c] = await files('fay', [10, 10, 10])
    expect(refusal(await create('fay', { id: 'f1', photos: [a, b, c] }))).toEqual({
      status: 413,
      code: 'quota_exceeded',
      scope: 'field:photos',
      limit: 2,
      used: 0,
      reserved: 0,
      requested: 3,
      field: 'photos',
      unit: 'files',
    })
    expect((await create('fay', { id: 'f1', photos: [a, b], more: [a, c] })).status).toBe(201)
    expect(refusal(await change('fay', 'f1', { 'photos+': [c] }))).toMatchObject({ code: 'quota_exceeded', used: 2 })
    // In another order, or others in their place.
    expect((await change('fay', 'f1', { photos: [c, a] })).status).toBe(200)
    world.sql("INSERT INTO _alyx_storages (owner_id, max_files_per_field) VALUES ('fay', 3)")
    expect((await change('fay', 'f1', { photos: [a, b, c] })).status).toBe(200)
  })

  it('hold as many bytes as the policy says, a single file too', async () => {
    const [small, large] = await files('fin', [300, 501])
    expect(refusal(await create('fin', { id: 'g1', cover: large }))).toMatchObject({
      code: 'quota_exceeded',
      scope: 'field:cover',
      unit: 'bytes',
      limit: 500,
      requested: 501,
    })
    expect((await create('fin', { id: 'g1', cover: small, photos: [small] })).status).toBe(201)
    expect(refusal(await change('fin', 'g1', { 'photos+': [large] }))).toMatchObject({ used: 300, requested: 501 })
    expect((await world.as('fin', { path: '/api/collections/albums/g1' })).json()).toMatchObject({ photos: [small] })
  })

  it('that hold more than they may by now can become smaller, but not larger', async () => {
    world.sql("INSERT INTO _alyx_storages (owner_id, max_files_per_field) VALUES ('flo', 9)")
    const [a, b, c, d, e] = await files('flo', [10, 10, 10, 10, 10])
    expect((await create('flo', { id: 'h1', photos: [a, b, c, d] })).status).toBe(201)
    world.sql("UPDATE _alyx_storages SET max_files_per_field = 1 WHERE owner_id = 'flo'")
    expect((await change('flo', 'h1', { 'photos+': [e] })).code).toBe('quota_exceeded')
    expect((await change('flo', 'h1', { 'photos-': [d] })).status).toBe(200)
    expect((await change('flo', 'h1', { photos: [] })).status).toBe(200)
  })
})

describe('J: quotas that somebody tries to get around', () => {
  it('J147 a form without a length is refused while it streams, and leaves nothing', async () => {
    await world.store('j147', 'any', bytes(900))
    const { contentType, body } = form({ filename: 'late', body: bytes(101) })
    const answer = await world.as('j147', {
      method: 'POST',
      path: '/api/files/any',
      headers: { 'content-type': contentType, 'transfer-encoding': 'chunked' },
      body: Readable.from([body.subarray(0, 150), body.subarray(150)]),
    })
    expect(refusal(answer)).toMatchObject({ status: 413, code: 'quota_exceeded', scope: 'owner:j147' })
    expect(await storage('j147')).toMatchObject({ used: 900, reserved: 0, files: 1 })
  })

  it('J151 what compresses well is charged by its content', async () => {
    const size = 3_000_000
    expect((await world.put('j151', 'zipped', bytes(size))).status).toBe(413)
    const answer = await world.as('j151', {
      method: 'PUT',
      path: '/api/files/zipped?name=bomb',
      headers: { 'transfer-encoding': 'chunked' },
      body: Readable.from([bytes(900), bytes(size)]),
    })
    expect(refusal(answer)).toMatchObject({ status: 413, code: 'quota_exceeded' })
    const { stored_size: stored } = (await world.put('j151', 'zipped', bytes(1000))).json<{ stored_size: number }>()
    expect(stored).toBeLessThan(200)
    expect(await storage('j151')).toMatchObject({ used: 1000 })
  })

  it('J a hundred at once go no further than one after the other', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => world.put('crowd', n % 2 ? 'any' : 'priv', bytes(30))),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(33)
    expect(answers.filter(({ code }) => code === 'quota_exceeded')).toHaveLength(67)
    expect(await storage('crowd')).toMatchObject({ used: 990, reserved: 0 })
  })

  it('J nobody is charged for another: a file in a bucket of all counts for its uploader only', async () => {
    const { id } = await world.store('payer', 'pub', bytes(500))
    await world.as('other', { method: 'PATCH', path: `/api/files/pub/${id}`, json: { metadata: { owner: 'other' } } })
    expect(await storage('other')).toMatchObject({ used: 0 })
    expect(await storage('payer')).toMatchObject({ used: 500 })
  })
})

describe('without a policies block', () => {
  it('owners have no limits, and setting some is refused rather than ignored', async () => {
    const server = await startServer()
    const call = async (user: string, method: string, path: string, json?: unknown) => {
      const token = user === 'root' ? await server.admin() : await server.token(user)
      return fetch(`${server.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      })
    }
    expect(await (await call('ann', 'GET', '/api/storage')).json()).toMatchObject({
      limit: null,
      percentage: null,
      policy: { tier: null, max_storage: null, retention_days: null, transform_month_remaining: null },
    })
    const refused = await call('root', 'PUT', '/api/admin/storage/ann', { max_storage: 1 })
    expect(refused.status).toBe(501)
    expect(await refused.text()).toContain('Declare policies in alyx.yml')
    await server.stop()
  })
})
