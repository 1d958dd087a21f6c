// The doctor on a real store: what it mends, and what it leaves alone.
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createPace } from '../../src/blobs/pace.ts'
import { fail } from '../../src/core/errors.ts'
import { createDoctor } from '../../src/jobs/doctor.ts'
import { openSqlite } from '../../src/meta/sqlite/open.ts'
import { as, body, LEASE_TIME, openWorkshop, put, type Workshop } from '../support/workshop.ts'

/** Of nothing. */
const absent = '01900000-0000-7000-8000-000000000001'
let shop: Workshop
afterEach(() => shop.close())

const names = (): string[] =>
  readdirSync(join(shop.dir, 'files'), { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [entry.name] : [],
  )

describe('doctor --fix', () => {
  it('sets bytes aside that no row speaks of, and no others', async () => {
    shop = await openWorkshop()
    const file = await shop.files.upload(as('ada'), put('docs', 'a', Buffer.from('a file')))
    const stray = '01900000-0000-7000-8000-000000000001'
    const key = `docs/${stray}` as typeof file.key
    await shop.backend.put(key, body(Buffer.from('x')), { size: 1, signal: new AbortController().signal })
    await writeFile(shop.spool.path(stray), 'x')
    const report = await shop.doctor({ readData: true, fix: true })
    expect(report).toMatchObject({ ok: true, problems: [{ kind: 'orphan_blob' }, { kind: 'orphan_spool' }] })
    expect(names().sort()).toEqual([stray, file.id].sort())
    expect(readFileSync(join(shop.dir, `files/.lost/docs/019000/00/${stray}`), 'utf8')).toBe('x')
    expect(await shop.spool.size(stray)).toBeNull()
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
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

describe('doctor beside a sweep', () => {
  it('does not miss the row of bytes that went with it after they were seen', async () => {
    shop = await openWorkshop()
    const doomed = await shop.files.upload(as('ada'), put('docs', 'a', Buffer.from('a file')))
    await shop.files.upload(as('ada'), put('docs', 'b', Buffer.from('another')))
    await writeFile(shop.spool.path(absent), 'x')
    const meta = {
      ...shop.meta,
      // The listing is done when rows are first asked for.
      async scanFiles(...page: Parameters<typeof shop.meta.scanFiles>) {
        await shop.files.remove(as('ada'), 'docs', doomed.id)
        await shop.spool.remove(absent)
        return shop.meta.scanFiles(...page)
      },
    }
    const seen = await createDoctor({ ...shop, meta, leaseTime: LEASE_TIME })({ readData: false, fix: false })
    expect(seen).toMatchObject({ ok: true, problems: [], files: 1 })
    expect(names()).toHaveLength(1)
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

describe('doctor on references', () => {
  const SCHEMA = `
version: 1
buckets:
  docs: {backend: local, max_file_size: 1MB, rules: {create: "true"}}
collections:
  posts:
    fields:
      id: {type: id, primary: true}
      cover: {type: file, bucket: docs, nullable: true}
      papers: {type: 'file[]', bucket: docs}
`
  const at = '2026-01-01T00:00:00.000Z'

  /** Two files, a post that names the first, and the database file to do damage in. */
  async function begin() {
    shop = await openWorkshop({ schema: SCHEMA })
    const one = await shop.files.upload(as('ada'), put('docs', '1', Buffer.from('one')))
    const two = await shop.files.upload(as('ada'), put('docs', '2', Buffer.from('two')))
    await shop.meta.records.insert('posts', { id: 'p', cover: one.id, papers: '[]' }, at)
    const db = shop.openDatabase()
    return { one, two, db }
  }

  it('finds nothing where they are what the records say', async () => {
    const { db } = await begin()
    db.close()
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
  })

  it('finds and mends what _alyx_file_refs has too much and too little', async () => {
    const { one, two, db } = await begin()
    db.prepare('DELETE FROM _alyx_file_refs').run()
    db.prepare("INSERT INTO _alyx_file_refs VALUES (?, 'posts', 'p', 'papers')").run(two.id)
    db.close()
    const missing = {
      invariant: 'I4',
      kind: 'reference_missing',
      id: 'posts/p',
      detail: `cover names ${one.id}, and _alyx_file_refs does not know`,
      fix: 'mend_reference',
    }
    const stray = {
      invariant: 'I4',
      kind: 'reference_stray',
      id: 'posts/p',
      detail: `papers names ${two.id} in _alyx_file_refs only`,
      fix: 'mend_reference',
    }
    const found = await shop.doctor({ readData: false, fix: false })
    expect(found.ok).toBe(false)
    expect(found.problems.toSorted((a, b) => (a.kind < b.kind ? -1 : 1))).toEqual([missing, stray])
    const mended = await shop.doctor({ readData: false, fix: true })
    expect(mended.ok).toBe(true)
    expect(mended.problems).toContainEqual({ ...missing, fixed: true })
    expect(mended.problems).toContainEqual({ ...stray, fixed: true })
    expect(await shop.doctor({ readData: false, fix: false })).toMatchObject({ ok: true, problems: [] })
    expect(await shop.meta.records.references(one.id, 9)).toMatchObject([{ recordId: 'p', field: 'cover' }])
  })

  it('only reports a record that names a file which is not there', async () => {
    const { one, db } = await begin()
    db.prepare('UPDATE posts SET cover = ?').run(absent)
    db.prepare('UPDATE _alyx_file_refs SET file_id = ?').run(absent)
    db.close()
    const report = await shop.doctor({ readData: false, fix: true })
    const detail = `cover names ${absent}, a file that is not there`
    expect(report).toMatchObject({ ok: false, problems: [{ kind: 'file_dangling', id: 'posts/p', detail }] })
    expect(report.problems[0]).not.toHaveProperty('fixed')
    expect((await shop.meta.records.get('posts', 'p'))?.values).toMatchObject({ cover: absent })
    expect(await shop.meta.file('docs', one.id)).not.toBeNull()
  })
})

describe('doctor on what should have gone long ago', () => {
  const DAY = 86_400_000
  const begin = (name: string) => shop.sessions.create(as('ada'), { bucket: 'docs', fields: { name }, size: 10 })

  it('names deletions and uploads that no sweep has finished in a day, and not those of today', async () => {
    shop = await openWorkshop({ expiry: 1000 })
    const file = await shop.files.upload(as('ada'), put('docs', 'a', Buffer.from('a file')))
    const upload = await begin('b')
    await shop.meta.condemn('docs', file.id, new Date(shop.clock.now()).toISOString(), false)
    shop.tick(DAY - 60_000)
    expect(await shop.doctor({ readData: false, fix: false })).toMatchObject({ ok: true, problems: [] })
    shop.tick(120_000)
    const { problems } = await shop.doctor({ readData: false, fix: true })
    expect(problems).toMatchObject([
      { invariant: 'I5', kind: 'deletion_stuck', id: file.id, fix: null },
      { invariant: 'I6', kind: 'upload_stuck', id: upload.id, fix: null },
    ])
    await shop.sweep({ dryRun: false })
    expect(await shop.doctor({ readData: false, fix: false })).toMatchObject({ ok: true, problems: [] })
  })

  it('forgets the claim of a file that is finished, and keeps the file', async () => {
    shop = await openWorkshop()
    const file = await shop.files.upload(as('ada'), put('docs', 'a', Buffer.from('a file')))
    const { id } = await begin('b')
    const db = shop.openDatabase()
    db.prepare('UPDATE _alyx_uploads SET id = ?, path = NULL WHERE id = ?').run(file.id, id)
    db.close()
    const found = await shop.doctor({ readData: false, fix: false })
    expect(found).toMatchObject({ ok: false, problems: [{ kind: 'claim_of_file', id: file.id, fix: 'forget_claim' }] })
    expect(await shop.doctor({ readData: false, fix: true })).toMatchObject({ ok: true })
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [], files: 1 })
    expect(await shop.meta.usage('bucket:docs')).toEqual({ used: 6, reserved: 0, files: 1 })
  })

  it('does only what the plan says that was shown', async () => {
    shop = await openWorkshop()
    await shop.files.upload(as('ada'), put('docs', 'a', Buffer.from('a file')))
    const [one, two] = ['01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000002']
    for (const id of [one, two]) await writeFile(shop.spool.path(id!), 'x')
    const { problems } = await shop.doctor({ readData: false, fix: false })
    expect(problems.map(({ fix }) => fix)).toEqual(['remove_spool', 'remove_spool'])
    const plan = problems.filter(({ id }) => id === one)
    const after = await shop.doctor({ readData: false, fix: true, plan })
    expect(after.problems.filter(({ fixed }) => fixed).map(({ id }) => id)).toEqual([one])
    expect(await shop.spool.size(one!)).toBeNull()
    expect(await shop.spool.size(two!)).toBe(1)
  })

  it('reads no faster than it was told', async () => {
    shop = await openWorkshop()
    for (const name of ['a', 'b', 'c', 'd'])
      await shop.files.upload(as('ada'), put('docs', name, Buffer.alloc(100_000, name)))
    let time = 0
    const waits: number[] = []
    // A clock that stands still counts what it is asked to wait for: 400 kB at 800 kB a second, less a burst.
    const pace = createPace(800_000, { now: () => time })
    for (let i = 0; i < 4; i++) {
      const began = performance.now()
      await pace(100_000, new AbortController().signal)
      waits.push(performance.now() - began)
      time += waits.at(-1)!
    }
    expect(time).toBeGreaterThan(400)
    expect(await shop.doctor({ readData: true, rate: 100_000_000, fix: false })).toMatchObject({ ok: true, files: 4 })
  })
})
