// The download limit of a share: what counts, what does not, and what comes back.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { fail } from '../../src/core/errors.ts'
import type { FileRow } from '../../src/core/model.ts'
import { createChance } from '../support/random.ts'
import { ANN, openShop, type Shop } from './shop.ts'

const RULES = '{create: auth.id != null, read: auth.id == file.owner_id, download: auth.id == file.owner_id}'
const SCHEMA = `
version: 1
buckets:
  docs: {backend: local, max_file_size: 1MB, rules: ${RULES}}
  packed: {backend: local, max_file_size: 1MB, compression: gzip, rules: ${RULES}}
`

let shop: Shop
let one: FileRow
let isDown = false
/** All ways to read; nothing else. */
const faults = (backend: Backend): Backend => {
  const up = <T>(read: () => Promise<T>): Promise<T> =>
    isDown ? Promise.reject(fail('storage_unavailable', 'the backend is down')) : read()
  return {
    ...backend,
    get: (key, options) => up(() => backend.get(key, options)),
    read: (key, range, limit) => up(() => backend.read!(key, range, limit)),
    openReader: (key, range) => up(() => backend.openReader!(key, range)),
  }
}

beforeEach(async () => {
  isDown = false
  shop = await openShop({ schema: SCHEMA, faults })
  one = await shop.store('0123456789')
})
afterEach(() => shop.close())

const limited = (maxDownloads: number) => shop.share([one], { maxDownloads })
type Made = Awaited<ReturnType<typeof limited>>
/** Counted downloads, once everything that was given back is. */
const downloads = async (made: Made): Promise<number | null> => {
  await shop.meta.ready()
  return (await shop.shares.get(ANN, made.share.id)).share.downloads
}

