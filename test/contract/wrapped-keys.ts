// The promises of MetaStore on the wrapped keys of encrypted files (src/meta/wrapped-keys.ts).
import { describe, expect, it } from 'vitest'
import type { CodecUse, FileRow } from '../../src/core/model.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import { type Fixture, freshStores } from './fresh-stores.ts'
import { at, draft, facts } from './meta-store.ts'

const under = (key_id: string): CodecUse => ({ name: 'aes-256-gcm', params: { key_id, wrapped: 'w', size: 100 } })
const ZSTD: CodecUse = { name: 'zstd', params: { size: 100 } }

/** Runs the suite. */
export function wrappedKeysContract(name: string, open: () => Promise<Fixture>): void {
  describe(`wrapped keys in ${name}`, () => {
    let store: MetaStore
    freshStores(open, (first) => {
      store = first
    })
    const file = async (...codecs: CodecUse[]): Promise<FileRow> => {
      const upload = draft()
      await store.claim(upload, { bucketTotal: null, openUploads: null }, { need: 100, want: 100 })
      return store.commit(upload.id, facts({ codecs }), at(1))
    }

    it('are counted by the keys that wrap them, and found in pages', async () => {
      await file()
      await file(ZSTD)
      const [first, second] = [await file(under('k1')), await file(ZSTD, under('k1'))]
      const other = await file(under('k2'))
      const damaged = await file({ name: 'aes-256-gcm', params: {} })
      await store.condemn('docs', second.id, at(2), false)
      expect(await store.keyUse()).toEqual([
        { keyId: null, files: 1 },
        { keyId: 'k1', files: 2 },
        { keyId: 'k2', files: 1 },
      ])
      const ids = async (keyId: string, after: string, limit: number) =>
        (await store.filesNotUnder(keyId, after, limit)).map(({ id }) => id)
      expect(await ids('k2', '', 2)).toEqual([first.id, second.id])
      expect(await ids('k2', second.id, 2)).toEqual([damaged.id])
      expect(await ids('k1', '', 10)).toEqual([other.id, damaged.id])
    })

    it('are changed only while they are what was read, and nothing else of the file is', async () => {
      const one = await file(ZSTD, under('k1'))
      const two = await file(under('k1'))
      const change = ({ id, codecs: from }: FileRow) => ({
        id,
        from,
        to: from.map((use) => (use === from.at(-1) ? under('k2') : use)),
      })
      expect(await store.rewrapFiles([change(one), change(two)])).toBe(2)
      expect(await store.file('docs', one.id)).toEqual({ ...one, codecs: [ZSTD, under('k2')] })
      expect(await store.rewrapFiles([change(one), change(two)])).toBe(0)
      expect(await store.keyUse()).toEqual([{ keyId: 'k2', files: 2 }])
    })
  })
}
