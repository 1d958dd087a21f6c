// The promises of MetaStore as tests. Any implementation runs them: metaStoreContract('SQLite', open).
import { describe, expect, it } from 'vitest'
import { timestamp } from '../../src/core/clock.ts'
import { isFailure } from '../../src/core/errors.ts'
import type { ApiKeyRow, BlobKey, FileFacts, FileRow, UploadDraft } from '../../src/core/model.ts'
import type { FileQuery, MetaStore, Usage } from '../../src/meta/store.ts'
import { type Fixture, freshStores } from './fresh-stores.ts'

export type { Fixture } from './fresh-stores.ts'

/** Minutes after the beginning of the suite's time. */
export function at(minutes: number): string {
  return timestamp(Date.UTC(2026, 0, 1) + minutes * 60_000)
}

let made = 0

/** A claim's draft with an id in order of making; lives an hour, leased for a minute. */
export function draft(over: Partial<UploadDraft> = {}): UploadDraft {
  const id = over.id ?? `01900000-0000-7000-8000-${String(++made).padStart(12, '0')}`
  const bucket = over.bucket ?? 'docs'
  return {
    id,
    bucket,
    name: `${id}.txt`,
    path: `${id}.txt`,
    protocol: 'put',
    size: 100,
    metadata: {},
    rules: null,
    ownerId: 'ann',
    tenant: null,
    backend: 'local',
    key: `${bucket}/${id}` as BlobKey,
    checksum: null,
    fileLifetime: null,
    staging: null,
    expiresAt: at(60),
    createdAt: at(0),
    holder: 'p1',
    leaseExpiresAt: at(1),
    ...over,
  }
}

/** What a finished upload of `size` bytes turned out to be. */
export function facts(over: Partial<FileFacts> = {}): FileFacts {
  return {
    mimeType: 'text/plain',
    size: 100,
    originalSize: null,
    storedSize: 100,
    storedCrc32: 4_000_000_000,
    checksum: 'ab'.repeat(32),
    codecs: [],
    ...over,
  }
}

const FREE = { bucketTotal: null, openUploads: null }
const HUNDRED = { need: 100, want: 100 }

/** A question for the first hundred files of `docs`, oldest first. */
export function query(over: Partial<FileQuery> = {}): FileQuery {
  return {
    bucket: 'docs',
    sort: 'created_at',
    descending: false,
    limit: 100,
    after: null,
    search: null,
    mimeType: null,
    ownerId: null,
    staged: 'all',
    now: at(0),
    ...over,
  }
}

