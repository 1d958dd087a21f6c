// The promises of PolicyStore, and of claims under policies, as tests. Any implementation runs them.
import { beforeEach, describe, expect, it } from 'vitest'
import type { PoliciesConfig } from '../../src/config/model.ts'
import { isFailure } from '../../src/core/errors.ts'
import type { FileFacts, FileRow, UploadDraft } from '../../src/core/model.ts'
import type { ExpiryStep } from '../../src/meta/policies.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import { DAY, policies, tier } from '../support/policies.ts'
import { type Fixture, freshStores } from './fresh-stores.ts'
import { at, draft, facts } from './meta-store.ts'

/** How the stores of this contract are opened. */
export interface PolicyFixture extends Fixture {
  /** Runs a statement as an operator does, beside every store. */
  byHand(sql: string): void
}

const CONFIG = policies(
  {
    free: tier({ maxStorage: 250, retention: 30 * DAY, transformLimit: 2 }),
    vip: tier({ maxStorage: 1000 }),
    short: tier({ retention: DAY }),
    vast: tier({ maxStorage: Number.MAX_SAFE_INTEGER }),
  },
  { hardMaxStorage: 2000, transformMonthLimit: 5 },
)
const FREE = { bucketTotal: null, openUploads: null }

/** Runs every promise of the contract against fresh databases. */
export function policiesContract(name: string, open: (policies: PoliciesConfig) => Promise<PolicyFixture>): void {
  describe(`${name} obeys the policies of owners:`, () => {
    let store: MetaStore
    let fixture: PolicyFixture
    const connect = freshStores(
      async () => {
        fixture = await open(CONFIG)
        return fixture
      },
      (first) => {
        store = first
      },
    )

    const exactly = (size: number) => ({ need: size, want: size })
    const claim = (size: number, over: Partial<UploadDraft> = {}, on = store) =>
      on.claim(draft({ size, ...over }), FREE, exactly(size))
    const put = async (over: Partial<UploadDraft> = {}, { size = 10 }: Partial<FileFacts> = {}): Promise<FileRow> => {
      const { id } = await claim(size, over)
      return store.commit(id, facts({ size, storedSize: size }), over.createdAt ?? at(0))
    }
    const failure = async (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => 'resolved',
        (error) => (isFailure(error) ? { code: error.code, ...error.details } : String(error)),
      )
    const refused = { code: 'quota_exceeded' }

    describe('quotas', () => {
      it('an owner has what the tier has, to the byte, over all buckets, and others have theirs', async () => {
        await claim(100)
        await claim(100, { bucket: 'other' })
        expect(await failure(claim(51))).toEqual({
          code: 'quota_exceeded',
          scope: 'owner:ann',
          limit: 250,
          used: 0,
          reserved: 200,
          requested: 51,
        })
        await claim(50)
        expect(await failure(claim(1))).toMatchObject(refused)
        await claim(250, { ownerId: 'ben' })
        await claim(5000, { ownerId: null })
      })

      it('a claim that was refused holds neither its path nor a byte', async () => {
        expect(await failure(claim(251, { path: 'p' }))).toMatchObject(refused)
        expect(await store.usage('owner:ann')).toEqual({ used: 0, reserved: 0, files: 0 })
        await claim(250, { path: 'p' })
      })

      it('an upload of unknown length gets what is left, and no byte more', async () => {
        await put({}, { size: 200 })
        const { id, room } = await store.claim(draft({ size: null }), FREE, { need: 0, want: 1000 })
        expect(room).toBe(50)
        expect(await store.extend(id, FREE, { need: 50, want: 500 }, at(0))).toBe(50)
        expect(await failure(store.extend(id, FREE, { need: 51, want: 500 }, at(0)))).toMatchObject({
          scope: 'owner:ann',
          used: 200,
          reserved: 50,
          requested: 1,
        })
      })

      it('a commit of more than was set aside needs room for the rest', async () => {
        const { id } = await store.claim(draft({ size: null }), FREE, { need: 0, want: 10 })
        expect(await failure(store.commit(id, facts({ size: 251 }), at(0)))).toMatchObject({
          ...refused,
          requested: 251,
        })
        expect((await store.commit(id, facts({ size: 250 }), at(0))).size).toBe(250)
        expect(await store.usage('owner:ann')).toEqual({ used: 250, reserved: 0, files: 1 })
      })

      it('what an upload was promised it keeps, also when the owner is demoted meanwhile', async () => {
        const { id } = await claim(250)
        fixture.byHand("INSERT INTO _alyx_storages (owner_id, max_storage) VALUES ('ann', 0)")
        expect(await failure(claim(1))).toMatchObject({ ...refused, limit: 0 })
        expect((await store.commit(id, facts({ size: 250 }), at(0))).size).toBe(250)
        // Zero bytes exceed nothing.
        await claim(0)
      })

      it('bytes return once: abandoned, forgotten, buried', async () => {
        const { id } = await claim(250)
        await store.abandon(id, at(0))
        await claim(250, { path: 'again' })
        await store.forget(id)
        expect(await store.usage('owner:ann')).toMatchObject({ reserved: 250 })
        expect(await failure(claim(1))).toMatchObject(refused)
      })

      it('of claims by two processes at once exactly as many succeed as fit', async () => {
        const other = await connect()
        const outcomes = await Promise.all(
          Array.from({ length: 40 }, (_, n) => failure(claim(25, {}, n % 2 ? store : other))),
        )
        expect(outcomes.filter((found) => found === 'resolved')).toHaveLength(10)
        expect(await store.usage('owner:ann')).toEqual({ used: 0, reserved: 250, files: 0 })
      })

      it.each([
        ['a tier', "(owner_id, tier) VALUES ('ann', 'vip')", 1000],
        ['a limit of their own over the tier', "(owner_id, tier, max_storage) VALUES ('ann', 'vip', 1500)", 1500],
        ['no more than the hard cap by a row', "(owner_id, max_storage) VALUES ('ann', 9007199254740991)", 2000],
        ['no more than the hard cap by a tier', "(owner_id, tier) VALUES ('ann', 'vast')", 2000],
        ['the hard cap where the tier has no limit', "(owner_id, tier) VALUES ('ann', 'short')", 2000],
        ['the default tier where theirs is not declared', "(owner_id, tier) VALUES ('ann', 'gold')", 250],
      ])('an edit by SQL is obeyed by the next claim: %s', async (_, values, limit) => {
        expect(await failure(claim(251))).toMatchObject({ limit: 250 })
        fixture.byHand(`INSERT INTO _alyx_storages ${values}`)
        expect(await failure(claim(limit + 1))).toMatchObject({ ...refused, limit })
        await claim(limit)
        expect(await store.policy('ann', at(0))).toMatchObject({ maxStorage: limit })
      })

      it('numbers up to 2^53 − 1 are kept exactly', async () => {
        const row = await store.putStorage('ann', { maxStorage: Number.MAX_SAFE_INTEGER })
        expect(row.maxStorage).toBe(9_007_199_254_740_991)
        expect((await store.storage('ann'))?.maxStorage).toBe(9_007_199_254_740_991)
      })
    })

    describe('rows', () => {
      it('the table refuses what makes no sense', () => {
        for (const values of ['max_storage) VALUES (-1', 'retention_days) VALUES (0', 'transform_used) VALUES (-1'])
          expect(() =>
            fixture.byHand(`INSERT INTO _alyx_storages (owner_id, ${values.replace('(', "('x', ")})`),
          ).toThrow(/CHECK/)
        expect(() =>
          fixture.byHand("INSERT INTO _alyx_storages (owner_id, max_storage) VALUES ('x', 9007199254740992)"),
        ).toThrow(/CHECK/)
        expect(() => fixture.byHand("INSERT INTO _alyx_storages (owner_id, max_storage) VALUES ('x', '20MB')")).toThrow(
          /cannot store TEXT/,
        )
      })

      it('are changed in part, and null gives a column back to the tier', async () => {
        expect(await store.storage('ann')).toBeNull()
        await store.putStorage('ann', { tier: 'vip', maxStorage: 7 })
        await store.putStorage('ann', { retentionDays: 3, transformUsed: 9 })
        expect(await store.putStorage('ann', { maxStorage: null })).toEqual({
          ownerId: 'ann',
          tier: 'vip',
          maxStorage: null,
          maxFilesPerField: null,
          maxFieldBytes: null,
          retentionDays: 3,
          transformLimit: null,
          transformUsed: 9,
        })
        expect(await store.policy('ann', at(0))).toMatchObject({ tier: 'vip', maxStorage: 1000, retention: 3 * DAY })
      })

      it('tell which tiers are not declared', async () => {
        await store.putStorage('ann', { tier: 'gold' })
        await store.putStorage('ben', { tier: 'gold' })
        await store.putStorage('cem', { tier: 'vip' })
        expect(await store.unknownTiers()).toEqual([{ tier: 'gold', owners: 2 }])
        expect(await store.policy('ann', at(0))).toMatchObject({ tier: 'free' })
      })
    })

    describe('retention', () => {
      const days = (n: number): string => at(n * 24 * 60)
      const step = (over: Partial<ExpiryStep> = {}): ExpiryStep => ({
        ownerId: 'ann',
        bucket: 'docs',
        bucketDefault: null,
        bucketMax: null,
        grace: 0,
        after: null,
        limit: 100,
        ...over,
      })
      const expiryOf = async (id: string): Promise<string | null | undefined> =>
        (await store.file('docs', id))?.expiresAt

      it('a file that asks for nothing lives as long as the stricter of bucket and policy says', async () => {
        expect((await put()).expiresAt).toBe(days(30))
        expect((await put({ fileLifetime: 2 * DAY })).expiresAt).toBe(days(2))
        expect((await put({ fileLifetime: 60 * DAY })).expiresAt).toBe(days(30))
        expect((await put({ ownerId: null })).expiresAt).toBeNull()
        expect((await put({ ownerId: null, fileLifetime: 60 * DAY })).expiresAt).toBe(days(60))
      })

      it('a file that asks for a life gets it or is refused, never less', async () => {
        const asked = (fileLifetime: number) => put({ fileLifetime, lifetimeAsked: true })
        expect((await asked(30 * DAY)).expiresAt).toBe(days(30))
        expect(await failure(asked(30 * DAY + 1000))).toEqual({ code: 'invalid_expiry', max_seconds: 30 * 86_400 })
        expect(await store.usage('owner:ann')).toMatchObject({ reserved: 0, files: 1 })
      })

      it('the policy may become stricter while an upload goes on: it holds for a life that was not asked for', async () => {
        const [open, asked] = [await claim(1), await claim(1, { fileLifetime: 20 * DAY, lifetimeAsked: true })]
        fixture.byHand("INSERT INTO _alyx_storages (owner_id, retention_days) VALUES ('ann', 7)")
        for (const [{ id }, life] of [
          [open, 7],
          [asked, 20],
        ] as const)
          expect((await store.commit(id, facts({ size: 1, storedSize: 1 }), at(0))).expiresAt).toBe(days(life))
      })

      it('the claim tells the life it was given', async () => {
        expect(await claim(1)).toMatchObject({ fileLifetime: 30 * DAY })
      })

      it('a file is not given a life beyond the policy later either, and keeps one that is by not touching it', async () => {
        const { id } = await put()
        const change = (expiresAt: string | null) => store.update('docs', id, { expiresAt }, at(1))
        expect((await change(days(29))).expiresAt).toBe(days(29))
        expect((await change(days(30))).expiresAt).toBe(days(30))
        expect(await failure(change(days(31)))).toEqual({ code: 'invalid_expiry', latest: days(30) })
        expect(await failure(change(null))).toMatchObject({ code: 'invalid_expiry' })
        await store.putStorage('ann', { retentionDays: 7 })
        expect((await change(days(30))).expiresAt).toBe(days(30))
        expect((await store.update('docs', id, { name: 'b' }, at(1))).expiresAt).toBe(days(30))
        await store.putStorage('ann', { tier: 'vip', retentionDays: null })
        expect((await change(null)).expiresAt).toBeNull()
      })

      it('computed anew, a policy that keeps files clears what they did not ask for', async () => {
        const asked = await put({ fileLifetime: DAY, lifetimeAsked: true })
        const given = await put()
        await store.putStorage('ann', { tier: 'vip' })
        expect(await store.recomputeExpiry(step(), at(1))).toMatchObject({ files: 2, updated: 1, retention: null })
        expect(await expiryOf(given.id)).toBeNull()
        expect(await expiryOf(asked.id)).toBe(days(1))
      })

      it('computed anew, nothing is made to expire before the grace is over, and nothing later than it did', async () => {
        const old = await put()
        const soon = await put({ fileLifetime: 12 * DAY })
        const young = await put({ createdAt: days(9) })
        await store.putStorage('ann', { tier: 'short' })
        const grace = 3 * DAY
        expect(await store.recomputeExpiry(step({ grace }), days(10))).toMatchObject({ files: 3, updated: 2 })
        expect(await expiryOf(old.id)).toBe(days(13))
        expect(await expiryOf(soon.id)).toBe(days(12))
        expect(await expiryOf(young.id)).toBe(days(13))
        // Once more changes nothing, a second later neither: what was granted stays.
        expect(await store.recomputeExpiry(step({ grace }), at(10 * 24 * 60 + 1))).toMatchObject({ updated: 0 })
        expect(await store.recomputeExpiry(step(), days(10))).toMatchObject({ updated: 3 })
        expect(await expiryOf(young.id)).toBe(days(10))
      })

      it('computed anew, the bucket counts as for a new file', async () => {
        const { id } = await put()
        await store.putStorage('ann', { tier: 'vip' })
        await store.recomputeExpiry(step({ bucketDefault: 9 * DAY, bucketMax: 90 * DAY }), at(1))
        expect(await expiryOf(id)).toBe(days(9))
        await store.recomputeExpiry(step({ bucketMax: 90 * DAY, bucketDefault: 90 * DAY }), at(1))
        expect(await expiryOf(id)).toBe(days(90))
      })

      it('computed anew, what has expired stays gone, and tombstones and other owners are left alone', async () => {
        const gone = await put({ fileLifetime: 60_000 })
        const dead = await put()
        const foreign = await put({ ownerId: 'ben' })
        await store.condemn('docs', dead.id, at(1), false)
        await store.putStorage('ann', { tier: 'vip' })
        expect(await store.recomputeExpiry(step(), at(2))).toMatchObject({ files: 0, updated: 0 })
        expect(await expiryOf(gone.id)).toBe(at(1))
        expect(await expiryOf(foreign.id)).toBe(days(30))
      })

      it('is computed in batches that go on where the last one ended', async () => {
        for (let n = 0; n < 7; n += 1) await put({ createdAt: at(n % 2) })
        await store.putStorage('ann', { tier: 'vip' })
        const sizes: number[] = []
        for (let after: ExpiryStep['after'] = null; ; ) {
          const batch = await store.recomputeExpiry(step({ after, limit: 3 }), at(9))
          sizes.push(batch.updated)
          after = batch.last
          if (after === null) break
        }
        expect(sizes).toEqual([3, 3, 1])
      })
    })

    describe('transforms', () => {
      let made = 0
      beforeEach(() => {
        made = 0
      })
      const charge = (ownerId: string | null = 'ann', over: { holder?: string; until?: string; now?: string } = {}) => {
        const id = `t${++made}`
        const { holder = 'p1', until = at(1), now = at(0) } = over
        return store.chargeTransform(id, ownerId, holder, until, now).then(() => id)
      }
      const used = async (): Promise<readonly [number, number | null]> => {
        const { transformUsed, transformMonthRemaining } = await store.policy('ann', at(0))
        return [transformUsed, transformMonthRemaining]
      }

      it('are charged to owner and month, and refunded once', async () => {
        const one = await charge()
        const two = await charge()
        expect(await failure(charge())).toEqual({
          code: 'quota_exceeded',
          scope: 'transforms',
          limit: 2,
          used: 0,
          reserved: 2,
          requested: 1,
        })
        await store.settleTransform(one)
        await store.refundTransform(one)
        await store.refundTransform(two)
        await store.refundTransform(two)
        expect(await used()).toEqual([1, 4])
        await store.settleTransform(await charge())
        expect(await failure(charge())).toMatchObject({ used: 2, reserved: 0 })
      })

      it('of all owners together, and of files that nobody owns, a month has so many', async () => {
        await store.putStorage('ann', { transformLimit: 100 })
        for (let n = 0; n < 3; n += 1) await charge()
        await charge(null)
        await charge('ben')
        expect(await failure(charge(null))).toMatchObject({ scope: 'transforms_month', limit: 5, reserved: 5 })
        expect(await failure(charge())).toMatchObject({ scope: 'transforms_month' })
        // What was refused for the month is not charged to the owner.
        expect(await used()).toEqual([3, 0])
        await charge('ann', { now: at(31 * 24 * 60), until: at(32 * 24 * 60) })
        expect((await store.policy('ann', at(31 * 24 * 60))).transformMonthRemaining).toBe(4)
      })

      it('of a process that died are refunded: with the next charge, by the sweep, or at the next start', async () => {
        await charge()
        await charge()
        await charge('ann', { now: at(2), until: at(3) })
        expect(await used()).toEqual([1, 4])
        expect(await store.refundDeadTransforms(at(2), 10)).toBe(0)
        expect(await store.refundDeadTransforms(at(3), 10)).toBe(1)
        expect(await used()).toEqual([0, 5])
        await charge('ann', { holder: 'gone' })
        expect(await store.holders()).toEqual(['gone'])
        await store.release('gone')
        expect(await used()).toEqual([0, 5])
      })

      it('of a process that lives are kept: its leases are prolonged', async () => {
        await charge()
        await store.renew('p1', at(10))
        expect(await store.refundDeadTransforms(at(9), 10)).toBe(0)
        expect(await used()).toEqual([1, 4])
      })

      it('of two processes at once exactly as many are charged as the owner has', async () => {
        const other = await connect()
        const outcomes = await Promise.all(
          Array.from({ length: 12 }, (_, n) =>
            failure((n % 2 ? store : other).chargeTransform(`r${n}`, 'ann', 'p1', at(1), at(0))),
          ),
        )
        expect(outcomes.filter((found) => found === 'resolved')).toHaveLength(2)
      })

      it('that an operator has set back do not fall below zero by a refund', async () => {
        const id = await charge()
        fixture.byHand("UPDATE _alyx_storages SET transform_used = 0 WHERE owner_id = 'ann'")
        await store.refundTransform(id)
        expect(await used()).toEqual([0, 5])
      })
    })
  })
}
