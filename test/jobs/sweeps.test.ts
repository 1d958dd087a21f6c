// The sweep as a whole: bounded, one at a time, fair to every step, and clear about what it did.
import { afterEach, describe, expect, it } from 'vitest'
import { timestamp } from '../../src/core/clock.ts'
import { fail } from '../../src/core/errors.ts'
import type { SweepStep } from '../../src/core/sweep-step.ts'
import { createReclaim } from '../../src/files/removal.ts'
import { createSweep, type SweepDeps } from '../../src/jobs/sweeps.ts'
import { LEASES } from '../../src/meta/upkeep.ts'
import { as, LEASE_TIME, openWorkshop, put, type Workshop } from '../support/workshop.ts'

let shop: Workshop
afterEach(() => shop.close())
const ada = as('ada')
const upload = (name: string, more: Record<string, string> = {}) =>
  shop.files.upload(ada, put('docs', name, Buffer.from('some text'), more))
const make = (more: Partial<SweepDeps> = {}) =>
  createSweep({
    ...shop,
    reclaim: createReclaim(shop.deps),
    leaseTime: LEASE_TIME,
    batchSize: 50,
    maxRuntime: 20_000,
    ...more,
  })
/** Milliseconds of a clock that only steps move: how busy the machine is must not matter. */
let passed = 0
const steady = { now: () => passed }
/** A step with so many rows, of which each takes a second of that clock. */
function slow(name: string, rows: number, order: string[]): SweepStep<number> {
  let left = rows
  return {
    name,
    kind: 'leftovers',
    waitsForBackup: false,
    next: async ({ limit }) => Array.from({ length: Math.min(left, limit) }, (_, i) => i),
    async clear() {
      left -= 1
      order.push(name)
      passed += 1000
      return true
    },
  }
}

