// The promises of MetaStore about files in the trash and in quarantine as tests; any implementation runs them.
import { describe, expect, it } from 'vitest'
import type { FileRow, UploadDraft } from '../../src/core/model.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import { codeOf } from '../support/outcome.ts'
import { type Fixture, freshStores } from './fresh-stores.ts'
import { at, draft, facts, query } from './meta-store.ts'

const FREE = { bucketTotal: null, openUploads: null }

/** Runs every promise against fresh databases. */
export function hiddenFilesContract(name: string, open: () => Promise<Fixture>): void {
  describe(`${name} keeps the promises about hidden files:`, () => {
    let store: MetaStore
    const connect = freshStores(open, (first) => {
      store = first
    })
    const put = async (over: Partial<UploadDraft> = {}, quarantine: string | null = null): Promise<FileRow> => {
      const { id } = await store.claim(draft(over), FREE, { need: 100, want: 100 })
      return store.commit(id, facts(), at(0), { quarantine })
    }
    const ids = (rows: readonly FileRow[]): string[] => rows.map(({ id }) => id)

    it('a file in the trash says since when, keeps the path it had for showing, and counts', async () => {
      const file = await put({ path: 'a/b' })
      expect(await store.trash('docs', file.id, at(10), at(1))).toBe(true)
      const hidden = { at: at(1), purgeAt: at(10), reason: null }
      expect(await store.file('docs', file.id)).toEqual({ ...file, state: 'trashed', hidden })
      expect(await store.usage('bucket:docs')).toEqual({ used: 100, reserved: 0, files: 1 })
      expect(await store.drift(false)).toEqual([])
      expect(await store.list(query({ now: at(1) }))).toEqual([])
      expect(ids(await store.list(query({ now: at(9), hidden: 'trashed' })))).toEqual([file.id])
      expect(await store.list(query({ now: at(10), hidden: 'trashed' }))).toEqual([])
      expect(await store.trash('docs', 'nothing', at(10), at(1))).toBe(false)
      expect(await store.trash('other', file.id, at(10), at(1))).toBe(false)
    })

    it('it comes back until its time is over, not at that moment, and not twice', async () => {
      const [file, late] = [await put({ path: 'a' }), await put({ path: 'b' })]
      for (const { id } of [file, late]) await store.trash('docs', id, at(10), at(1))
      expect(ids(await store.purgeableFiles(at(10), 9)).sort()).toEqual([file.id, late.id].sort())
      expect(await store.purgeableFiles(at(10), 9, ['local'])).toEqual([])
      expect(await codeOf(store.untrash('other', file.id, null, at(9)))).toBe('file_not_found')
      const back = await store.untrash('docs', file.id, null, at(9))
      expect(back).toEqual({ ...file, version: 2, updatedAt: at(9) })
      expect(await store.file('docs', file.id)).toEqual(back)
      expect(await codeOf(store.untrash('docs', file.id, null, at(9)))).toBe('file_not_found')
      expect(await codeOf(store.untrash('docs', late.id, null, at(10)))).toBe('file_not_found')
    })

    it('what has expired or was staged for too long comes back from neither', async () => {
      const trashed = await put({ path: 'a', fileLifetime: 60_000 })
      await store.trash('docs', trashed.id, at(100), at(0))
      const staged = await put({ path: 'b', staging: 60_000 }, 'odd')
      expect(await codeOf(store.untrash('docs', trashed.id, null, at(1)))).toBe('file_not_found')
      expect(await codeOf(store.clear('docs', staged.id, at(1)))).toBe('file_not_found')
      expect(ids(await store.expiredFiles(at(1), 10)).sort()).toEqual([trashed.id, staged.id].sort())
      expect(await store.purgeableFiles(at(99), 10)).toEqual([])
    })

    it('of a restore and a purge at once exactly one is done, over two processes', async () => {
      const other = await connect()
      for (let round = 0; round < 10; round += 1) {
        const file = await put({ path: `p${round}` })
        await store.trash('docs', file.id, at(10), at(1))
        const [restored, condemned] = await Promise.all([
          codeOf(store.untrash('docs', file.id, null, at(9))),
          other.condemn('docs', file.id, at(10), true),
        ])
        const state = (await store.file('docs', file.id))?.state
        expect([restored, condemned?.state ?? null, state]).toEqual(
          restored === 'done' ? ['done', null, 'ready'] : ['file_not_found', 'deleting', 'deleting'],
        )
      }
    })

    it('they are moved between backends as all others, and stay hidden', async () => {
      const trashed = await put({ path: 'a' })
      await store.trash('docs', trashed.id, at(100), at(1))
      const odd = await put({ path: 'b' }, 'odd')
      expect(await store.kept('docs')).toEqual([{ backend: 'local', files: 2, bytes: 200 }])
      for (const { id, key } of await store.filesIn('docs', 'local', '', 10)) {
        await store.announceCopy('s3', key, at(50))
        expect(await store.moveFile('docs', id, 'local', 's3', at(50))).toBe(true)
      }
      expect(await store.file('docs', trashed.id)).toMatchObject({ backend: 's3', state: 'trashed', path: 'a' })
      expect(await store.file('docs', odd.id)).toMatchObject({ backend: 's3', state: 'quarantined' })
    })

    it('a file in quarantine keeps its path, and neither goes into the trash nor changes', async () => {
      const { id, state } = await put({ path: 'a' }, 'odd')
      expect(state).toBe('quarantined')
      expect(await codeOf(store.claim(draft({ path: 'a' }), FREE, { need: 1, want: 1 }))).toBe('file_exists')
      expect(await store.trash('docs', id, at(9), at(1))).toBe(false)
      expect(await codeOf(store.update('docs', id, { name: 'x' }, at(1)))).toBe('file_not_found')
      expect(await codeOf(store.untrash('docs', id, null, at(1)))).toBe('file_not_found')
      await store.condemn('docs', id, at(1), false)
      await store.restore('docs', id, at(1), at(2))
      expect((await store.file('docs', id))?.state).toBe('quarantined')
      expect(await store.clear('docs', id, at(3))).toMatchObject({ state: 'ready', version: 2, hidden: null })
    })
  })
}
