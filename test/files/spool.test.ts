// The spool keeps what arrived, exactly as far as it says.
import { execFileSync } from 'node:child_process'
import { appendFile, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fail } from '../../src/core/errors.ts'
import { createIds } from '../../src/core/ids.ts'
import { openSpool, type Spool } from '../../src/files/spool.ts'
import { type Observer, silent } from '../../src/observe/observer.ts'
import { bodyOf, bytesOf, listed, never, openDescriptors } from '../contract/backend.ts'
import { seededBytes } from '../support/random.ts'

const MIB = 1024 * 1024
const nextId = createIds({ now: () => 1_764_000_000_000 })

describe('the spool', () => {
  let dir: string
  let spool: Spool
  let points: string[]
  const observer: Observer = { event: (_name, fields) => void points.push(String(fields.point)) }
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'alyx-spool-'))
    points = []
    spool = await openSpool({ dir, durability: 'full', observer })
  })
  afterEach(() => rm(dir, { recursive: true }))

  const append = (id: string, offset: number, bytes: Buffer | string, max = 100 * MIB) =>
    spool.append(id, offset, bodyOf(Buffer.from(bytes)), { max, signal: never })
  const content = (id: string): Promise<Buffer> => spool.read(id).then(bytesOf)

  it('puts an upload together from its pieces', async () => {
    for (const durability of ['full', 'normal'] as const) {
      spool = await openSpool({ dir, durability, observer: silent })
      const id = nextId()
      const bytes = seededBytes(1, 7 * MIB)
      let offset = 0
      for (const end of [1, 1, 100_000, 3 * MIB, 7 * MIB]) {
        const result = await append(id, offset, bytes.subarray(offset, end))
        expect(result).toEqual({ offset: end, complete: true, error: null })
        offset = end
      }
      expect(await spool.size(id)).toBe(bytes.length)
      expect((await content(id)).equals(bytes)).toBe(true)
      expect(spool.path(id)).toBe(join(dir, id))
    }
  })

  it('syncs before it says how far it got', async () => {
    await append(nextId(), 0, 'x')
    expect(points).toEqual(['spool.written', 'spool.synced'])
  })

  it('keeps files for their owner only', async () => {
    const id = nextId()
    await append(id, 0, 'x')
    expect((await stat(spool.path(id))).mode & 0o777).toBe(0o600)
  })

  it('believes the offset it is given, not the length of the file', async () => {
    const id = nextId()
    await append(id, 0, 'acknowledged')
    await appendFile(spool.path(id), ' and then written by a process that died')
    expect(await append(id, 12, '!')).toMatchObject({ offset: 13, complete: true })
    expect((await content(id)).toString()).toBe('acknowledged!')
  })

  it('starts over at offset 0', async () => {
    const id = nextId()
    await append(id, 0, 'a first try')
    await append(id, 0, 'again')
    expect((await content(id)).toString()).toBe('again')
  })

  it('says blob_missing when acknowledged bytes are not there, and reads nothing of the body', async () => {
    const id = nextId()
    await expect(append(id, 5, 'x')).rejects.toMatchObject({ code: 'blob_missing' })
    await append(id, 0, 'four')
    const body = bodyOf(Buffer.from('x'))
    await expect(spool.append(id, 5, body, { max: 1, signal: never })).rejects.toMatchObject({ code: 'blob_missing' })
    expect(body.readableDidRead).toBe(false)
    expect((await content(id)).toString()).toBe('four')
  })

  for (const how of ['breaks', 'is closed', 'is aborted'] as const) {
    it(`keeps what arrived before the request ${how}`, async () => {
      const id = nextId()
      const body = new Readable({ read() {} })
      const abort = new AbortController()
      const reason = fail('upload_locked', 'another request took over')
      const appending = spool.append(id, 0, body, { max: 10 * MIB, signal: abort.signal })
      const sent = seededBytes(1, 2 * MIB + 5)
      body.push(sent)
      setTimeout(() => {
        if (how === 'is aborted') abort.abort(reason)
        else body.destroy(how === 'breaks' ? reason : undefined)
      }, 20)
      const { offset, complete, error } = await appending
      expect({ offset, complete }).toEqual({ offset: sent.length, complete: false })
      if (how === 'is closed') expect(error).toMatchObject({ code: 'invalid_request' })
      else expect(error).toBe(reason)
      expect(body.destroyed).toBe(how !== 'is aborted')
      expect(await append(id, offset, 'rest')).toMatchObject({ complete: true })
      expect((await content(id)).equals(Buffer.concat([sent, Buffer.from('rest')]))).toBe(true)
    })
  }

  it('never takes a byte past the maximum', async () => {
    for (const max of [0, 1, MIB, 2 * MIB - 1]) {
      const id = nextId()
      const result = await append(id, 0, seededBytes(1, 2 * MIB), max)
      expect(result).toMatchObject({ offset: max, complete: false, error: { code: 'body_too_large' } })
      expect(await spool.size(id)).toBe(max)
    }
    const id = nextId()
    expect(await append(id, 0, 'exact', 5)).toEqual({ offset: 5, complete: true, error: null })
  })

  it('lets the bytes be watched in order', async () => {
    const id = nextId()
    const bytes = seededBytes(1, 3 * MIB)
    const seen: Buffer[] = []
    const tap = (chunk: Buffer): undefined => void seen.push(chunk)
    const { offset } = await spool.append(id, 0, bodyOf(bytes), { max: 2 * MIB, signal: never, tap })
    expect(offset).toBe(2 * MIB)
    expect(Buffer.concat(seen).equals(bytes.subarray(0, offset))).toBe(true)
  })

  it('tells at checkpoints how far the upload is durable', async () => {
    const id = nextId()
    const told: number[] = []
    const reached = async (durable: number): Promise<void> => {
      expect(await spool.size(id)).toBe(durable)
      told.push(durable)
    }
    const checkpoint = { every: 3 * MIB, reached }
    const body = bodyOf(seededBytes(1, 10 * MIB))
    const result = await spool.append(id, 0, body, { max: 10 * MIB, signal: never, checkpoint })
    expect(result).toEqual({ offset: 10 * MIB, complete: true, error: null })
    expect(told.length).toBeGreaterThanOrEqual(2)
    expect(told).toEqual([...told].sort((a, b) => a - b))
    for (const [at, durable] of told.entries()) expect(durable - (told[at - 1] ?? 0)).toBeGreaterThanOrEqual(3 * MIB)
  })

  it('ends with the error of a checkpoint, and keeps what was durable', async () => {
    const id = nextId()
    const lost = fail('upload_locked', 'lost')
    const checkpoint = { every: MIB, reached: () => Promise.reject(lost) }
    const body = bodyOf(seededBytes(1, 10 * MIB))
    const result = await spool.append(id, 0, body, { max: 10 * MIB, signal: never, checkpoint })
    expect(result).toMatchObject({ complete: false, error: lost })
    expect(result.offset).toBeGreaterThanOrEqual(MIB)
    expect(result.offset).toBe(await spool.size(id))
  })

  it('finds and removes by id', async () => {
    const id = nextId()
    expect(await spool.size(id)).toBe(null)
    await append(id, 0, 'twelve bytes')
    await spool.remove(id)
    await spool.remove(id)
    expect(await spool.size(id)).toBe(null)
    await expect(content(id)).rejects.toMatchObject({ code: 'blob_missing' })
  })

  it('knows nothing but ids', async () => {
    for (const id of ['', '..', '../x', 'a', `${nextId()}/..`, `${nextId()}\0`]) {
      await expect(append(id, 0, 'x')).rejects.toMatchObject({ code: 'internal' })
      await expect(content(id)).rejects.toMatchObject({ code: 'internal' })
      await expect(spool.remove(id)).rejects.toMatchObject({ code: 'internal' })
      await expect(spool.size(id)).rejects.toMatchObject({ code: 'internal' })
      expect(() => spool.path(id)).toThrow(expect.objectContaining({ code: 'internal' }))
    }
  })

  it('neither follows a planted link nor waits for a planted pipe', async () => {
    const [toFile, toNothing, pipe] = [nextId(), nextId(), nextId()]
    const outside = join(dir, 'outside')
    await writeFile(outside, 'untouched')
    await symlink(outside, spool.path(toFile))
    await symlink(join(dir, 'nothing'), spool.path(toNothing))
    execFileSync('mkfifo', [spool.path(pipe)])
    const before = openDescriptors()
    for (const id of [toFile, toNothing, pipe]) {
      await expect(append(id, 0, 'x')).rejects.toMatchObject({ code: 'blob_missing' })
      await expect(content(id)).rejects.toMatchObject({ code: 'blob_missing' })
    }
    expect(await readFile(outside, 'utf8')).toBe('untouched')
    expect(openDescriptors()).toBe(before)
  })

  it('lists uploads only', async () => {
    const [one, two, three] = [nextId(), nextId(), nextId()]
    for (const id of [one, two, three]) await append(id, 0, 'x')
    await writeFile(join(dir, 'README'), 'mine')
    const ids = (await listed(spool.entries())).map((entry) => entry.id)
    expect(ids.sort()).toEqual([one, two, three].sort())
  })

  it('says storage_full on a full disk and keeps what it could write', async (context) => {
    const small = await mkdtemp(join(tmpdir(), 'alyx-full-'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', small], { stdio: 'pipe' })
    } catch (error) {
      await rm(small, { recursive: true })
      return context.skip(`a small file system cannot be mounted here: ${String(error).split('\n')[0]}`)
    }
    try {
      spool = await openSpool({ dir: small, durability: 'full', observer })
      const id = nextId()
      const bytes = seededBytes(1, 8 * MIB)
      const { offset, complete, error } = await append(id, 0, bytes)
      expect(complete).toBe(false)
      expect(error).toMatchObject({ code: 'storage_full' })
      expect(offset).toBeGreaterThan(0)
      expect(offset).toBeLessThan(4 * MIB + 1)
      // Once there is room again the upload goes on where it was.
      execFileSync('mount', ['-o', 'remount,size=16m', small])
      expect(await append(id, offset, bytes.subarray(offset))).toMatchObject({ offset: bytes.length, complete: true })
      expect((await content(id)).equals(bytes)).toBe(true)
    } finally {
      execFileSync('umount', [small])
      await rm(small, { recursive: true })
    }
  })

  it('keeps no descriptor, however an append or a read ends', async () => {
    const id = nextId()
    await append(id, 0, seededBytes(1, MIB))
    const before = openDescriptors()
    for (let round = 0; round < 20; round++) {
      await append(id, MIB, 'more than one', 1)
      ;(await spool.read(id)).destroy()
      const reading = await spool.read(id)
      reading.once('data', () => reading.destroy())
      await new Promise((resolve) => reading.once('close', resolve))
    }
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
  })
})