/** Runs every promise of the contract against fresh databases. */
export function metaStoreContract(name: string, open: () => Promise<Fixture>): void {
  describe(`${name} keeps the promises of a metadata store:`, () => {
    let store: MetaStore
    const connect = freshStores(open, (first) => {
      store = first
    })

    /** Claims and commits a file. */
    const put = async (over: Partial<UploadDraft> = {}, fact: Partial<FileFacts> = {}): Promise<FileRow> => {
      const claim = await store.claim(draft(over), FREE, { need: fact.size ?? 100, want: fact.size ?? 100 })
      return store.commit(claim.id, facts({ storedSize: fact.size ?? 100, ...fact }), over.createdAt ?? at(0))
    }

    const code = async (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => 'resolved',
        (error) => (isFailure(error) ? error.code : String(error)),
      )

    const usageOf = (scope: string): Promise<Usage> => store.usage(scope)

    describe('claims', () => {
      it('a claim is a row at once, with what the draft said and the bytes it reserved', async () => {
        const wanted = draft({
          metadata: { a: [1, { b: 'ü' }] },
          rules: { read: 'true' },
          tenant: 't',
          checksum: 'c',
          fileLifetime: 5,
        })
        const row = await store.claim(wanted, FREE, { need: 10, want: 70 })
        const stored = { ...wanted, offset: 0, reserved: 10, state: 'open', updatedAt: wanted.createdAt }
        expect(row).toEqual({ ...stored, room: 70 })
        expect(await store.upload(wanted.id)).toEqual(stored)
        expect(await store.file('docs', wanted.id)).toBeNull()
        expect(await usageOf('bucket:docs')).toEqual({ used: 0, reserved: 10, files: 0 })
        expect(await usageOf('owner:ann')).toEqual({ used: 0, reserved: 10, files: 0 })
      })

      it('of 16 parallel claims on one path exactly one succeeds', async () => {
        const codes = await Promise.all(
          Array.from({ length: 16 }, () => code(store.claim(draft({ path: 'one' }), FREE, HUNDRED))),
        )
        expect(codes.filter((found) => found === 'resolved')).toHaveLength(1)
        expect(codes.filter((found) => found === 'file_exists')).toHaveLength(15)
        expect(await usageOf('bucket:docs')).toEqual({ used: 0, reserved: 100, files: 0 })
      })

      it('of parallel claims on one path by two processes exactly one succeeds', async () => {
        const other = await connect()
        const codes = await Promise.all(
          Array.from({ length: 16 }, (_, n) =>
            code((n % 2 ? store : other).claim(draft({ path: 'one' }), FREE, HUNDRED)),
          ),
        )
        expect(codes.filter((found) => found === 'resolved')).toHaveLength(1)
      })

      it('a path is taken by a file, also by a tombstone, until it is buried; other buckets do not mind', async () => {
        const file = await put({ path: 'x' })
        const again = () => code(store.claim(draft({ path: 'x' }), FREE, HUNDRED))
        expect(await again()).toBe('file_exists')
        await store.condemn('docs', file.id, at(1), false)
        expect(await again()).toBe('file_exists')
        expect(await code(store.claim(draft({ path: 'x', bucket: 'other' }), FREE, HUNDRED))).toBe('resolved')
        await store.bury('docs', file.id)
        expect(await again()).toBe('resolved')
      })

      it('file_exists names the path, and the upload only to its owner', async () => {
        const held = await store.claim(draft({ path: 'x' }), FREE, HUNDRED)
        const details = async (ownerId: string | null) =>
          store.claim(draft({ path: 'x', ownerId }), FREE, HUNDRED).catch((error) => error.details)
        expect(await details('ann')).toEqual({ path: 'x', upload_id: held.id })
        expect(await details('bob')).toEqual({ path: 'x' })
        await store.claim(draft({ path: 'y', ownerId: null }), FREE, HUNDRED)
        const anonymous = await store
          .claim(draft({ path: 'y', ownerId: null }), FREE, HUNDRED)
          .catch((error) => error.details)
        expect(anonymous).toEqual({ path: 'y' })
      })

      it.each([
        ['a put whose lease ran out', { protocol: 'put' }, 2, 'resolved'],
        ['a put whose lease ends this moment', { protocol: 'put' }, 1, 'resolved'],
        ['a put whose process lives', { protocol: 'put' }, 0.5, 'file_exists'],
        ['a tus upload between two requests', { protocol: 'tus' }, 2, 'file_exists'],
        ['a tus upload past its life', { protocol: 'tus' }, 61, 'resolved'],
        [
          'a tus upload past its life that is being written',
          { protocol: 'tus', leaseExpiresAt: at(90) },
          61,
          'file_exists',
        ],
      ] as const)('the path of %s: after %o and %d minutes a new claim is %s', async (_, over, minutes, expected) => {
        const old = await store.claim(draft({ path: 'x', ...over }), FREE, HUNDRED)
        const fresh = draft({ path: 'x', createdAt: at(minutes), leaseExpiresAt: at(minutes + 1), ownerId: 'bob' })
        expect(await code(store.claim(fresh, FREE, { need: 7, want: 7 }))).toBe(expected)
        if (expected !== 'resolved') return
        expect(await store.upload(old.id)).toMatchObject({ state: 'abandoned', path: null, reserved: 0 })
        expect(await usageOf('owner:ann')).toEqual({ used: 0, reserved: 0, files: 0 })
        expect(await usageOf('bucket:docs')).toEqual({ used: 0, reserved: 7, files: 0 })
        expect(await code(store.commit(old.id, facts(), at(minutes)))).toBe('upload_expired')
      })

      it('a take-over that ends in quota_exceeded takes nothing over', async () => {
        const old = await store.claim(draft({ path: 'x' }), FREE, HUNDRED)
        const fresh = draft({ path: 'x', createdAt: at(2) })
        expect(await code(store.claim(fresh, { bucketTotal: 50, openUploads: null }, HUNDRED))).toBe('quota_exceeded')
        expect(await store.upload(old.id)).toMatchObject({ state: 'open', path: 'x', reserved: 100 })
        expect(await usageOf('bucket:docs')).toEqual({ used: 0, reserved: 100, files: 0 })
      })

      it('the path of an expired file is free at once, to claims and to moves; the file stays a tombstone', async () => {
        const lasting = await put({ path: 'x', fileLifetime: 60_000 })
        expect(
          await code(store.claim(draft({ path: 'x', createdAt: timestamp(Date.parse(at(1)) - 1) }), FREE, HUNDRED)),
        ).toBe('file_exists')
        expect(await code(store.claim(draft({ path: 'x', createdAt: at(1) }), FREE, HUNDRED))).toBe('resolved')
        const moved = await put({ path: 'y', fileLifetime: 60_000 })
        const other = await put()
        expect(await code(store.update('docs', other.id, { path: 'y' }, at(1)))).toBe('resolved')
        for (const { id } of [lasting, moved]) expect(await store.file('docs', id)).toMatchObject({ state: 'deleting' })
        expect((await store.stuckDeletions(at(2), 9)).map(({ id }) => id)).toEqual([lasting.id, moved.id])
        expect(await store.drift(false)).toEqual([])
      })

      it('an owner has at most openUploads tus uploads open; puts, finished, abandoned and expired ones do not count', async () => {
        const two = { bucketTotal: null, openUploads: 2 }
        const tus = (over: Partial<UploadDraft> = {}) => store.claim(draft({ protocol: 'tus', ...over }), two, HUNDRED)
        const first = await tus()
        const second = await tus()
        const refusal = await tus().catch((error) => error)
        expect(refusal).toMatchObject({ code: 'rate_limited', details: { limit: 2 } })
        expect(await code(tus({ ownerId: 'bob' }))).toBe('resolved')
        expect(await code(store.claim(draft(), two, HUNDRED))).toBe('resolved')
        await store.commit(first.id, facts(), at(1))
        expect(await code(tus())).toBe('resolved')
        await store.abandon(second.id, at(1))
        expect(await code(tus())).toBe('resolved')
        expect(await code(tus())).toBe('rate_limited')
        expect(await code(tus({ createdAt: at(61), expiresAt: at(120) }))).toBe('resolved')
      })

      it('anonymous callers share one allowance of open uploads', async () => {
        const one = { bucketTotal: null, openUploads: 1 }
        const tus = () => store.claim(draft({ protocol: 'tus', ownerId: null }), one, HUNDRED)
        expect([await code(tus()), await code(tus())]).toEqual(['resolved', 'rate_limited'])
      })

      it('of parallel tus claims exactly as many as allowed succeed', async () => {
        const ceilings = { bucketTotal: null, openUploads: 5 }
        const codes = await Promise.all(
          Array.from({ length: 20 }, () => code(store.claim(draft({ protocol: 'tus' }), ceilings, HUNDRED))),
        )
        expect(codes.filter((found) => found === 'resolved')).toHaveLength(5)
      })
    })

    describe('quotas', () => {
      const ceiling = (bucketTotal: number) => ({ bucketTotal, openUploads: null })

      it('a reservation is what is needed, with word of how much more would fit, or refused with the numbers', async () => {
        const claim = (need: number, want: number) => store.claim(draft(), ceiling(250), { need, want })
        expect(await claim(100, 100)).toMatchObject({ reserved: 100, room: 100 })
        expect(await claim(1, 200)).toMatchObject({ reserved: 1, room: 150 })
        // What was only wanted is in nobody's way.
        expect(await claim(149, 149)).toMatchObject({ reserved: 149, room: 149 })
        const refusal = await claim(1, 1).catch((error) => error)
        expect(refusal).toMatchObject({
          code: 'quota_exceeded',
          details: { scope: 'bucket:docs', limit: 250, used: 0, reserved: 250, requested: 1 },
        })
        expect(await claim(0, 50)).toMatchObject({ reserved: 0, room: 0 })
      })

      it('a commit of more than was reserved needs room for the rest, and of uploads that race for it as many succeed as fit', async () => {
        const other = await connect()
        const claims = await Promise.all(
          Array.from({ length: 20 }, () => store.claim(draft({ size: null }), ceiling(750), { need: 0, want: 100 })),
        )
        const codes = await Promise.all(
          claims.map(({ id }, n) => code((n % 2 ? store : other).commit(id, facts(), at(1), { bucketTotal: 750 }))),
        )
        expect(codes.filter((found) => found === 'resolved')).toHaveLength(7)
        expect(codes.filter((found) => found === 'quota_exceeded')).toHaveLength(13)
        expect(await usageOf('bucket:docs')).toEqual({ used: 700, reserved: 0, files: 7 })
      })

      it('two processes racing for a quota get exactly as many claims through as fit', async () => {
        const other = await connect()
        const codes = await Promise.all(
          Array.from({ length: 40 }, (_, n) => code((n % 2 ? store : other).claim(draft(), ceiling(1050), HUNDRED))),
        )
        expect(codes.filter((found) => found === 'resolved')).toHaveLength(10)
        expect(codes.filter((found) => found === 'quota_exceeded')).toHaveLength(30)
        expect(await usageOf('bucket:docs')).toEqual({ used: 0, reserved: 1000, files: 0 })
      })

      it('extend raises a reservation to the total needed, tells how much more would fit, and never lowers it', async () => {
        const { id } = await store.claim(draft(), ceiling(1000), { need: 100, want: 100 })
        expect(await store.extend(id, ceiling(1000), { need: 200, want: 300 }, at(1))).toBe(300)
        expect(await store.extend(id, ceiling(1000), { need: 10, want: 10 }, at(1))).toBe(200)
        expect((await store.upload(id))?.reserved).toBe(200)
        expect(await store.extend(id, ceiling(1000), { need: 400, want: 5000 }, at(1))).toBe(1000)
        expect(await store.extend(id, ceiling(1000), { need: 1000, want: 1000 }, at(1))).toBe(1000)
        const refusal = await store.extend(id, ceiling(1000), { need: 1001, want: 2000 }, at(1)).catch((error) => error)
        expect(refusal).toMatchObject({ code: 'quota_exceeded', details: { used: 0, reserved: 1000, requested: 1 } })
        expect((await store.upload(id))?.reserved).toBe(1000)
        expect(await usageOf('bucket:docs')).toEqual({ used: 0, reserved: 1000, files: 0 })
        await store.abandon(id, at(2))
        expect(await code(store.extend(id, FREE, HUNDRED, at(2)))).toBe('upload_expired')
        expect(await code(store.extend('nothing', FREE, HUNDRED, at(2)))).toBe('upload_expired')
      })

      it('counts bytes exactly up to 2^53 − 1 and refuses the next one', async () => {
        const most = Number.MAX_SAFE_INTEGER
        const { id } = await store.claim(draft({ size: most - 1 }), FREE, { need: most - 1, want: most - 1 })
        const file = await store.commit(id, facts({ size: most - 1, storedSize: most - 1 }), at(1))
        expect((await store.file('docs', file.id))?.size).toBe(most - 1)
        expect((await store.claim(draft({ size: 1 }), FREE, { need: 1, want: 10 })).reserved).toBe(1)
        expect(await usageOf('bucket:docs')).toEqual({ used: most - 1, reserved: 1, files: 1 })
        expect(await code(store.claim(draft(), FREE, { need: 1, want: 1 }))).toBe('quota_exceeded')
        expect(await code(store.claim(draft({ size: 2 ** 53 }), FREE, HUNDRED))).toBe('file_too_large')
        expect(await store.drift(false)).toEqual([])
      })
    })

    describe('commits', () => {
      it('a commit makes the claim a file and the reservation usage, and the upload is gone', async () => {
        const claim = draft({
          name: 'n',
          path: 'p',
          metadata: { k: 1 },
          rules: { read: 'true' },
          tenant: 't',
          fileLifetime: 90_000,
        })
        await store.claim(claim, FREE, { need: 100, want: 500 })
        const fact = facts({
          size: 90,
          originalSize: 100,
          storedSize: 60,
          codecs: [{ name: 'zstd', params: { level: 3 } }],
        })
        const file = await store.commit(claim.id, fact, at(3))
        expect(file).toEqual({
          ...fact,
          id: claim.id,
          bucket: 'docs',
          name: 'n',
          path: 'p',
          metadata: { k: 1 },
          version: 1,
          ownerId: 'ann',
          tenant: 't',
          backend: 'local',
          key: claim.key,
          state: 'ready',
          rules: { read: 'true' },
          linkEpoch: 0,
          expiresAt: at(4.5),
          stagedUntil: null,
          createdAt: at(3),
          updatedAt: at(3),
          hidden: null,
        })
        expect(await store.file('docs', claim.id)).toEqual(file)
        expect(await store.upload(claim.id)).toBeNull()
        expect(await usageOf('bucket:docs')).toEqual({ used: 90, reserved: 0, files: 1 })
        expect(await usageOf('owner:ann')).toEqual({ used: 90, reserved: 0, files: 1 })
      })

      it('committing twice, or 16 times at once, is committing once', async () => {
        const { id } = await store.claim(draft(), FREE, HUNDRED)
        const files = await Promise.all(Array.from({ length: 16 }, () => store.commit(id, facts(), at(1))))
        for (const file of files) expect(file).toEqual(files[0])
        expect(await usageOf('bucket:docs')).toEqual({ used: 100, reserved: 0, files: 1 })
      })

      it('a claim is committed and abandoned only by who has it, where that is asked for', async () => {
        const claim = await store.claim(draft({ protocol: 'tus' }), FREE, HUNDRED)
        expect(await code(store.commit(claim.id, facts(), at(1), { holder: 'p2' }))).toBe('upload_locked')
        expect(await store.abandon(claim.id, at(1), 'p2')).toBe(false)
        expect(await store.upload(claim.id)).toMatchObject({ state: 'open' })
        const file = await store.commit(claim.id, facts(), at(1), { holder: 'p1' })
        expect(await store.commit(claim.id, facts(), at(1), { holder: 'p2' })).toEqual(file)
        expect([await store.abandon(claim.id, at(2)), await store.abandon('nothing', at(2))]).toEqual([false, false])
        const other = await store.claim(draft(), FREE, HUNDRED)
        expect([await store.abandon(other.id, at(1), 'p1'), await store.abandon(other.id, at(1))]).toEqual([true, true])
      })

      it('release ends all that one holder has, and nothing of another', async () => {
        const mine = await store.claim(draft({ leaseExpiresAt: at(9) }), FREE, HUNDRED)
        const other = await store.claim(draft({ holder: 'p2', leaseExpiresAt: at(9) }), FREE, HUNDRED)
        await store.release('p1')
        expect(await store.upload(mine.id)).toMatchObject({ holder: null, leaseExpiresAt: null })
        expect(await store.upload(other.id)).toMatchObject({ holder: 'p2', leaseExpiresAt: at(9) })
        expect(await store.holders()).toEqual(['p2'])
      })

      it('an abandoned, a forgotten and an unknown claim cannot be committed; nor one whose file was deleted since', async () => {
        const claim = await store.claim(draft(), FREE, HUNDRED)
        await store.abandon(claim.id, at(1))
        expect(await code(store.commit(claim.id, facts(), at(1)))).toBe('upload_expired')
        await store.forget(claim.id)
        expect(await code(store.commit(claim.id, facts(), at(1)))).toBe('upload_expired')
        const file = await put()
        await store.condemn('docs', file.id, at(1), false)
        expect(await code(store.commit(file.id, facts(), at(1)))).toBe('upload_expired')
        expect(await usageOf('bucket:docs')).toEqual({ used: 100, reserved: 0, files: 1 })
      })

      it('abandon frees path and bytes at once and keeps the row until it is forgotten; neither touches a file', async () => {
        const claim = await store.claim(draft({ path: 'x' }), FREE, HUNDRED)
        await store.abandon(claim.id, at(1))
        await store.abandon(claim.id, at(2))
        expect(await store.upload(claim.id)).toMatchObject({
          state: 'abandoned',
          path: null,
          reserved: 0,
          updatedAt: at(1),
        })
        expect(await usageOf('bucket:docs')).toEqual({ used: 0, reserved: 0, files: 0 })
        const file = await put({ path: 'x' })
        await store.forget(claim.id)
        await store.forget(claim.id)
        expect(await store.upload(claim.id)).toBeNull()
        await store.abandon(file.id, at(3))
        await store.forget(file.id)
        expect(await store.file('docs', file.id)).toEqual(file)
      })

      it('forgetting an open claim returns what it held', async () => {
        const { id } = await store.claim(draft(), FREE, HUNDRED)
        await store.forget(id)
        expect(await usageOf('bucket:docs')).toEqual({ used: 0, reserved: 0, files: 0 })
      })

      it('what one process has committed another reads at once', async () => {
        const other = await connect()
        for (let n = 0; n < 10; n++) {
          const file = await put()
          expect(await other.file('docs', file.id)).toEqual(file)
        }
      })
    })

    describe('resumable uploads', () => {
      const tus = (over: Partial<UploadDraft> = {}) => store.claim(draft({ protocol: 'tus', ...over }), FREE, HUNDRED)

      it('advance records offset and life for the holder, never backwards', async () => {
        const { id } = await tus()
        await store.advance(id, 'p1', 40, at(90), at(1))
        expect(await store.upload(id)).toMatchObject({ offset: 40, expiresAt: at(90), updatedAt: at(1) })
        await store.advance(id, 'p1', 40, at(91), at(1))
        expect(await code(store.advance(id, 'p1', 39, at(90), at(2)))).toBe('offset_mismatch')
        expect(await code(store.advance(id, 'p2', 50, at(90), at(2)))).toBe('upload_locked')
        expect(await code(store.advance('nothing', 'p1', 50, at(90), at(2)))).toBe('upload_not_found')
        expect((await store.upload(id))?.offset).toBe(40)
      })

      it('a live lock is refused to others, who are heard; a dead or returned one is given', async () => {
        const { id } = await tus({ holder: 'p1', leaseExpiresAt: at(1) })
        expect(await store.lock(id, 'p2', at(2), at(0.5))).toBe(false)
        expect(await store.wanted('p1')).toEqual([id])
        expect(await store.lock(id, 'p1', at(2), at(0.6))).toBe(true)
        expect(await store.wanted('p1')).toEqual([id])
        await store.unlock(id, 'p2')
        expect(await store.lock(id, 'p2', at(2), at(0.7))).toBe(false)
        await store.unlock(id, 'p1')
        expect(await store.wanted('p1')).toEqual([])
        expect(await store.lock(id, 'p2', at(2), at(0.8))).toBe(true)
        expect(await store.wanted('p2')).toEqual([])
        expect(await store.lock(id, 'p3', at(9), at(2))).toBe(true)
        expect(await code(store.advance(id, 'p2', 10, at(90), at(2)))).toBe('upload_locked')
        expect(await store.lock('nothing', 'p1', at(2), at(0))).toBeNull()
      })

      it('of 16 processes asking for one free lock exactly one gets it', async () => {
        const { id } = await tus()
        await store.unlock(id, 'p1')
        const taken = await Promise.all(Array.from({ length: 16 }, (_, n) => store.lock(id, `q${n}`, at(2), at(1))))
        expect(taken.filter(Boolean)).toHaveLength(1)
      })

      it('renew prolongs every lock of the holder and no other', async () => {
        const [one, two, three] = [await tus(), await tus(), await tus({ holder: 'p2' })]
        await store.renew('p1', at(9))
        expect((await store.upload(one.id))?.leaseExpiresAt).toBe(at(9))
        expect((await store.upload(two.id))?.leaseExpiresAt).toBe(at(9))
        expect((await store.upload(three.id))?.leaseExpiresAt).toBe(at(1))
      })

      it('a named lease has one holder until it expires or is released', async () => {
        const other = await connect()
        expect(await store.lease('sweep', 'p1', at(1), at(0))).toBe(true)
        expect(await other.lease('sweep', 'p2', at(1), at(0.5))).toBe(false)
        expect(await store.lease('sweep', 'p1', at(2), at(0.9))).toBe(true)
        expect(await other.lease('sweep', 'p2', at(3), at(1.5))).toBe(false)
        expect(await other.lease('sweep', 'p2', at(3), at(2))).toBe(true)
        await store.releaseLease('sweep', 'p1')
        expect(await store.lease('sweep', 'p1', at(9), at(2.5))).toBe(false)
        await other.releaseLease('sweep', 'p2')
        expect(await store.lease('sweep', 'p1', at(9), at(2.5))).toBe(true)
      })
    })

    describe('deletions', () => {
      it('condemn, restore and bury move between ready, tombstone and gone; bytes return with the burial, once', async () => {
        const file = await put()
        expect(await store.condemn('docs', file.id, at(1), false)).toEqual({
          ...file,
          state: 'deleting',
          updatedAt: at(1),
        })
        expect(await usageOf('bucket:docs')).toEqual({ used: 100, reserved: 0, files: 1 })
        expect(await store.restore('docs', file.id, at(1), at(3))).toBe(true)
        expect(await store.file('docs', file.id)).toEqual({ ...file, updatedAt: at(3) })
        expect(await store.restore('docs', file.id, at(3), at(3))).toBe(false)
        await store.bury('docs', file.id)
        expect(await store.file('docs', file.id)).not.toBeNull()
        await store.condemn('docs', file.id, at(4), false)
        await Promise.all(Array.from({ length: 4 }, () => store.bury('docs', file.id)))
        expect(await store.file('docs', file.id)).toBeNull()
        expect(await usageOf('bucket:docs')).toEqual({ used: 0, reserved: 0, files: 0 })
        expect(await usageOf('owner:ann')).toEqual({ used: 0, reserved: 0, files: 0 })
        expect(await store.condemn('docs', file.id, at(5), false)).toBeNull()
        expect(await store.restore('docs', file.id, at(4), at(5))).toBe(false)
      })

      it('a tombstone that was condemned again is restored by nobody, whatever the clocks say', async () => {
        for (const again of [0, 1, 2]) {
          const file = await put()
          await store.condemn('docs', file.id, at(1), false)
          const touched = await store.condemn('docs', file.id, at(again), again === 2)
          expect(touched).toEqual({ ...file, state: 'deleting', updatedAt: touched!.updatedAt })
          expect(touched!.updatedAt > at(1) && touched!.updatedAt > at(again)).toBe(true)
          expect(await store.restore('docs', file.id, at(1), at(3))).toBe(false)
          expect(await store.restore('docs', file.id, at(again), at(3))).toBe(false)
          expect(await store.file('docs', file.id)).toEqual(touched)
        }
      })

      it('an id is only found in its own bucket', async () => {
        const file = await put()
        expect(await store.file('other', file.id)).toBeNull()
        expect(await store.condemn('other', file.id, at(1), false)).toBeNull()
        expect(await code(store.update('other', file.id, { name: 'x' }, at(1)))).toBe('file_not_found')
        expect(await code(store.revokeLinks('other', file.id, at(1)))).toBe('file_not_found')
      })
    })

    describe('changes', () => {
      it('an update changes what it names and raises the version', async () => {
        const file = await put({ metadata: { a: 1 }, rules: { read: 'true' } })
        const renamed = await store.update('docs', file.id, { name: 'new' }, at(1))
        expect(renamed).toEqual({ ...file, name: 'new', version: 2, updatedAt: at(1) })
        const patch = { path: 'elsewhere', metadata: { b: 2 }, expiresAt: at(9), rules: null }
        const moved = await store.update('docs', file.id, patch, at(2), 2)
        expect(moved).toEqual({ ...renamed, ...patch, version: 3, updatedAt: at(2) })
        expect(await store.file('docs', file.id)).toEqual(moved)
        expect((await store.update('docs', file.id, { expiresAt: null }, at(3))).expiresAt).toBeNull()
      })

      it('an update of another version is refused; of 16 at once on one version, one succeeds', async () => {
        const file = await put()
        const updates = Array.from({ length: 16 }, (_, n) =>
          code(store.update('docs', file.id, { name: `n${n}` }, at(1), 1)),
        )
        const codes = await Promise.all(updates)
        expect(codes.filter((found) => found === 'resolved')).toHaveLength(1)
        expect(codes.filter((found) => found === 'precondition_failed')).toHaveLength(15)
      })

      it('a path cannot be moved onto a file or a live claim, but onto a dead claim and onto itself', async () => {
        const file = await put({ path: 'a' })
        await put({ path: 'b' })
        await store.claim(draft({ path: 'c' }), FREE, HUNDRED)
        expect(await code(store.update('docs', file.id, { path: 'b' }, at(0)))).toBe('file_exists')
        expect(await code(store.update('docs', file.id, { path: 'c' }, at(0)))).toBe('file_exists')
        expect(await code(store.update('docs', file.id, { path: 'a' }, at(0)))).toBe('resolved')
        expect(await code(store.update('docs', file.id, { path: 'c' }, at(2)))).toBe('resolved')
        expect(await code(store.claim(draft({ path: 'a' }), FREE, HUNDRED))).toBe('resolved')
      })

      it('a tombstone cannot be changed', async () => {
        const file = await put()
        await store.condemn('docs', file.id, at(1), false)
        expect(await code(store.update('docs', file.id, { name: 'x' }, at(1)))).toBe('file_not_found')
        expect(await code(store.revokeLinks('docs', file.id, at(1)))).toBe('file_not_found')
      })

      it('revoking links raises the epoch of the file', async () => {
        const file = await put()
        await store.revokeLinks('docs', file.id, at(1))
        await store.revokeLinks('docs', file.id, at(1))
        expect(await store.file('docs', file.id)).toMatchObject({ linkEpoch: 2, version: 1 })
      })
    })

    describe('lists', () => {
      const names = (rows: readonly FileRow[]) => rows.map(({ name }) => name)

      it.each(['created_at', 'name', 'size'] as const)(
        'pages by %s in both directions show every file once, ties included',
        async (sort) => {
          for (let n = 0; n < 23; n++)
            await put({ name: `n${(n * 7) % 5}`, createdAt: at(n % 4), leaseExpiresAt: at(9) }, { size: (n * 3) % 4 })
          const value = (row: FileRow) => (sort === 'created_at' ? row.createdAt : row[sort])
          for (const descending of [false, true]) {
            const seen: FileRow[] = []
            for (;;) {
              const last = seen.at(-1)
              const after = last ? { value: value(last), id: last.id } : null
              const page = await store.list(query({ sort, descending, limit: 5, after }))
              seen.push(...page)
              if (page.length < 5) break
            }
            const ordered = [...seen].sort((a, b) => {
              const [x, y] = [value(a), value(b)]
              const order = x < y ? -1 : x > y ? 1 : a.id < b.id ? -1 : 1
              return descending ? -order : order
            })
            expect(seen).toHaveLength(23)
            expect(seen).toEqual(ordered)
            expect(await store.count(query({ sort, descending, limit: 5, after: null }))).toBe(23)
          }
        },
      )

      it('leaves out tombstones, claims, expired files and other buckets', async () => {
        await put({ name: 'shown' })
        await put({ name: 'other', bucket: 'other' })
        await put({ name: 'expired', fileLifetime: 60_000 })
        await put({ name: 'not yet', fileLifetime: 60_001 })
        const gone = await put({ name: 'gone' })
        await store.condemn('docs', gone.id, at(1), false)
        await store.claim(draft({ name: 'claimed' }), FREE, HUNDRED)
        expect(names(await store.list(query({ now: at(1) })))).toEqual(['shown', 'not yet'])
        expect(await store.count(query({ now: at(1) }))).toBe(2)
      })

      it('searches names for a literal text without regard to ASCII case', async () => {
        for (const name of ['Report 100%.txt', 'report_1.txt', 'REPORTX1.txt', 'back\\slash', 'Ärger', 'a'])
          await put({ name })
        const found = async (search: string) => names(await store.list(query({ search, sort: 'name' })))
        expect(await found('report')).toEqual(['REPORTX1.txt', 'Report 100%.txt', 'report_1.txt'])
        expect(await found('t_1')).toEqual(['report_1.txt'])
        expect(await found('0%')).toEqual(['Report 100%.txt'])
        expect(await found('k\\s')).toEqual(['back\\slash'])
        expect(await found('Är')).toEqual(['Ärger'])
        expect(await found('a\0b')).toEqual([])
        expect(await found('x'.repeat(60_000))).toEqual([])
        expect(await store.count(query({ search: 'REPORT' }))).toBe(3)
      })

      it('filters by type, family of types and owner, alone and together', async () => {
        await put({ name: 'a' }, { mimeType: 'image/png' })
        await put({ name: 'b', ownerId: 'bob' }, { mimeType: 'image/jpeg' })
        await put({ name: 'c', ownerId: null }, { mimeType: 'imagex/png' })
        await put({ name: 'd' }, { mimeType: 'text/plain' })
        const found = async (over: Partial<FileQuery>) => names(await store.list(query(over)))
        expect(await found({ mimeType: 'image/*' })).toEqual(['a', 'b'])
        expect(await found({ mimeType: 'image/png' })).toEqual(['a'])
        expect(await found({ mimeType: '*/*' })).toEqual(['a', 'b', 'c', 'd'])
        expect(await found({ ownerId: 'ann' })).toEqual(['a', 'd'])
        expect(await found({ ownerId: 'ann', mimeType: 'image/*', search: 'A' })).toEqual(['a'])
        expect(await found({ ownerId: 'ann', sort: 'name', descending: true })).toEqual(['d', 'a'])
        expect(await store.count(query({ ownerId: 'ann', limit: 1 }))).toBe(2)
      })
    })

    describe('sweeps and checks', () => {
      it('deadUploads are the abandoned, the expired nobody holds, and puts with a dead lease, oldest first', async () => {
        const abandoned = await store.claim(draft({ createdAt: at(5), leaseExpiresAt: at(99) }), FREE, HUNDRED)
        await store.abandon(abandoned.id, at(6))
        const expired = await store.claim(draft({ protocol: 'tus', createdAt: at(4), expiresAt: at(9) }), FREE, HUNDRED)
        const unlocked = await store.claim(
          draft({ protocol: 'tus', createdAt: at(3), expiresAt: at(9) }),
          FREE,
          HUNDRED,
        )
        await store.unlock(unlocked.id, 'p1')
        const lost = await store.claim(draft({ createdAt: at(2), leaseExpiresAt: at(9) }), FREE, HUNDRED)
        const returned = await store.claim(draft({ createdAt: at(1), leaseExpiresAt: at(99) }), FREE, HUNDRED)
        await store.unlock(returned.id, 'p1')
        await store.claim(draft({ protocol: 'tus', expiresAt: at(9), leaseExpiresAt: at(99) }), FREE, HUNDRED)
        await store.claim(draft({ protocol: 'tus', expiresAt: at(99) }), FREE, HUNDRED)
        await store.claim(draft({ leaseExpiresAt: at(99) }), FREE, HUNDRED)
        const ids = [returned.id, lost.id, unlocked.id, expired.id, abandoned.id]
        expect((await store.deadUploads(at(10), 9)).map(({ id }) => id)).toEqual(ids)
        expect(await store.deadUploads(at(10), 9, ['local'])).toEqual([])
        expect((await store.deadUploads(at(10), 9, ['loc', 'locals'])).map(({ id }) => id)).toEqual(ids)
        expect((await store.deadUploads(at(10), 2)).map(({ id }) => id)).toEqual(ids.slice(0, 2))
      })

      it('stuck deletions and expired files are found, oldest first, at most so many', async () => {
        const files = [
          await put({ fileLifetime: 180_000 }),
          await put({ fileLifetime: 120_000 }),
          await put({ fileLifetime: 60_000 }),
          await put(),
        ]
        const ids = files.map(({ id }) => id)
        expect((await store.expiredFiles(at(2), 9)).map(({ id }) => id)).toEqual([ids[2], ids[1]])
        expect(await store.expiredFiles(at(2), 9, ['other', 'local'])).toEqual([])
        expect((await store.expiredFiles(at(2), 1)).map(({ id }) => id)).toEqual([ids[2]])
        await store.condemn('docs', ids[1]!, at(4), false)
        await store.condemn('docs', ids[3]!, at(3), false)
        expect((await store.expiredFiles(at(2), 9)).map(({ id }) => id)).toEqual([ids[2]])
        expect((await store.stuckDeletions(at(5), 9)).map(({ id }) => id)).toEqual([ids[3], ids[1]])
        expect(await store.stuckDeletions(at(5), 9, ['local'])).toEqual([])
        expect((await store.stuckDeletions(at(4), 9)).map(({ id }) => id)).toEqual([ids[3]])
      })

      it('scans go through every row in order of ids', async () => {
        for (let n = 0; n < 7; n++) await put()
        for (let n = 0; n < 3; n++) await store.claim(draft(), FREE, HUNDRED)
        const first = await store.scanFiles('', 5)
        const rest = await store.scanFiles(first.at(-1)!.id, 5)
        expect([first.length, rest.length, (await store.scanUploads('', 9)).length]).toEqual([5, 2, 3])
        const ids = [...first, ...rest].map(({ id }) => id)
        expect(ids).toEqual([...ids].sort())
      })

      it('inUse names buckets with files or uploads, and every backend that a file or a spare blob is in', async () => {
        expect(await store.inUse()).toEqual({ buckets: [], backends: [] })
        await put({ bucket: 'b', backend: 'disk', createdAt: at(1) })
        await put({ bucket: 'a', backend: 'cloud', createdAt: at(2) })
        await put({ bucket: 'b', backend: 'tape', createdAt: at(3) })
        await store.claim(draft({ bucket: 'c' }), FREE, HUNDRED)
        for (const [backend, minute] of [
          ['disk', 4],
          ['film', 5],
          ['disk', 6],
        ] as const)
          await put({ bucket: 'b', backend, createdAt: at(minute), leaseExpiresAt: at(9) })
        await store.announceCopy('attic', 'b/x' as BlobKey, at(9))
        expect(await store.inUse()).toEqual({
          buckets: ['a', 'b', 'c'],
          backends: ['attic', 'cloud', 'disk', 'film', 'tape'],
        })
      })

      it('uploads in parts are known until they are closed, and stray once nobody uploads their blob', async () => {
        const claim = await store.claim(draft({ backend: 'cloud' }), FREE, HUNDRED)
        const gone = draft().key
        await store.openMultipart('cloud', claim.key, 'one', at(1))
        await store.openMultipart('cloud', claim.key, 'one', at(1))
        await store.openMultipart('cloud', claim.key, 'two', at(2))
        await store.openMultipart('other', gone, 'three', at(3))
        const [one, two] = ['one', 'two'].map((uploadId) => ({ backend: 'cloud', key: claim.key, uploadId }))
        const three = { backend: 'other', key: gone, uploadId: 'three' }
        expect(await store.multiparts('cloud', claim.key)).toEqual([one, two])
        expect(await store.multiparts('other', claim.key)).toEqual([])
        expect(await store.strayMultiparts(at(3), 9)).toEqual([])
        expect(await store.strayMultiparts(at(4), 9)).toEqual([three])
        // What an attempt left that was killed is stray when a later one has made the file.
        await store.commit(claim.id, facts(), at(4))
        await store.closeMultipart('cloud', claim.key, 'two')
        await store.closeMultipart('cloud', claim.key, 'two')
        expect(await store.strayMultiparts(at(4), 9)).toEqual([one, three])
        expect(await store.strayMultiparts(at(4), 1)).toHaveLength(1)
        expect(
          await store.strayMultiparts(
            at(4),
            9,
            [one, three].map((part) => part?.backend ?? ''),
          ),
        ).toEqual([])
        await store.announceCopy('cloud', claim.key, at(99))
        expect(await store.strayMultiparts(at(4), 9)).toEqual([three])
      })
    })

    describe('files that move to another backend', () => {
      it('are kept in the other from the moment their announced copy is made theirs, with nothing else changed', async () => {
        const file = await put({ createdAt: at(3), leaseExpiresAt: at(9) })
        expect(await store.moveFile('docs', file.id, 'local', 'cloud', at(8))).toBe(false)
        expect(await store.announceCopy('cloud', file.key, at(7))).toBe(true)
        expect(await store.isSpare('cloud', file.key)).toBe(true)
        expect(await store.moveFile('docs', file.id, 'tape', 'cloud', at(8))).toBe(false)
        expect(await store.moveFile('pics', file.id, 'local', 'cloud', at(8))).toBe(false)
        expect(await store.moveFile('docs', file.id, 'local', 'cloud', at(8))).toBe(true)
        expect(await store.file('docs', file.id)).toEqual({ ...file, backend: 'cloud' })
        expect(await store.isSpare('cloud', file.key)).toBe(false)
        expect(await store.dueSpares(at(7), 9)).toEqual([])
        expect(await store.dueSpares(at(8), 9)).toEqual([{ backend: 'local', key: file.key }])
        expect(await store.dueSpares(at(8), 9, ['local'])).toEqual([])
        expect(await store.drift(false)).toEqual([])
      })

      it('a deleted one does not move, and its copy falls due', async () => {
        const file = await put()
        await store.announceCopy('cloud', file.key, at(7))
        await store.condemn('docs', file.id, at(1), false)
        expect(await store.moveFile('docs', file.id, 'local', 'cloud', at(8))).toBe(false)
        expect(await store.dueSpares(at(7), 9)).toEqual([{ backend: 'cloud', key: file.key }])
        expect(await store.takeSpare('cloud', file.key)).toBe(true)
        await store.forgetSpare('cloud', file.key)
        expect(await store.takeSpare('cloud', file.key)).toBe(false)
      })

      it('one goes back to its original, unless that is being removed just then', async () => {
        const file = await put()
        await store.announceCopy('cloud', file.key, at(7))
        await store.moveFile('docs', file.id, 'local', 'cloud', at(8))
        expect(await store.announceCopy('local', file.key, at(7))).toBe(true)
        expect(await store.takeSpare('local', file.key)).toBe(true)
        expect(await store.moveFile('docs', file.id, 'cloud', 'local', at(8))).toBe(false)
        expect(await store.announceCopy('local', file.key, at(9))).toBe(false)
        await store.forgetSpare('local', file.key)
        expect(await store.announceCopy('local', file.key, at(9))).toBe(true)
        expect(await store.moveFile('docs', file.id, 'cloud', 'local', at(8))).toBe(true)
        expect(await store.takeSpare('local', file.key)).toBe(false)
      })

      it('the blob that a file has is never given up', async () => {
        const file = await put()
        await store.announceCopy('local', file.key, at(7))
        expect(await store.takeSpare('local', file.key)).toBe(false)
        expect(await store.isSpare('local', file.key)).toBe(false)
      })

      it('are counted and listed by where they are', async () => {
        const files = [await put(), await put({ backend: 'cloud' }, { size: 7 }), await put(), await put()]
        await put({ bucket: 'pics' })
        await store.condemn('docs', files[3]!.id, at(1), false)
        expect(await store.kept('docs')).toEqual([
          { backend: 'cloud', files: 1, bytes: 7 },
          { backend: 'local', files: 2, bytes: 200 },
        ])
        expect(await store.filesIn('docs', 'local', '', 1)).toEqual([files[0]])
        expect(await store.filesIn('docs', 'local', files[0]!.id, 9)).toEqual([files[2]])
      })

      it('counters equal the sums after any mixture of verbs', async () => {
        const random = seeded(20260101)
        const pick = <T>(values: readonly T[]): T | undefined => values[Math.floor(random() * values.length)]
        const ids: string[] = []
        const step = async (): Promise<unknown> => {
          const id = pick(ids) ?? 'none'
          const size = Math.floor(random() * 1000)
          const ceilings = { bucketTotal: 20_000, openUploads: 10 }
          const owner = pick(['ann', 'bob', null]) ?? null
          const bucket = pick(['docs', 'pics'])!
          const minute = random() * 90
          switch (Math.floor(random() * 10)) {
            case 0:
            case 1:
            case 2: {
              const protocol = pick(['put', 'tus'] as const)!
              const path = `p${Math.floor(random() * 30)}`
              const claim = draft({
                bucket,
                ownerId: owner,
                path,
                protocol,
                createdAt: at(minute),
                leaseExpiresAt: at(minute + 1),
              })
              ids.push(claim.id)
              return store.claim(claim, ceilings, { need: size, want: size * 2 })
            }
            case 3:
              return store.extend(id, ceilings, { need: size, want: size + 100 }, at(minute))
            case 4:
            case 5:
              return store.commit(id, facts({ size }), at(minute))
            case 6:
              return store.abandon(id, at(minute))
            case 7:
              return store.forget(id)
            case 8:
              return store.condemn(bucket, id, at(minute), false)
            default:
              return store.bury(bucket, id)
          }
        }
        for (let round = 0; round < 60; round++) {
          await Promise.allSettled(Array.from({ length: 10 }, step))
        }
        expect(ids.length).toBeGreaterThan(100)
        expect(await store.drift(false)).toEqual([])
        const rows = await store.scanFiles('', 10_000)
        const docs = rows.filter(({ bucket }) => bucket === 'docs')
        const { used, files, reserved } = await store.usage('bucket:docs')
        expect({ used, files }).toEqual({ used: docs.reduce((sum, { size }) => sum + size, 0), files: docs.length })
        const open = (await store.scanUploads('', 10_000)).filter(({ bucket }) => bucket === 'docs')
        expect(reserved).toBe(open.reduce((sum, upload) => sum + upload.reserved, 0))
        expect(await store.integrity()).toEqual([])
      })
    })

    describe('keys', () => {
      const key = (over: Partial<ApiKeyRow> = {}): ApiKeyRow => ({
        id: 'key_1',
        hash: 'h1',
        name: 'ci',
        tenant: null,
        scopes: ['read', 'write'],
        role: null,
        createdAt: at(0),
        expiresAt: null,
        revokedAt: null,
        ...over,
      })

      it('a key is found by its hash, listed in order, and revoked once', async () => {
        await store.addKey(
          key({ id: 'key_2', hash: 'h2', createdAt: at(1), tenant: 't', role: 'admin', scopes: ['read'] }),
        )
        await store.addKey(key())
        expect(await store.keyByHash('h1')).toEqual(key())
        expect(await store.keyByHash('none')).toBeNull()
        expect((await store.keys()).map(({ id }) => id)).toEqual(['key_1', 'key_2'])
        expect(await store.revokeKey('key_1', at(2))).toBe(true)
        expect(await store.revokeKey('key_1', at(3))).toBe(false)
        expect(await store.revokeKey('none', at(3))).toBe(false)
        expect((await store.keyByHash('h1'))?.revokedAt).toBe(at(2))
      })

      it('an expired key is not a live one, and a hash exists once', async () => {
        await store.addKey(key({ expiresAt: at(1) }))
        expect(await store.revokeKey('key_1', at(1))).toBe(false)
        expect(await code(store.addKey(key({ id: 'key_2' })))).toBe('unique_violation')
      })
    })

    describe('the store as a whole', () => {
      it('is ready, knows its migrations, and has nothing to complain about', async () => {
        await store.ready()
        const migrations = await store.migrations()
        expect(migrations.length).toBeGreaterThan(0)
        for (const { appliedAt } of migrations) expect(appliedAt).not.toBeNull()
        expect(await store.integrity()).toEqual([])
      })

      it('closing finishes what was asked before, and refuses what comes after', async () => {
        const store2 = await connect()
        const claims = Array.from({ length: 20 }, () => store2.claim(draft(), FREE, HUNDRED))
        await store2.close()
        expect(await Promise.all(claims)).toHaveLength(20)
        expect((await store.scanUploads('', 99)).length).toBe(20)
        expect(await code(store2.claim(draft(), FREE, HUNDRED))).toBe('storage_unavailable')
        expect(await code(store2.file('docs', 'x'))).toBe('storage_unavailable')
        expect(await code(store2.count(query()))).toBe('storage_unavailable')
        expect(await code(store2.ready())).toBe('storage_unavailable')
        await store2.close()
      })

      it('everything is there when it is opened again', async () => {
        const file = await put({ metadata: { emoji: '🙂', nested: { __proto__x: null } } })
        await store.close()
        const again = await connect()
        expect(await again.file('docs', file.id)).toEqual(file)
        expect(await again.usage('bucket:docs')).toEqual({ used: 100, reserved: 0, files: 1 })
      })
    })
  })
}

/** A repeatable source of numbers in [0, 1) (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
