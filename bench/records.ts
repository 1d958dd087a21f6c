// Records at scale: a million of them, read through HTTP and by the same SQL in this process.
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Scenario } from './scenarios.ts'
import { SEED, seedId } from './seed.ts'
import type { Bench } from './stage.ts'

/** Part of the bench's schema.yaml. */
export const RECORDS = `collections:
  posts:
    fields:
      id:      {type: uuid, primary: true, default: auto}
      title:   {type: string, max_length: 200}
      author:  {type: string}
      views:   {type: int, default: 0}
      score:   {type: float, nullable: true}
      draft:   {type: bool, default: false}
      cover:   {type: file, bucket: few, nullable: true, on_delete: keep}
      created: {type: timestamp, default: now}
    indexes:
      - {fields: [author, created]}
    rules: {create: auth.id != null, read: "true"}
`

const COUNT = 1_000_000
const AUTHORS = 1000
const FIELDS = ['id', 'title', 'author', 'views', 'score', 'draft', 'cover', 'created']
const COLUMNS = FIELDS.map((name) => `"${name}"`).join(', ')
const PAGE = `SELECT ${COLUMNS} FROM posts WHERE author = ? ORDER BY created DESC, id DESC LIMIT 100`
const BY_ID = `SELECT ${COLUMNS} FROM posts WHERE id = ?`
const FILES = 'SELECT * FROM _alyx_files WHERE id IN (SELECT value FROM json_each(?))'

/** Fills `posts`; each names one of the files of bucket few. The server must be stopped. */
export function seedRecords(file: string): void {
  const database = new Database(file)
  database.pragma('synchronous = OFF')
  database.pragma('cache_size = -262144')
  const insert = database.prepare(`INSERT INTO posts (${COLUMNS}, _version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)`)
  const refer = database.prepare('INSERT INTO _alyx_file_refs VALUES (?, ?, ?, ?)')
  const batch = database.transaction((from: number, to: number) => {
    for (let n = from; n < to; n++) {
      const id = seedId(SEED.base, n)
      const cover = seedId(SEED.base, Math.floor(n / AUTHORS) % SEED.few)
      const at = new Date(SEED.base + n).toISOString()
      insert.run(id, `Title number ${n}`, `author${n % AUTHORS}`, n, n * 1.5, n % 2, cover, at)
      refer.run(cover, 'posts', id, 'cover')
    }
  })
  for (let from = 0; from < COUNT; from += 50_000) batch(from, from + 50_000)
  database.pragma('wal_checkpoint(truncate)')
  database.close()
}

/** Record scenarios. The ratios are requests through HTTP to runs of the bare statements. */
export function recordScenarios(seconds: number): readonly Scenario[] {
  const get = async (bench: Bench, path: string, tag: string): Promise<number> => {
    const done = await bench.client.run({
      ...bench.product(`/api/collections/posts${path}`),
      kind: 'ask',
      tag,
      connections: 4,
      seconds,
      warm: true,
    })
    return done.requests / done.seconds
  }
  /** Runs the work on a connection set up as the product's reading one. */
  const direct = async (bench: Bench, prepare: (db: Database.Database) => () => void): Promise<number> => {
    const db = new Database(join(bench.server.dir, 'data', 'alyx.db'), { readonly: true })
    db.pragma('cache_size = -65536')
    const work = prepare(db)
    work()
    const began = performance.now()
    let runs = 0
    while (performance.now() - began < seconds * 1000) {
      for (let i = 0; i < 10; i++) work()
      runs += 10
    }
    const took = performance.now() - began
    db.close()
    return (runs * 1000) / took
  }
  const page = '?filter=author:eq:author7&sort=-created&limit=100'
  const one = seedId(SEED.base, Math.floor(COUNT * 0.61))
  const common = { unit: 'req/s', target: 0.5, prepare: (bench: Bench) => bench.seed() } as const
  return [
    {
      ...common,
      name: 'records-page',
      against: 'the same SQL in better-sqlite3, no HTTP',
      product: (bench, tag) => get(bench, page, tag),
      baseline: (bench) =>
        direct(bench, (db) => {
          const statement = db.prepare(PAGE)
          return () => void statement.all('author7')
        }),
    },
    {
      ...common,
      name: 'records-expand',
      against: 'the same two statements in better-sqlite3, no HTTP',
      product: (bench, tag) => get(bench, `${page}&expand=cover`, tag),
      baseline: (bench) =>
        direct(bench, (db) => {
          const [rows, files] = [db.prepare<[string], { cover: string }>(PAGE), db.prepare(FILES)]
          return () => void files.all(JSON.stringify(rows.all('author7').map(({ cover }) => cover)))
        }),
    },
    {
      ...common,
      name: 'records-get',
      // One row costs microseconds: what is measured is the price of HTTP, and no aim is set for it.
      target: 0,
      against: 'the same SQL in better-sqlite3, no HTTP',
      product: (bench, tag) => get(bench, `/${one}`, tag),
      baseline: (bench) =>
        direct(bench, (db) => {
          const statement = db.prepare(BY_ID)
          return () => void statement.get(one)
        }),
    },
  ]
}
