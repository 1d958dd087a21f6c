// The two manners of deletion: what a caller asks for may fail and be undone, what is decided is finished sooner or later.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { timestamp } from '../../src/core/clock.ts'
import type { FileRow } from '../../src/core/model.ts'
import { createReclaim } from '../../src/files/removal.ts'
import { createDeletions, type Deletions } from '../support/deletions.ts'
import { as, LEASE_TIME, openWorkshop, put, type Workshop } from '../support/workshop.ts'

const SCHEMA = `
version: 1
buckets:
  docs:
    backend: local
    max_file_size: 1MB
    rules: {create: "true", read: "true", delete: "true"}
collections:
  deals:
    fields:
      id: {type: id, primary: true}
      contract: {type: file, bucket: docs, nullable: true, on_file_delete: restrict}
      cover: {type: file, bucket: docs, nullable: true, on_delete: cascade}
`
const ada = as('ada')
const NOTHING = { used: 0, reserved: 0, files: 0 }
let shop: Workshop
let deletions: Deletions
beforeEach(() => {
  deletions = createDeletions()
})
afterEach(() => shop.close())

const now = () => timestamp(shop.clock.now())
const upload = (more: Record<string, string> = {}): Promise<FileRow> =>
  shop.files.upload(ada, put('docs', 'a', Buffer.from('some text'), more))
const state = async (file: FileRow) => (await shop.meta.file('docs', file.id))?.state ?? 'gone'
const deal = (values: Record<string, string>) =>
  shop.meta.records.insert('deals', { id: 'one', contract: null, cover: null, ...values }, now())

describe('a sweep', () => {
  it('never brings back what has expired: where the backend refuses, the tombstone waits for the next', async () => {
    shop = await openWorkshop({ schema: SCHEMA, faults: deletions.faults })
    const file = await upload({ expires_in: '1m' })
    shop.tick(60_000)
    deletions.refusing = true
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ expired: 0, errors: 1 })
    expect(await state(file)).toBe('deleting')
    shop.tick(4 * LEASE_TIME)
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ deletions: 0, errors: 1 })
    deletions.refusing = false
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ deletions: 1, errors: 0 })
    expect(await shop.meta.usage('bucket:docs')).toEqual(NOTHING)
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 0 })
  })

  it('takes an expired file out of the record that restricts its deletion', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const file = await upload({ expires_in: '1m' })
    await deal({ contract: file.id })
    shop.tick(60_000)
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ expired: 1, errors: 0 })
    expect((await shop.meta.records.get('deals', 'one'))?.values).toMatchObject({ contract: null })
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
  })
})

describe('what went with a record', () => {
  it('is never restored, neither by its reclaim nor by a DELETE of a client, and goes in the end', async () => {
    shop = await openWorkshop({ schema: SCHEMA, faults: deletions.faults })
    const file = await upload()
    const { row } = await deal({ cover: file.id })
    const condemned = await shop.meta.records.remove('deals', 'one', row.version, now())
    expect(condemned.map(({ id }) => id)).toEqual([file.id])
    deletions.refusing = true
    const reclaim = createReclaim(shop.deps)
    await expect(reclaim(condemned[0]!)).rejects.toMatchObject({ code: 'storage_unavailable' })
    await expect(shop.files.remove(ada, 'docs', file.id)).rejects.toMatchObject({ code: 'storage_unavailable' })
    await expect(shop.files.stat(ada, 'docs', file.id)).rejects.toMatchObject({ code: 'file_not_found' })
    expect(await state(file)).toBe('deleting')
    deletions.refusing = false
    await reclaim(condemned[0]!)
    await reclaim(condemned[0]!)
    expect(await shop.meta.usage('bucket:docs')).toEqual(NOTHING)
    const steps = shop.events.filter(({ name, fields }) => name === 'step' && fields.id === file.id)
    expect(steps.map(({ fields }) => fields.point).slice(-6, -3)).toEqual(['condemned', 'reclaimed', 'buried'])
  })

  it('stays a tombstone for a DELETE that had found it whole a moment before', async () => {
    shop = await openWorkshop({ schema: SCHEMA, faults: deletions.faults })
    const file = await upload()
    const { row } = await deal({ cover: file.id })
    deletions.refusing = true
    const late = shop.deps.meta.file
    shop.deps.meta.file = async (bucket, id) => {
      const found = await late(bucket, id)
      shop.deps.meta.file = late
      await shop.meta.records.remove('deals', 'one', row.version, timestamp(shop.clock.now() - 1))
      return found
    }
    await expect(shop.files.remove(ada, 'docs', file.id)).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(await state(file)).toBe('deleting')
  })
})

