import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FileRow } from '../../src/core/model.ts'
import { Expanded } from '../../src/records/model.ts'
import { type Archive, admin, alice, anyone, asked, bob, openArchive } from './archive.ts'

const LISTED = { limit: 100 }
let archive: Archive
let pictures: FileRow[]
let editors: { id: unknown; name: unknown; hidden: unknown }[]

beforeAll(async () => {
  archive = await openArchive()
  pictures = []
  for (let i = 0; i < 4; i += 1) pictures.push(await archive.upload(alice, 'pics'))
  const create = async (name: string, hidden: boolean) =>
    (await archive.records.create(alice, 'users', { name, hidden }, null)) as (typeof editors)[number]
  editors = [await create('Eve', false), await create('Mallory', true)]
  const scan = await archive.upload(alice, 'docs', 50, 'png')
  for (let i = 0; i < 100; i += 1) {
    const [one, two] = [pictures[i % 4]!.id, pictures[(i + 1) % 4]!.id]
    const body = { title: `${i}`, rank: i, cover: one, gallery: [two, one], scan: scan.id, editor: editors[i % 2]!.id }
    await archive.records.create(alice, 'posts', body, null)
  }
})
afterAll(() => archive.close())

const list = (call = alice, expand: string | null = null, more = {}) =>
  archive.records.list(call, 'posts', asked({ ...LISTED, sort: 'rank', expand, ...more }))

describe('expand', () => {
  it('puts files in the place of ids, in lists element by element', async () => {
    const { docs } = await list(alice, 'cover,gallery')
    expect(docs).toHaveLength(100)
    docs.forEach((doc, i) => {
      expect(doc.cover).toEqual(new Expanded(pictures[i % 4]!))
      expect(doc.gallery).toEqual([new Expanded(pictures[(i + 1) % 4]!), new Expanded(pictures[i % 4]!)])
    })
  })

  it('puts records in the place of relations, as clients see them', async () => {
    const { docs } = await list(admin, 'editor')
    expect(docs[0]!.editor).toEqual(editors[0])
    expect(docs[1]!.editor).toEqual(editors[1])
  })

  it('leaves what the caller may not read as an id', async () => {
    const { docs } = await list(bob, 'editor,scan')
    expect(docs[0]!.editor).toEqual(editors[0])
    expect(docs[1]!.editor).toBe(editors[1]!.id)
    expect(docs[0]!.scan).toMatch(/^[0-9a-f-]{36}$/)
    expect((await list(alice, 'scan,editor')).docs[0]!.scan).toBeInstanceOf(Expanded)
  })

  it('costs at most one query for each field, none where the database finds the files itself', async () => {
    for (const [expand, queries] of [
      [null, ['records.page']],
      ['cover', ['records.page']],
      ['cover,scan', ['records.page']],
      ['gallery,cover', ['records.list', 'files', 'files']],
      ['cover,gallery,editor', ['records.list', 'files', 'files', 'records.many']],
      ['draft,editor', ['records.list', 'records.many']],
    ] as const) {
      archive.queries.length = 0
      await list(alice, expand)
      expect(archive.queries).toEqual(queries)
    }
  })

  it('is there for single records, created and changed ones too', async () => {
    const body = { title: 'x', author: 'alice', cover: pictures[0]!.id }
    const created = await archive.records.create(alice, 'posts', body, 'cover,editor')
    expect(created.cover).toEqual(new Expanded(pictures[0]!))
    expect(created.editor).toBeNull()
    const id = String(created.id)
    expect((await archive.records.get(anyone, 'posts', id, 'cover')).cover).toEqual(new Expanded(pictures[0]!))
    const changed = await archive.records.update(alice, 'posts', id, { editor: editors[0]!.id }, 'editor')
    expect(changed.editor).toEqual(editors[0])
    expect(changed.cover).toBe(pictures[0]!.id)
  })
})