describe('a download limit', () => {
  it('gives so many whole downloads, then says that it is used up', async () => {
    const made = await limited(2)
    expect([await shop.fetch(made, one), await shop.fetch(made, one, { operation: 'view' })]).toEqual(
      Array(2).fill('0123456789'),
    )
    expect(await shop.fetch(made, one)).toBe('share_exhausted')
    expect(await shop.fetch(made, one, { method: 'HEAD' })).toBe('share_exhausted')
    expect(await shop.fetch(made, one, { range: 'bytes=9-9' })).toBe('share_exhausted')
    expect((await shop.shares.get(ANN, made.share.id)).share).toMatchObject({ state: 'exhausted', downloads: 2 })
  })

  it('does not count HEAD, 304, 412, 416, the list or the look of its maker', async () => {
    const made = await limited(1)
    for (const [headers, status] of [
      [{ 'if-none-match': `"${one.checksum}"` }, '304'],
      [{ 'if-match': '"other"' }, '412'],
      [{ range: 'bytes=10-' }, '416'],
    ] as const)
      expect(await shop.fetch(made, one, { headers })).toBe(status)
    expect(await shop.fetch(made, one, { method: 'HEAD' })).toBe('200')
    expect(await shop.fetch(made, one, { method: 'HEAD', range: 'bytes=0-1' })).toBe('206')
    await shop.shares.files(made.share.id, made.token)
    expect(await downloads(made)).toBe(0)
    expect(await shop.fetch(made, one)).toBe('0123456789')
  })

  it('adds up ranges, wherever they begin: no byte is free', async () => {
    const made = await limited(1)
    expect(await shop.fetch(made, one, { range: 'bytes=5-' })).toBe('56789')
    expect(await shop.fetch(made, one, { range: 'bytes=0-3' })).toBe('0123')
    expect(await downloads(made)).toBe(1)
    expect(await shop.fetch(made, one)).toBe('share_exhausted')
    expect(await shop.fetch(made, one, { range: 'bytes=8-9' })).toBe('share_exhausted')
    expect(await shop.fetch(made, one, { range: 'bytes=-1' })).toBe('9')
    expect(await shop.fetch(made, one, { range: 'bytes=1-1' })).toBe('share_exhausted')
  })

  it('counts several ranges, which are answered with the whole file, as one whole download', async () => {
    const made = await limited(1)
    expect(await shop.fetch(made, one, { range: 'bytes=0-0,5-5' })).toBe('0123456789')
    expect(await shop.fetch(made, one, { range: 'bytes=0-0,5-5' })).toBe('share_exhausted')
  })

  it('lets a download that broke off go on where it did, and no further', async () => {
    const made = await limited(1)
    await shop.fetch(made, one, { sent: 4 })
    expect(await downloads(made)).toBe(1)
    expect(await shop.fetch(made, one, { range: 'bytes=3-' })).toBe('share_exhausted')
    expect(await shop.fetch(made, one, { range: 'bytes=4-' })).toBe('456789')
    expect(await shop.fetch(made, one, { range: 'bytes=9-' })).toBe('share_exhausted')
  })

  it('takes a download of which nothing was sent for none', async () => {
    const made = await limited(1)
    await shop.fetch(made, one, { sent: 0 })
    expect(await downloads(made)).toBe(0)
    expect(await shop.fetch(made, one)).toBe('0123456789')
  })

  it('gives the count back when the server fails before the first byte', async () => {
    const made = await limited(1)
    const big = await shop.store(Buffer.alloc(300_000, 'x'))
    const large = await shop.share([big], { maxDownloads: 1 })
    isDown = true
    expect(await shop.fetch(made, one)).toBe('storage_unavailable')
    expect(await shop.fetch(made, one, { range: 'bytes=2-3' })).toBe('storage_unavailable')
    expect(await shop.fetch(large, big)).toBe('storage_unavailable')
    expect([await downloads(made), await downloads(large)]).toEqual([0, 0])
    isDown = false
    expect(await shop.fetch(made, one)).toBe('0123456789')
    expect(await shop.fetch(made, one)).toBe('share_exhausted')
  })

  it('is for all files of a share together; what broke off of one is not the other’s', async () => {
    const two = await shop.store('ABCDEFGHIJ')
    const made = await shop.share([one, two], { maxDownloads: 1 })
    await shop.fetch(made, one, { sent: 5 })
    await shop.meta.ready()
    expect(await shop.fetch(made, two, { range: 'bytes=0-0' })).toBe('share_exhausted')
    expect(await shop.fetch(made, two, { method: 'HEAD' })).toBe('share_exhausted')
    expect(await shop.fetch(made, one, { method: 'HEAD' })).toBe('200')
    expect(await shop.fetch(made, one, { range: 'bytes=5-' })).toBe('56789')
  })

  it('counts compressed bytes as the file they stand for; a part of them is not given back', async () => {
    const packed = await shop.store('the same words again '.repeat(500), 'packed')
    const made = await shop.share([packed], { maxDownloads: 2 })
    const headers = { 'accept-encoding': 'gzip' }
    expect((await shop.fetch(made, packed, { headers })).length).toBeLessThan(packed.size / 2)
    expect(await downloads(made)).toBe(1)
    await shop.fetch(made, packed, { headers, sent: 0 })
    expect(await downloads(made)).toBe(1)
    await shop.fetch(made, packed, { headers, sent: 3 })
    expect(await shop.fetch(made, packed, { range: 'bytes=-1' })).toBe('share_exhausted')
  })

  it('holds for empty files, too', async () => {
    const empty = await shop.store('')
    const made = await shop.share([empty], { maxDownloads: 1 })
    expect([await shop.fetch(made, empty), await shop.fetch(made, empty)]).toEqual(['200', 'share_exhausted'])
  })

  it('is obeyed by requests that come at once', async () => {
    const made = await limited(3)
    const answers = await Promise.all(Array.from({ length: 30 }, () => shop.fetch(made, one)))
    expect(answers.filter((answer) => answer === '0123456789')).toHaveLength(3)
    expect(answers.filter((answer) => answer === 'share_exhausted')).toHaveLength(27)
  })

  it('is not taken from by a share that has none: nothing is written', async () => {
    const made = await shop.share([one])
    for (let n = 0; n < 3; n++) expect(await shop.fetch(made, one)).toBe('0123456789')
    expect(await downloads(made)).toBeNull()
    expect(await shop.meta.share(made.share.id)).toMatchObject({ downloads: 0, left: 0 })
  })

  it('never gives more than so many times the bytes, whatever is asked and wherever it breaks', async () => {
    const { below, chance } = createChance(20_261_121)
    for (let round = 0; round < 12; round++) {
      const limit = 1 + below(4)
      const made = await limited(limit)
      let bytes = 0
      for (let step = 0; step < 25; step++) {
        const first = below(10)
        const range = chance(0.3) ? undefined : `bytes=${first}-${first + below(10 - first)}`
        const sent = chance(0.3) ? below(2) : undefined
        const answer = await shop.fetch(made, one, {
          ...(range === undefined ? {} : { range }),
          ...(sent === undefined ? {} : { sent }),
        })
        if (/^\d+$/.test(answer)) bytes += sent ?? answer.length
        expect(bytes).toBeLessThanOrEqual(limit * 10)
        expect(await downloads(made)).toBe(Math.ceil(bytes / 10))
      }
    }
  })
})
