// Pages of /v1/files: exact cursors, exact has_more, in both orders, while others add and delete.
import type OpenAI from 'openai'
import { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { all, openStage, refusal, type Stage } from './stage.ts'

const MANY = 250

let stage: Stage
let acme: OpenAI
let other: OpenAI
/** In the order they were made. */
const made: string[] = []

beforeAll(async () => {
  stage = await openStage()
  acme = await stage.client('acme')
  other = await stage.client('other')
  for (let at = 0; at < MANY; at += 25) {
    // Several within one second, of two tenants.
    await Promise.all(Array.from({ length: 25 }, (_, i) => add(acme, at + i)))
    await add(other, at)
  }
  const rows = await stage.alyx.meta.openAiFiles('tenant:acme', null, {
    descending: false,
    after: null,
    limit: 10_000,
    now: new Date().toISOString(),
  })
  made.push(...rows.map(({ id }) => id))
})
afterAll(() => stage.close())

async function add(client: OpenAI, i: number): Promise<string> {
  const purpose = i % 5 === 0 ? 'assistants' : 'batch'
  return (await client.files.create({ file: await toFile(Buffer.from(`${i}`), `${i}.txt`), purpose })).id
}

describe('a list', () => {
  it.each(['asc', 'desc'] as const)('gives every file once, %s, while others are being added', async (order) => {
    const before = order === 'asc' ? [...made] : [...made].reverse()
    let adding = true
    const added: string[] = []
    const crowd = (async () => {
      while (adding) added.push(...(await Promise.all([add(acme, added.length + 1000), add(other, 1)])).slice(0, 1))
    })()
    const seen: { id: string; created_at: number }[] = []
    for await (const file of acme.files.list({ order, limit: 10 })) seen.push(file)
    adding = false
    await crowd
    const ids = seen.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.filter((id) => before.includes(id))).toEqual(before)
    const times = seen.map(({ created_at }) => created_at)
    expect(times).toEqual([...times].sort((a, b) => (order === 'asc' ? a - b : b - a)))
    for (const id of added) await acme.files.delete(id)
  })

  it('holds everything, newest first, unless told otherwise', async () => {
    const page = await acme.files.list()
    expect(page.data.map(({ id }) => id)).toEqual([...made].reverse())
    expect(page.hasNextPage()).toBe(false)
    const raw = (await (await stage.ask('GET', '/v1/files', acme.apiKey)).json()) as object
    expect(raw).toMatchObject({ object: 'list', first_id: made.at(-1), last_id: made[0], has_more: false })
  })

  it('says exactly whether there is more', async () => {
    for (const limit of [MANY - 1, MANY, MANY + 1]) {
      const page = await acme.files.list({ limit })
      expect([limit, page.has_more]).toEqual([limit, limit < MANY])
    }
    const last = await acme.files.list({ order: 'asc', limit: 1, after: made.at(-2)! })
    expect([last.data.map(({ id }) => id), last.has_more]).toEqual([[made.at(-1)], false])
  })

  it('has all five keys when it is empty', async () => {
    const empty = await stage.ask('GET', `/v1/files?purpose=vision`, acme.apiKey)
    expect(await empty.json()).toEqual({ object: 'list', data: [], first_id: null, last_id: null, has_more: false })
    const behind = await acme.files.list({ order: 'asc', after: made.at(-1)! })
    expect(behind.data).toEqual([])
  })

  it('of one purpose holds these only, in pages too', async () => {
    const found = await all(acme.files.list({ purpose: 'assistants', limit: 7 }))
    expect(found).toHaveLength(MANY / 5)
    expect(new Set(found.map(({ purpose }) => purpose))).toEqual(new Set(['assistants']))
    expect(await all(acme.files.list({ purpose: 'no such purpose' }))).toEqual([])
  })

  it('goes on behind a file that was deleted meanwhile', async () => {
    const doomed = made.splice(100, 1)[0]!
    await acme.files.delete(doomed)
    const page = await acme.files.list({ order: 'asc', limit: 2, after: doomed })
    expect(page.data.map(({ id }) => id)).toEqual(made.slice(100, 102))
  })

  it('refuses cursors that are unknown or of others, limits and orders that are none', async () => {
    const theirs = (await all(other.files.list()))[0]!.id
    for (const after of [theirs, `file-${'0'.repeat(32)}`, 'x', made[0]!.toUpperCase()]) {
      expect(await refusal(acme.files.list({ after }).asResponse())).toMatchObject({ status: 400, param: 'after' })
    }
    for (const limit of [0, 10_001, -1, 1.5, 'x', '1e3']) {
      const call = acme.files.list({ limit: limit as number }).asResponse()
      expect(await refusal(call)).toMatchObject({ status: 400, param: 'limit' })
    }
    expect(await refusal(acme.files.list({ order: 'up' as 'asc' }).asResponse())).toMatchObject({
      status: 400,
      param: 'order',
    })
    const unknown = await stage.ask('GET', '/v1/files?page=2', acme.apiKey)
    expect([unknown.status, ((await unknown.json()) as { error: { param: string } }).error.param]).toEqual([
      400,
      'page',
    ])
  })
})
