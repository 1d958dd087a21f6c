// Migrations: applied once, in order, whole or not at all, whoever starts and whoever dies.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { applyMigrations, migrationStatus, openSqlite } from '../../../src/meta/sqlite/open.ts'
import { silent } from '../../../src/observe/observer.ts'

const INIT =
  'CREATE TABLE _alyx_migrations (name TEXT PRIMARY KEY NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT;'

describe('migrations', () => {
  let directory: string
  let file: string
  let migrationsDir: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'alyx-migrate-'))
    file = join(directory, 'alyx.db')
    migrationsDir = join(directory, 'migrations')
    mkdirSync(migrationsDir)
    write('0001_init', INIT)
    write(
      '0002_items',
      'CREATE TABLE items (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES items (id) ON DELETE CASCADE);',
    )
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  const write = (name: string, sql: string) => writeFileSync(join(migrationsDir, `${name}.sql`), sql)
  const apply = async () => (await applyMigrations({ file, migrationsDir })).map(({ name }) => name)
  const tables = () => {
    const db = new Database(file, { readonly: true })
    const names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all()
    db.close()
    return names
  }

  it('are applied in order and once, and dated by the clock', async () => {
    const clock = { now: () => 0 }
    expect(await applyMigrations({ file, migrationsDir, clock })).toEqual([
      { name: '0001_init', appliedAt: '1970-01-01T00:00:00.000Z' },
      { name: '0002_items', appliedAt: '1970-01-01T00:00:00.000Z' },
    ])
    expect(await apply()).toEqual([])
    write('0003_more', 'ALTER TABLE items ADD COLUMN name TEXT;')
    expect((await migrationStatus({ file, migrationsDir })).map(({ appliedAt }) => appliedAt !== null)).toEqual([
      true,
      true,
      false,
    ])
    expect(await apply()).toEqual(['0003_more'])
  })

  it('status of a database that is not there says all pending, and creates nothing', async () => {
    const status = await migrationStatus({ file, migrationsDir })
    expect(status).toEqual([
      { name: '0001_init', appliedAt: null },
      { name: '0002_items', appliedAt: null },
    ])
    expect(existsSync(file)).toBe(false)
  })

  it('that fail half way leave nothing of themselves and keep those before', async () => {
    write('0003_broken', 'CREATE TABLE half (id INTEGER); CREATE TABEL typo (id INTEGER);')
    await expect(apply()).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('0003_broken'),
    })
    expect(tables()).toEqual(['_alyx_migrations', 'items'])
    write('0003_broken', 'CREATE TABLE half (id INTEGER);')
    expect(await apply()).toEqual(['0003_broken'])
  })

  it('may rebuild a table without losing what refers to it, and may not leave a reference dangling', async () => {
    write('0003_rows', 'INSERT INTO items VALUES (1, NULL), (2, 1);')
    await apply()
    write(
      '0004_rebuild',
      'CREATE TABLE n (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES items (id) ON DELETE CASCADE); INSERT INTO n SELECT * FROM items; DROP TABLE items; ALTER TABLE n RENAME TO items;',
    )
    await apply()
    const db = new Database(file)
    expect(db.prepare('SELECT count(*) FROM items').pluck().get()).toBe(2)
    db.close()
    write('0005_orphan', 'DELETE FROM items WHERE id = 1;')
    await expect(apply()).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('dangling'),
    })
  })

  it('refuse a changed file, a file slipped in before, and a database that is newer', async () => {
    await apply()
    write('0001_more', 'SELECT 1;')
    await expect(apply()).rejects.toMatchObject({ message: expect.stringContaining('added before') })
    rmSync(join(migrationsDir, '0001_more.sql'))
    write('0002_items', 'CREATE TABLE items (id INTEGER PRIMARY KEY);')
    await expect(apply()).rejects.toMatchObject({ message: expect.stringContaining('0002_items was changed') })
    await expect(migrationStatus({ file, migrationsDir })).rejects.toMatchObject({ code: 'config_invalid' })
    rmSync(join(migrationsDir, '0002_items.sql'))
    await expect(apply()).rejects.toMatchObject({ message: expect.stringContaining('newer than this Alyx') })
    await expect(openSqlite({ file, migrationsDir, durability: 'full', observer: silent })).rejects.toMatchObject({
      code: 'config_invalid',
    })
  })

  it('a file that is no database is storage_unavailable, and stays as it is', async () => {
    writeFileSync(file, 'this is a text of somebody else, longer than a header of a database would be. '.repeat(20))
    await expect(apply()).rejects.toMatchObject({ code: 'storage_unavailable' })
  })

  const start = (): ChildProcess =>
    fork(fileURLToPath(new URL('./migrate-once.ts', import.meta.url)), [file, migrationsDir], { execArgv: [] })
  const many = () => {
    for (let n = 3; n < 40; n++) {
      const rows = `INSERT INTO t${n} SELECT value, hex(randomblob(50)) FROM generate(300);`
      write(
        `00${String(n).padStart(2, '0')}_t${n}`,
        `CREATE TABLE t${n} (id INTEGER, text TEXT); CREATE INDEX i${n} ON t${n} (text); ${rows.replace('generate(300)', '(WITH RECURSIVE g (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM g WHERE value < 300) SELECT value FROM g)')}`,
      )
    }
  }

  it('two processes starting at once apply each migration once between them', async () => {
    many()
    const applied = await Promise.all(
      [start(), start()].map(async (child) => {
        const messages: unknown[] = []
        child.on('message', (message) => messages.push(message))
        const [code] = await once(child, 'exit')
        expect(code).toBe(0)
        return messages.at(-1) as string[]
      }),
    )
    expect(applied.flat().sort()).toEqual(readdirSync(migrationsDir).map((name) => name.replace('.sql', '')))
  })

  it('a process killed at any moment leaves a database that the next one finishes', async () => {
    many()
    for (let attempt = 0; attempt < 6; attempt++) {
      const child = start()
      const exited = once(child, 'exit')
      await once(child, 'message')
      setTimeout(() => child.kill('SIGKILL'), attempt * 12)
      await exited
    }
    await apply()
    const db = new Database(file, { readonly: true })
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    for (let n = 3; n < 40; n++) expect(db.prepare(`SELECT count(*) FROM t${n}`).pluck().get()).toBe(300)
    db.close()
    expect(await apply()).toEqual([])
  })
})
