// The spool on the disk: the contract of all spools, and what only files have.
import { execFileSync } from 'node:child_process'
import { appendFile, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Keyring } from '../../src/blobs/keyring.ts'
import { createIds } from '../../src/core/ids.ts'
import { type DiskSpool, openSpool } from '../../src/files/spool-disk.ts'
import { type Observer, silent } from '../../src/observe/observer.ts'
import { bodyOf, bytesOf, listed, never, openDescriptors } from '../contract/backend.ts'
import { HOLDER, spoolContract } from '../contract/spool.ts'
import { seededBytes } from '../support/random.ts'
import { withSmallDisk } from '../support/small-disk.ts'

const MIB = 1024 * 1024
const nextId = createIds({ now: () => 1_764_000_000_000 })

const owner = { bucket: 'docs', encrypted: false }

spoolContract('files', async (keyring) => {
  const dir = await mkdtemp(join(tmpdir(), 'alyx-spool-'))
  const files = async () => (await readdir(dir)).filter((name) => !name.endsWith('.keys'))
  const withKeys = (keys: Keyring | null) => openSpool({ dir, durability: 'full', observer: silent, keyring: keys })
  return {
    spool: await withKeys(keyring),
    withKeys,
    begin: async () => nextId(),
    stored: async () => Promise.all((await files()).map((name) => readFile(join(dir, name)))),
    async damage(id) {
      const bytes = await readFile(join(dir, id))
      bytes[0]! ^= 1
      await writeFile(join(dir, id), bytes)
    },
    close: () => rm(dir, { recursive: true }),
  }
})

describe('the spool on the disk', () => {
  let dir: string
  let spool: DiskSpool
  let points: string[]
  const observer: Observer = { event: (_name, fields) => void points.push(String(fields.point)) }
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'alyx-spool-'))
    points = []
    spool = await openSpool({ dir, durability: 'full', observer })
  })
  afterEach(() => rm(dir, { recursive: true }))

  const append = (id: string, offset: number, bytes: Buffer | string, max = 100 * MIB) =>
    spool.append(id, offset, bodyOf(Buffer.from(bytes)), { owner, holder: HOLDER, max, signal: never })
  const content = (id: string): Promise<Buffer> => spool.read(id, owner).then(bytesOf)

  it('keeps what arrived where a power cut may take it, too', async () => {
    spool = await openSpool({ dir, durability: 'normal', observer: silent })
    const id = nextId()
    const bytes = seededBytes(1, 2 * MIB)
    await append(id, 0, bytes.subarray(0, MIB))
    await append(id, MIB, bytes.subarray(MIB))
    expect((await content(id)).equals(bytes)).toBe(true)
    expect(spool.path(id)).toBe(join(dir, id))
    expect(await spool.plainFile(id)).toBe(join(dir, id))
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
    const ids = await listed(spool.ids())
    expect(ids.sort()).toEqual([one, two, three].sort())
  })

  it('says storage_full on a full disk and keeps what it could write', (context) =>
    withSmallDisk(context, 4, async ({ dir: small, grow }) => {
      spool = await openSpool({ dir: small, durability: 'full', observer })
      const id = nextId()
      const bytes = seededBytes(1, 8 * MIB)
      const { offset, complete, error } = await append(id, 0, bytes)
      expect(complete).toBe(false)
      expect(error).toMatchObject({ code: 'storage_full' })
      expect(offset).toBeGreaterThan(0)
      expect(offset).toBeLessThan(4 * MIB + 1)
      // Once there is room again the upload goes on where it was.
      grow(16)
      expect(await append(id, offset, bytes.subarray(offset))).toMatchObject({ offset: bytes.length, complete: true })
      expect((await content(id)).equals(bytes)).toBe(true)
    }))

  it('keeps no descriptor, however an append or a read ends', async () => {
    const id = nextId()
    await append(id, 0, seededBytes(1, MIB))
    const before = openDescriptors()
    for (let round = 0; round < 20; round++) {
      await append(id, MIB, 'more than one', 1)
      ;(await spool.read(id, owner)).destroy()
      const reading = await spool.read(id, owner)
      reading.once('data', () => reading.destroy())
      await new Promise((resolve) => reading.once('close', resolve))
    }
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
  })
})
