// Which of many ids are files that a caller may read, found with one query.
import { afterEach, describe, expect, it } from 'vitest'
import { usableFiles } from '../../src/files/usable.ts'
import { as, openWorkshop, put, type Workshop } from '../support/workshop.ts'

const SCHEMA = `
version: 1
buckets:
  docs:
    backend: local
    max_file_size: 1MB
    file_security: true
    rules: {create: "true", read: auth.id == file.owner_id, update: "true"}
  pics: {backend: local, max_file_size: 1MB, retention: {default: 1h}, rules: {create: "true", read: "true"}}
  drafts: {backend: local, max_file_size: 1MB, staging: 1h, rules: {create: "true", read: "true"}}
  sealed: {backend: local, max_file_size: 1MB, rules: {create: "true"}}
`
let shop: Workshop
afterEach(() => shop.close())

describe('usable files', () => {
  it('are those the caller can see and may read, with one query for all buckets, by the files’ own rules too', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const text = Buffer.from('text')
    const upload = async (who: string, bucket: string, name: string, more: Record<string, string> = {}) =>
      (await shop.files.upload(as(who), put(bucket, name, text, more))).id
    const mine = await upload('ada', 'docs', 'mine')
    const shared = await upload('ada', 'docs', 'shared', { rules: '{"read": "true"}' })
    const closed = await upload('ada', 'docs', 'closed', { rules: '{"read": "false"}' })
    const pic = await upload('ada', 'pics', 'pic')
    const draft = await upload('ada', 'drafts', 'draft')
    const sealed = await upload('ada', 'sealed', 'sealed')
    const dying = await upload('ada', 'pics', 'dying')
    await shop.meta.condemn('pics', dying, '2026-01-01T00:00:00.000Z', false)
    const asked = [
      mine,
      shared,
      closed,
      pic,
      draft,
      sealed,
      dying,
      mine,
      '',
      'nothing',
      '01900000-0000-7000-8000-000000000000',
    ]
    let queries = 0
    const files: typeof shop.meta.files = (ids) => {
      queries += 1
      return shop.meta.files(ids)
    }
    const deps = { ...shop.deps, meta: { ...shop.meta, files } }
    const names = async (call: ReturnType<typeof as>) =>
      [...(await usableFiles(deps, call, asked)).values()].map(({ name }) => name).toSorted()
    expect(await names(as('ada'))).toEqual(['draft', 'mine', 'pic', 'shared'])
    expect(await names(as('bob'))).toEqual(['pic', 'shared'])
    expect(await names(as(null))).toEqual(['pic', 'shared'])
    expect(await names(as('root', { admin: true }))).toEqual(['closed', 'draft', 'mine', 'pic', 'sealed', 'shared'])
    expect(await names(as('key_1', { kind: 'key', scopes: ['write'], admin: true }))).toEqual([])
    expect(queries).toBe(5)
    shop.tick(3_600_000)
    expect(await names(as('ada'))).toEqual(['mine', 'shared'])
    expect(await usableFiles(deps, as('ada'), ['', 'nothing'])).toEqual(new Map())
    expect(queries).toBe(6)
  })
})
