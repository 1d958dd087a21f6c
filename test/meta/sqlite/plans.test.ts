// What SQLite says it will do: a page costs the same in a bucket of a thousand files and of a million.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../../src/meta/sqlite/connection.ts'
import { PURGEABLE_FILES } from '../../../src/meta/sqlite/hidden-files.ts'
import { pageStatement } from '../../../src/meta/sqlite/lists.ts'
import { applyMigrations } from '../../../src/meta/sqlite/open.ts'
import { DUE_EVENTS } from '../../../src/meta/sqlite/outbox.ts'
import { DEAD_UPLOADS, EXPIRED_FILES, FILES, STUCK_DELETIONS } from '../../../src/meta/sqlite/reads.ts'
import { SELECT_FILE, SELECT_UPLOAD } from '../../../src/meta/sqlite/rows.ts'
import { ENDED_SHARES, SHARES } from '../../../src/meta/sqlite/shares.ts'
import { query } from '../../contract/meta-store.ts'

describe('query plans', () => {
  const directory = mkdtempSync(join(tmpdir(), 'alyx-plans-'))
  const file = join(directory, 'alyx.db')
  let db: Database

  beforeAll(async () => {
    await applyMigrations({ file })
    db = connect({ file, durability: 'full', busyTimeout: 100, cache: 1024, readOnly: true })
  })

  afterAll(() => {
    db.close()
    rmSync(directory, { recursive: true })
  })

  const plan = (sql: string): readonly string[] =>
    db
      .prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql.replace(/\?|@\w+/g, "'1'")}`)
      .all()
      .map(({ detail }) => detail)

  const shapes = (['created_at', 'name', 'size'] as const).flatMap((sort) =>
    [true, false].flatMap((descending) =>
      [null, { value: 'x', id: 'y' }].flatMap((after) =>
        [null, 'ann'].flatMap((ownerId) =>
          [null, 'x'].flatMap((search) =>
            (['none', 'all', { ownerId: 'ann' }] as const).map((staged) => {
              return { sort, descending, after, ownerId, search, staged, mimeType: search && 'image/*' }
            }),
          ),
        ),
      ),
    ),
  )

  it.each(shapes)(
    'a page by $sort (descending $descending, after $after, owner $ownerId, search $search, staged $staged) walks one index',
    (shape) => {
      const steps = plan(pageStatement(query(shape)).sql)
      const column = shape.sort.replace('_at', '')
      const index = shape.ownerId === null ? `_alyx_files_${column}` : `_alyx_files_owner_${column}`
      const equal = shape.ownerId === null ? 'bucket=\\?' : 'bucket=\\? AND owner_id=\\?'
      const bound = shape.after ? ` AND \\(${shape.sort},id\\)[<>]\\(\\?,\\?\\)` : ''
      expect(steps).toHaveLength(1)
      expect(steps[0]).toMatch(new RegExp(`^SEARCH _alyx_files USING INDEX ${index} \\(${equal}${bound}\\)$`))
    },
  )

  it('files and uploads are found by id, path and holder through an index', () => {
    expect(plan(`${SELECT_FILE} WHERE id = ? AND bucket = ?`)).toEqual([
      expect.stringContaining('autoindex__alyx_files_1 (id=?)'),
    ])
    expect(plan(`${SELECT_FILE} WHERE bucket = ? AND path = ?`)).toEqual([
      expect.stringContaining('_alyx_files_path (bucket=? AND path=?)'),
    ])
    expect(plan(`${SELECT_UPLOAD} WHERE bucket = ? AND path = ?`)).toEqual([
      expect.stringContaining('_alyx_uploads_path'),
    ])
    expect(plan('UPDATE _alyx_uploads SET lease_expires_at = ? WHERE holder = ?')).toEqual([
      expect.stringContaining('_alyx_uploads_holder'),
    ])
  })

  it('many files are found by their ids, one by one', () => {
    const steps = plan(FILES).filter((step) => /^(SCAN|SEARCH)/.test(step))
    expect(steps).toEqual([
      expect.stringContaining('autoindex__alyx_files_1 (id=?)'),
      expect.stringContaining('SCAN json_each'),
    ])
  })

  it('shares are found by owner in their order, and by their end, through an index each', () => {
    const steps = (sql: string) => plan(sql).filter((step) => /_alyx_shares|\bs\b/.test(step))
    expect(steps(SHARES)).toEqual([expect.stringContaining('_alyx_shares_owner (owner_id=? AND id<?)')])
    expect(plan(SHARES).filter((step) => step.includes('TEMP B-TREE'))).toEqual([])
    expect(steps(ENDED_SHARES)).toEqual([
      expect.stringContaining('_alyx_shares_expires (expires_at<?)'),
      expect.stringContaining('_alyx_shares_revoked (revoked_at<?)'),
    ])
  })

  it.each(['trashed', 'quarantined'] as const)('a page of %s files reads nothing but those', (hidden) => {
    const [step] = plan(pageStatement(query({ hidden, sort: 'deleted_at', descending: true })).sql)
    expect(step).toContain('_alyx_files_hidden (bucket=? AND state=?')
    expect(plan(PURGEABLE_FILES)[0]).toContain('_alyx_files_purge (purge_at<?)')
  })

  it('events that are due are found without looking at the rest', () => {
    const steps = plan(DUE_EVENTS).filter((step) => /^(SCAN|SEARCH)/.test(step))
    expect(steps).toEqual([
      expect.stringContaining('_alyx_outbox_due (hook=? AND next_at<?)'),
      expect.stringContaining('_alyx_outbox_subject (hook=? AND subject=? AND seq<?)'),
    ])
  })

  it('what sweeps look for is found without looking at the rest', () => {
    expect(plan(STUCK_DELETIONS)).toEqual([expect.stringContaining('_alyx_files_deleting')])
    const expired = plan(EXPIRED_FILES).filter((step) => /_alyx_files/.test(step))
    expect(expired).toEqual([
      expect.stringContaining('autoindex__alyx_files_1 (id=?)'),
      expect.stringContaining('_alyx_files_expires (expires_at<?)'),
      expect.stringContaining('_alyx_files_staged (staged_until<?)'),
    ])
    const dead = plan(DEAD_UPLOADS)
    expect(dead.filter((step) => /^SCAN/.test(step))).toEqual([expect.stringContaining('_alyx_uploads_abandoned')])
    expect(dead.filter((step) => /_put_lease|_expires \(/.test(step))).toHaveLength(3)
  })
})
