// Files that the database puts in the place of ids are those that the rules and the lives of files allow, and look as everywhere else.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Call } from '../../src/core/model.ts'
import { viewRecord } from '../../src/http/rest/record-view.ts'
import { INSERT_FILE, type StoredFile } from '../../src/meta/sqlite/rows.ts'
import { createChance } from '../support/random.ts'
import { type Archive, admin, alice, anyone, as, asked, bob, openArchive } from './archive.ts'

const RULES: Readonly<Record<string, string>> = {
  open: '"true"',
  owned: 'auth.id == file.owner_id',
  editors: 'auth.role == "editor"',
  closed: '"false"',
  small: 'file.size < 500',
}
const BUCKETS = [...Object.keys(RULES), 'secured', 'unruled']
const SCHEMA = `version: 1
buckets:
${Object.entries(RULES)
  .map(([name, read]) => `  ${name}: {backend: local, max_file_size: 1MB, rules: {read: ${read}}}`)
  .join('\n')}
  secured: {backend: local, max_file_size: 1MB, file_security: true, rules: {read: auth.id == file.owner_id}}
  unruled: {backend: local, max_file_size: 1MB}
collections:
  items:
    fields:
      id: {type: int, primary: true}
${BUCKETS.map((name) => `      ${name}: {type: file, bucket: ${name}, nullable: true, on_delete: keep}`).join('\n')}
      real: {type: float, nullable: true}
      secret: {type: string, internal: true, default: x}
    rules: {read: "true"}
`
const COUNT = 120
const seed = Math.floor(Math.random() * 1e9)
const dice = createChance(seed)
const maybe = <T>(value: T): T | null => (dice.chance(0.3) ? null : value)
let archive: Archive

function fileOf(n: number): StoredFile {
  const now = archive.clock.now()
  const soon = (): string => new Date(now + dice.pick([-60_000, 3_600_000, 7_200_000])).toISOString()
  const codec = dice.pick([null, 'gzip', 'zstd'] as const)
  const encrypted = dice.chance(0.3)
  const names = [...(codec === null ? [] : [codec]), ...(encrypted ? ['aes-256-gcm'] : [])]
  const id = `01890000-0000-7000-8000-${String(n).padStart(12, '0')}`
  const text = dice.pick(['plain', '"quoted" \\ and more', 'line\nbreak', '漢😀é\u0001', "it's </script>"])
  const at = new Date(now - dice.below(1e9)).toISOString()
  const mine = dice.chance(0.5) ? JSON.stringify({ read: dice.pick(['true', 'false', 'auth.id == "bob"']) }) : null
  return {
    id,
    bucket: BUCKETS[n % BUCKETS.length]!,
    name: text,
    path: `${text}/${n}`,
    mime_type: 'text/plain',
    size: dice.below(1000),
    checksum: 'ab'.repeat(32),
    compressed: codec === null ? 0 : 1,
    compression_type: codec,
    encrypted: encrypted ? 1 : 0,
    original_size: maybe(dice.below(1000)),
    stored_size: dice.below(1000),
    stored_crc32: null,
    metadata: JSON.stringify(dice.pick<unknown>([{}, { text, list: [1.5, null, { deep: true }], big: 1e21 }])),
    version: 1 + dice.below(9),
    owner_id: maybe(dice.pick(['alice', 'bob'])),
    tenant: null,
    backend: 'local',
    key: id,
    codecs: JSON.stringify(names.map((name) => ({ name, params: {} }))),
    state: dice.chance(0.15) ? 'deleting' : 'ready',
    rules: mine,
    link_epoch: 0,
    expires_at: dice.chance(0.3) ? soon() : null,
    created_at: at,
    updated_at: at,
    staged_until: dice.chance(0.4) ? soon() : null,
    hidden_at: null,
    hidden_path: null,
    hidden_reason: null,
    purge_at: null,
    expiry_asked: null,
  }
}

beforeAll(async () => {
  archive = await openArchive({ schema: SCHEMA })
  const insert = archive.db.prepare(INSERT_FILE)
  const ids = new Map(BUCKETS.map((name): [string, string[]] => [name, ['01890000-0000-7000-8000-ffffffffffff']]))
  archive.db.transaction(() => {
    for (let n = 0; n < 40 * BUCKETS.length; n++) {
      const file = fileOf(n)
      insert.run(file)
      ids.get(file.bucket)!.push(file.id)
    }
  })()
  archive.fill(
    'items',
    Array.from({ length: COUNT }, (_, id) => ({
      id,
      ...Object.fromEntries(BUCKETS.map((name) => [name, maybe(dice.pick(ids.get(name)!))])),
      real: maybe(dice.next() * 100),
      secret: 'x',
    })),
  )
})
afterAll(() => archive.close())

const callers: readonly (readonly [string, Call])[] = [
  ['nobody', anyone],
  ['an owner', alice],
  ['another owner', bob],
  ['an editor', as('eve', { role: 'editor' })],
  ['an admin', admin],
]
const singly = (call: Call, expand: string, ids: readonly number[]) =>
  Promise.all(
    ids.map(async (id) => {
      const record = await archive.records.get(call, 'items', String(id), expand)
      return JSON.parse(JSON.stringify(viewRecord(record, expand))) as unknown
    }),
  )
const all = Array.from({ length: COUNT }, (_, id) => id)

describe(`files in a page (seed ${seed})`, () => {
  for (const [who, call] of callers)
    it(`are those that ${who} sees in each record alone`, async () => {
      for (const expand of ['open', 'owned', 'editors', 'closed', 'unruled', 'open,owned,editors,unruled']) {
        archive.queries.length = 0
        const { docs } = await archive.records.list(call, 'items', asked({ expand, limit: COUNT }))
        expect(archive.queries, expand).toEqual(['records.page'])
        expect(docs, expand).toEqual(await singly(call, expand, all))
      }
    })

  it('are asked for one by one where the rule looks at more of them than their owner', async () => {
    for (const expand of ['small', 'secured', 'open,small']) {
      archive.queries.length = 0
      await archive.records.list(alice, 'items', asked({ expand }))
      expect(archive.queries, expand).toEqual(['records.list', ...expand.split(',').map(() => 'files')])
    }
  })

  it('are found by every path to a page: by an order over them, from page to page, and behind an offset', async () => {
    const walk = async (expand: string | null) => {
      const docs: (readonly [unknown, unknown])[] = []
      for (let cursor: string | null = null; ; ) {
        const page = await archive.records.list(alice, 'items', asked({ expand, cursor, sort: '-open,real', limit: 7 }))
        docs.push(...page.docs.map(({ id, open }) => [id, (open as { id?: unknown } | null)?.id ?? open] as const))
        cursor = page.nextCursor
        if (cursor === null) return docs
      }
    }
    const found = await walk('open')
    expect(found).toHaveLength(COUNT)
    expect(found).toEqual(await walk(null))
    const { docs } = await archive.records.list(alice, 'items', asked({ expand: 'open', offset: 30, limit: 5 }))
    expect(docs).toEqual(await singly(alice, 'open', [30, 31, 32, 33, 34]))
  })

  it('are not shown to keys that may not read', async () => {
    const key = as('key_1', { kind: 'key', scopes: ['write'] })
    await expect(archive.records.list(key, 'items', asked({ expand: 'open' }))).rejects.toMatchObject({
      code: 'forbidden',
    })
  })
})