describe('a sweep', () => {
  it('says for every step what it did, in one event', async () => {
    shop = await openWorkshop()
    await upload('a', { expires_in: '1m' })
    shop.tick(60_000)
    const report = await make()({ dryRun: false })
    expect(report).toMatchObject({ dryRun: false, ran: true, expired: 1, errors: 0, more: false, clockHeld: null })
    expect(report.steps.map(({ name }) => name)).toEqual([
      'openai_uploads',
      'uploads',
      'deletions',
      'expired',
      'trash',
      'spares',
      'multiparts',
      'spools',
      'temporary_files',
      'openai_answers',
    ])
    expect(report.steps[3]).toEqual({ name: 'expired', kind: 'expired', cleared: 1, bytes: 9, errors: 0, more: false })
    expect(shop.events.filter(({ name }) => name === 'sweep')).toEqual([{ name: 'sweep', fields: { ...report } }])
  })

  it('buries a tombstone whose bytes are gone already', async () => {
    shop = await openWorkshop()
    const file = await upload('a')
    await shop.meta.condemn('docs', file.id, timestamp(shop.clock.now()), false)
    await shop.backend.delete(file.key)
    shop.tick(4 * LEASE_TIME)
    expect(await make()({ dryRun: false })).toMatchObject({ deletions: 1, errors: 0 })
    expect(await shop.meta.file('docs', file.id)).toBeNull()
    expect(await shop.meta.usage('bucket:docs')).toEqual({ used: 0, reserved: 0, files: 0 })
  })

  it('changes nothing in a dry run', async () => {
    shop = await openWorkshop()
    const file = await upload('a', { expires_in: '1m' })
    shop.tick(60_000)
    expect(await make()({ dryRun: true })).toMatchObject({ dryRun: true, expired: 1 })
    expect(await shop.meta.file('docs', file.id)).toMatchObject({ state: 'ready' })
    expect(await shop.meta.sweepClock()).toBeNull()
  })

  it('leaves alone what cleanup.skip names', async () => {
    shop = await openWorkshop()
    const file = await upload('a', { expires_in: '1m' })
    shop.tick(60_000)
    const report = await make({ skip: ['expired'] })({ dryRun: false })
    expect(report.expired).toBe(0)
    expect(report.steps.find(({ name }) => name === 'expired')).toMatchObject({ rested: 'skip', more: false })
    expect(await shop.meta.file('docs', file.id)).toMatchObject({ state: 'ready' })
  })

  it('ends when its time is over, and the next one goes on with the step at which it ended', async () => {
    shop = await openWorkshop()
    const order: string[] = []
    const sweep = make({
      steps: [slow('one', 7, order), slow('two', 2, order)],
      maxRuntime: 5000,
      batchSize: 3,
      steady,
    })
    const first = await sweep({ dryRun: false })
    expect(first).toMatchObject({ leftovers: 5, more: true })
    expect(await sweep({ dryRun: false })).toMatchObject({ leftovers: 4 })
    expect(order).toEqual([...Array(7).fill('one'), 'two', 'two'])
  })

  it('is not all of one step: one that takes all the time lets the others go first in the next run', async () => {
    shop = await openWorkshop()
    const order: string[] = []
    const sweep = make({
      steps: [slow('one', 100, order), slow('two', 2, order)],
      maxRuntime: 5000,
      batchSize: 3,
      steady,
    })
    for (let runs = 0; runs < 3; runs++) await sweep({ dryRun: false })
    expect(order).toEqual([...Array(10).fill('one'), 'two', 'two', ...Array(3).fill('one')])
  })

  it('takes one batch after the other until all is done', async () => {
    shop = await openWorkshop()
    for (let i = 0; i < 7; i++) await upload(`${i}`, { expires_in: '1m' })
    shop.tick(60_000)
    expect(await make({ batchSize: 2 })({ dryRun: false })).toMatchObject({ expired: 7, more: false })
  })

  it('does not ask again and again for rows that will not go', async () => {
    shop = await openWorkshop()
    let asked = 0
    const stuck: SweepStep<number> = {
      name: 'stuck',
      kind: 'leftovers',
      waitsForBackup: false,
      next: async () => [1, 2],
      clear: async () => {
        asked += 1
        throw fail('storage_unavailable', 'no')
      },
    }
    expect(await make({ steps: [stuck], batchSize: 2 })({ dryRun: false })).toMatchObject({ errors: 2, more: true })
    expect(asked).toBe(2)
  })

  it('is not held up by one row that will not go', async () => {
    let refused = ''
    shop = await openWorkshop({
      faults: (backend) => ({
        ...backend,
        async delete(key) {
          if (key === refused) throw fail('storage_unavailable', 'no')
          await backend.delete(key)
        },
      }),
    })
    const stuck = await upload('0', { expires_in: '1m' })
    refused = stuck.key
    for (let i = 1; i < 7; i++) await upload(`${i}`, { expires_in: '1m' })
    shop.tick(60_000)
    const sweep = make({ batchSize: 2 })
    expect(await sweep({ dryRun: false })).toMatchObject({ expired: 6, errors: 1 })
    shop.tick(4 * LEASE_TIME)
    expect(await sweep({ dryRun: false })).toMatchObject({ deletions: 0, errors: 1 })
    expect((await shop.meta.scanFiles('', 10)).map(({ id }) => id)).toEqual([stuck.id])
  })

  it('leaves what belongs to a backend that does not answer for last, now and in the next run', async () => {
    shop = await openWorkshop()
    const asked: string[] = []
    const names = ['far:1', 'far:2', 'far:3', 'near:1', 'near:2', 'far:4', 'near:3']
    let left = names.map((name) => ({ backend: name.split(':')[0]!, key: name }))
    let isDown = true
    const step: SweepStep<{ readonly backend: string; readonly key: string }> = {
      name: 'bytes',
      kind: 'leftovers',
      waitsForBackup: false,
      next: async ({ limit, without }) => left.filter(({ backend }) => !without.includes(backend)).slice(0, limit),
      async clear(row) {
        asked.push(row.key)
        if (row.backend === 'far' && isDown) throw fail('storage_unavailable', 'no')
        left = left.filter((other) => other !== row)
        return true
      },
    }
    const sweep = make({ steps: [step], batchSize: 2, steady })
    expect(await sweep({ dryRun: false })).toMatchObject({ leftovers: 3, errors: 2, more: true })
    expect(asked).toEqual(['far:1', 'near:1', 'near:2', 'near:3', 'far:2'])
    asked.length = 0
    left.push({ backend: 'near', key: 'near:4' })
    expect(await sweep({ dryRun: false })).toMatchObject({ leftovers: 1 })
    expect(asked.slice(0, 2)).toEqual(['near:4', 'far:1'])
    isDown = false
    expect(await sweep({ dryRun: false })).toMatchObject({ leftovers: 4, errors: 0, more: false })
  })

  it('lets one run at a time, over all processes and in one', async () => {
    shop = await openWorkshop()
    let other: Promise<{ ran: boolean }> | null = null
    const meanwhile: SweepStep<number> = {
      name: 'meanwhile',
      kind: 'leftovers',
      waitsForBackup: false,
      async next() {
        other ??= sweep({ dryRun: false })
        await other
        return []
      },
      clear: async () => true,
    }
    const sweep = make({ steps: [meanwhile] })
    expect(await sweep({ dryRun: false })).toMatchObject({ ran: true })
    expect(await other).toMatchObject({ ran: false, steps: [] })
    expect(await sweep({ dryRun: false })).toMatchObject({ ran: true })
  })

  it('obeys no lease that a clock far ahead has taken', async () => {
    shop = await openWorkshop()
    const [now, then] = [shop.clock.now(), shop.clock.now() + 400 * 86_400_000].map(
      (time) => (more: number) => timestamp(time + more),
    )
    expect(await shop.meta.lease(LEASES.sweep, 'somebody', then!(40_000), then!(0))).toBe(true)
    expect(await shop.meta.lease(LEASES.sweep, 'else', now!(40_000), now!(0))).toBe(true)
    expect(await shop.meta.lease(LEASES.sweep, 'third', now!(50_000), now!(0))).toBe(false)
  })
})

