// The doctor on a real store: what it mends, and what it leaves alone.
import { readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { fail } from '../../src/core/errors.ts'
import { createDoctor } from '../../src/jobs/doctor.ts'
import { openSqlite } from '../../src/meta/sqlite/open.ts'
import { as, body, LEASE_TIME, openWorkshop, put, type Workshop } from '../support/workshop.ts'

let shop: Workshop
afterEach(() => shop.close())

const names = (): string[] =>
  readdirSync(join(shop.dir, 'files'), { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [entry.name] : [],
  )

describe('doctor --fix', () => {
  it('removes bytes that no row speaks of, and no others', async () => {
    shop = await openWorkshop()
    const file = await shop.files.upload(as('ada'), put('docs', 'a', Buffer.from('a file')))
    const stray = '01900000-0000-7000-8000-000000000001'
    const key = `docs/${stray}` as typeof file.key
    await shop.backend.put(key, body(Buffer.from('x')), { size: 1, signal: new AbortController().signal })
    await writeFile(shop.spool.path(stray), 'x')
    const report = await shop.doctor({ readData: true, fix: true })
    expect(report).toMatchObject({ ok: true, problems: [{ kind: 'orphan_blob' }, { kind: 'orphan_spool' }] })
    expect(names()).toEqual([file.id])
    expect(await shop.spool.size(stray)).toBeNull()
  })

  it('keeps everything when the database knows no file at all: it may be the wrong one', async () => {
    shop = await openWorkshop()
    const file = await shop.files.upload(as('ada'), put('docs', 'a', Buffer.from('a file')))
    const meta = await openSqlite({ file: join(shop.dir, 'typo.db'), durability: 'normal', observer: shop.observer })
    try {
      const doctor = createDoctor({ ...shop, meta, leaseTime: LEASE_TIME })
      const report = await doctor({ readData: false, fix: true })
      expect(report).toMatchObject({ ok: false, problems: [{ kind: 'orphan_blob', id: file.id }] })
      expect(report.problems[0]?.detail).toContain('is it the right one?')
      expect(report.problems[0]).not.toHaveProperty('fixed')
    } finally {
      await meta.close()
    }
    expect(names()).toEqual([file.id])
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 1 })
  })
})

describe('doctor, where a backend cannot be listed', () => {
  it('asks for the bytes of each row', async () => {
    const sizes = new Map<string, number>()
    let down = false
    shop = await openWorkshop({
      faults: ({ put, get, delete: remove, exists }) => ({
        put,
        get,
        delete: remove,
        exists,
        async stat(key) {
          if (down) throw fail('storage_unavailable', 'down')
          return (await exists(key)) ? { size: sizes.get(key) ?? 6 } : null
        },
      }),
    })
    const [whole, short, gone] = await Promise.all(
      ['a', 'b', 'c'].map((name) => shop.files.upload(as('ada'), put('docs', name, Buffer.from('a file')))),
    )
    sizes.set(short!.key, 5)
    await shop.backend.delete(gone!.key)
    const { problems } = await shop.doctor({ readData: false, fix: false })
    expect(problems.map(({ id, kind }) => `${id} ${kind}`)).toEqual(
      [`${short!.id} size_differs`, `${gone!.id} blob_missing`].sort(),
    )
    down = true
    const dark = await shop.doctor({ readData: false, fix: false })
    expect(dark.problems.map(({ kind }) => kind)).toEqual(Array(3).fill('storage_unavailable'))
    expect(dark.problems.map(({ id }) => id)).toContain(whole!.id)
  })
})
