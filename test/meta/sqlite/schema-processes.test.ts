// Several processes and sudden ends: each change is made once and whole, whoever starts and whoever dies.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlite } from '../../../src/meta/sqlite/open.ts'
import { silent } from '../../../src/observe/observer.ts'
import { type Collections, createSchemaWorkshop, schemaText, uuid } from './schema-workshop.ts'

const ROWS = 150_000
const BEFORE = { posts: { a: 'type: string', b: 'type: int' } }
const AFTER = {
  posts: {
    title: 'type: string, unique: true',
    b: 'type: int, index: true',
    c: 'type: string, default: x, index: true',
    token: 'type: uuid, default: auto',
    indexes: '[{fields: [title, b, c]}]',
  },
  notes: { post: 'type: relation, collection: posts' },
}

let shop: ReturnType<typeof createSchemaWorkshop>
beforeEach(async () => {
  shop = createSchemaWorkshop()
  await shop.apply(BEFORE)
})
afterEach(() => shop.close())

const start = (collections: Collections): ChildProcess => {
  writeFileSync(join(shop.dir, 'schema.yaml'), schemaText(collections))
  return fork(fileURLToPath(new URL('./schema-once.ts', import.meta.url)), [shop.file, shop.dir], { execArgv: [] })
}
const fill = (rows: number) =>
  shop.use((db) =>
    db.exec(
      `INSERT INTO posts (id, a, b, _version) WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < ${rows})
       SELECT printf('01900000-0000-7000-8000-%012d', n), hex(randomblob(20)), n, 1 FROM g`,
    ),
  )
const migrate = () =>
  shop.migration(
    '0001_title',
    'rename_field: {collection: posts, from: a, to: title}',
    'sql: UPDATE posts SET title = lower(title)',
  )

describe('two processes at once', () => {
  it('do each thing once between them', async () => {
    fill(20_000)
    migrate()
    const done = await Promise.all(
      [start(AFTER), start(AFTER), start(AFTER)].map(async (child) => {
        const messages: unknown[] = []
        child.on('message', (message) => messages.push(message))
        const [code] = await once(child, 'exit')
        expect(code).toBe(0)
        return messages.at(-1) as string[]
      }),
    )
    expect(done.flat().sort()).toEqual(
      [
        '0001_title',
        'add posts.token (TEXT)',
        "add posts.c (TEXT DEFAULT 'x')",
        'create index on notes (post)',
        'create index on posts (b)',
        'create index on posts (c)',
        'create index on posts (title, b, c)',
        'create table notes (id TEXT, post TEXT)',
        'create unique index on posts (title)',
      ].sort(),
    )
    await shop.require(AFTER)
  })
})

describe('a process that is killed', () => {
  it('at any moment leaves a database that the next one finishes', async () => {
    fill(ROWS)
    migrate()
    let killed = 0
    for (let attempt = 0; attempt < 6; attempt++) {
      const child = start(AFTER)
      const exited = once(child, 'exit')
      await once(child, 'message')
      await pause(attempt * 150)
      child.kill('SIGKILL')
      if ((await exited)[1] === 'SIGKILL') killed += 1
      const db = new Database(shop.file, { readonly: true })
      const columns = db.prepare("SELECT name FROM pragma_table_info('posts')").pluck().all().join()
      db.close()
      // Each state is one that was asked for: nothing, the migration, or all of it.
      expect(['id,a,b,_version', 'id,title,b,_version', 'id,title,b,_version,c,token']).toContain(columns)
    }
    expect(killed).toBeGreaterThan(2)
    await shop.apply(AFTER)
    await shop.require(AFTER)
    expect((await shop.plan(AFTER)).steps).toEqual([])
    expect(
      shop.rows(
        'SELECT count(*) AS n, count(DISTINCT title) AS titles, count(DISTINCT token) AS tokens, min(c) AS c FROM posts',
      ),
    ).toEqual([{ n: ROWS, titles: ROWS, tokens: ROWS, c: 'x' }])
    expect(shop.column('PRAGMA integrity_check')).toEqual(['ok'])
  })
})

describe('a store that is open', () => {
  it('goes on while another process changes the tables', async () => {
    const store = await openSqlite({ file: shop.file, durability: 'full', observer: silent })
    try {
      expect(await store.lease('sweep', 'one', '2026-01-01T00:01:00.000Z', '2026-01-01T00:00:00.000Z')).toBe(true)
      await shop.apply({ posts: { ...BEFORE.posts, c: 'type: string, default: x' } })
      expect(await store.lease('sweep', 'two', '2026-01-01T00:03:00.000Z', '2026-01-01T00:02:00.000Z')).toBe(true)
      expect(await store.files([uuid(1)])).toEqual([])
    } finally {
      await store.close()
    }
  })
})
