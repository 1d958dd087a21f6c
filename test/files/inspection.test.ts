// The program's own word on uploads: let through, refused, put aside, or not had at all, on every way in.
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { timestamp } from '../../src/core/clock.ts'
import type { FileRow } from '../../src/core/model.ts'
import type { Inspect, InspectedFile, Verdict } from '../../src/files/inspection.ts'
import { createErase } from '../../src/files/removal.ts'
import { codeOf } from '../support/outcome.ts'
import { as, body, LEASE_TIME, openWorkshop, put, type Workshop } from '../support/workshop.ts'

const RULES = `{create: "true", read: "true", download: "true", update: "true", delete: "true"}`
const SCHEMA = `
version: 1
buckets:
  docs:
    backend: local
    max_file_size: 5MB
    max_total_size: 10MB
    rules: ${RULES}
  packed:
    backend: local
    max_file_size: 5MB
    compression: zstd
    retention: {default: 1h, max: 2h}
    rules: ${RULES}
collections:
  deals:
    fields:
      id: {type: id, primary: true}
      cover: {type: file, bucket: docs, nullable: true}
`
const NOTHING = { used: 0, reserved: 0, files: 0 }
const [ada, root] = [as('ada'), as('root', { role: 'admin', admin: true })]
const SMALL = Buffer.from('a few words')
const LARGE = Buffer.from('lorem ipsum dolor '.repeat(100_000))
/** One for all tests; what a test leaves is taken away after it. */
let shop: Workshop
let inspected: InspectedFile[]
let verdict: Inspect
const open = (inspectTimeout?: number): Promise<Workshop> =>
  openWorkshop({
    schema: SCHEMA,
    ...(inspectTimeout === undefined ? {} : { inspectTimeout }),
    inspect(file, signal) {
      inspected.push(file)
      return verdict(file, signal)
    },
  })
async function clear({ deps, meta, spool }: Workshop): Promise<void> {
  for (const file of await meta.scanFiles('', 100)) await createErase(deps)(file)
  for (const { id } of await meta.scanUploads('', 100)) {
    await meta.abandon(id, timestamp(deps.clock.now()))
    await spool.remove(id)
    await meta.forget(id)
  }
}
beforeAll(async () => {
  shop = await open()
})
beforeEach(() => {
  inspected = []
  shop.events.length = 0
})
afterEach(() => clear(shop))
afterAll(() => shop.close())

const byPut = (bucket: string, bytes: Buffer): Promise<FileRow> =>
  shop.files.upload(ada, put(bucket, 'a.txt', bytes, { metadata: '{"k":"v"}' }))
const unannounced = (bucket: string, bytes: Buffer): Promise<FileRow> =>
  shop.files.upload(ada, { ...put(bucket, 'a.txt', bytes), size: null })
async function byTus(bucket: string, bytes: Buffer): Promise<FileRow> {
  const { id, file } = await shop.sessions.create(ada, { bucket, fields: { name: 'a.txt' }, size: bytes.length })
  if (file !== null) return file
  const half = bytes.length >> 1
  await shop.sessions.append(ada, { bucket, id, offset: 0, length: half, body: body(bytes.subarray(0, half)) })
  const rest = bytes.subarray(half)
  return (await shop.sessions.append(ada, { bucket, id, offset: half, length: rest.length, body: body(rest) })).file!
}
const WAYS = { put: byPut, 'put without a length': unannounced, tus: byTus } as const
const ways = Object.keys(WAYS).flatMap((way) =>
  [
    { bucket: 'docs', bytes: Buffer.alloc(0) },
    { bucket: 'docs', bytes: SMALL },
    { bucket: 'packed', bytes: LARGE },
  ].map(({ bucket, bytes }) => ({ way: way as keyof typeof WAYS, bucket, bytes, size: bytes.length })),
)
const allow: Inspect = () => ({ action: 'allow' })
const refuse: Inspect = () => ({ action: 'refuse', reason: 'it has a virus' })
const quarantine: Inspect = () => ({ action: 'quarantine', reason: 'it looks odd' })
async function contentOf(file: InspectedFile): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of await file.open()) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
async function leavesNothing(bucket: string): Promise<void> {
  expect(await shop.meta.usage(`bucket:${bucket}`)).toEqual(NOTHING)
  expect(await shop.meta.scanUploads('', 10)).toEqual([])
  expect(await shop.meta.scanFiles('', 10)).toEqual([])
  expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
  for await (const { entry } of shop.blobs.entries()) expect(entry.key).toBe('nothing')
  for await (const id of shop.spool.ids()) expect(id).toBe('nothing')
}

