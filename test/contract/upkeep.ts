// The promises of MetaStore to jobs (src/meta/upkeep.ts).
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openSnapshot } from '../../src/meta/sqlite/snapshot.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import { MEMORY_DIR } from '../support/memory.ts'
import { type Fixture, freshStores } from './fresh-stores.ts'
import { at, draft, facts } from './meta-store.ts'

/** Runs the suite. */
export function upkeepContract(name: string, open: () => Promise<Fixture>): void {
  describe(`upkeep in ${name}`, () => {
    let store: MetaStore
    const connect = freshStores(open, (first) => {
      store = first
    })
    const file = async () => {
      const upload = draft()
      await store.claim(upload, { bucketTotal: null, openUploads: null }, { need: 100, want: 100 })
      return store.commit(upload.id, facts(), at(1))
    }

    it('knows who holds which lease, and whether one is held, from every process', async () => {
      const other = await connect()
      expect(await store.namedLeases()).toEqual([])
      await store.lease('b', 'me', at(10), at(1))
      await store.lease('a', 'you', at(20), at(1))
      expect(await other.namedLeases()).toEqual([
        { name: 'a', holder: 'you', expiresAt: at(20) },
        { name: 'b', holder: 'me', expiresAt: at(10) },
      ])
      expect(await other.isLeased('b', at(9))).toBe(true)
      expect(await other.isLeased('b', at(10))).toBe(false)
      expect(await other.isLeased('c', at(9))).toBe(false)
      await store.releaseLease('b', 'me')
      expect(await other.isLeased('b', at(9))).toBe(false)
    })

    it('remembers the clock of the last sweep, and nothing before it', async () => {
      const other = await connect()
      expect(await store.sweepClock()).toBeNull()
      await store.setSweepClock({ seenAt: at(1), heldAt: null, heldFrom: null })
      expect(await other.sweepClock()).toEqual({ seenAt: at(1), heldAt: null, heldFrom: null })
      await other.setSweepClock({ seenAt: at(5), heldAt: at(4), heldFrom: at(2) })
      expect(await store.sweepClock()).toEqual({ seenAt: at(5), heldAt: at(4), heldFrom: at(2) })
    })

    it('takes no name from a file that is there, or was never', async () => {
      const { bucket, id } = await file()
      await store.unname(bucket, id)
      await store.unname(bucket, '01900000-0000-7000-8000-000000000001')
      expect(await store.file(bucket, id)).toMatchObject({ state: 'ready' })
    })

    it('gives a snapshot of what is committed, sound and by itself, while others write on', async () => {
      const dir = await mkdtemp(join(MEMORY_DIR, 'alyx-snapshot-'))
      try {
        const first = []
        for (let i = 0; i < 20; i++) first.push(await file())
        await store.condemn(first[0]!.bucket, first[0]!.id, at(2), false)
        let over = false
        const others = (async () => {
          const ids: string[] = []
          while (!over) ids.push((await file()).id)
          return ids
        })()
        for (let i = 0; i < 5; i++) await store.snapshot(join(dir, `${i}.db`))
        over = true
        const later = await others
        const snapshot = openSnapshot(join(dir, '4.db'))
        const found: string[] = []
        for (let after = ''; ; after = found.at(-1)!) {
          const page = snapshot.files(after, 7)
          found.push(...page.map(({ id }) => id))
          if (page.length < 7) break
        }
        expect(snapshot.storedBytes()).toBe(found.length * facts().storedSize)
        snapshot.close()
        // All before, and of those that came meanwhile the first so many.
        expect(found).toEqual([...first.slice(1).map(({ id }) => id), ...later].slice(0, found.length))
        expect(found.length).toBeGreaterThanOrEqual(19)
        expect((await stat(join(dir, '4.db'))).mode & 0o077).toBe(0)
        await expect(stat(join(dir, '4.db-wal'))).rejects.toMatchObject({ code: 'ENOENT' })
        await expect(store.snapshot(join(dir, 'not', 'there.db'))).rejects.toMatchObject({ code: expect.any(String) })
      } finally {
        await rm(dir, { recursive: true })
      }
    })
  })
}
