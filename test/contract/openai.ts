// The promises of MetaStore on /v1 (src/meta/openai.ts).
import { describe, expect, it } from 'vitest'
import { createIds } from '../../src/core/ids.ts'
import type { OpenAiUploadDraft } from '../../src/meta/openai.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import { type Fixture, freshStores } from './fresh-stores.ts'
import { at, draft, facts } from './meta-store.ts'

const NO_LIMIT = { bucketTotal: null, openUploads: null }
const newId = createIds({ now: () => Date.now() })
const owner = { account: 'tenant:acme', tenant: 'acme', keyId: 'key_1' }
const HOUR = 3_600_000
/** Minutes after which an upload is over. */
const OVER = 60
/** `at` in milliseconds. */
const ms = (value: number): string => at(value / 60_000)

/** Runs the suite. */
export function openAiContract(name: string, open: () => Promise<Fixture>): void {
  describe(`/v1 in ${name}`, () => {
    let store: MetaStore
    const connect = freshStores(open, (first) => {
      store = first
    })

    async function begin(mostPending = 10): Promise<OpenAiUploadDraft & { readonly claimId: string }> {
      const claim = draft({ protocol: 'openai', holder: 'p1', leaseExpiresAt: at(0), expiresAt: at(OVER), size: 10 })
      const upload = { ...owner, id: `file-${claim.id}`, uploadId: `upload_${claim.id}`, purpose: 'batch' }
      const more = { ...upload, lifetime: HOUR, mimeType: 'x' }
      await store.beginOpenAiUpload(claim, NO_LIMIT, { need: 10, want: 10 }, more, mostPending)
      return { ...more, claimId: claim.id }
    }
    async function part(uploadId: string, number: number | null = null, time = at(1)) {
      const id = newId()
      const claim = draft({
        id,
        protocol: 'part',
        path: `//${id}`,
        holder: 'p1',
        leaseExpiresAt: at(OVER),
        expiresAt: at(OVER),
      })
      await store.claim(claim, NO_LIMIT, { need: 0, want: 0 })
      const row = { id: `part_${id}`, uploadId, claimId: id, number, size: 10, createdAt: time }
      return { row, replaced: await store.keepOpenAiPart(row, 'p1', { parts: 3, bytes: 30 }) }
    }
    const file = async (time: string, more: object = {}) => {
      const claim = draft({ staging: HOUR, ...more })
      await store.claim(claim, NO_LIMIT, { need: 0, want: 0 })
      const id = `file-${claim.id}`
      return {
        id,
        row: await store.commitOpenAiFile(claim.id, facts(), { ...owner, id, purpose: 'batch', lifetime: 5000 }, time),
      }
    }

    it('an upload on which nobody works is held by nobody, however busy the process that began it is', async () => {
      const { uploadId, claimId } = await begin()
      await store.renew('p1', at(50))
      expect(await store.upload(claimId)).toMatchObject({ holder: null, leaseExpiresAt: null })
      await part(uploadId)
      expect(await store.holdOpenAiUpload(uploadId, 'p2', at(50), at(2))).toBe(true)
    })

    it('an upload is held by one at a time, and free when the lease of its holder is over', async () => {
      const { uploadId, claimId } = await begin()
      const second = await connect()
      expect(await store.holdOpenAiUpload(uploadId, 'p1', at(20), at(1))).toBe(true)
      expect(await store.holdOpenAiUpload(uploadId, 'p1', at(20), at(2))).toBe(true)
      expect(await second.holdOpenAiUpload(uploadId, 'p2', at(30), at(2))).toBe(false)
      await expect(part(uploadId, null, at(2))).rejects.toMatchObject({ code: 'upload_locked' })
      expect(await second.holdOpenAiUpload(uploadId, 'p2', at(50), at(20))).toBe(true)
      const lost = { code: 'upload_locked' }
      await expect(store.completeOpenAiUpload(uploadId, facts(), 'k', at(21), { holder: 'p1' })).rejects.toMatchObject(
        lost,
      )
      await expect(store.cancelOpenAiUpload(uploadId, 'p1', at(21))).rejects.toMatchObject(lost)
      await store.completeOpenAiUpload(uploadId, facts(), 'k', at(22), { holder: 'p2' })
      expect(await store.file('docs', claimId)).toMatchObject({ state: 'ready' })
      expect(await store.openAiUpload(uploadId)).toMatchObject({ status: 'completed', partsKey: 'k' })
      await expect(store.holdOpenAiUpload(uploadId, 'p2', at(50), at(23))).rejects.toMatchObject({
        details: { code: 'upload_completed' },
      })
    })

    it.each(['complete', 'cancel', 'expire'] as const)(
      '%s gives up the claims of all parts, and none else',
      async (way) => {
        const { uploadId, claimId } = await begin()
        const other = await begin()
        const kept = await part(other.uploadId)
        const parts = [await part(uploadId), await part(uploadId, 1)]
        await store.holdOpenAiUpload(uploadId, 'p1', at(20), at(2))
        if (way === 'complete') await store.completeOpenAiUpload(uploadId, facts(), 'k', at(3), { holder: 'p1' })
        if (way === 'cancel') await store.cancelOpenAiUpload(uploadId, 'p1', at(3))
        if (way === 'expire') await store.expireOpenAiUpload(uploadId, at(OVER))
        const dead = await store.deadUploads(at(4), 10)
        const expected = [...parts.map(({ row }) => row.claimId), ...(way === 'complete' ? [] : [claimId])]
        expect(dead.map(({ id }) => id).sort()).toEqual(expected.sort())
        expect(await store.openAiParts(uploadId)).toEqual([])
        expect((await store.openAiParts(other.uploadId)).map(({ id }) => id)).toEqual([kept.row.id])
        expect(await store.drift(false)).toEqual([])
      },
    )

    it('an upload that is being completed does not expire meanwhile', async () => {
      const { uploadId } = await begin()
      await store.holdOpenAiUpload(uploadId, 'p1', at(OVER + 20), at(OVER - 1))
      await store.expireOpenAiUpload(uploadId, at(OVER + 1))
      expect(await store.openAiUpload(uploadId)).toMatchObject({ status: 'pending' })
      await store.completeOpenAiUpload(uploadId, facts(), 'k', at(OVER + 2), { holder: 'p1' })
      expect(await store.openAiUpload(uploadId)).toMatchObject({ status: 'completed' })
    })

    it('parts are bounded in number and bytes, and one with a number takes its place', async () => {
      const { uploadId } = await begin()
      const first = await part(uploadId, 1)
      expect((await part(uploadId, 1)).replaced).toBe(first.row.claimId)
      await part(uploadId)
      await part(uploadId)
      await expect(part(uploadId)).rejects.toMatchObject({ code: 'invalid_request' })
      expect((await part(uploadId, 1)).replaced).not.toBeNull()
    })

    it('an account has so many pending uploads', async () => {
      await begin(2)
      await begin(2)
      await expect(begin(2)).rejects.toMatchObject({ code: 'rate_limited' })
    })

    it('files are committed once, never staged, in an order that differing clocks do not turn round', async () => {
      const first = await file(ms(500))
      const second = await file(ms(100))
      expect(first.row).toMatchObject({ stagedUntil: null, createdAt: ms(500), expiresAt: ms(5500) })
      expect(second.row).toMatchObject({ createdAt: ms(500) })
      const draftOf = { ...owner, id: first.id, purpose: 'batch', lifetime: 5000 }
      expect(await store.commitOpenAiFile(first.row.id, facts(), draftOf, ms(600))).toEqual(first.row)
      const query = { after: null, limit: 10, now: ms(1000) }
      const ids = async (descending: boolean) =>
        (await store.openAiFiles('tenant:acme', null, { ...query, descending })).map(({ id }) => id)
      expect(await ids(false)).toEqual([first.id, second.id])
      expect(await ids(true)).toEqual([second.id, first.id])
      expect(await store.openAiFiles('tenant:other', null, { ...query, descending: true })).toEqual([])
    })

    it('a file that goes leaves when and why', async () => {
      const [deleted, expired, removed] = [await file(ms(1)), await file(ms(1)), await file(ms(1))]
      expect(await store.removeOpenAiFile(deleted.id, 'tenant:other', ms(2))).toBeNull()
      expect(await store.removeOpenAiFile(deleted.id, 'tenant:acme', ms(2))).toMatchObject({ state: 'deleting' })
      expect(await store.removeOpenAiFile(deleted.id, 'tenant:acme', ms(3))).toBeNull()
      await store.condemn('docs', removed.row.id, ms(3), false)
      await store.condemn('docs', expired.row.id, ms(6000), true)
      for (const { row } of [deleted, expired, removed]) await store.bury('docs', row.id)
      expect(await store.openAiFile(deleted.id)).toMatchObject({
        ready: false,
        deletedAt: ms(2),
        reason: 'deleted by tenant',
      })
      expect(await store.openAiFile(removed.id)).toMatchObject({ ready: false, deletedAt: ms(3), reason: 'deleted' })
      expect(await store.openAiFile(expired.id)).toMatchObject({ ready: false, deletedAt: ms(6000), reason: 'expired' })
    })
  })
}
