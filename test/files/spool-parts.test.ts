// The spool in S3: the contract of all spools on a real server, and what only several servers on one spool meet.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { openFilesystem } from '../../src/blobs/filesystem.ts'
import type { Keyring } from '../../src/blobs/keyring.ts'
import { openS3 } from '../../src/blobs/s3.ts'
import { createBlobStore } from '../../src/blobs/store.ts'
import { systemClock } from '../../src/core/clock.ts'
import { fail } from '../../src/core/errors.ts'
import { createIds } from '../../src/core/ids.ts'
import type { AppendOptions } from '../../src/files/spool.ts'
import { createPartsSpool } from '../../src/files/spool-parts.ts'
import { applyMigrations, openSqlite } from '../../src/meta/sqlite/open.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import { silent } from '../../src/observe/observer.ts'
import { bodyOf, bytesOf, never } from '../contract/backend.ts'
import { draft } from '../contract/meta-store.ts'
import { HOLDER, spoolContract } from '../contract/spool.ts'
import { seededBytes } from '../support/random.ts'
import { newS3Bucket, objectsIn, s3Client, s3Server } from '../support/s3-server.ts'

const MIB = 1024 * 1024
const nextId = createIds(systemClock)
const { access, skipped } = await s3Server()
const LATER = '2100-01-01T00:00:00.000Z'
const owner = { bucket: 'docs', encrypted: false }

let dir: string
let meta: MetaStore
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'alyx-parts-'))
  const file = join(dir, 'alyx.db')
  await applyMigrations({ file })
  meta = await openSqlite({ file, durability: 'normal', observer: silent, clock: systemClock, tables: [] })
})
afterAll(async () => {
  await meta.close()
  await rm(dir, { recursive: true })
})

async function begin(): Promise<string> {
  const id = nextId()
  const uploads = { protocol: 'tus', expiresAt: LATER, leaseExpiresAt: LATER, holder: HOLDER } as const
  await meta.claim(draft({ id, ...uploads }), { bucketTotal: null, openUploads: null }, { need: 1, want: 1 })
  return id
}

/** Another process has waited for the lease to run out. */
async function seize(id: string): Promise<string> {
  await meta.release(HOLDER)
  expect(await meta.lock(id, 'p2', LATER, '2026-01-01T00:00:00.000Z')).toBe(true)
  return 'p2'
}

function spoolOn(backend: Backend, keyring: Keyring | null = null, points: string[] = []) {
  const blobs = createBlobStore(new Map([['cloud', backend]]), silent)
  return createPartsSpool({ meta, blobs, backend: 'cloud', nextId, step: (point) => points.push(point), keyring })
}

describe.skipIf(access === null)(`on a real server${skipped}`, () => {
  const client = access === null ? null : s3Client(access)
  let Bucket: string
  beforeAll(async () => {
    Bucket = await newS3Bucket(client!)
  })
  afterAll(() => client?.destroy())

  spoolContract('parts in S3', async (keyring) => {
    const journal = { opened: () => Promise.reject(fail('internal', 'a part is one request')), closed: async () => {} }
    const place = { name: 'cloud', bucket: Bucket, bucketPrefix: 'alyx/.spool', region: 'us-east-1' }
    const backend = await openS3({ ...access!, ...place, forcePathStyle: true, journal, observer: silent })
    const withKeys = async (keys: Keyring | null) => spoolOn(backend, keys)
    const get = async (Key: string): Promise<Buffer> => {
      const { Body } = await client!.send(new GetObjectCommand({ Bucket, Key }))
      return Buffer.from(await Body!.transformToByteArray())
    }
    const begun: string[] = []
    const spool = await withKeys(keyring)
    return {
      spool,
      withKeys,
      async begin() {
        begun.push(await begin())
        return begun.at(-1)!
      },
      stored: async () => Promise.all((await objectsIn(client!, Bucket)).map(get)),
      async damage(id) {
        const [part] = await meta.spoolParts(id)
        const Key = `alyx/.spool/${part!.key}`
        const bytes = await get(Key)
        bytes[0]! ^= 1
        await client!.send(new DeleteObjectCommand({ Bucket, Key }))
        await client!.send(new PutObjectCommand({ Bucket, Key, Body: bytes }))
      },
      async close() {
        for (const id of begun) await spool.remove(id)
        expect(await objectsIn(client!, Bucket)).toEqual([])
        await spool.close()
      },
    }
  })
})

