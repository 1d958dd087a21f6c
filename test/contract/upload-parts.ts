// The promises of MetaStore on parts of unfinished uploads (src/meta/spool-parts.ts).
import { describe, expect, it } from 'vitest'
import type { BlobKey } from '../../src/core/model.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import { type Fixture, freshStores } from './fresh-stores.ts'
import { at, draft } from './meta-store.ts'

const keys = ['docs/one', 'docs/two', 'docs/three'] as readonly string[] as readonly BlobKey[]
const [one, two, three] = keys as [BlobKey, BlobKey, BlobKey]
const facts = (end: number) => ({ end, storedCrc32: 4_000_000_000, sealed: end === 10 ? null : 'sealed' })

/** Runs the suite. */
export function uploadPartsContract(name: string, open: () => Promise<Fixture>): void {
  describe(`parts of unfinished uploads in ${name}`, () => {
    let store: MetaStore
    freshStores(open, (first) => {
      store = first
    })
    const claim = async (): Promise<string> => {
      const upload = draft({ protocol: 'tus', holder: 'p1' })
      await store.claim(upload, { bucketTotal: null, openUploads: null }, { need: 100, want: 100 })
      return upload.id
    }

    it('are announced, then kept, in order', async () => {
      const id = await claim()
      await store.announcePart(id, 'cloud', two, 10, 'p1')
      await store.announcePart(id, 'cloud', one, 0, 'p1')
      await store.keepPart(id, one, facts(10), 'p1')
      expect(await store.spoolParts(id)).toEqual([
        { backend: 'cloud', key: one, start: 0, end: 10, storedCrc32: 4_000_000_000, sealed: null },
        { backend: 'cloud', key: two, start: 10, end: null, storedCrc32: null, sealed: null },
      ])
      await store.keepPart(id, two, facts(30), 'p1')
      expect(await store.spoolParts(id)).toMatchObject([{ end: 10 }, { end: 30, sealed: 'sealed' }])
      expect([await store.spoolElsewhere('cloud'), await store.spoolElsewhere(null)]).toEqual([null, 'cloud'])
    })

    it('that go past an offset count no longer', async () => {
      const id = await claim()
      for (const [key, start] of [
        [one, 0],
        [two, 10],
        [three, 30],
      ] as const) {
        await store.announcePart(id, 'cloud', key, start, 'p1')
        if (key !== three) await store.keepPart(id, key, facts(start === 0 ? 10 : 30), 'p1')
      }
      const cut = await store.cutParts(id, 10, 'p1')
      expect(cut.map(({ key, end }) => [key, end]).sort()).toEqual([
        [three, null],
        [two, null],
      ])
      await store.forgetPart(id, two)
      await store.forgetPart(id, two)
      await expect(store.keepPart(id, two, facts(30), 'p1')).rejects.toMatchObject({ code: 'upload_locked' })
      expect(await store.spoolParts(id)).toMatchObject([
        { key: one, end: 10 },
        { key: three, end: null },
      ])
    })

    it('are changed by who holds the upload only', async () => {
      const id = await claim()
      await store.announcePart(id, 'cloud', one, 0, 'p1')
      await store.lock(id, 'p2', at(10), at(2))
      const lost = { code: 'upload_locked' }
      await expect(store.announcePart(id, 'cloud', two, 0, 'p1')).rejects.toMatchObject(lost)
      await expect(store.keepPart(id, one, facts(10), 'p1')).rejects.toMatchObject(lost)
      await expect(store.cutParts(id, 0, 'p1')).rejects.toMatchObject(lost)
      expect(await store.cutParts(id, 0, 'p2')).toHaveLength(1)
      await store.abandon(id, at(3))
      await expect(store.announcePart(id, 'cloud', two, 0, 'p2')).rejects.toMatchObject({ code: 'upload_not_found' })
    })

    it('are found by their uploads, whether these are there or not', async () => {
      const ids = [await claim(), await claim(), await claim()]
      for (const id of ids) for (const key of keys) await store.announcePart(id, 'cloud', key, 0, 'p1')
      await store.forget(ids[1]!)
      expect(await store.spooledUploads('', 2)).toEqual(ids.slice(0, 2))
      expect(await store.spooledUploads(ids[1]!, 2)).toEqual(ids.slice(2))
    })
  })
}
