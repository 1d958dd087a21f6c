// A backend that does not delete, at every point where something is deleted: nothing is lost, nothing stays for ever, and the caller is told the truth.
import { afterEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { timestamp } from '../../src/core/clock.ts'
import { fail } from '../../src/core/errors.ts'
import type { FileRow } from '../../src/core/model.ts'
import { createReclaim } from '../../src/files/removal.ts'
import { as, body, LEASE_TIME, openWorkshop, put, type Workshop } from '../support/workshop.ts'

const SCHEMA = `
version: 1
buckets:
  docs:
    backend: local
    max_file_size: 1MB
    rules: {create: file.mime_type != 'image/png', read: "true", download: "true", delete: "true"}
collections:
  posts:
    fields:
      id: {type: id, primary: true}
      cover: {type: file, bucket: docs, nullable: true, on_delete: cascade}
`
const ada = as('ada')
/** Eight bytes that begin every PNG, and enough of a header to be taken for one. */
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489', 'hex')

/** How a backend fails to delete. `there`: whether the bytes are still there, as it says when it is asked. */
interface Failure {
  readonly name: string
  readonly delete: (remove: () => Promise<void>) => Promise<void>
  /** Null: it does not say. */
  readonly exists: boolean | null
}
const refused = fail('storage_unavailable', 'no')
const FAILURES: readonly Failure[] = [
  {
    name: 'refuses, and holds them',
    delete: async () => {
      throw refused
    },
    exists: true,
  },
  {
    name: 'refuses, and does not say whether it holds them',
    delete: async () => {
      throw refused
    },
    exists: null,
  },
  {
    name: 'deletes, and its answer is lost',
    async delete(remove) {
      await remove()
      throw refused
    },
    exists: false,
  },
]

let shop: Workshop
let failing: Failure | null = null
afterEach(async () => {
  failing = null
  await shop.close()
})
const open = () =>
  openWorkshop({
    schema: SCHEMA,
    faults: (backend: Backend): Backend => ({
      ...backend,
      delete: (key) => (failing === null ? backend.delete(key) : failing.delete(() => backend.delete(key))),
      async exists(key) {
        if (failing?.exists === null) throw refused
        return backend.exists(key)
      },
    }),
  })
const upload = (name: string, more: Record<string, string> = {}): Promise<FileRow> =>
  shop.files.upload(ada, put('docs', name, Buffer.from('some text'), more))
const state = async ({ id }: FileRow) => (await shop.meta.file('docs', id))?.state ?? 'gone'
const now = () => timestamp(shop.clock.now())
/** The backend works again: the next sweep leaves nothing but these files. */
async function heals(left: number): Promise<void> {
  failing = null
  shop.tick(4 * LEASE_TIME)
  expect(await shop.sweep({ dryRun: false })).toMatchObject({ errors: 0, more: false })
  expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({
    ok: true,
    problems: [],
    files: left,
    uploads: 0,
  })
  expect(await shop.meta.usage('bucket:docs')).toEqual({ used: left * 9, reserved: 0, files: left })
}

describe.each(FAILURES)('where the backend $name', (failure) => {
  const answer = {
    true: { code: 'storage_delete_failed', status: 409 },
    null: { code: 'storage_unavailable', status: 503 },
    false: null,
  }[`${failure.exists}`]

  it('a DELETE says so, and the file is kept only when it is whole', async () => {
    shop = await open()
    const file = await upload('a')
    failing = failure
    const removal = shop.files.remove(ada, 'docs', file.id)
    if (answer) await expect(removal).rejects.toMatchObject(answer)
    else await removal
    expect(await state(file)).toBe({ true: 'ready', null: 'deleting', false: 'gone' }[`${failure.exists}`])
    if (failure.exists) expect(await shop.files.stat(ada, 'docs', file.id)).toMatchObject({ checksum: file.checksum })
    else await expect(shop.files.stat(ada, 'docs', file.id)).rejects.toMatchObject({ code: 'file_not_found' })
    await heals(failure.exists ? 1 : 0)
    if (failure.exists) await shop.files.remove(ada, 'docs', file.id)
    expect(await state(file)).toBe('gone')
  })

  it('a bulk delete names what is not deleted, and deletes the rest', async () => {
    shop = await open()
    const files = [await upload('a'), await upload('b')]
    const ids = files.map(({ id }) => id)
    failing = failure
    const { deleted, failed } = await shop.files.removeMany(ada, 'docs', ids)
    expect(failed.map(({ id, code }) => ({ id, code }))).toEqual(
      answer ? ids.map((id) => ({ id, code: answer.code })) : [],
    )
    expect(deleted).toEqual(answer ? [] : ids)
    await heals(failure.exists ? 2 : 0)
  })

  it('a file that goes with its record is gone for everybody, and its bytes with a later sweep', async () => {
    shop = await open()
    const file = await upload('a')
    const { row } = await shop.meta.records.insert('posts', { id: 'p', cover: file.id }, now())
    failing = failure
    const [condemned] = await shop.meta.records.remove('posts', 'p', row.version, now())
    await expect(createReclaim(shop.deps)(condemned!)).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(await state(file)).toBe('deleting')
    await expect(shop.files.stat(ada, 'docs', file.id)).rejects.toMatchObject({ code: 'file_not_found' })
    await heals(0)
  })

  it('an expired file is never seen again, and goes with a later sweep', async () => {
    shop = await open()
    const file = await upload('a', { expires_in: '1m' })
    shop.tick(60_000)
    failing = failure
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ expired: 0, errors: 1 })
    expect(await state(file)).toBe('deleting')
    await heals(0)
  })

  it('an upload that is refused after its bytes came leaves nothing, and its path is free at once', async () => {
    shop = await open()
    failing = failure
    await expect(shop.files.upload(ada, put('docs', 'a', PNG))).rejects.toMatchObject({ code: 'forbidden' })
    failing = null
    await upload('a')
    await heals(1)
  })

  it('a resumable upload that is refused at its end leaves nothing', async () => {
    shop = await open()
    const { id } = await shop.sessions.create(ada, { bucket: 'docs', fields: { name: 'a' }, size: PNG.length })
    failing = failure
    const end = { bucket: 'docs', id, offset: 0, length: PNG.length, body: body(PNG) }
    await expect(shop.sessions.append(ada, end)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(shop.sessions.status(ada, 'docs', id)).rejects.toMatchObject({
      code: expect.stringMatching(/^upload_(not_found|expired)$/),
    })
    await heals(0)
  })

  it('a resumable upload whose last bytes are here stays and can be finished, when its place cannot be cleared', async () => {
    shop = await open()
    const bytes = Buffer.from('some text')
    const { id } = await shop.sessions.create(ada, { bucket: 'docs', fields: { name: 'a' }, size: bytes.length })
    failing = failure
    const append = () =>
      shop.sessions.append(ada, { bucket: 'docs', id, offset: 0, length: bytes.length, body: body(bytes) })
    // A plain file is taken over without clearing anything, so that only what must be asked is asked.
    await append().catch((error: unknown) => expect(error).toMatchObject({ code: 'storage_unavailable' }))
    failing = null
    const { offset } = await shop.sessions.status(ada, 'docs', id)
    if (offset < bytes.length) await append()
    expect(await shop.sessions.status(ada, 'docs', id)).toMatchObject({ offset: bytes.length, length: bytes.length })
    await heals(1)
  })

  it('a cancelled upload leaves nothing', async () => {
    shop = await open()
    const { id } = await shop.sessions.create(ada, { bucket: 'docs', fields: { name: 'a' }, size: 100 })
    failing = failure
    await shop.sessions.cancel(ada, 'docs', id).catch(() => {})
    await heals(0)
  })

  it('an upload that died is cleared by a later sweep', async () => {
    shop = await open()
    await shop.sessions.create(ada, { bucket: 'docs', fields: { name: 'a' }, size: 100 })
    shop.tick(86_400_000 + 1000)
    failing = failure
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ uploads: 0, errors: 1 })
    await heals(0)
  })
})
