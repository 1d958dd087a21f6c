import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ALWAYS, type StoredValue } from '../../../src/core/predicate.ts'
import type { JsonField, RecordQuery, RecordRow } from '../../../src/meta/records.ts'
import { openSqlite } from '../../../src/meta/sqlite/open.ts'
import { applySchema } from '../../../src/meta/sqlite/schema-apply.ts'
import type { MetaStore } from '../../../src/meta/store.ts'
import { silent } from '../../../src/observe/observer.ts'
import { parseSchema } from '../../../src/schema/load.ts'
import { tablesOf } from '../../../src/schema/tables.ts'
import { createChance } from '../../support/random.ts'

const FIELDS: readonly JsonField[] = [
  { name: 'id', form: 'value' },
  { name: 'words', form: 'value' },
  { name: 'whole', form: 'value' },
  { name: 'real', form: 'value' },
  { name: 'flag', form: 'boolean' },
  { name: 'tree', form: 'document' },
]
const SCHEMA = `version: 1
collections:
  things:
    fields:
      id: {type: int, primary: true}
      words: {type: string, nullable: true}
      whole: {type: int, nullable: true, index: true}
      real: {type: float, nullable: true}
      flag: {type: bool, nullable: true}
      tree: {type: json, nullable: true}
      hidden: {type: string, nullable: true, internal: true}
`

const dir = mkdtempSync(join(tmpdir(), 'alyx-json-'))
const seed = Math.floor(Math.random() * 1e9)
const dice = createChance(seed)
let meta: MetaStore
let crowded = false

const bits = new DataView(new ArrayBuffer(8))
function real(): number {
  bits.setUint32(0, dice.below(2 ** 32))
  bits.setUint32(4, dice.below(2 ** 32))
  const any = bits.getFloat64(0)
  return dice.pick([0, 5, 0.1, 19.99, 1e21, 5e-324, 1 / 3, 2 ** 53, Number.isFinite(any) ? any : 1.5])
}
const word = (): string =>
  dice.pick(['', '"quoted"', 'back\\slash', 'line\nbreak', '漢😀é', "it's", '</script>', '\u0001'])
const maybe = <T extends StoredValue>(value: T): T | null => (dice.chance(0.2) ? null : value)

beforeAll(async () => {
  const context = { backends: ['local'], hasMaxFileSize: false, hasEncryptionKeys: false }
  const schema = parseSchema(SCHEMA, 'schema.yaml', context).schema!
  const file = join(dir, 'alyx.db')
  await applySchema({ file, schema, projectDir: null })
  const isCrowded = () => crowded
  meta = await openSqlite({ file, durability: 'normal', observer: silent, tables: tablesOf(schema), isCrowded })
  const now = '2026-11-21T12:00:00.000Z'
  const rows = Array.from({ length: 300 }, (_, id) => ({
    id,
    words: maybe(word()),
    whole: maybe(dice.below(5)),
    real: maybe(real()),
    flag: maybe(dice.below(2)),
    tree: maybe(JSON.stringify({ [word()]: [word(), real(), null, true] })),
    hidden: 'secret',
  }))
  await Promise.all(rows.map((row) => meta.records.insert('things', row, now)))
})
afterAll(async () => {
  await meta.close()
  rmSync(dir, { recursive: true, force: true })
})

const ask = (more: Partial<RecordQuery>): RecordQuery => ({
  collection: 'things',
  where: ALWAYS,
  sort: [{ field: 'id', descending: false }],
  limit: 100,
  offset: 0,
  after: null,
  ...more,
})
const by = (field: string) => [
  { field, descending: true },
  { field: 'id', descending: true },
]
function shown({ values }: RecordRow) {
  const { id, words, whole, real, flag, tree } = values
  const json = tree === null || tree === undefined ? null : JSON.parse(String(tree))
  return { id, words, whole, real, flag: flag === null ? null : flag === 1, tree: json }
}

describe.each([
  ['on the event loop', false],
  ['in the reader thread', true],
])(`a page as JSON, read %s (seed ${seed})`, (_, isCrowded) => {
  beforeAll(() => {
    crowded = isCrowded
  })

  it.each([
    ['by the primary', {}],
    ['from the end', { sort: [{ field: 'id', descending: true }] }],
    ['behind a row', { after: [120] }],
    ['skipping some', { offset: 250 }],
    ['skipping all', { offset: 900 }],
    [
      'of a condition no index answers',
      { where: { kind: 'compare', field: 'flag', op: 'eq', value: 1 }, limit: 7 } as const,
    ],
    [
      'by an index',
      {
        where: { kind: 'compare', field: 'whole', op: 'eq', value: 3 },
        sort: by('whole'),
        limit: 10,
      } as const,
    ],
    ['in several walks, because of nulls', { sort: by('whole'), after: [0, 290] }],
    ['in several walks, up to the end', { sort: by('whole'), after: [0, 0], limit: 200 }],
    ['of one row', { sort: by('whole'), limit: 1 }],
    ['by what is shown otherwise than it is stored', { sort: by('flag'), after: [1, 200] }],
    ['by numbers with many digits', { sort: by('real'), limit: 90 }],
  ])('%s is the rows of the list, to the last bit of every number', async (_, more) => {
    const query = ask(more)
    const rows = await meta.records.list({ ...query, limit: query.limit + 1 })
    const page = await meta.records.page(query, FIELDS)
    expect(page.bytes).toBe(Buffer.byteLength(page.json))
    expect(JSON.parse(`[${page.json}]`)).toEqual(rows.slice(0, query.limit).map(shown))
    const last = rows.length > query.limit ? rows[query.limit - 1]!.values : null
    const sorted = last && Object.fromEntries(query.sort.map(({ field }) => [field, last[field]]))
    expect(page.last).toEqual(sorted)
  })

  it('has numbers in the shortest form that gives them back', async () => {
    await meta.records.insert(
      'things',
      { id: 9000 + Number(isCrowded), words: null, whole: null, real: 19.99, flag: null, tree: null, hidden: null },
      '2026-11-21T12:00:00.000Z',
    )
    const { json } = await meta.records.page(ask({ after: [8999 + Number(isCrowded)] }), FIELDS)
    expect(json).toMatch(/^\{"id":900\d,"words":null,"whole":null,"real":19.99,"flag":null,"tree":null\}$/)
  })

  it('has the length of what is sent, also of bytes that somebody else wrote and that are no text', async () => {
    const other = new Database(join(dir, 'alyx.db'))
    other.exec(`UPDATE things SET words = CAST(x'61ff62' AS TEXT) WHERE id = 20`)
    other.close()
    for (const limit of [1, 2]) {
      const page = await meta.records.page(ask({ after: [19], limit }), FIELDS)
      expect(page.json).toContain('a\ufffdb')
      expect(page.bytes).toBe(Buffer.byteLength(page.json))
    }
  })

  it('shows no field that was not asked for, and knows no other', async () => {
    expect((await meta.records.page(ask({}), FIELDS)).json).not.toContain('secret')
    await expect(meta.records.page(ask({}), [{ name: 'x', form: 'value' }])).rejects.toMatchObject({
      code: 'internal',
    })
  })
})
