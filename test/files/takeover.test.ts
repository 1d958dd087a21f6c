// Processes that stand still (a stopped virtual machine, a clock that jumps) and wake when another has gone on with their work.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { timestamp } from '../../src/core/clock.ts'
import { fail } from '../../src/core/errors.ts'
import { createHolder } from '../../src/files/holder.ts'
import { createLeases } from '../../src/files/leases.ts'
import { createSweep } from '../../src/jobs/sweeps.ts'
import { draft } from '../contract/meta-store.ts'
import { eventually } from '../support/server.ts'
import { as, body, LEASE_TIME, openWorkshop, put, type Workshop } from '../support/workshop.ts'

let shop: Workshop
afterEach(() => shop.close())

const ada = as('ada')
const SIZE = 300_000
const mine = Buffer.alloc(SIZE, 'mine ')
const theirs = Buffer.alloc(SIZE, 'theirs ')

/** A body that stands still after a third of it until it is let go on; `reached` resolves once it stands. */
function halting(bytes: Buffer): { body: Readable; reached: Promise<void>; goOn: () => void } {
  const standing = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  async function* parts(): AsyncGenerator<Buffer> {
    yield bytes.subarray(0, 100_000)
    standing.resolve()
    await gate.promise
    yield bytes.subarray(100_000)
  }
  return { body: Readable.from(parts()), reached: standing.promise, goOn: gate.resolve }
}

describe('a process that stood still while it received an upload', () => {
  it.each([
    ['before', false],
    ['after', true],
  ])('changes nothing of what another made of it when it wakes %s the other is done', async (_when, late) => {
    shop = await openWorkshop()
    const other = shop.otherSessions()
    const checksum = createHash('sha256').update(theirs).digest('hex')
    // With the checksum announced, the one that wakes has a reason to throw the upload away, too.
    for (const fields of [{ name: 'a' }, { name: 'b', checksum }]) {
      const { id } = await shop.sessions.create(ada, { bucket: 'docs', fields, size: SIZE })
      const slow = halting(mine)
      const stopped = shop.sessions
        .append(ada, { bucket: 'docs', id, offset: 0, length: SIZE, body: slow.body })
        .catch((error: unknown) => error)
      await slow.reached
      await eventually('the first bytes are on the disk', async () => (await shop.spool.size(id)) === 100_000)
      shop.tick(LEASE_TIME + 1)
      expect(await other.status(ada, 'docs', id)).toMatchObject({ offset: 0 })
      await other.append(ada, {
        bucket: 'docs',
        id,
        offset: 0,
        length: 100_000,
        body: body(theirs.subarray(0, 100_000)),
      })
      if (!late) {
        slow.goOn()
        await stopped
      }
      const rest = body(theirs.subarray(100_000))
      await other.append(ada, { bucket: 'docs', id, offset: 100_000, length: SIZE - 100_000, body: rest })
      slow.goOn()
      expect(await stopped).toBeDefined()
      expect(await shop.files.stat(ada, 'docs', id)).toMatchObject({ size: SIZE, checksum })
      expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
    }
  })
})

describe('the sweep', () => {
  it('keeps its hands off an upload that became a file after it was found dead', async () => {
    shop = await openWorkshop()
    const slow = halting(mine)
    const upload = shop.files.upload(ada, { ...put('docs', 'late', mine), body: slow.body })
    await slow.reached
    shop.tick(LEASE_TIME + 1)
    const found: number[] = []
    const sweep = createSweep({
      ...shop,
      meta: {
        ...shop.meta,
        async deadUploads(now, limit) {
          const rows = await shop.meta.deadUploads(now, limit)
          found.push(rows.length)
          slow.goOn()
          await upload
          return rows
        },
      },
      reclaim: async () => true,
      leaseTime: LEASE_TIME,
      batchSize: 50,
      maxRuntime: 20_000,
    })
    expect(await sweep({ dryRun: false })).toMatchObject({ errors: 0 })
    expect(found[0]).toBe(1)
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 1, uploads: 0 })
  })
})

describe('a claim that could not be taken back', () => {
  it('is given up as soon as the database answers again, however busy its process is', async () => {
    shop = await openWorkshop()
    let busy = 3
    const meta: typeof shop.meta = {
      ...shop.meta,
      abandon: (id, now, holder) =>
        busy-- > 0 ? Promise.reject(fail('database_busy', 'another has it')) : shop.meta.abandon(id, now, holder),
    }
    const holder = createHolder('another start')
    const leases = createLeases({ meta, clock: shop.clock, observer: shop.observer, holder, leaseTime: 150 })
    const done = leases.keep()
    try {
      const later = timestamp(shop.clock.now() + 3_600_000)
      const times = { createdAt: timestamp(shop.clock.now()), expiresAt: later, leaseExpiresAt: leases.until() }
      const claim = draft({ path: 'x', holder: leases.holder, ...times })
      const free = { bucketTotal: null, openUploads: null }
      await shop.meta.claim(claim, free, { need: 100, want: 100 })
      await leases.giveUp(claim.id)
      expect(await shop.meta.upload(claim.id)).toMatchObject({ state: 'open', path: 'x' })
      await eventually('its path is free', async () => (await shop.meta.upload(claim.id))?.state === 'abandoned')
      expect(await shop.meta.usage('bucket:docs')).toMatchObject({ reserved: 0 })
    } finally {
      done()
      leases.close()
    }
  })
})
