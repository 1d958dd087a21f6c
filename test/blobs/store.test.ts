// Whole reads are verified; faults are told.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { openFilesystem } from '../../src/blobs/filesystem.ts'
import { type BlobStore, createBlobStore, type StoredFile } from '../../src/blobs/store.ts'
import { fail } from '../../src/core/errors.ts'
import type { BlobKey } from '../../src/core/model.ts'
import { type Observer, silent } from '../../src/observe/observer.ts'
import { bodyOf, freshKey, listed, never, openDescriptors } from '../contract/backend.ts'
import { seededBytes } from '../support/random.ts'

const SIZE = 700_000

describe('the blob store', () => {
  let root: string
  let local: Backend
  let store: BlobStore
  let events: { name: string; fields: Readonly<Record<string, unknown>> }[]
  const observer: Observer = { event: (name, fields) => void events.push({ name, fields }) }
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'alyx-store-'))
    events = []
    local = await openFilesystem({ root, durability: 'normal', observer: silent })
    // A backend with nothing optional, as others may be.
    const { put, get, delete: remove, exists } = local
    store = createBlobStore(
      new Map<string, Backend>([
        ['local', local],
        ['plain', { put, get, delete: remove, exists }],
      ]),
      observer,
    )
  })
  afterEach(() => rm(root, { recursive: true }))

  const pathOf = (key: BlobKey): string => {
    const [bucket, id] = key.split('/') as [string, string]
    return join(root, bucket, id.slice(0, 6), id.slice(6, 8), id)
  }
  const stored = async (bytes: Buffer, more: Partial<StoredFile> = {}): Promise<StoredFile> => {
    const key = freshKey()
    expect(await store.write('local', key, bodyOf(bytes), bytes.length, never)).toEqual({ storedSize: bytes.length })
    const size = bytes.length
    const [bucket, id] = key.split('/') as [string, string]
    const facts = { size, storedSize: size, storedCrc32: crc32(bytes), codecs: [] }
    return { id, bucket, backend: 'local', key, ...facts, ...more }
  }
  /** What a client would have received, and how it ended. */
  const received = async (source: Readable): Promise<{ bytes: Buffer; error: unknown }> => {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of source) chunks.push(chunk as Buffer)
      return { bytes: Buffer.concat(chunks), error: null }
    } catch (error) {
      return { bytes: Buffer.concat(chunks), error }
    }
  }

  for (const backend of ['local', 'plain']) {
    it(`reads back whole files and ranges (${backend})`, async () => {
      for (const size of [0, 1, 1000, SIZE]) {
        const bytes = seededBytes(size, size)
        const file = await stored(bytes, { backend })
        const all = await received(await store.read(file, null, never))
        expect(all.error).toBe(null)
        expect(all.bytes.equals(bytes)).toBe(true)
        expect((await store.readBytes(file, null, SIZE)).equals(bytes)).toBe(true)
        if (size < 1000) continue
        const range = { start: 10, end: 999 }
        expect((await received(await store.read(file, range, never))).bytes.equals(bytes.subarray(10, 1000))).toBe(true)
        expect((await store.readBytes(file, range, SIZE)).equals(bytes.subarray(10, 1000))).toBe(true)
      }
      expect(events).toEqual([])
    })

    const damages: Record<string, (bytes: Buffer) => Buffer> = {
      'one flipped bit at the start': (bytes) => Buffer.concat([Buffer.from([bytes[0]! ^ 1]), bytes.subarray(1)]),
      'one flipped bit at the end': (bytes) =>
        Buffer.concat([bytes.subarray(0, -1), Buffer.from([bytes.at(-1)! ^ 128])]),
      'a missing byte': (bytes) => bytes.subarray(0, -1),
      'a missing half': (bytes) => bytes.subarray(0, bytes.length / 2),
      'everything missing': () => Buffer.alloc(0),
      'a byte too many': (bytes) => Buffer.concat([bytes, Buffer.from('x')]),
      'another content of the same length': (bytes) => seededBytes(99, bytes.length),
    }
    for (const [what, damage] of Object.entries(damages)) {
      it(`never ends a whole read cleanly over ${what} (${backend})`, async () => {
        for (const size of [1000, SIZE]) {
          events = []
          const bytes = seededBytes(5, size)
          const file = await stored(bytes, { backend })
          await writeFile(pathOf(file.key), damage(bytes))
          const { bytes: got, error } = await received(await store.read(file, null, never))
          expect(error).toMatchObject({ code: 'file_corrupt' })
          expect(got.length).toBeLessThan(size)
          await expect(store.readBytes(file, null, SIZE + 10)).rejects.toMatchObject({ code: 'file_corrupt' })
          // A range that is the whole file is a whole read.
          const range = { start: 0, end: size - 1 }
          await expect(store.readBytes(file, range, SIZE + 10)).rejects.toMatchObject({ code: 'file_corrupt' })
          // The stream's own report may come a turn after its error.
          await vi.waitFor(() =>
            expect(events.map((event) => event.name)).toEqual(['file_corrupt', 'file_corrupt', 'file_corrupt']),
          )
          expect(events[0]!.fields).toMatchObject({ backend, key: file.key })
        }
      })
    }
  }

  it('checks the length alone where no CRC is known', async () => {
    const bytes = seededBytes(1, SIZE)
    const file = await stored(bytes, { storedCrc32: null })
    expect((await received(await store.read(file, null, never))).error).toBe(null)
    await writeFile(pathOf(file.key), bytes.subarray(1))
    expect((await received(await store.read(file, null, never))).error).toMatchObject({ code: 'file_corrupt' })
  })

  it('says so when a range lies behind the end of what is stored', async () => {
    const file = await stored(seededBytes(1, 1000))
    await writeFile(pathOf(file.key), 'short')
    const range = { start: 2, end: 800 }
    await expect(store.read(file, range, never)).rejects.toMatchObject({ code: 'file_corrupt' })
    expect(events).toMatchObject([{ name: 'file_corrupt' }])
  })

  it('rejects before the first byte, and tells, when the bytes are missing', async () => {
    const file = await stored(Buffer.from('x'))
    await store.remove('local', file.key)
    expect(await store.exists('local', file.key)).toBe(false)
    await expect(store.read(file, null, never)).rejects.toMatchObject({ code: 'blob_missing' })
    await expect(store.readBytes(file, null, 10)).rejects.toMatchObject({ code: 'blob_missing' })
    const told = { name: 'storage_error', fields: { backend: 'local', operation: 'read', code: 'blob_missing' } }
    expect(events).toMatchObject([told, told])
  })

  it('answers storage_unavailable for a backend nobody configured, and lets go of the body', async () => {
    const file = await stored(Buffer.from('x'))
    await expect(store.read({ ...file, backend: 'gone' }, null, never)).rejects.toMatchObject({
      code: 'storage_unavailable',
    })
    const body = bodyOf(Buffer.from('x'))
    await expect(store.write('gone', freshKey(), body, 1, never)).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(body.destroyed).toBe(true)
    expect(events.map(({ fields }) => fields.operation)).toEqual(['read', 'write'])
  })

  it('gives no byte of what was stored through a codec it cannot undo', async () => {
    const file = await stored(Buffer.from('x'))
    const through = (name: 'zstd' | 'aes-256-gcm'): StoredFile => ({ ...file, codecs: [{ name, params: {} }] })
    await expect(store.read(through('aes-256-gcm'), null, never)).rejects.toMatchObject({ code: 'decrypt_failed' })
    await expect(store.readBytes(through('zstd'), null, 10)).rejects.toMatchObject({ code: 'file_corrupt' })
  })

  it('does not call a client’s fault a storage error', async () => {
    const reason = fail('file_too_large', 'too large')
    const body = new Readable({ read() {} })
    const done = store.write('local', freshKey(), body, null, never)
    body.push('some')
    setImmediate(() => body.destroy(reason))
    await expect(done).rejects.toBe(reason)
    expect(events).toEqual([])
  })

  it('keeps no descriptor of reads that were corrupt, broken off or aborted', async () => {
    const bytes = seededBytes(1, SIZE)
    const file = await stored(bytes)
    const before = openDescriptors()
    for (let round = 0; round < 10; round++) {
      ;(await store.read(file, null, never)).destroy()
      const abort = new AbortController()
      const reading = received(await store.read(file, null, abort.signal))
      abort.abort(fail('storage_unavailable', 'stop'))
      expect((await reading).error).toMatchObject({ code: 'storage_unavailable' })
    }
    await writeFile(pathOf(file.key), bytes.subarray(1))
    await received(await store.read(file, null, never))
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
  })

  it('takes over files where the backend can, and says so where it cannot', async () => {
    const path = join(root, 'spooled')
    await writeFile(path, 'bytes')
    const key = freshKey()
    expect(await store.adopt('plain', key, path)).toBe(false)
    expect(await store.adopt('local', key, path)).toBe(true)
    expect(await readFile(pathOf(key), 'utf8')).toBe('bytes')
  })

  it('lists, removes and sweeps what all backends hold', async () => {
    const file = await stored(Buffer.from('x'))
    await writeFile(join(root, '.tmp', 'left'), 'x')
    const found = await listed(store.entries())
    expect(found.map(({ backend, entry }) => `${backend} ${entry.key}`).sort()).toEqual([
      `local .tmp/left`,
      `local ${file.key}`,
    ])
    expect(await store.sweepTemporary(Number.MAX_SAFE_INTEGER, true)).toBe(1)
    expect(await store.sweepTemporary(Number.MAX_SAFE_INTEGER, false)).toBe(1)
    expect(await readdir(join(root, '.tmp'))).toEqual([])
    for (const { backend, entry } of found) await store.removeEntry(backend, entry)
    expect(await listed(store.entries())).toEqual([])
    await store.ready()
  })

  it('says once why a backend is not ready, however often it is asked, and again after it was', async () => {
    let error: Error | null = fail('storage_unavailable', 'no such S3 bucket')
    const asked: Backend = {
      ...local,
      ready: async () => {
        if (error !== null) throw error
      },
    }
    const two = createBlobStore(new Map([['far', asked]]), observer)
    const told = () => events.map(({ fields }) => [fields.backend, fields.operation, fields.code, fields.error])
    for (let n = 0; n < 3; n++) await expect(two.ready()).rejects.toBe(error)
    expect(told()).toEqual([['far', 'ready', 'storage_unavailable', error]])
    const first = error
    error = null
    await two.ready()
    error = first
    await expect(two.ready()).rejects.toBe(error)
    expect(told()).toHaveLength(2)
  })
})
