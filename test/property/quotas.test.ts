// Whatever clients, operators, sweeps and time do to files in whatever order: counters are sums, and no limit is exceeded by a byte.
// ALYX_TEST_SEED repeats a run's choices; ALYX_TEST_LONG=1 makes it long.
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Delivery, OpenInput } from '../../src/files/model.ts'
import { byHand, DAY, policies, tier } from '../support/policies.ts'
import { createChance } from '../support/random.ts'
import { LONG } from '../support/scenario.ts'
import { as, body, openWorkshop, put, type Workshop } from '../support/workshop.ts'

const SEED = Number(process.env.ALYX_TEST_SEED ?? Date.now() % 1_000_000)
const [ROUNDS, OPERATIONS] = LONG ? [60, 200] : [6, 120]
const OWNERS = ['ann', 'ben', 'cem'] as const
const HARD_MAX = 9000

const RULES = '{create: "true", read: "true", download: "true", update: "true", delete: "true"}'
const SCHEMA = `
version: 1
buckets:
  docs: {backend: local, max_file_size: 4KB, max_total_size: 16KB, rules: ${RULES}}
  pics: {backend: local, max_file_size: 4KB, retention: {default: 2d, max: 5d}, rules: ${RULES}}
  packed: {backend: local, max_file_size: 4KB, compression: gzip, rules: ${RULES}}
`
const BUCKETS = ['docs', 'pics', 'packed'] as const

let shop: Workshop
beforeAll(async () => {
  shop = await openWorkshop({
    schema: SCHEMA,
    expiry: DAY,
    policies: policies(
      {
        free: tier({ maxStorage: 5000, retention: 3 * DAY, transformLimit: 5 }),
        vip: tier({ maxStorage: 20_000, transformLimit: 50 }),
      },
      { hardMaxStorage: HARD_MAX, transformMonthLimit: 200 },
    ),
    transformer: {
      accepts: () => true,
      async transform(_, { width }) {
        if (width === 1) throw new Error('it broke')
        return Buffer.from('made')
      },
    },
  })
})
afterAll(() => shop?.close())

interface Known {
  readonly bucket: string
  readonly id: string
  readonly owner: string
}

const dice = createChance(SEED)
const files: Known[] = []
const uploads: (Known & { readonly size: number })[] = []
const outcomes = new Map<string, number>()
const content = (size: number): Buffer => Buffer.alloc(size, 'The words of the test. ')

async function breakingOff(bytes: Buffer): Promise<Readable> {
  return Readable.from(
    (function* () {
      yield bytes.subarray(0, bytes.length / 2)
      throw new Error('the client went away')
    })(),
  )
}

async function upload(): Promise<void> {
  const [bucket, owner, size] = [dice.pick(BUCKETS), dice.pick([...OWNERS, null]), dice.below(3000)]
  const life: Record<string, string> = dice.chance(0.3) ? { expires_in: dice.pick(['1h', '1d', '4d', '90d']) } : {}
  const path: Record<string, string> = dice.chance(0.3) ? { path: `p${dice.below(6)}` } : {}
  const input = put(bucket, 'file', content(size), { path: `u${dice.next()}`, ...life, ...path })
  const unknown = dice.chance(0.5) ? { size: null } : {}
  const broken = dice.chance(0.2) ? { body: await breakingOff(content(size)) } : {}
  const { id } = await shop.files.upload(as(owner), { ...input, ...unknown, ...broken })
  files.push({ bucket, id, owner: owner ?? '' })
}

async function begin(): Promise<void> {
  const [bucket, owner, size] = [dice.pick(BUCKETS), dice.pick(OWNERS), dice.below(3000)]
  const fields = { name: 'part', path: `t${dice.next()}` }
  const { id, file } = await shop.sessions.create(as(owner), { bucket, fields, size })
  if (file === null) uploads.push({ bucket, id, owner, size })
  else files.push({ bucket, id, owner })
}

async function go(): Promise<void> {
  const found = dice.pick(uploads)
  const { bucket, id, owner, size } = found
  const { offset } = await shop.sessions.status(as(owner), bucket, id)
  const part = content(size).subarray(offset, offset + 1 + dice.below(size))
  const input = { bucket, id, offset, length: part.length, body: body(part) }
  if ((await shop.sessions.append(as(owner), input)).file !== null) files.push(found)
}

const view = ({ bucket, id, owner }: Known, width: number): Promise<Delivery> => {
  const transform = { width, height: null, fit: null, format: null, quality: null }
  const input: OpenInput = { bucket, id, operation: 'view', method: 'GET', token: null, headers: {}, transform }
  return shop.files.open(as(owner), input)
}