describe('a spool of parts', () => {
  let folder: Backend
  /** Runs before a part is stored. */
  let before: (key: string) => Promise<void>
  let spool: ReturnType<typeof spoolOn>
  let points: string[]
  beforeEach(async () => {
    folder = await openFilesystem({ root: join(dir, nextId()), durability: 'normal', observer: silent })
    before = async () => {}
    points = []
    const backend: Backend = {
      ...folder,
      async put(key, body, options) {
        await before(key)
        return folder.put(key, body, options)
      },
    }
    spool = spoolOn(backend, null, points)
  })
  afterEach(async () => {
    for await (const id of spool.ids()) for (const { key } of await meta.spoolParts(id)) await meta.forgetPart(id, key)
  })

  const append = (id: string, offset: number, bytes: Buffer | string, more: Partial<AppendOptions> = {}) =>
    spool.append(id, offset, bodyOf(Buffer.from(bytes)), {
      owner,
      holder: HOLDER,
      max: 100 * MIB,
      signal: never,
      ...more,
    })
  const content = async (id: string): Promise<string> => (await bytesOf(await spool.read(id, owner))).toString()
  const held = async (): Promise<number> => {
    let count = 0
    for await (const _ of folder.entries!()) count += 1
    return count
  }

  it('writes a row before a part, in parts of 8 MiB', async () => {
    const id = await begin()
    const ends: (number | null)[] = []
    before = async () => {
      ends.push(...(await meta.spoolParts(id)).map(({ end }) => end))
    }
    await append(id, 0, seededBytes(1, 17 * MIB))
    expect(ends).toEqual([null, 8 * MIB, null, 8 * MIB, 16 * MIB, null])
    expect((await meta.spoolParts(id)).map(({ start, end }) => [start, end])).toEqual([
      [0, 8 * MIB],
      [8 * MIB, 16 * MIB],
      [16 * MIB, 17 * MIB],
    ])
    expect(points.slice(0, 2)).toEqual(['spool.written', 'spool.synced'])
  })

  it('takes nothing more from a process that has lost the upload, and what it was sending goes', async () => {
    const id = await begin()
    await append(id, 0, 'mine')
    let other = ''
    before = async () => {
      if (other !== '') return
      other = await seize(id)
      await append(id, 4, ' and now theirs', { holder: other })
    }
    const late = await append(id, 4, ' but not this')
    expect(late).toMatchObject({ offset: 4, complete: false, error: { code: 'upload_locked' } })
    expect(await content(id)).toBe('mine and now theirs')
    expect(await held()).toBe(2)
    await expect(append(id, 4, ' nor this')).rejects.toMatchObject({ code: 'upload_locked' })
  })

  it('lets nobody cut what another process has received', async () => {
    const id = await begin()
    await append(id, 0, 'mine')
    const other = await seize(id)
    await append(id, 4, ' and theirs', { holder: other })
    await expect(append(id, 4, ' late')).rejects.toMatchObject({ code: 'upload_locked' })
    expect(await content(id)).toBe('mine and theirs')
    expect(await append(id, 15, '!', { holder: other })).toMatchObject({ offset: 16, complete: true })
  })

  it('keeps the parts before the one that could not be stored, and goes on once it can', async () => {
    const id = await begin()
    const bytes = seededBytes(1, 20 * MIB)
    let puts = 0
    before = async () => {
      if (++puts === 2) throw fail('storage_unavailable', 'nobody answers')
    }
    const broken = await append(id, 0, bytes)
    expect(broken).toMatchObject({ offset: 8 * MIB, complete: false, error: { code: 'storage_unavailable' } })
    expect((await meta.spoolParts(id)).map(({ end }) => end)).toEqual([8 * MIB, null])
    expect(await append(id, 8 * MIB, bytes.subarray(8 * MIB))).toMatchObject({ offset: 20 * MIB, complete: true })
    expect((await bytesOf(await spool.read(id, owner))).equals(bytes)).toBe(true)
    expect((await meta.spoolParts(id)).every(({ end }) => end !== null)).toBe(true)
  })

  it('forgets a part that the backend refused', async () => {
    const id = await begin()
    before = () => Promise.reject(fail('storage_full', 'no space'))
    expect(await append(id, 0, 'x')).toMatchObject({ offset: 0, error: { code: 'storage_full' } })
    expect(await meta.spoolParts(id)).toEqual([])
  })

  it('is as long as the parts that are really there', async () => {
    const id = await begin()
    await append(id, 0, 'one')
    await append(id, 3, 'two')
    const [, second] = await meta.spoolParts(id)
    await folder.delete(second!.key)
    expect(await spool.size(id)).toBe(3)
    await expect(content(id)).rejects.toMatchObject({ code: 'blob_missing' })
  })

  it('takes nothing for an upload that is a file or was given up', async () => {
    const id = await begin()
    await append(id, 0, 'x')
    await meta.abandon(id, LATER, HOLDER)
    expect(await append(id, 1, 'y')).toMatchObject({ offset: 1, error: { code: 'upload_not_found' } })
    await spool.remove(id)
    expect(await held()).toBe(0)
  })
})
