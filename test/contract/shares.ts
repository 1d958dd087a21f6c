// The promises of MetaStore on shares (src/meta/shares.ts).
import { describe, expect, it } from 'vitest'
import { isFailure } from '../../src/core/errors.ts'
import type { ShareDraft } from '../../src/meta/shares.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import { type Fixture, freshStores } from './fresh-stores.ts'
import { at } from './meta-store.ts'

const id = (n: number): string => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`
const FILE = id(900)
const OTHER = id(901)

function draft(over: Partial<ShareDraft> = {}): ShareDraft {
  const common = { operation: null, maxDownloads: null, note: null, expiresAt: at(60), createdAt: at(0) }
  return { id: id(1), ownerId: 'ann', ...common, ...over }
}

const grant = (fileId: string, epoch = 0) => ({ bucket: 'docs', fileId, epoch })

/** Runs the suite. */
export function sharesContract(name: string, open: () => Promise<Fixture>): void {
  describe(`shares in ${name}`, () => {
    let store: MetaStore
    const connect = freshStores(open, (first) => {
      store = first
    })
    const limited = async (maxDownloads: number, over: Partial<ShareDraft> = {}): Promise<void> =>
      store.addShare(draft({ maxDownloads, ...over }), [grant(FILE), grant(OTHER)])
    const take = (bytes: number, size = 100, file = FILE, now = at(1)): Promise<string> =>
      store.takeDownload(id(1), file, bytes, size, now).then(
        () => 'taken',
        (error: unknown) => (isFailure(error) ? error.code : 'internal'),
      )
    const counted = async (): Promise<readonly (number | undefined)[]> => [
      (await store.share(id(1)))?.downloads,
      (await store.sharedFile(id(1), FILE))?.left,
    ]

    it('are read as they were made, with their files in their order', async () => {
      const made = draft({ operation: 'view', maxDownloads: 3, note: 'für dich 📎' })
      await store.addShare(made, [grant(OTHER, 4), grant(FILE)])
      const row = { ...made, downloads: 0, revokedAt: null, files: 2, left: 0 }
      expect(await store.share(id(1))).toEqual(row)
      expect(await store.sharedFiles(id(1))).toEqual([
        { ...grant(OTHER, 4), left: 0 },
        { ...grant(FILE), left: 0 },
      ])
      expect(await store.sharedFile(id(1), FILE)).toEqual({ ...grant(FILE), left: 0 })
      expect(await store.sharedFile(id(1), id(7))).toBeNull()
      expect(await store.share(id(2))).toBeNull()
      expect(await store.sharedFiles(id(2))).toEqual([])
    })

    it('are all there or not at all', async () => {
      await expect(store.addShare(draft(), [grant(FILE), grant(FILE)])).rejects.toMatchObject({
        code: 'unique_violation',
      })
      expect(await store.share(id(1))).toBeNull()
      expect(await store.sharedFiles(id(1))).toEqual([])
    })

    it('are listed by owner, the latest first, in pages', async () => {
      for (const n of [1, 2, 3, 4]) await store.addShare(draft({ id: id(n) }), [grant(FILE)])
      await store.addShare(draft({ id: id(5), ownerId: 'bob' }), [grant(FILE)])
      const ids = async (before: string | null, limit: number) =>
        (await store.shares('ann', before, limit)).map((share) => share.id)
      expect(await ids(null, 3)).toEqual([id(4), id(3), id(2)])
      expect(await ids(id(2), 3)).toEqual([id(1)])
      expect(await ids(id(1), 3)).toEqual([])
      expect((await store.shares('nobody', null, 3)).length).toBe(0)
    })

    it('are revoked once, for all stores on the database', async () => {
      await store.addShare(draft(), [grant(FILE)])
      const other = await connect()
      expect(await store.revokeShare(id(1), at(2))).toBe(true)
      expect(await other.revokeShare(id(1), at(3))).toBe(true)
      expect((await other.share(id(1)))?.revokedAt).toBe(at(2))
      expect(await store.revokeShare(id(2), at(2))).toBe(false)
      expect(await take(100)).toBe('share_revoked')
    })

    it('give nothing at the time they expire, and everything before it', async () => {
      await limited(5, { expiresAt: at(60) })
      expect(await take(100, 100, FILE, '2026-01-01T00:59:59.999Z')).toBe('taken')
      expect(await take(100, 100, FILE, at(60))).toBe('share_expired')
      expect(await take(100, 100, FILE, at(61))).toBe('share_expired')
    })

    it('count nothing where there is no limit, and know only their own files', async () => {
      await store.addShare(draft(), [grant(FILE)])
      expect([await take(100), await take(100), await take(3)]).toEqual(['taken', 'taken', 'taken'])
      expect(await counted()).toEqual([0, 0])
      expect(await take(100, 100, OTHER)).toBe('share_not_found')
      await expect(store.takeDownload(id(2), FILE, 1, 1, at(1))).rejects.toMatchObject({ code: 'share_not_found' })
    })

    it('count whole files one by one, over all their files together', async () => {
      await limited(2)
      expect([await take(100), await take(50, 50, OTHER), await take(100)]).toEqual([
        'taken',
        'taken',
        'share_exhausted',
      ])
      expect(await counted()).toEqual([2, 0])
    })

    it('add up the ranges of a file: as many bytes as it has are one download', async () => {
      await limited(2)
      expect([await take(30), await take(30), await take(40)]).toEqual(['taken', 'taken', 'taken'])
      expect(await counted()).toEqual([1, 0])
      expect(await take(1)).toBe('taken')
      expect(await counted()).toEqual([2, 99])
      // What is left is not enough for more than it is, and is no other file's.
      expect([await take(100), await take(1, 100, OTHER), await take(99), await take(1)]).toEqual([
        'share_exhausted',
        'share_exhausted',
        'taken',
        'share_exhausted',
      ])
    })

    it('count an empty file as one download each time', async () => {
      await limited(2)
      expect([await take(0, 0), await take(0, 0), await take(0, 0)]).toEqual(['taken', 'taken', 'share_exhausted'])
    })

    it('take back what was not sent; as much as the file has is one download less', async () => {
      await limited(1)
      await take(100)
      await store.returnDownload(id(1), FILE, 60, 100)
      expect(await counted()).toEqual([1, 60])
      expect([await take(61), await take(60), await take(1)]).toEqual(['share_exhausted', 'taken', 'share_exhausted'])
      await store.returnDownload(id(1), FILE, 60, 100)
      await store.returnDownload(id(1), FILE, 40, 100)
      expect(await counted()).toEqual([0, 0])
      expect([await take(100), await take(100)]).toEqual(['taken', 'share_exhausted'])
      await store.returnDownload(id(2), FILE, 60, 100)
    })

    it('give exactly as many downloads as the limit says to stores that ask at once', async () => {
      await limited(7)
      const other = await connect()
      const asked = Array.from({ length: 40 }, (_, n) =>
        (n % 2 === 0 ? store : other).takeDownload(id(1), FILE, 100, 100, at(1)),
      )
      const outcomes = await Promise.allSettled(asked)
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(7)
      expect(await counted()).toEqual([7, 0])
    })

    it('are found once they ended before a time, each once, and removed with their files', async () => {
      await store.addShare(draft({ id: id(1), expiresAt: at(10) }), [grant(FILE)])
      await store.addShare(draft({ id: id(2), expiresAt: at(99) }), [grant(FILE)])
      await store.addShare(draft({ id: id(3), expiresAt: at(10) }), [grant(FILE)])
      await store.addShare(draft({ id: id(4), expiresAt: at(11) }), [grant(FILE)])
      await store.revokeShare(id(2), at(9))
      await store.revokeShare(id(3), at(9))
      expect([...(await store.endedShares(at(10), 10))].sort()).toEqual([id(1), id(2), id(3)])
      expect(await store.endedShares(at(10), 2)).toHaveLength(2)
      expect(await store.endedShares(at(8), 10)).toEqual([])
      await store.removeShare(id(1))
      await store.removeShare(id(1))
      expect(await store.share(id(1))).toBeNull()
      expect(await store.sharedFiles(id(1))).toEqual([])
      expect(await store.sharedFiles(id(2))).toHaveLength(1)
    })
  })
}
