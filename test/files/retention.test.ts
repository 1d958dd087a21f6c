// How long files live under policies, with a given clock: invisible at once, removed by a sweep that may be told not to.
import { afterEach, expect, it } from 'vitest'
import { createReclaim } from '../../src/files/removal.ts'
import { createSweep } from '../../src/jobs/sweeps.ts'
import { DAY, policies, tier } from '../support/policies.ts'
import { as, LEASE_TIME, openWorkshop, put, type Workshop } from '../support/workshop.ts'

let shop: Workshop
afterEach(() => shop.close())

const ada = as('ada')
const root = as('root', { admin: true })
const open = async (): Promise<void> => {
  shop = await openWorkshop({
    policies: policies({ free: tier({ retention: 10 * DAY }), vip: tier() }),
  })
}
const store = (name: string, more: Record<string, string> = {}) =>
  shop.files.upload(ada, put('docs', name, Buffer.from(name), more))
const isThere = (id: string): Promise<boolean> =>
  shop.files.stat(ada, 'docs', id).then(
    () => true,
    () => false,
  )
const sweep = () => shop.sweep({ dryRun: false })

it('a file goes when its policy says so: for readers at that moment, for good with the next sweep, and its bytes count no more', async () => {
  await open()
  const { id } = await store('a')
  shop.tick(10 * DAY - 60_000)
  expect(await isThere(id)).toBe(true)
  expect((await sweep()).expired).toBe(0)
  shop.tick(60_000)
  expect(await isThere(id)).toBe(false)
  expect(await shop.storage.use(ada)).toMatchObject({ used: 1, files: 1 })
  expect((await sweep()).expired).toBe(1)
  expect(await shop.storage.use(ada)).toMatchObject({ used: 0, files: 0 })
})

it('a shorter policy leaves everybody the grace, whatever it is computed on', async () => {
  await open()
  const old = await store('old')
  shop.tick(8 * DAY)
  const young = await store('young')
  await shop.storage.edit(root, 'ada', { retentionDays: 1 })
  const report = await shop.storage.recomputeExpiry(root, 'ada', 5)
  expect(report).toEqual({ retention: DAY, graceDays: 5, files: 2, updated: 1 })
  shop.tick(2 * DAY)
  // As it was to go before.
  expect(await isThere(old.id)).toBe(false)
  shop.tick(2.9 * DAY)
  expect(await isThere(young.id)).toBe(true)
  shop.tick(0.2 * DAY)
  expect(await isThere(young.id)).toBe(false)
})

it('a policy that keeps files keeps them, but for those whose client wanted them gone', async () => {
  await open()
  const kept = await store('kept')
  const asked = await store('asked', { expires_in: '2d' })
  const dated = await store('dated')
  await shop.files.update(ada, 'docs', dated.id, { expires_at: new Date(shop.clock.now() + 3 * DAY).toISOString() })
  await shop.storage.edit(root, 'ada', { tier: 'vip' })
  expect(await shop.storage.recomputeExpiry(root, 'ada', null)).toEqual({
    retention: null,
    graceDays: 7,
    files: 3,
    updated: 1,
  })
  shop.tick(3 * DAY)
  expect(await Promise.all([kept, asked, dated].map(({ id }) => isThere(id)))).toEqual([true, false, false])
  shop.tick(300 * DAY)
  expect(await isThere(kept.id)).toBe(true)
  expect((await sweep()).expired).toBe(2)
})

it('more files than one step takes are all computed, in every bucket', async () => {
  await open()
  for (let n = 0; n < 12; n += 1) await store(`n${n}`)
  await shop.storage.edit(root, 'ada', { tier: 'vip' })
  expect(await shop.storage.recomputeExpiry(root, 'ada', null)).toMatchObject({ files: 12, updated: 12 })
  expect(await shop.storage.recomputeExpiry(root, 'ada', null)).toMatchObject({ files: 12, updated: 0 })
})

it('an admin who has gone away leaves what is done, and asking again does the rest', async () => {
  await open()
  for (let n = 0; n < 12; n += 1) await store(`n${n}`)
  await shop.storage.edit(root, 'ada', { tier: 'vip' })
  const gone = new AbortController()
  gone.abort()
  const report = await shop.storage.recomputeExpiry({ ...root, signal: gone.signal }, 'ada', null)
  expect(report).toMatchObject({ files: 0 })
  expect(await shop.storage.recomputeExpiry(root, 'ada', null)).toMatchObject({ updated: 12 })
})

it('a sweep that is told to leave expired files leaves them, invisible and counted', async () => {
  await open()
  const { id } = await store('a')
  shop.tick(10 * DAY)
  const { meta, blobs, spool, clock, observer, leases, deps } = shop
  const keeping = createSweep({
    ...{ meta, blobs, spool, clock, observer, leases, leaseTime: LEASE_TIME, batchSize: 50, maxRuntime: 20_000 },
    reclaim: createReclaim(deps),
    skip: ['expired'],
  })
  expect(await keeping({ dryRun: false })).toMatchObject({ ran: true, expired: 0 })
  expect(await isThere(id)).toBe(false)
  expect(await shop.storage.use(ada)).toMatchObject({ used: 1 })
  expect((await sweep()).expired).toBe(1)
})
