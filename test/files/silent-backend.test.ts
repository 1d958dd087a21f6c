// A backend that does not answer: callers are told at once, and what could not be cleared goes with a sweep.
import { afterEach, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { fail } from '../../src/core/errors.ts'
import { as, openWorkshop, put, type Workshop } from '../support/workshop.ts'

let shop: Workshop
afterEach(() => shop.close())

const ada = as('ada')
const bytes = Buffer.from('some plain text\n'.repeat(1000))

it('is not waited for again after an upload that it did not take; a sweep removes what it has of it', async () => {
  let silent = true
  const never = new Promise<never>(() => {})
  const faults = (plain: Backend): Backend => ({
    ...plain,
    // It takes the bytes and says nothing about it.
    async put(...args) {
      const stored = await plain.put(...args)
      if (silent) throw fail('storage_unavailable', 'the storage backend does not answer')
      return stored
    },
    delete: (key) => (silent ? never : plain.delete(key)),
  })
  shop = await openWorkshop({ faults })
  await expect(shop.files.upload(ada, put('docs', 'a.txt', bytes))).rejects.toMatchObject({
    code: 'storage_unavailable',
  })
  expect(await shop.meta.usage('bucket:docs')).toEqual({ used: 0, reserved: 0, files: 0 })
  expect(await shop.meta.scanUploads('', 10)).toMatchObject([{ state: 'abandoned', path: null }])

  silent = false
  const file = await shop.files.upload(ada, put('docs', 'a.txt', bytes))
  expect(file.path).toBe('a.txt')
  expect(await shop.sweep({ dryRun: false })).toMatchObject({ uploads: 1, errors: 0 })
  expect(await shop.meta.scanUploads('', 10)).toEqual([])
  expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 1, uploads: 0 })
})

it('is waited for once by a deletion of many files, not once for each', async () => {
  const COUNT = 20
  let asked = 0
  const all = Promise.withResolvers<void>()
  const faults = (plain: Backend): Backend => ({
    ...plain,
    async delete(key) {
      asked += 1
      if (asked === COUNT) all.resolve()
      await all.promise
      return plain.delete(key)
    },
  })
  shop = await openWorkshop({ faults })
  const ids: string[] = []
  for (let n = 0; n < COUNT; n++) ids.push((await shop.files.upload(ada, put('docs', `${n}`, bytes))).id)
  expect(await shop.files.removeMany(ada, 'docs', ids)).toEqual({ deleted: ids, failed: [] })
})
