// Group commit: many verbs in one transaction, each with a fate of its own until the transaction itself fails.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fail } from '../../../src/core/errors.ts'
import type { Answer, Call } from '../../../src/meta/sqlite/calls.ts'
import { connect } from '../../../src/meta/sqlite/connection.ts'
import { createBatch } from '../../../src/meta/sqlite/writer.ts'

describe('a batch of verbs', () => {
  let directory: string
  let db: Database.Database
  let other: Database.Database
  let run: (calls: readonly Call[]) => readonly Answer[]

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'alyx-batch-'))
    const file = join(directory, 'alyx.db')
    writeFileSync(file, '')
    const settings = { file, durability: 'full', busyTimeout: 20, cache: 1024, readOnly: false } as const
    db = connect(settings)
    other = connect(settings)
    db.exec(
      'CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED, text TEXT) STRICT',
    )
    const insert = db.prepare<[number, number | null, string]>('INSERT INTO t VALUES (?, ?, ?)')
    run = createBatch(db, {
      add: (id: number, parent: number | null = null, text = '') => insert.run(id, parent, text).changes,
      addThenRefuse: (id: number) => {
        insert.run(id, null, '')
        throw fail('quota_exceeded', 'no', { details: { limit: 1 } })
      },
      stumble: () => (undefined as unknown as { x: number }).x,
    })
  })

  afterEach(() => {
    db.close()
    other.close()
    rmSync(directory, { recursive: true })
  })

  const ids = () => other.prepare('SELECT id FROM t ORDER BY id').pluck().all()
  const codes = (answers: readonly Answer[]) => answers.map(([, , fault]) => fault?.code ?? 'done')

  it('a verb that fails takes back what it did and nothing of its neighbours', () => {
    const answers = run([
      [1, 'add', [1]],
      [2, 'addThenRefuse', [2]],
      [3, 'add', [1]],
      [4, 'stumble', []],
      [5, 'unknown', []],
      [6, 'add', [3]],
    ])
    expect(codes(answers)).toEqual(['done', 'quota_exceeded', 'unique_violation', 'internal', 'internal', 'done'])
    expect(answers[0]).toEqual([1, 1])
    expect(answers[1]?.[2]).toEqual({ code: 'quota_exceeded', message: 'no', details: { limit: 1 } })
    expect(ids()).toEqual([1, 3])
  })

  it('a commit that fails fails every verb of the batch, and the next batch works', () => {
    const answers = run([
      [1, 'add', [1]],
      [2, 'add', [2, 99]],
    ])
    expect(codes(answers)).toEqual(['internal', 'internal'])
    expect(ids()).toEqual([])
    expect(codes(run([[3, 'add', [3]]]))).toEqual(['done'])
    expect(ids()).toEqual([3])
  })

  it('a full disk fails every verb of the batch as storage_full, and room makes it work again', () => {
    db.pragma(`max_page_count = ${db.pragma('page_count', { simple: true })}`)
    const answers = run([
      [1, 'add', [1]],
      [2, 'add', [2, null, 'x'.repeat(100_000)]],
      [3, 'add', [3]],
    ])
    expect(codes(answers)[1]).toBe('storage_full')
    const done = answers.filter(([, , fault]) => !fault).map(([number]) => number)
    expect(ids()).toEqual(done)
    db.pragma('max_page_count = 100000')
    expect(codes(run([[4, 'add', [4, null, 'x'.repeat(100_000)]]]))).toEqual(['done'])
  })

  it('a database held by another process is database_busy after the wait, and free afterwards', () => {
    other.exec('BEGIN IMMEDIATE')
    expect(codes(run([[1, 'add', [1]]]))).toEqual(['database_busy'])
    other.exec('ROLLBACK')
    expect(codes(run([[2, 'add', [2]]]))).toEqual(['done'])
  })
})