describe('a DELETE that the backend refuses', () => {
  it.each([
    ['a moment later', () => now()],
    ['in the same millisecond', (condemned: FileRow) => condemned.updatedAt],
    ['by a clock that is behind', () => timestamp(shop.clock.now() - 5000)],
  ])('brings nothing back when the record let go of the file meanwhile, %s', async (_, when) => {
    shop = await openWorkshop({ schema: SCHEMA, faults: deletions.faults })
    const file = await upload()
    const { row } = await deal({ cover: file.id })
    deletions.refusing = true
    deletions.meanwhile = async () => {
      const condemned = await shop.meta.file('docs', file.id)
      await shop.meta.records.remove('deals', 'one', row.version, when(condemned!))
    }
    await expect(shop.files.remove(ada, 'docs', file.id)).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(await state(file)).toBe('deleting')
    deletions.refusing = false
    shop.tick(4 * LEASE_TIME)
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ deletions: 1, errors: 0 })
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 0 })
  })

  it('brings nothing back that another DELETE is about to finish', async () => {
    shop = await openWorkshop({ schema: SCHEMA, faults: deletions.faults })
    const file = await upload()
    let finish = () => {}
    let second: Promise<void> | null = null
    deletions.refusing = true
    deletions.meanwhile = () =>
      new Promise<void>((reached) => {
        deletions.meanwhile = () =>
          new Promise<void>((resolve) => {
            finish = resolve
            reached()
          })
        second = shop.files.remove(ada, 'docs', file.id)
      })
    await expect(shop.files.remove(ada, 'docs', file.id)).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(await state(file)).toBe('deleting')
    deletions.refusing = false
    finish()
    await second
    expect(await state(file)).toBe('gone')
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [], files: 0 })
  })
})

describe('a reclaim', () => {
  it('leaves a file alone whose time is not over', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const file = await upload({ expires_in: '1h' })
    await createReclaim(shop.deps)(file)
    expect(await shop.files.stat(ada, 'docs', file.id)).toEqual(file)
  })
})

describe('a DELETE of a file that a record restricts', () => {
  it('is refused, alone and in bulk, without saying which record it is, and works once the record lets go', async () => {
    shop = await openWorkshop({ schema: SCHEMA })
    const file = await upload()
    const { row } = await deal({ contract: file.id })
    const message = 'a record needs the file'
    await expect(shop.files.remove(ada, 'docs', file.id)).rejects.toMatchObject({
      code: 'file_in_use',
      status: 409,
      message,
      details: undefined,
    })
    expect(await shop.files.removeMany(ada, 'docs', [file.id])).toEqual({
      deleted: [],
      failed: [{ id: file.id, code: 'file_in_use', message }],
    })
    expect(await shop.files.stat(ada, 'docs', file.id)).toEqual(file)
    await shop.meta.records.update('deals', 'one', row.version, { contract: null }, now())
    await shop.files.remove(ada, 'docs', file.id)
    expect(await state(file)).toBe('gone')
  })

  it('that the backend refuses keeps the file, and the records that name it', async () => {
    shop = await openWorkshop({ schema: SCHEMA, faults: deletions.faults })
    const file = await upload()
    const { row } = await deal({ cover: file.id })
    deletions.refusing = true
    await expect(shop.files.remove(ada, 'docs', file.id)).rejects.toMatchObject({ code: 'storage_delete_failed' })
    expect(await state(file)).toBe('ready')
    expect(await shop.meta.records.get('deals', 'one')).toEqual(row)
    deletions.refusing = false
    await shop.files.remove(ada, 'docs', file.id)
    expect((await shop.meta.records.get('deals', 'one'))?.values).toMatchObject({ cover: null })
  })
})
