// Moving the files of a bucket between two folders: while they are read and deleted, stopped half way, broken half way.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { openFilesystem } from '../../src/blobs/filesystem.ts'
import { createBlobStore } from '../../src/blobs/store.ts'
import { fail } from '../../src/core/errors.ts'
import type { FileRow } from '../../src/core/model.ts'
import { createReclaim } from '../../src/files/removal.ts'
import { createFileService } from '../../src/files/service.ts'
import { createDoctor } from '../../src/jobs/doctor.ts'
import { createMove } from '../../src/jobs/moves.ts'
import { createSweep } from '../../src/jobs/sweeps.ts'
import { as, LEASE_TIME, openWorkshop, put, type Workshop } from '../support/workshop.ts'

const GRACE = 60_000
let shop: Workshop
let attic: Backend
/** Runs before a blob is put into the attic. */
let before: (key: string) => Promise<void>
let files: readonly FileRow[]

beforeEach(async () => {
  shop = await openWorkshop()
  attic = await openFilesystem({ root: join(shop.dir, 'attic'), durability: 'normal', observer: shop.observer })
  before = async () => {}
  files = await Promise.all(
    Array.from({ length: 30 }, (_, n) =>
      shop.files.upload(as('ada'), put('docs', `n${n}`, Buffer.alloc(n * 100, `${n}`))),
    ),
  )
})
afterEach(() => shop.close())

/** Everything on two backends. */
function wired() {
  const wrapped: Backend = {
    ...attic,
    put: async (key, body, options) => {
      await before(key)
      return attic.put(key, body, options)
    },
  }
  const blobs = createBlobStore(
    new Map([
      ['local', shop.backend],
      ['attic', wrapped],
    ]),
    shop.observer,
  )
  const deps = { ...shop.deps, blobs, spool: shop.spool, leaseTime: LEASE_TIME }
  return {
    blobs,
    files: createFileService(deps),
    move: (signal = new AbortController().signal) =>
      createMove(deps)({ bucket: 'docs', to: 'attic', grace: GRACE, signal }),
    sweep: createSweep({ ...deps, reclaim: createReclaim(deps), batchSize: 50, maxRuntime: 20_000 }),
    doctor: createDoctor(deps),
  }
}

const namesIn = (folder: string): string[] =>
  readdirSync(join(shop.dir, folder), { recursive: true, withFileTypes: true })
    .flatMap((entry) => (entry.isFile() ? [entry.name] : []))
    .sort()

const ids = (): string[] => files.map(({ id }) => id).sort()

