// Whether a sweep believes the clock: the table of what may happen to one, and the sweep that goes by it.
import { afterEach, describe, expect, it } from 'vitest'
import { createReclaim } from '../../src/files/removal.ts'
import { type ClockMemory, judgeClock } from '../../src/jobs/sweep-clock.ts'
import { createSweep, type SweepDeps } from '../../src/jobs/sweeps.ts'
import { as, LEASE_TIME, openWorkshop, put, type Workshop } from '../support/workshop.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const YEAR = 365 * DAY
const T = Date.parse('2026-01-01T00:00:00.000Z')
const believed = (seenAt: number): ClockMemory => ({ seenAt, heldAt: null, heldFrom: null })
/** Looks every hour by a clock that says `walls`; what each look made of it. */
const look = (memory: ClockMemory | null, wall: number, passed = HOUR) =>
  judgeClock(memory, { wall, passed, allowed: DAY + HOUR, probation: DAY })

describe('a clock', () => {
  it('is believed where nothing is known', () => {
    expect(look(null, T)).toEqual({ memory: believed(T), time: T, believedAt: null })
  })

  it('is believed as long as it goes on, is put right by less than the limit, or goes back', () => {
    for (const wall of [T + HOUR, T + HOUR + DAY, T, T - YEAR])
      expect(look(believed(T), wall)).toEqual({ memory: believed(wall), time: wall, believedAt: null })
  })

  it('is believed after a stop of less than the limit', () => {
    expect(look(believed(T), T + DAY, 0).believedAt).toBeNull()
  })

  it('that leaps a year ahead is not believed: for the sweep the time goes on from where it was', () => {
    const first = look(believed(T), T + YEAR)
    expect(first).toMatchObject({ time: T + HOUR, believedAt: T + YEAR + DAY })
    const second = look(first.memory, T + YEAR + HOUR)
    expect(second).toMatchObject({ time: T + 2 * HOUR, believedAt: T + YEAR + DAY })
    expect(look(second.memory, T + YEAR + 23 * HOUR, 22 * HOUR)).toMatchObject({ time: T + DAY })
  })

  it('that leapt is believed once it has gone on steadily for as long as the limit', () => {
    const { memory } = look(believed(T), T + YEAR)
    expect(look(memory, T + YEAR + DAY, DAY)).toEqual({
      memory: believed(T + YEAR + DAY),
      time: T + YEAR + DAY,
      believedAt: null,
    })
  })

  it('that is put right again is believed at once', () => {
    const { memory } = look(believed(T), T + YEAR)
    expect(look(memory, T + 2 * HOUR)).toMatchObject({ time: T + 2 * HOUR, believedAt: null })
  })

  it('that is put half right is not', () => {
    const { memory } = look(believed(T), T + YEAR)
    expect(look(memory, T + YEAR / 2).believedAt).toBe(T + YEAR / 2 + DAY)
    expect(look(memory, T + YEAR / 2).time).toBeLessThan(T + 3 * HOUR)
  })

  it('that leaps again begins its probation anew, and loses none of the time it had', () => {
    const first = look(believed(T), T + YEAR)
    const later = look(first.memory, T + YEAR + 20 * HOUR, 20 * HOUR)
    const again = look(later.memory, T + 2 * YEAR)
    expect(again).toMatchObject({ time: T + 22 * HOUR, believedAt: T + 2 * YEAR + DAY })
  })

  it('is not believed after a stop so long that it may as well be wrong', () => {
    expect(look(believed(T), T + 3 * DAY, 0)).toMatchObject({ time: T, believedAt: T + 4 * DAY })
  })
})

describe('a sweep of which nobody knows', () => {
  let shop: Workshop
  afterEach(() => shop.close())
  let offset = 0
  const make = (more: Partial<SweepDeps> = {}) =>
    createSweep({
      ...shop,
      reclaim: createReclaim(shop.deps),
      steady: { now: () => performance.now() + offset },
      leaseTime: LEASE_TIME,
      batchSize: 50,
      maxRuntime: 20_000,
      interval: HOUR,
      maxClockJump: DAY,
      ...more,
    })
  const upload = (expiresIn: string) =>
    shop.files.upload(as('ada'), put('docs', `for ${expiresIn}`, Buffer.from('some text'), { expires_in: expiresIn }))
  const ids = async () => (await shop.meta.scanFiles('', 99)).map(({ id }) => id)

  it('deletes nothing because the clock leapt a year ahead, and says so; one that somebody asks for does', async () => {
    shop = await openWorkshop()
    const sweep = make()
    const soon = await upload('1m')
    const late = await upload('30d')
    await sweep({ dryRun: false, unattended: true })
    // An hour passes, then somebody sets the clock.
    shop.tick(HOUR + YEAR)
    offset += HOUR
    const held = await sweep({ dryRun: false, unattended: true })
    expect(held).toMatchObject({ expired: 1, errors: 0, clockHeld: { believedAt: expect.any(String) } })
    expect(await ids()).toEqual([late.id])
    expect(shop.events.findLast(({ name }) => name === 'sweep')?.fields).toMatchObject({ clockHeld: expect.anything() })
    expect(await sweep({ dryRun: true })).toMatchObject({ expired: 1, clockHeld: null })
    // What a dry run says changes nothing: the next one is still held.
    expect(await sweep({ dryRun: false, unattended: true })).toMatchObject({ expired: 0, clockHeld: expect.anything() })
    expect(await sweep({ dryRun: false })).toMatchObject({ expired: 1, clockHeld: null })
    expect(await ids()).toEqual([])
    expect(soon.id).not.toBe(late.id)
  })

  it('that another process asked for with the new time is believed by all', async () => {
    shop = await openWorkshop()
    const [mine, other] = [make(), make()]
    await upload('30d')
    await mine({ dryRun: false, unattended: true })
    shop.tick(YEAR)
    expect(await mine({ dryRun: false, unattended: true })).toMatchObject({ clockHeld: expect.anything() })
    expect(await other({ dryRun: false })).toMatchObject({ expired: 1, clockHeld: null })
    expect(await mine({ dryRun: false, unattended: true })).toMatchObject({ clockHeld: null })
  })

  it('does not believe it at the next start either', async () => {
    shop = await openWorkshop()
    await upload('30d')
    await make()({ dryRun: false, unattended: true })
    shop.tick(YEAR)
    const restarted = make()
    expect(await restarted({ dryRun: false, unattended: true })).toMatchObject({
      expired: 0,
      clockHeld: expect.anything(),
    })
    shop.tick(DAY)
    offset += DAY
    expect(await restarted({ dryRun: false, unattended: true })).toMatchObject({ expired: 1, clockHeld: null })
  })

  it('believes every clock where max_clock_jump is null', async () => {
    shop = await openWorkshop()
    const sweep = make({ maxClockJump: null })
    await upload('30d')
    await sweep({ dryRun: false, unattended: true })
    shop.tick(YEAR)
    expect(await sweep({ dryRun: false, unattended: true })).toMatchObject({ expired: 1, clockHeld: null })
  })
})
