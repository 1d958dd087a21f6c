import { afterEach, describe, expect, it } from 'vitest'
import { fail } from '../../src/core/errors.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import { type Archive, alice, openArchive, refused } from './archive.ts'

let archive: Archive
afterEach(() => archive.close())

/** Each update meets another version this many times. */
function conflicting(times: number): (meta: MetaStore) => MetaStore {
  let left = times
  return (meta) => ({
    ...meta,
    records: {
      ...meta.records,
      async update(...args) {
        if (left-- > 0) throw fail('precondition_failed', 'the record has changed')
        return meta.records.update(...args)
      },
    },
  })
}

const created = async (): Promise<string> =>
  String((await archive.records.create(alice, 'posts', { title: 'x', author: 'alice' }, null)).id)

describe('changes of one record at the same time', () => {
  it('all survive when they add to a list, in one process and in two', async () => {
    archive = await openArchive()
    const { id } = await archive.records.create(alice, 'kinds', {}, null)
    const files = await Promise.all(Array.from({ length: 30 }, () => archive.upload(alice, 'pics')))
    const other = archive.otherRecords()
    await Promise.all(
      files.map((file, i) =>
        (i < 25 ? archive.records : other).update(
          alice,
          'kinds',
          String(id),
          i % 2 ? { 'files+': file.id } : { '+files': file.id },
          null,
        ),
      ),
    )
    const { files: held } = await archive.records.get(alice, 'kinds', String(id), null)
    expect([...(held as string[])].sort()).toEqual(files.map((file) => file.id).sort())
  })

  it('are read, decided and written again when another process came between', async () => {
    archive = await openArchive({ meddle: conflicting(9) })
    const id = await created()
    archive.queries.length = 0
    expect(await archive.records.update(alice, 'posts', id, { title: 'y' }, null)).toMatchObject({ title: 'y' })
    expect(archive.queries.filter((query) => query === 'records.get')).toHaveLength(10)
  })

  it('are given up after ten times', async () => {
    archive = await openArchive({ meddle: conflicting(10) })
    const id = await created()
    expect(await refused(archive.records.update(alice, 'posts', id, { title: 'y' }, null))).toMatchObject({
      code: 'database_busy',
    })
    expect(await archive.records.update(alice, 'posts', id, { title: 'z' }, null)).toMatchObject({ title: 'z' })
  })

  it('end with one outcome when one of them deletes it', async () => {
    archive = await openArchive()
    const id = await created()
    const results = await Promise.allSettled([
      archive.records.update(alice, 'posts', id, { title: 'y' }, null),
      archive.records.remove(alice, 'posts', id),
      archive.otherRecords().remove(alice, 'posts', id),
      archive.otherRecords().update(alice, 'posts', id, { title: 'z' }, null),
    ])
    const codes = results.map((result) => (result.status === 'fulfilled' ? 'done' : result.reason.code))
    expect(new Set(codes)).toEqual(new Set(['done', 'record_not_found']))
    expect([codes[1], codes[2]].sort()).toEqual(['done', 'record_not_found'])
    expect(await refused(archive.records.get(alice, 'posts', id, null))).toMatchObject({ code: 'record_not_found' })
  })
})
