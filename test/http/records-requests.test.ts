// Which requests about records are refused before the service is asked, and which are its to judge.
import { describe, expect, test } from 'vitest'
import { ALICE, createWorld, errorOf } from './double.ts'
import { createRecordWorld, type RecordWorld } from './records-double.ts'

const FILE = '01890000-0000-7000-8000-000000000000'
const JSON_TYPE = { ...ALICE, 'content-type': 'application/json' }

const get = (world: RecordWorld, path: string) => world.app.request(`/api/collections/${path}`, { headers: ALICE })

describe('addresses', () => {
  const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
  const NAMES = ['nope', '__proto__', 'constructor', 'toString', 'POSTS', 'posts%22;DROP', 'posts%00', 'posts%2Fx']

  test.each(NAMES.flatMap((name) => METHODS.map((method) => [method, name] as const)))(
    '%s on the undeclared collection %s is 404, whatever is asked of it',
    async (method, name) => {
      const world = createRecordWorld()
      for (const path of [name, `${name}/1`, `${name}?limit=1&limit=2`, `${name}/1?expand=x&y=%ff`]) {
        const answer = await world.app.request(`/api/collections/${path}`, { method, headers: ALICE })
        expect(answer.status).toBe(404)
        if (method !== 'HEAD') expect((await errorOf(answer)).code).toBe('collection_not_found')
      }
      expect(world.asked).toEqual([])
    },
  )

  test('without collections every name is 404', async () => {
    const { app } = createWorld()
    const answer = await app.request('/api/collections/posts', { method: 'POST', body: 'no JSON' })
    expect([answer.status, (await errorOf(answer)).code]).toEqual([404, 'collection_not_found'])
    expect((await app.request(`/api/files/pub/${FILE}/references`)).status).toBe(200)
  })

  test.each([
    ['__proto__', '__proto__'],
    ['constructor', 'constructor'],
    ['toString', 'toString'],
    ['a%2Fb', 'a/b'],
    ['100%25', '100%'],
    ['%2541', '%41'],
    ['%C3%A9%20%3F%23', 'é ?#'],
    ['%00', '\0'],
    ["1'%20OR%201=1--", "1' OR 1=1--"],
    ['x'.repeat(512), 'x'.repeat(512)],
  ])('the record id %s reaches the service decoded once, and is not there', async (path, id) => {
    const world = createRecordWorld()
    const answer = await get(world, `posts/${path}`)
    expect([answer.status, (await errorOf(answer)).code]).toEqual([404, 'record_not_found'])
    expect(world.asked).toEqual([['get', 'posts', id, null]])
  })

  test('an id beyond 512 characters is absent before any look-up', async () => {
    const world = createRecordWorld()
    const answer = await get(world, `posts/${'x'.repeat(513)}`)
    expect([answer.status, (await errorOf(answer)).code, world.asked]).toEqual([404, 'record_not_found', []])
  })

  test.each(['posts/', 'posts/1/', 'posts/1/2', ''])('/api/collections/%s is nothing', async (path) => {
    const answer = await get(createRecordWorld(), path)
    expect([answer.status, (await errorOf(answer)).code]).toEqual([404, 'not_found'])
  })
})

describe('queries', () => {
  test.each([
    ['posts?sort=a&sort=b', 'sort'],
    ['posts?expand=a&expand=b', 'expand'],
    ['posts?filter=', 'filter'],
    [`posts?${'filter=a:eq:b&'.repeat(51)}`, 'filter'],
    ['posts?filter=a:eq:b&filter=%ff', 'filter'],
    ['posts?filter[]=a:eq:b', 'filter[]'],
    ['posts?limit=0', 'limit'],
    ['posts?limit=1001', 'limit'],
    ['posts?offset=-1', 'offset'],
    ['posts?offset=1e3', 'offset'],
    ['posts?total=1', 'total'],
    ['posts?__proto__=1', '__proto__'],
    ['posts?where=1', 'where'],
    ['posts/1?filter=a:eq:b', 'filter'],
    ['posts/1?expand=', 'expand'],
  ])('%s is refused and named', async (path, parameter) => {
    const world = createRecordWorld()
    const answer = await get(world, path)
    const error = await errorOf(answer)
    expect([answer.status, error.code, error.details, world.asked]).toEqual([400, 'invalid_query', { parameter }, []])
  })

  test('fifty filters are taken', async () => {
    const world = createRecordWorld()
    expect((await get(world, `posts?${'filter=a:eq:b&'.repeat(50)}`)).status).toBe(200)
    expect(world.inputs[0]?.filters).toHaveLength(50)
  })

  test('a DELETE has nothing to expand', async () => {
    const answer = await createRecordWorld().app.request('/api/collections/posts/1?expand=cover', { method: 'DELETE' })
    expect((await errorOf(answer)).code).toBe('invalid_query')
  })
})

describe('bodies', () => {
  test.each([
    ['duplicate keys', '{"title":"a","title":"b"}', JSON_TYPE, 400, 'invalid_json'],
    ['no JSON', 'title=a', JSON_TYPE, 400, 'invalid_json'],
    ['another type', '{}', { ...ALICE, 'content-type': 'application/merge-patch+json' }, 415, 'unsupported_media_type'],
    ['more than 1 MiB', JSON.stringify('x'.repeat(1024 * 1024)), JSON_TYPE, 413, 'body_too_large'],
  ])('%s is refused before the service is asked', async (_, body, headers, status, code) => {
    const world = createRecordWorld()
    for (const [method, path] of [
      ['POST', 'posts'],
      ['PATCH', 'posts/first'],
    ]) {
      const answer = await world.app.request(`/api/collections/${path}`, { method: method!, headers, body })
      expect([answer.status, (await errorOf(answer)).code]).toEqual([status, code])
    }
    expect(world.asked).toEqual([])
  })

  test.each(['null', '[]', '1', '"x"', '{"__proto__":{"admin":true}}'])(
    '%s is for the service to judge',
    async (body) => {
      const world = createRecordWorld()
      await world.app.request('/api/collections/posts/first', { method: 'PATCH', headers: JSON_TYPE, body })
      const [, , , asked] = world.asked[0]!
      expect(JSON.stringify(asked)).toBe(body)
    },
  )
})
