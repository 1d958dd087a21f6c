import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createIds } from '../../src/core/ids.ts'
import type { Call } from '../../src/core/model.ts'
import { type Archive, admin, alice, anyone, as, asked, bob, openArchive, refused } from './archive.ts'

let archive: Archive
const ids = createIds({ now: () => Date.now() })

beforeAll(async () => {
  archive = await openArchive()
  archive.db.transaction(() => {
    const note = (size: number) => ({ id: ids(), owner: size % 3 === 0 ? 'alice' : 'bob', size })
    archive.fill(
      'notes',
      Array.from({ length: 60 }, (_, i) => note(i)),
    )
    const words = (place: number): string => JSON.stringify(place % 10 === 0 ? ['a', 'b'] : ['a'])
    archive.fill(
      'riddles',
      Array.from({ length: 1200 }, (_, place) => ({ id: ids(), words: words(place), place })),
    )
    archive.fill(
      'counters',
      ['Alpha', 'alpine', 'BETA', '100%', 'a_b', 'ab'].map((label, number) => ({ number, label })),
    )
    const kind = (string: string | null, int: number | null) => ({ id: ids(), string, int, files: '[]' })
    archive.fill('kinds', [kind('a', 1), kind('b', null), kind(null, 1), kind('c', null), kind('d', 2)])
  })()
})
afterAll(() => archive.close())

/** Every page of a list, by cursor. */
async function pages(call: Call, collection: string, more: Parameters<typeof asked>[0]) {
  const found: Readonly<Record<string, unknown>>[][] = []
  for (let cursor: string | null = null; ; ) {
    const page = await archive.records.list(call, collection, asked({ ...more, cursor }))
    found.push([...page.docs])
    cursor = page.nextCursor
    if (cursor === null) return found
  }
}

const labels = async (more: Parameters<typeof asked>[0]): Promise<unknown[]> =>
  (await archive.records.list(anyone, 'counters', asked(more))).docs.map(({ label }) => label)

describe('a list', () => {
  it('is by the primary field, with what it was asked for and where it goes on', async () => {
    const page = await archive.records.list(anyone, 'counters', asked({ limit: 2, total: true }))
    expect(page).toEqual({
      docs: [
        { number: 0, label: 'Alpha' },
        { number: 1, label: 'alpine' },
      ],
      limit: 2,
      offset: 0,
      nextCursor: expect.any(String),
      total: 6,
    })
    const last = await archive.records.list(anyone, 'counters', asked({ limit: 2, offset: 4 }))
    expect(last).toMatchObject({ docs: [{ number: 4 }, { number: 5 }], offset: 4, nextCursor: null, total: null })
    expect(await archive.records.list(anyone, 'counters', asked({ offset: 7, total: true }))).toMatchObject({
      docs: [],
      nextCursor: null,
      total: 6,
    })
  })

  it.each([
    [{ filters: ['number:gte:2', 'number:lt:4'] }, ['BETA', '100%']],
    [{ filters: ['number:in:5,0'] }, ['Alpha', 'ab']],
    [{ filters: ['label:eq:BETA'] }, ['BETA']],
    [{ filters: ['label:ne:BETA', 'number:lte:2'] }, ['Alpha', 'alpine']],
    [{ filters: ['label:like:alp%'] }, ['Alpha', 'alpine']],
    [{ filters: ['label:contains:%'] }, ['100%']],
    [{ filters: ['label:contains:_'] }, ['a_b']],
    [{ filters: ['label:is_null'] }, []],
    [{ filters: ['label:eq:x', 'label:not_null'] }, []],
    [{ search: 'LP' }, ['Alpha', 'alpine']],
    [{ search: 'LP', filters: ['number:gt:0'] }, ['alpine']],
    [{ sort: '-number', limit: 2 }, ['ab', 'a_b']],
    [{ sort: 'label', limit: 3 }, ['100%', 'Alpha', 'BETA']],
  ])('of %j holds %j', async (more, expected) => {
    expect(await labels(more)).toEqual(expected)
  })

  it('pages through every order, nulls included, without missing or repeating any', async () => {
    for (const sort of ['int', '-int', 'int,-string', '-int,string', 'string', '-string']) {
      const all = (await archive.records.list(anyone, 'kinds', asked({ sort }))).docs
      expect(all).toHaveLength(5)
      for (const limit of [1, 2, 5]) expect((await pages(anyone, 'kinds', { sort, limit })).flat()).toEqual(all)
    }
  })

  it.each([
    [{ filters: ['x:eq:1'] }, 'filter'],
    [{ sort: 'x' }, 'sort'],
    [{ expand: 'x' }, 'expand'],
    [{ search: '' }, 'search'],
    [{ cursor: 'x' }, 'cursor'],
    [{ offset: 1_000_001 }, 'offset'],
  ])('is refused for %j, also where it would be empty', async (more, parameter) => {
    for (const call of [admin, alice, anyone])
      expect(await refused(archive.records.list(call, 'notes', asked(more)))).toMatchObject({
        code: 'invalid_query',
        details: { parameter },
      })
  })
})

describe('a list where a rule decides', () => {
  it('is refused where there is no rule, or the key may not read', async () => {
    const rule = 'collections.sealed.rules.read'
    expect(await refused(archive.records.list(alice, 'sealed', asked()))).toMatchObject({
      code: 'forbidden',
      details: { operation: 'read', rule },
    })
    expect(await refused(archive.records.list(anyone, 'sealed', asked()))).toMatchObject({ code: 'unauthenticated' })
    expect(await archive.records.list(admin, 'sealed', asked({ total: true }))).toMatchObject({ docs: [], total: 0 })
    const writer = as('k', { kind: 'key', scopes: ['write'] })
    expect(await refused(archive.records.list(writer, 'notes', asked()))).toMatchObject({ code: 'forbidden' })
  })

  it('holds and counts only what the caller may read', async () => {
    for (const [call, count] of [
      [alice, 20],
      [bob, 40],
      [as('carol'), 0],
      [anyone, 0],
      [admin, 60],
    ] as const) {
      const page = await archive.records.list(call, 'notes', asked({ total: true }))
      expect([page.docs.length, page.total]).toEqual([count, count])
      const all = (await pages(call, 'notes', { limit: 7, sort: '-size' })).flat()
      expect(all.map(({ size }) => size)).toEqual(all.map(({ size }) => Number(size)).toSorted((a, b) => b - a))
      expect(all).toHaveLength(count)
    }
    const other = await archive.records.list(alice, 'notes', asked({ filters: ['owner:eq:bob'], total: true }))
    expect(other).toMatchObject({ docs: [], total: 0, nextCursor: null })
  })

  it('asks record by record where the rule is no condition of the database', async () => {
    const list = (more: Parameters<typeof asked>[0]) => archive.records.list(anyone, 'riddles', asked(more))
    const first = await list({ limit: 50, total: true, sort: 'place' })
    expect(first.docs.map(({ place }) => place)).toEqual(Array.from({ length: 50 }, (_, i) => i * 10))
    expect(first.total).toBe(120)
    expect((await list({ offset: 118, sort: 'place' })).docs).toMatchObject([{ place: 1180 }, { place: 1190 }])
    expect((await list({ filters: ['place:gt:1185'], total: true })).docs).toMatchObject([{ place: 1190 }])
    const found = await pages(anyone, 'riddles', { limit: 50, sort: '-place' })
    expect(found.map((page) => page.length)).toEqual([50, 50, 20])
    expect((await archive.records.list(admin, 'riddles', asked({ limit: 1, total: true }))).total).toBe(1200)
  })
})