describe('moving a bucket', () => {
  it('takes every file along; the originals stay for as long as was said, then a sweep removes them', async () => {
    const { move, sweep, doctor } = wired()
    const bytes = files.reduce((sum, { size }) => sum + size, 0)
    expect(await move()).toMatchObject({ moved: 30, bytes, passed: 0, failed: [], left: 0, uploads: 0, stopped: false })
    expect([namesIn('attic'), namesIn('files')]).toEqual([ids(), ids()])
    await sweep({ dryRun: false })
    expect(namesIn('files')).toEqual(ids())
    expect(await doctor({ readData: true, fix: true })).toMatchObject({ ok: true, problems: [], files: 30 })
    shop.tick(GRACE + 1)
    expect(await sweep({ dryRun: true })).toMatchObject({ leftovers: 30 })
    expect(await sweep({ dryRun: false })).toMatchObject({ leftovers: 30, errors: 0 })
    expect([namesIn('attic'), namesIn('files')]).toEqual([ids(), []])
    expect(await doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
    expect(await move()).toMatchObject({ moved: 0, left: 0 })
    expect(shop.events.filter(({ name }) => name === 'storage_error')).toEqual([])
  })

  it('can be stopped, and goes on where it was', async () => {
    const { move, doctor, sweep } = wired()
    const stop = new AbortController()
    let puts = 0
    before = async () => {
      if (++puts === 10) stop.abort()
    }
    const first = await move(stop.signal)
    expect(first).toMatchObject({ stopped: true, failed: [] })
    expect(first.left).toBe(30 - first.moved)
    expect(first.moved).toBeLessThan(15)
    expect(await doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
    expect((await shop.meta.inUse()).backends).toEqual(['attic', 'local'])
    expect(await move()).toMatchObject({ moved: 30 - first.moved, left: 0, stopped: false })
    shop.tick(GRACE + 1)
    await sweep({ dryRun: false })
    expect([namesIn('attic'), namesIn('files')]).toEqual([ids(), []])
    expect((await shop.meta.inUse()).backends).toEqual(['attic'])
  })

  it('is not done by two processes at a time', async () => {
    const { move } = wired()
    let second: unknown
    before = async () => {
      second ??= await createMove({ ...shop.deps, leases: { holder: 'another' }, leaseTime: LEASE_TIME })({
        bucket: 'docs',
        to: 'attic',
        grace: GRACE,
        signal: new AbortController().signal,
      }).catch((error: unknown) => error)
    }
    expect(await move()).toMatchObject({ moved: 30 })
    expect(second).toMatchObject({ code: 'database_busy' })
  })

  it('files deleted meanwhile are gone, whether before or after they were moved, and nothing of them stays', async () => {
    const { move, files: service, sweep, doctor } = wired()
    const doomed = new Set(files.slice(10, 20).map(({ key }) => key))
    before = async (key) => {
      const file = files.find((each) => each.key === key)
      if (file !== undefined && doomed.has(file.key)) await service.remove(as('ada'), 'docs', file.id)
    }
    const report = await move()
    expect(report).toMatchObject({ failed: [], left: 0 })
    expect([report.moved, report.passed]).toEqual([20, 10])
    await service.remove(as('ada'), 'docs', files[0]!.id)
    shop.tick(25 * 3_600_000)
    await sweep({ dryRun: false })
    const left = files.filter(({ key, id }) => !doomed.has(key) && id !== files[0]!.id).map(({ id }) => id)
    expect([namesIn('attic'), namesIn('files')]).toEqual([left.sort(), []])
    expect(await doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [], files: 19 })
  })

  it('a deletion that found the file where it was removes it where it is', async () => {
    const { move, files: service } = wired()
    const { condemn } = shop.meta
    // The row is read, then the file moves, then it is condemned.
    const meta = {
      ...shop.meta,
      condemn: async (...args: Parameters<typeof condemn>) => {
        await move()
        return condemn(...args)
      },
    }
    await createFileService({ ...shop.deps, blobs: wired().blobs, meta }).remove(as('ada'), 'docs', files[3]!.id)
    expect(namesIn('attic')).not.toContain(files[3]!.id)
    await expect(service.stat(as('ada'), 'docs', files[3]!.id)).rejects.toMatchObject({ code: 'file_not_found' })
  })

  it('a file whose bytes are not what they should be stays where it is, and is named', async () => {
    const { move } = wired()
    const [lost] = files
    await shop.backend.delete(lost!.key)
    const report = await move()
    expect(report).toMatchObject({ moved: 29, left: 1 })
    expect(report.failed).toEqual([expect.objectContaining({ id: lost!.id, backend: 'local', code: 'blob_missing' })])
    expect(namesIn('attic')).not.toContain(lost!.id)
  })

  it('moves nothing between two names of one place', async () => {
    const { blobs, sweep, doctor } = wired()
    const store = createBlobStore(
      new Map([
        ['local', shop.backend],
        ['attic', shop.backend],
      ]),
      shop.observer,
    )
    const move = createMove({ ...shop.deps, blobs: store, leaseTime: LEASE_TIME })
    await expect(
      move({ bucket: 'docs', to: 'attic', grace: 0, signal: new AbortController().signal }),
    ).rejects.toMatchObject({ code: 'config_invalid' })
    shop.tick(25 * 3_600_000)
    expect(await sweep({ dryRun: false })).toMatchObject({ leftovers: 0, errors: 0 })
    expect(await blobs.exists('local', files[0]!.key)).toBe(true)
    expect(await doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [], files: 30 })
  })

  it('an outage ends it with what it is; the rest follows later', async () => {
    const { move, doctor } = wired()
    let puts = 0
    before = async () => {
      if (++puts > 5) throw fail('storage_unavailable', 'the attic is locked')
    }
    await expect(move()).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(await doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
    before = async () => {}
    expect((await move()).left).toBe(0)
  })
})
