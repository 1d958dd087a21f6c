// What the HTTP interface answers about records, request by request.
import { describe, expect, test } from 'vitest'
import { fail } from '../../src/core/errors.ts'
import { Expanded } from '../../src/records/model.ts'
import { ALICE, errorOf, rowOf } from './double.ts'
import { createRecordWorld, type RecordWorld } from './records-double.ts'

const FILE = '01890000-0000-7000-8000-000000000000'
const JSON_TYPE = { ...ALICE, 'content-type': 'application/json' }
const row = rowOf(FILE, 'pub', 'a.txt', Buffer.from('hello'), 'alice', '2026-01-02T03:04:05.678Z')

const get = (world: RecordWorld, path: string) => world.app.request(`/api/collections/${path}`, { headers: ALICE })
const send = (world: RecordWorld, method: string, path: string, body: string) =>
  world.app.request(`/api/collections/${path}`, { method, headers: JSON_TYPE, body })

describe('records', () => {
  test('a list reaches the service with every parameter and is answered as it is', async () => {
    const world = createRecordWorld()
    world.records.set('first', { slug: 'first', title: 'One', cover: null })
    const query = 'filter=title:eq:a:b&filter=slug:in:x,y&sort=-title,slug&limit=5&offset=10&search=o+n&total=true'
    const answer = await get(world, `posts?${query}`)
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(await answer.json()).toEqual({
      docs: [{ slug: 'first', title: 'One', cover: null }],
      limit: 5,
      offset: 10,
      next_cursor: 'next',
      total: 1,
    })
    expect(world.inputs).toEqual([
      {
        filters: ['title:eq:a:b', 'slug:in:x,y'],
        sort: '-title,slug',
        limit: 5,
        offset: 10,
        cursor: null,
        search: 'o n',
        expand: null,
        total: true,
      },
    ])
  })

  test('without parameters a list has 100 records, nothing is expanded and the total is not told', async () => {
    const world = createRecordWorld()
    const answer = await get(world, 'posts')
    expect(Object.keys((await answer.json()) as object)).toEqual(['docs', 'limit', 'offset', 'next_cursor'])
    expect(world.inputs[0]).toEqual({
      filters: [],
      sort: null,
      limit: 100,
      offset: null,
      cursor: null,
      search: null,
      expand: null,
      total: false,
    })
  })

  test('one filter alone is a list of one', async () => {
    const world = createRecordWorld()
    await get(world, 'posts?filter=title:is_null&cursor=abc')
    expect(world.inputs[0]).toMatchObject({ filters: ['title:is_null'], cursor: 'abc' })
  })

  test('a record is created with any JSON body; its address names it', async () => {
    const world = createRecordWorld()
    const body = { slug: 'ä/b %?', title: 'One', cover: null }
    const answer = await send(world, 'POST', 'posts?expand=cover', JSON.stringify(body))
    expect([answer.status, await answer.json()]).toEqual([201, body])
    expect(world.asked).toEqual([['create', 'posts', body, 'cover']])
    const location = answer.headers.get('location')!
    expect(location).toBe('/api/collections/posts/%C3%A4%2Fb%20%25%3F')

    world.records.set(body.slug, body)
    const found = await world.app.request(location, { headers: ALICE })
    expect([found.status, await found.json()]).toEqual([200, body])
  })

  test('a record is read, changed and deleted', async () => {
    const world = createRecordWorld()
    world.records.set('first', { slug: 'first', title: 'One', cover: null })
    expect(await (await get(world, 'posts/first?expand=cover')).json()).toMatchObject({ title: 'One' })
    const patched = await send(world, 'PATCH', 'posts/first', '{"title":"Two","tags+":["x"]}')
    expect([patched.status, await patched.json()]).toEqual([
      200,
      { slug: 'first', title: 'Two', cover: null, 'tags+': ['x'] },
    ])
    const remove = { method: 'DELETE', headers: ALICE }
    const gone = await world.app.request('/api/collections/posts/first', remove)
    expect([gone.status, await gone.text()]).toEqual([204, ''])
    const again = await world.app.request('/api/collections/posts/first', remove)
    expect([again.status, (await errorOf(again)).code]).toEqual([404, 'record_not_found'])
    expect(world.asked.slice(0, 3)).toEqual([
      ['get', 'posts', 'first', 'cover'],
      ['update', 'posts', 'first', { title: 'Two', 'tags+': ['x'] }, null],
      ['remove', 'posts', 'first'],
    ])
  })

  test('HEAD answers as GET without the body', async () => {
    const world = createRecordWorld()
    world.records.set('first', { slug: 'first', title: 'One', cover: null })
    for (const path of ['posts', 'posts/first']) {
      const whole = await (await get(world, path)).text()
      const answer = await world.app.request(`/api/collections/${path}`, { method: 'HEAD', headers: ALICE })
      expect([answer.status, await answer.text()]).toEqual([200, ''])
      expect(answer.headers.get('content-length')).toBe(String(whole.length))
    }
  })

  test.each([
    ['posts', 'PUT', 'GET, POST, HEAD'],
    ['posts/first', 'POST', 'GET, PATCH, DELETE, HEAD'],
  ])('%s does not take %s and says what it takes', async (path, method, allow) => {
    const world = createRecordWorld()
    const answer = await send(world, method, path, '{}')
    expect([answer.status, answer.headers.get('allow'), world.asked]).toEqual([405, allow, []])
  })

  test('pages of an allowed origin may call', async () => {
    const { app } = createRecordWorld()
    const preflight = await app.request('/api/collections/posts/first', {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'PATCH' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-methods')).toBe('GET, PATCH, DELETE, HEAD')
  })

  test('a failure of the service keeps its code and its details', async () => {
    const fields = [{ path: 'title', message: 'is required' }]
    const world = createRecordWorld({
      create: async () => {
        throw fail('validation_failed', 'title: is required', { details: { fields } })
      },
      list: async () => {
        throw fail('unique_violation', 'slug is taken', { details: { fields: ['slug'] } })
      },
    })
    const created = await send(world, 'POST', 'posts', '[1]')
    expect([created.status, (await errorOf(created)).details]).toEqual([400, { fields }])
    expect((await get(world, 'posts')).status).toBe(409)
  })
})

describe('expand', () => {
  const file = { id: FILE, name: 'a.txt', size: 5, mime_type: 'text/plain' }
  const expanded = {
    slug: 'first',
    cover: new Expanded(row),
    gallery: [new Expanded(row), 'hidden'],
    author: { name: 'Ann', facts: JSON.parse('{"__proto__":1}') as unknown },
    editor: null,
  }

  test('files are shown as File objects in fields and in lists; records and ids stay as they are', async () => {
    const world = createRecordWorld()
    world.records.set('first', expanded)
    const fields = 'cover,gallery,author,editor'
    const one = (await (await get(world, `posts/first?expand=${fields}`)).json()) as Record<string, unknown>
    expect(one).toMatchObject({
      slug: 'first',
      cover: file,
      gallery: [file, 'hidden'],
      author: { name: 'Ann' },
      editor: null,
    })
    expect(Object.keys(one)).toEqual(Object.keys(expanded))
    expect(JSON.stringify(one)).toContain('"facts":{"__proto__":1}')
    expect(JSON.stringify(one)).not.toContain('backend')
    const { docs } = (await (await get(world, `posts?expand=${fields}`)).json()) as { docs: unknown[] }
    expect(docs).toEqual([one])
  })

  test('an answer to a write is expanded too', async () => {
    const world = createRecordWorld({ update: async () => expanded })
    const answer = await send(world, 'PATCH', 'posts/first?expand=cover,gallery,author', '{}')
    expect(await answer.json()).toMatchObject({ cover: file })
  })
})

describe('references', () => {
  test('a file tells which records name it', async () => {
    const world = createRecordWorld()
    const answer = await world.app.request(`/api/files/pub/${FILE}/references`, { headers: ALICE })
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { references: [{ collection: 'posts', record_id: 'first', field: 'cover' }] },
    ])
    expect(world.asked).toEqual([['references', 'pub', FILE]])
  })

  test.each([
    [`pub/${FILE}x`, 'file_not_found'],
    [`PUB/${FILE}`, 'bucket_not_found'],
  ])('%s is absent before any look-up', async (path, code) => {
    const world = createRecordWorld()
    const answer = await world.app.request(`/api/files/${path}/references`, { headers: ALICE })
    expect([answer.status, (await errorOf(answer)).code, world.asked]).toEqual([404, code, []])
  })
})
