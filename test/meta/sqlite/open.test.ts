// What opening promises: settings, permissions, threads that end, trouble that passes.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ConnectionSettings, connect, readBack } from '../../../src/meta/sqlite/connection.ts'
import { openSqlite } from '../../../src/meta/sqlite/open.ts'
import { createThread } from '../../../src/meta/sqlite/thread.ts'
import type { WriterVerbs } from '../../../src/meta/sqlite/writer.ts'
import type { MetaStore } from '../../../src/meta/store.ts'
import { type Observer, silent } from '../../../src/observe/observer.ts'
import { at, draft, facts } from '../../contract/meta-store.ts'

const FREE = { bucketTotal: null, openUploads: null }
const HUNDRED = { need: 100, want: 100 }

describe('opening a SQLite store', () => {
  let directory: string
  let file: string
  let workers: Worker[]
  let store: MetaStore | null
  const keep = (worker: Worker) => workers.push(worker)

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'alyx-open-'))
    file = join(directory, 'new', 'deep', 'alyx.db')
    workers = []
    store = null
    process.on('worker', keep)
  })

  afterEach(async () => {
    process.off('worker', keep)
    await store?.close()
    rmSync(directory, { recursive: true })
  })

  it('creates directory and file for the owner only, the log beside it too', async () => {
    store = await openSqlite({ file, durability: 'full', observer: silent })
    await store.claim(draft(), FREE, HUNDRED)
    expect(statSync(join(directory, 'new')).mode & 0o777).toBe(0o700)
    expect(statSync(join(directory, 'new', 'deep')).mode & 0o777).toBe(0o700)
    for (const name of [file, `${file}-wal`, `${file}-shm`]) expect(statSync(name).mode & 0o777).toBe(0o600)
  })

  it.each([
    ['full', 2],
    ['normal', 1],
  ] as const)(
    'durability %s is synchronous %i at every open of every connection, with WAL and foreign keys',
    (durability, synchronous) => {
      writeFileSync(join(directory, 'x.db'), '')
      for (let opened = 0; opened < 3; opened++)
        for (const readOnly of [false, true]) {
          const db = connect({ file: join(directory, 'x.db'), durability, busyTimeout: 77, cache: 1024, readOnly })
          expect(readBack(db)).toEqual({ journal_mode: 'wal', synchronous, foreign_keys: 1, busy_timeout: 77 })
          if (readOnly) expect(() => db.exec('CREATE TABLE t (id INTEGER)')).toThrow(/readonly/)
          db.close()
        }
    },
  )

  it('integrity names a broken index', async () => {
    store = await openSqlite({ file, durability: 'full', observer: silent })
    const { id } = await store.claim(draft(), FREE, HUNDRED)
    await store.commit(id, facts(), at(1))
    const db = new Database(file)
    db.unsafeMode()
    db.pragma('writable_schema = ON')
    db.exec(
      "UPDATE sqlite_schema SET sql = replace(sql, '`size`,`id`', '`version`,`id`') WHERE name = '_alyx_files_size'",
    )
    db.close()
    await store.close()
    store = await openSqlite({ file, durability: 'full', observer: silent })
    expect((await store.integrity()).join()).toMatch(/_alyx_files_size/)
  })

  it('drift is found and mended', async () => {
    store = await openSqlite({ file, durability: 'full', observer: silent })
    await store.claim(draft(), FREE, HUNDRED)
    const db = new Database(file)
    db.exec(
      "UPDATE _alyx_usage SET reserved = 7 WHERE scope = 'bucket:docs'; INSERT INTO _alyx_usage VALUES ('owner:ghost', 1, 2, 9007199254740993)",
    )
    db.close()
    const drift = await store.drift(false)
    expect(drift.map(({ scope }) => scope)).toEqual(['bucket:docs', 'owner:ghost'])
    expect(drift[0]).toMatchObject({ counter: { reserved: 7 }, sum: { reserved: 100 } })
    expect(await store.drift(true)).toEqual(drift)
    expect(await store.drift(false)).toEqual([])
    expect(await store.usage('bucket:docs')).toEqual({ used: 0, reserved: 100, files: 0 })
  })

  it('a dead writer thread fails what was waiting, is reported, and is replaced at the next call', async () => {
    const heard: string[] = []
    const observer: Observer = { event: (name) => heard.push(name) }
    store = await openSqlite({ file, durability: 'full', observer })
    const before = await store.claim(draft(), FREE, HUNDRED)
    const hold = new Database(file)
    hold.exec('BEGIN IMMEDIATE')
    const waiting = store.claim(draft(), FREE, HUNDRED)
    waiting.catch(() => undefined)
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    await Promise.all(workers.map((worker) => worker.terminate()))
    await expect(waiting).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(heard).toEqual(['storage_error'])
    hold.close()
    await store.ready()
    expect(await store.commit(before.id, facts(), at(1))).toMatchObject({ id: before.id })
    expect(await store.drift(false)).toEqual([])
  })

  it('a database that cannot be opened is storage_unavailable until it can', async () => {
    const settings: ConnectionSettings = {
      file: join(directory, 'later.db'),
      durability: 'full',
      busyTimeout: 100,
      cache: 1024,
      readOnly: false,
    }
    const thread = createThread<WriterVerbs>('writer', { settings, tables: [], policies: null }, silent)
    await expect(thread.call('ping')).rejects.toMatchObject({ code: 'storage_unavailable' })
    store = await openSqlite({ file: settings.file, durability: 'full', observer: silent })
    expect(await thread.call('ping')).toBeNull()
    await thread.close()
  })

  it('a value that cannot travel fails its own call only', async () => {
    store = await openSqlite({ file, durability: 'full', observer: silent })
    const codes = await Promise.allSettled([
      store.claim(draft(), FREE, HUNDRED),
      store.claim(draft({ metadata: { big: 1n } }), FREE, HUNDRED),
      store.claim(draft(), FREE, HUNDRED),
    ])
    expect(codes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  it.each([
    ['closed', 'await store.close()'],
    ['left open', ''],
  ])('a process whose store was %s ends by itself, with its work done', async (_, end) => {
    const open = new URL('../../../src/meta/sqlite/open.ts', import.meta.url).href
    const program = `
      const { openSqlite } = await import(${JSON.stringify(open)})
      const store = await openSqlite({ file: process.argv[1], durability: 'full', observer: { event() {} } })
      await store.lease('sweep', 'p1', '2026-01-01T00:01:00.000Z', '2026-01-01T00:00:00.000Z')
      ${end}`
    const run = promisify(execFile)
    await run(process.execPath, ['--input-type=module', '-e', program, file], { timeout: 120_000 })
    store = await openSqlite({ file, durability: 'full', observer: silent })
    expect(await store.lease('sweep', 'p2', '2026-01-01T00:01:00.000Z', '2026-01-01T00:00:00.000Z')).toBe(false)
  })
})