describe.each(ways)('an upload of $size bytes to $bucket by $way', ({ way, bucket, bytes }) => {
  const send = () => WAYS[way](bucket, bytes)

  it('is a file once inspect has read what was sent, twice if it likes, and let it through', async () => {
    let read: string[] = []
    verdict = async (file) => {
      read = [sha(await contentOf(file)), sha(await contentOf(file))]
      expect(await shop.meta.file(bucket, file.id)).toBeNull()
      return { action: 'allow' }
    }
    const file = await send()
    expect(read).toEqual([sha(bytes), sha(bytes)])
    const { id, name, mimeType, size, checksum, ownerId, path, metadata } = file
    expect(inspected).toMatchObject([{ id, bucket, name, mimeType, size, checksum, ownerId, path, metadata }])
    expect(await shop.files.stat(ada, bucket, id)).toEqual(file)
  })

  it('is refused with the reason that inspect gives, and leaves nothing', async () => {
    verdict = refuse
    await expect(send()).rejects.toMatchObject({ code: 'file_refused', status: 400, message: 'it has a virus' })
    await leavesNothing(bucket)
    verdict = allow
    expect(await codeOf(send())).toBe('done')
  })

  it('in quarantine is there for nobody, until an admin releases it', async () => {
    verdict = quarantine
    const { id, state } = await send()
    expect(state).toBe('quarantined')
    for (const call of [ada, root]) {
      expect(await codeOf(shop.files.stat(call, bucket, id))).toBe('file_not_found')
      expect(await codeOf(shop.files.remove(call, bucket, id, true))).toBe('file_not_found')
      expect(await codeOf(shop.files.restore(call, bucket, id, null))).toBe('file_not_found')
      expect(await codeOf(shop.files.sign(call, bucket, id, null, null))).toBe('file_not_found')
      const input = { bucket, id, operation: 'download', method: 'GET', token: null, headers: {} } as const
      expect(await codeOf(shop.files.open(call, input))).toBe('file_not_found')
    }
    expect((await shop.files.quarantine.list(root, bucket, 10, null)).files).toMatchObject([
      { id, hidden: { reason: 'it looks odd', purgeAt: null } },
    ])
    expect(await codeOf(shop.files.quarantine.list(ada, bucket, 10, null))).toBe('forbidden')
    expect(await codeOf(shop.files.quarantine.open(ada, bucket, id))).toBe('forbidden')
    expect(await codeOf(shop.files.quarantine.release(ada, bucket, id))).toBe('forbidden')
    expect(await codeOf(shop.files.quarantine.remove(as(null), bucket, id))).toBe('unauthenticated')
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
    expect(await shop.meta.usage(`bucket:${bucket}`)).toMatchObject({ used: bytes.length, files: 1 })
    const { body: content } = await shop.files.quarantine.open(root, bucket, id)
    const chunks: Buffer[] = []
    if (content !== null) for await (const chunk of await content.stream()) chunks.push(chunk as Buffer)
    expect(sha(Buffer.concat(chunks))).toBe(sha(bytes))
    const released = await shop.files.quarantine.release(root, bucket, id)
    expect(released).toMatchObject({ id, state: 'ready', version: 2, hidden: null })
    expect(await shop.files.stat(ada, bucket, id)).toEqual(released)
    expect(await codeOf(shop.files.quarantine.release(root, bucket, id))).toBe('file_not_found')
  })

  it('is not a file when inspect throws or gives no verdict: 503 inspection_failed, which can be tried again', async () => {
    const faults: readonly Inspect[] = [
      () => Promise.reject(new TypeError('the scanner is away')),
      () => undefined as unknown as Verdict,
      () => ({ action: 'maybe' }) as unknown as Verdict,
    ]
    for (const inspect of way === 'tus' ? faults.slice(0, 1) : faults) {
      verdict = inspect
      await expect(send()).rejects.toMatchObject({ code: 'inspection_failed', status: 503, retryAfter: 1 })
      expect(await shop.meta.scanFiles('', 10)).toEqual([])
      if (way !== 'tus') await leavesNothing(bucket)
    }
    const log = JSON.stringify(shop.events.filter(({ name }) => name === 'inspection'))
    expect(log).toContain('"result":"failed"')
  })
})