describe('while a backup is being made', () => {
  it('bytes stay: a deletion hides its file at once, and the sweep after the backup removes them', async () => {
    shop = await openWorkshop()
    const [deleted, expired] = [await upload('a'), await upload('b', { expires_in: '1m' })]
    const time = (more: number) => timestamp(shop.clock.now() + more)
    await shop.meta.lease(LEASES.backup, 'backup', time(10 * LEASE_TIME), time(0))
    await shop.files.remove(ada, 'docs', deleted.id)
    await expect(shop.files.stat(ada, 'docs', deleted.id)).rejects.toMatchObject({ code: 'file_not_found' })
    shop.tick(4 * LEASE_TIME)
    const report = await make()({ dryRun: false })
    expect(report).toMatchObject({ deletions: 0, expired: 0, errors: 0, more: true })
    expect(report.steps.filter(({ rested }) => rested === 'backup').map(({ name }) => name)).toEqual([
      'deletions',
      'expired',
    ])
    for (const { key } of [deleted, expired]) expect(await shop.backend.exists(key)).toBe(true)
    // The one who made it died: nobody has to end it.
    shop.tick(10 * LEASE_TIME)
    expect(await make()({ dryRun: false })).toMatchObject({ deletions: 1, expired: 1, errors: 0 })
    for (const { key } of [deleted, expired]) expect(await shop.backend.exists(key)).toBe(false)
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 0 })
  })

  it('a deleted file is in no record any more, and nothing brings it back: not a DELETE that the backend refuses after the backup', async () => {
    let refusing = false
    shop = await openWorkshop({
      schema: `
version: 1
buckets:
  docs: {backend: local, max_file_size: 1MB, rules: {create: "true", read: "true", delete: "true"}}
collections:
  posts:
    fields:
      id: {type: id, primary: true}
      cover: {type: file, bucket: docs, nullable: true}
      papers: {type: 'file[]', bucket: docs}
`,
      faults: (backend) => ({
        ...backend,
        async delete(key) {
          if (refusing) throw fail('storage_unavailable', 'no')
          await backend.delete(key)
        },
      }),
    })
    const [file, other] = [await upload('a'), await upload('b')]
    const papers = JSON.stringify([file.id, other.id])
    await shop.meta.records.insert('posts', { id: 'p', cover: file.id, papers }, timestamp(shop.clock.now()))
    const time = (more: number) => timestamp(shop.clock.now() + more)
    await shop.meta.lease(LEASES.backup, 'backup', time(LEASE_TIME), time(0))
    await shop.files.remove(ada, 'docs', file.id)
    const { values } = (await shop.meta.records.get('posts', 'p'))!
    expect(values).toMatchObject({ cover: null, papers: JSON.stringify([other.id]) })
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
    shop.tick(2 * LEASE_TIME)
    refusing = true
    await expect(shop.files.remove(ada, 'docs', file.id)).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(await shop.meta.file('docs', file.id)).toMatchObject({ state: 'deleting' })
    refusing = false
    await shop.files.remove(ada, 'docs', file.id)
    expect(await shop.meta.file('docs', file.id)).toBeNull()
  })

  it('a file whose time is over in the middle of a sweep keeps its bytes, too', async () => {
    shop = await openWorkshop()
    const file = await upload('a', { expires_in: '1m' })
    shop.tick(60_000)
    const { isLeased } = shop.meta
    const time = (more: number) => timestamp(shop.clock.now() + more)
    // The backup begins after the sweep has asked, and before the file is taken.
    shop.meta.isLeased = async (...about) => {
      const found = await isLeased(...about)
      shop.meta.isLeased = isLeased
      await shop.meta.lease(LEASES.backup, 'backup', time(10 * LEASE_TIME), time(0))
      return found
    }
    expect(await make()({ dryRun: false })).toMatchObject({ expired: 0, errors: 0 })
    expect(await shop.backend.exists(file.key)).toBe(true)
    expect(await shop.meta.file('docs', file.id)).toMatchObject({ state: 'deleting' })
  })
})
