// A full disk: what would fill it is refused, what empties it is done.
import { appendFileSync, rmSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { openSqlite } from '../../../src/meta/sqlite/open.ts'
import { createTableSql } from '../../../src/meta/sqlite/table-sql.ts'
import type { MetaStore } from '../../../src/meta/store.ts'
import { silent } from '../../../src/observe/observer.ts'
import { at, draft, facts } from '../../contract/meta-store.ts'
import { CHAINS } from '../../contract/record-tables.ts'
import { codeOf } from '../../support/outcome.ts'
import { withSmallDisk } from '../../support/small-disk.ts'

const FREE = { bucketTotal: null, openUploads: null }
const claim = (store: MetaStore) => store.claim(draft(), FREE, { need: 100, want: 100 })

describe('a database on a full disk', () => {
  it('refuses what needs room, still deletes, revokes and gives up, and takes its reserve back', (context) =>
    withSmallDisk(context, 6, async ({ dir: small }) => {
      const ballast = join(small, 'ballast')
      const reserve = (): number => statSync(join(small, 'alyx.db-reserve')).size
      const tables = [CHAINS]
      const store = await openSqlite({
        file: join(small, 'alyx.db'),
        durability: 'full',
        observer: silent,
        tables,
        subscriptions: [{ hook: 'h1', events: ['file.created'] }],
      })
      const db = new Database(join(small, 'alyx.db'))
      for (const table of tables) db.exec(createTableSql(table))
      db.close()
      const link = (id: number) => store.records.insert('chains', { id, next: null }, at(0))
      try {
        for (let id = 0; id < 3; id++) await link(id)
        const made: string[] = []
        for (let n = 0; n < 10; n++) {
          const { id } = await claim(store)
          await store.commit(id, facts(), at(0))
          made.push(id)
        }
        const open = await claim(store)
        const kept = (await claim(store)).id
        await store.commit(kept, facts(), at(0))
        const [{ seq: hooked = 0 } = {}] = await store.dueEvents('h1', at(9), 1)
        expect(hooked).toBeGreaterThan(0)
        const whole = reserve()
        expect(whole).toBeGreaterThan(1024 * 1024)
        const { bavail, bsize } = statfsSync(small)
        appendFileSync(ballast, Buffer.alloc(bavail * bsize))
        // The log may have some pages left from before.
        let refused = 'done'
        for (let n = 0; n < 300 && refused === 'done'; n++) refused = await codeOf(claim(store))
        expect(refused).toBe('storage_full')

        for (const id of made) {
          expect(await codeOf(store.condemn('docs', id, at(1), false))).toBe('done')
          expect(await codeOf(store.bury('docs', id))).toBe('done')
        }
        for (let id = 0; id < 3; id++) expect(await codeOf(store.records.remove('chains', id, 1, at(1)))).toBe('done')
        expect(await store.abandon(open.id, at(1))).toBe(true)
        // All that a sweep writes, and what became of an event that was sent: without it, it would be sent again and again.
        const seenAt = at(1)
        for (const work of [
          () => store.lease('sweep', 'p1', at(9), at(1)),
          () => store.setSweepClock({ seenAt, heldAt: null, heldFrom: null }),
          () => store.takeSpare('local', draft().key),
          () => store.forgetSpare('local', draft().key),
          () => store.closeMultipart('local', draft().key, 'u'),
          () => store.dropEvents(at(0), at(0), [], 10),
          () => store.refundDeadTransforms(at(0), 10),
          () => store.pruneOpenAiUploads(at(0), 10),
          () => store.removeShare('none'),
          () => store.eventFailed(hooked, { nextAt: at(5), error: 'no' }, at(1)),
          () => store.eventSent(hooked),
          () => store.trash('docs', kept, at(9), at(1)),
        ]) {
          for (let n = 0; n < 3; n++) expect(await codeOf(work()), String(work)).toBe('done')
        }
        expect(await codeOf(claim(store))).toBe('storage_full')
        expect(await store.file('docs', made[0]!)).toBeNull()
        expect(reserve()).toBeLessThan(whole)

        rmSync(ballast)
        expect(await codeOf(claim(store))).toBe('done')
        await store.ready()
        expect(reserve()).toBe(whole)
        expect(await store.drift(false)).toEqual([])
        expect(await store.integrity()).toEqual([])
      } finally {
        await store.close()
      }
    }))
})