describe('inspect', () => {
  it.each([byPut, byTus])('has bounded time: it is told, its streams end, and the upload fails', async (send) => {
    const unhurried = shop
    shop = await open(300)
    onTestFinished(async () => {
      await shop.close()
      shop = unhurried
    })
    let told = false
    const hang: Inspect = async (file, signal) => {
      const stream = await file.open()
      await new Promise((resolve) => stream.once('close', resolve))
      told = signal.aborted
      return new Promise<Verdict>(() => {})
    }
    verdict = hang
    expect(await codeOf(send('docs', LARGE))).toBe('inspection_failed')
    while (!told) await sleep(5)
    expect(await shop.meta.scanFiles('', 10)).toEqual([])
  })

  it('that failed leaves a tus upload to go on: the last bytes can be sent again', async () => {
    verdict = () => Promise.reject(new TypeError('away'))
    const { id } = await shop.sessions.create(ada, { bucket: 'docs', fields: { name: 'a' }, size: 20 })
    const bytes = Buffer.alloc(20, 'y')
    const append = (offset: number, end: number) =>
      shop.sessions.append(ada, {
        bucket: 'docs',
        id,
        offset,
        length: end - offset,
        body: body(bytes.subarray(offset, end)),
      })
    await append(0, 12)
    expect(await codeOf(append(12, 20))).toBe('inspection_failed')
    expect((await shop.sessions.status(ada, 'docs', id)).offset).toBeLessThan(20)
    verdict = allow
    const { offset } = await shop.sessions.status(ada, 'docs', id)
    expect((await append(offset, 20)).file).toMatchObject({ id, size: 20, checksum: sha(bytes) })
    expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
  })

  it('need not read to the end, nor at all, nor only while it is asked', async () => {
    let later: InspectedFile | null = null
    verdict = async (file) => {
      later = file
      const stream = await file.open()
      for await (const _ of stream) break
      await file.open()
      return { action: 'allow' }
    }
    expect(await codeOf(byPut('docs', LARGE))).toBe('done')
    expect(await codeOf(later!.open())).toBe('inspection_failed')
  })

  it('is not asked about what is refused without it', async () => {
    verdict = allow
    expect(await codeOf(shop.files.upload(ada, put('docs', 'a', SMALL, { checksum: 'ab'.repeat(32) })))).toBe(
      'checksum_mismatch',
    )
    expect(inspected).toEqual([])
  })
})

describe('a file in quarantine', () => {
  it('is told to the tus client that sent it as arrived, and to no other', async () => {
    verdict = quarantine
    const { id } = await byTus('docs', SMALL)
    expect(await shop.sessions.status(ada, 'docs', id)).toMatchObject({ offset: SMALL.length, length: SMALL.length })
    expect(await codeOf(shop.sessions.status(as('bob'), 'docs', id))).toBe('upload_not_found')
  })

  it('holds its path, cannot be named by records, and goes for good when an admin deletes it', async () => {
    verdict = quarantine
    const { id } = await byPut('docs', SMALL)
    expect(await codeOf(byPut('docs', SMALL))).toBe('file_exists')
    const record = shop.meta.records.insert('deals', { id: 'one', cover: id }, new Date().toISOString())
    expect(await codeOf(record)).toBe('file_reference_invalid')
    await shop.files.quarantine.remove(root, 'docs', id)
    await leavesNothing('docs')
    expect(await codeOf(shop.files.quarantine.remove(root, 'docs', id))).toBe('file_not_found')
  })

  it('expires as any other, and is swept', async () => {
    verdict = quarantine
    const { id } = await byPut('packed', SMALL)
    shop.tick(3_600_000)
    expect((await shop.files.quarantine.list(root, 'packed', 10, null)).files).toEqual([])
    expect(await codeOf(shop.files.quarantine.release(root, 'packed', id))).toBe('file_not_found')
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ expired: 1 })
    shop.tick(4 * LEASE_TIME)
    await leavesNothing('packed')
  })

  it('is for admins only also where their key may only read', async () => {
    verdict = quarantine
    const { id } = await byPut('docs', SMALL)
    const reader = as('root', { kind: 'key', admin: true, scopes: ['read'] })
    expect((await shop.files.quarantine.list(reader, 'docs', 10, null)).files).toHaveLength(1)
    expect(await codeOf(shop.files.quarantine.release(reader, 'docs', id))).toBe('forbidden')
    expect(await codeOf(shop.files.quarantine.remove(reader, 'docs', id))).toBe('forbidden')
  })

  it('is listed in pages, latest first', async () => {
    verdict = quarantine
    for (const name of ['a', 'b', 'c']) {
      await shop.files.upload(ada, put('docs', name, SMALL))
      shop.tick(1000)
    }
    const first = await shop.files.quarantine.list(root, 'docs', 2, null)
    const second = await shop.files.quarantine.list(root, 'docs', 2, first.nextCursor)
    expect([...first.files, ...second.files].map(({ name }) => name)).toEqual(['c', 'b', 'a'])
    expect(second.nextCursor).toBeNull()
  })
})