const ACTIONS: readonly (readonly [number, string, () => Promise<unknown>])[] = [
  [30, 'upload', upload],
  [10, 'begin', begin],
  [15, 'go', go],
  [
    4,
    'cancel',
    () => {
      const { bucket, id, owner } = dice.pick(uploads)
      return shop.sessions.cancel(as(owner), bucket, id)
    },
  ],
  [
    12,
    'remove',
    () => {
      const { bucket, id, owner } = dice.pick(files)
      return shop.files.remove(as(owner), bucket, id)
    },
  ],
  [
    4,
    'date',
    () => {
      const { bucket, id, owner } = dice.pick(files)
      const expires_at = dice.chance(0.2) ? null : new Date(shop.clock.now() + dice.below(6 * DAY)).toISOString()
      return shop.files.update(as(owner), bucket, id, { expires_at })
    },
  ],
  [4, 'view', () => view(dice.pick(files), 1 + dice.below(2))],
  [4, 'sweep', () => shop.sweep({ dryRun: false })],
  [4, 'time', async () => shop.tick(dice.pick([60_000, 3_600_000, DAY / 2]))],
  [
    5,
    'sql',
    async () => {
      const limit = dice.pick(['NULL', String(dice.below(12_000))])
      const named = dice.pick(['NULL', "'vip'", "'gone'"])
      byHand(
        shop.dir,
        `INSERT INTO _alyx_storages (owner_id, tier, max_storage) VALUES (?, ${named}, ${limit})
      ON CONFLICT (owner_id) DO UPDATE SET tier = excluded.tier, max_storage = excluded.max_storage`,
        dice.pick(OWNERS),
      )
    },
  ],
  [
    2,
    'edit',
    () =>
      shop.storage.edit(as('root', { admin: true }), dice.pick(OWNERS), {
        retentionDays: dice.pick([null, 1, 4]),
        maxStorage: dice.pick([null, 2000, 8000]),
      }),
  ],
  [
    2,
    'recompute',
    () => shop.storage.recomputeExpiry(as('root', { admin: true }), dice.pick(OWNERS), dice.pick([0, 1, null])),
  ],
]

async function act(): Promise<void> {
  const drawn = dice.pick(ACTIONS.flatMap((action) => Array.from({ length: action[0] }, () => action)))
  const [, name, run] = drawn
  let result = 'done'
  try {
    await run()
  } catch (error) {
    result = (error as { code?: string }).code ?? String(error)
  }
  outcomes.set(`${name} ${result}`, (outcomes.get(`${name} ${result}`) ?? 0) + 1)
}

async function check(round: number): Promise<void> {
  const rows = await shop.meta.scanFiles('', 100_000)
  const open = await shop.meta.scanUploads('', 100_000)
  const label = `seed ${SEED}, round ${round}`
  expect(await shop.meta.drift(false), label).toEqual([])
  for (const owner of OWNERS) {
    const mine = rows.filter(({ ownerId }) => ownerId === owner)
    const { used, reserved, files: count } = await shop.meta.usage(`owner:${owner}`)
    expect({ used, count }, label).toEqual({ used: mine.reduce((sum, { size }) => sum + size, 0), count: mine.length })
    const held = open.filter(({ ownerId }) => ownerId === owner)
    expect(reserved, label).toBe(held.reduce((sum, row) => sum + row.reserved, 0))
    // What an operator has set may be below what is there; the hard cap never is.
    expect(used + reserved, label).toBeLessThanOrEqual(HARD_MAX)
  }
  const docs = await shop.meta.usage('bucket:docs')
  expect(docs.used + docs.reserved, label).toBeLessThanOrEqual(16 * 1024)
  for (const { expiresAt, createdAt, bucket } of rows)
    if (bucket === 'pics')
      expect(Date.parse(expiresAt ?? ''), label).toBeLessThanOrEqual(Date.parse(createdAt) + 6 * DAY)
}

it(`uploads, aborts, resumed uploads, deletions, sweeps, edits and time leave every counter a sum (seed ${SEED})`, async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let done = 0; done < OPERATIONS; done += 6) await Promise.all(Array.from({ length: 6 }, act))
    await check(round)
  }
  // Every kind of thing has happened, also what is refused.
  for (const happened of [
    'upload done',
    'upload quota_exceeded',
    'go done',
    'remove done',
    'recompute done',
    'view done',
  ])
    expect([...outcomes.keys()], [...outcomes].join('; ')).toContain(happened)
  const own = /^view internal$|nothing to pick from$|the client went away$/
  expect([...outcomes.keys()].filter((name) => /internal$|Error/.test(name) && !own.test(name))).toEqual([])

  shop.tick(30 * DAY)
  let report = await shop.sweep({ dryRun: false })
  while (report.more) report = await shop.sweep({ dryRun: false })
  expect(report.errors).toBe(0)
  await check(ROUNDS)
  expect(await shop.meta.scanUploads('', 10)).toEqual([])
  expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
})

it('doctor reports a counter of an owner that is no sum, and sets it right', async () => {
  byHand(shop.dir, "UPDATE _alyx_usage SET used = used + 7, reserved = 1 WHERE scope = 'owner:ann'")
  const { problems } = await shop.doctor({ readData: false, fix: false })
  expect(problems).toMatchObject([{ invariant: 'I3', kind: 'counter_drift', id: 'owner:ann' }])
  expect((await shop.doctor({ readData: false, fix: true })).ok).toBe(true)
  expect((await shop.doctor({ readData: false, fix: false })).problems).toEqual([])
})
