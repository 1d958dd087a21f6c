// What every backend promises (src/blobs/backend.ts), as a suite each implementation runs.
import { readdirSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { blobKey } from '../../src/blobs/keys.ts'
import { fail } from '../../src/core/errors.ts'
import { createIds } from '../../src/core/ids.ts'
import type { BlobKey, ByteRange } from '../../src/core/model.ts'
import { seededBytes } from '../support/random.ts'

export interface OpenedBackend {
  readonly backend: Backend
  close(): Promise<void>
}

const nextId = createIds({ now: () => 1_764_000_000_000 })
const KIB = 1024
const MIB = 1024 * KIB

/** A key nothing was ever stored under. */
export function freshKey(bucket = 'avatars'): BlobKey {
  return blobKey(bucket, nextId())
}

/** A body of `bytes` in pieces of `piece`. */
export function bodyOf(bytes: Buffer, piece = 64 * KIB): Readable {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += piece) pieces.push(bytes.subarray(at, at + piece))
  return Readable.from(pieces, { objectMode: false })
}

/** Open descriptors of this process, but for those of the garbage in between. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

export const never: AbortSignal = new AbortController().signal

export async function bytesOf(source: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Everything an iteration gives. */
export async function listed<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

/** Runs the suite. `open` gives an empty backend. */
export function backendContract(name: string, open: () => Promise<OpenedBackend>): void {
  describe(`the contract of a backend: ${name}`, () => {
    let opened: OpenedBackend
    let backend: Backend
    beforeEach(async () => {
      opened = await open()
      backend = opened.backend
    })
    afterEach(() => opened.close())

    const put = (key: BlobKey, bytes: Buffer, size: number | null = bytes.length): Promise<{ size: number }> =>
      backend.put(key, bodyOf(bytes), { size, signal: never })
    const get = async (key: BlobKey, range: ByteRange | null = null): Promise<Buffer> =>
      bytesOf(await backend.get(key, { range, signal: never }))
    const expectNothing = async (key: BlobKey): Promise<void> => {
      expect(await backend.exists(key)).toBe(false)
      await expect(backend.get(key, { range: null, signal: never })).rejects.toMatchObject({ code: 'blob_missing' })
      if (backend.entries !== undefined) expect(await listed(backend.entries())).toEqual([])
    }

    for (const size of [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 5 * MIB]) {
      it(`gives back the ${size} bytes it was given, whether the size was announced or not`, async () => {
        const bytes = seededBytes(size, size)
        for (const announced of [size, null]) {
          const key = freshKey()
          expect(await put(key, bytes, announced)).toEqual({ size })
          expect(await backend.exists(key)).toBe(true)
          expect((await get(key)).equals(bytes)).toBe(true)
          if (backend.read !== undefined) expect((await backend.read(key, null, size)).equals(bytes)).toBe(true)
        }
      })
    }

    it('takes a body that comes in a thousand tiny pieces', async () => {
      const bytes = seededBytes(7, 3000)
      const key = freshKey()
      await backend.put(key, bodyOf(bytes, 3), { size: null, signal: never })
      expect((await get(key)).equals(bytes)).toBe(true)
    })

    it('gives any range, at the borders too', async () => {
      const size = 600 * KIB
      const bytes = seededBytes(1, size)
      const key = freshKey()
      await put(key, bytes)
      const ranges: ByteRange[] = [
        { start: 0, end: 0 },
        { start: size - 1, end: size - 1 },
        { start: 0, end: size - 1 },
        { start: 256 * KIB - 1, end: 256 * KIB },
        { start: 256 * KIB, end: 512 * KIB - 1 },
        { start: 1, end: size - 2 },
      ]
      for (const range of ranges) {
        const wanted = bytes.subarray(range.start, range.end + 1)
        expect((await get(key, range)).equals(wanted)).toBe(true)
        if (backend.read !== undefined)
          expect((await backend.read(key, range, wanted.length)).equals(wanted)).toBe(true)
      }
    })

    it('gives the same to callers that bring their own buffers, where it can', async () => {
      if (backend.openReader === undefined) return
      const size = 700 * KIB
      const bytes = seededBytes(2, size)
      const key = freshKey()
      await put(key, bytes)
      const ranges: (ByteRange | null)[] = [null, { start: 0, end: 0 }, { start: 1, end: size - 1 }]
      for (const range of ranges) {
        for (const length of [1000, 64 * KIB, 512 * KIB]) {
          const reader = await backend.openReader(key, { range, signal: never })
          const parts: Buffer[] = []
          const into = Buffer.alloc(length)
          for (let count = length; count > 0; ) {
            count = await reader.read(into)
            parts.push(Buffer.from(into.subarray(0, count)))
          }
          await reader.close()
          // Every buffer but the last is filled.
          expect(parts.slice(0, -2).every((part) => part.length === length)).toBe(true)
          const wanted = range === null ? bytes : bytes.subarray(range.start, range.end + 1)
          expect(Buffer.concat(parts).equals(wanted)).toBe(true)
        }
      }
      const missing = backend.openReader(freshKey(), { range: null, signal: never })
      await expect(missing).rejects.toMatchObject({ code: 'blob_missing' })
    })

    it('says blob_missing before any byte when there is nothing', async () => {
      const key = freshKey()
      await expectNothing(key)
      await expect(backend.get(key, { range: { start: 0, end: 4 }, signal: never })).rejects.toMatchObject({
        code: 'blob_missing',
      })
      await expect(backend.read?.(key, null, 10) ?? Promise.reject(fail('blob_missing', ''))).rejects.toMatchObject({
        code: 'blob_missing',
      })
    })

    it('reads at once no more than the limit', async () => {
      const key = freshKey()
      await put(key, Buffer.alloc(11))
      if (backend.read !== undefined)
        await expect(backend.read(key, null, 10)).rejects.toMatchObject({ code: 'internal' })
    })

    it('never overwrites a key', async () => {
      const key = freshKey()
      await put(key, Buffer.from('first'))
      const body = bodyOf(Buffer.from('other'))
      await expect(backend.put(key, body, { size: 5, signal: never })).rejects.toMatchObject({ code: 'internal' })
      expect((await get(key)).toString()).toBe('first')
      if (backend.entries !== undefined) expect(await listed(backend.entries())).toHaveLength(1)
    })

    it('lets one of many puts to the same key win, whole', async () => {
      const key = freshKey()
      const bodies = [1, 2, 3, 4].map((seed) => seededBytes(seed, 200 * KIB))
      const results = await Promise.allSettled(bodies.map((bytes) => put(key, bytes)))
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
      const winner = results.findIndex((result) => result.status === 'fulfilled')
      expect((await get(key)).equals(bodies[winner]!)).toBe(true)
    })

    for (const [words, size, real] of [
      ['more bytes than announced', 100, 101],
      ['fewer bytes than announced', 100, 99],
      ['bytes where none were announced', 0, 1],
      ['none of the announced bytes', 5, 0],
      ['a MiB more than announced', 2 * MIB, 3 * MIB],
      ['a MiB less than announced', 3 * MIB, 2 * MIB],
    ] as const) {
      it(`refuses ${words} and leaves nothing`, async () => {
        const key = freshKey()
        const body = bodyOf(seededBytes(3, real))
        await expect(backend.put(key, body, { size, signal: never })).rejects.toMatchObject({ code: 'invalid_request' })
        expect(body.destroyed).toBe(true)
        await expectNothing(key)
      })
    }

    for (const sent of [0, 10, 3 * MIB]) {
      it(`leaves nothing when the upload is aborted after ${sent} bytes`, async () => {
        const key = freshKey()
        const abort = new AbortController()
        const reason = fail('storage_unavailable', 'the server stops')
        const body = new Readable({ read() {} })
        body.push(seededBytes(4, sent))
        const done = backend.put(key, body, { size: null, signal: abort.signal })
        setTimeout(() => abort.abort(reason), 20)
        await expect(done).rejects.toBe(reason)
        expect(body.destroyed).toBe(true)
        await expectNothing(key)
      })

      it(`leaves nothing when the body breaks after ${sent} bytes, and hands on why`, async () => {
        const key = freshKey()
        const reason = fail('file_too_large', 'too large')
        const body = new Readable({ read() {} })
        body.push(seededBytes(4, sent))
        const done = backend.put(key, body, { size: null, signal: never })
        setTimeout(() => body.destroy(reason), 20)
        await expect(done).rejects.toBe(reason)
        await expectNothing(key)
      })

      it(`leaves nothing when the body just stops after ${sent} bytes`, async () => {
        const key = freshKey()
        const body = new Readable({ read() {} })
        body.push(seededBytes(4, sent))
        const done = backend.put(key, body, { size: null, signal: never })
        setTimeout(() => body.destroy(), 20)
        await expect(done).rejects.toMatchObject({ code: 'invalid_request' })
        await expectNothing(key)
      })
    }

    it('refuses a body that is broken or an abort that has happened before it begins', async () => {
      const key = freshKey()
      const broken = new Readable({ read() {} })
      broken.on('error', () => {})
      const reason = fail('file_too_large', 'too large')
      broken.destroy(reason)
      await expect(backend.put(key, broken, { size: null, signal: never })).rejects.toBe(reason)
      const aborted = AbortSignal.abort(reason)
      await expect(backend.put(key, bodyOf(Buffer.from('x')), { size: null, signal: aborted })).rejects.toBe(reason)
      await expectNothing(key)
    })

    it('shows a blob whole or not at all while others are being written', async () => {
      const bodies = Array.from({ length: 12 }, (_, seed) => seededBytes(seed, 300 * KIB + seed))
      const keys = bodies.map(() => freshKey())
      let writing = true
      const seen = new Set<string>()
      const reader = (async () => {
        while (writing) {
          for (const [at, key] of keys.entries()) {
            try {
              const found = await get(key)
              expect(found.equals(bodies[at]!)).toBe(true)
              seen.add(key)
            } catch (error) {
              expect(error).toMatchObject({ code: 'blob_missing' })
            }
          }
          await wait(1)
        }
      })()
      await Promise.all(keys.map((key, at) => put(key, bodies[at]!)))
      writing = false
      await reader
      for (const [at, key] of keys.entries()) expect((await get(key)).equals(bodies[at]!)).toBe(true)
    })

    it('deletes, and deletes again', async () => {
      const key = freshKey()
      await put(key, Buffer.from('gone soon'))
      await backend.delete(key)
      await expectNothing(key)
      await backend.delete(key)
      await backend.delete(freshKey('never_used'))
    })

    it('keeps no descriptor when reads are broken off, aborted or finished', async () => {
      const key = freshKey()
      await put(key, seededBytes(9, 2 * MIB))
      await get(key)
      const before = openDescriptors()
      for (let round = 0; round < 20; round++) {
        const untouched = await backend.get(key, { range: null, signal: never })
        untouched.destroy()
        const begun = await backend.get(key, { range: null, signal: never })
        begun.once('data', () => begun.destroy())
        const reading = await backend.get(key, { range: null, signal: never })
        await wait(1)
        reading.read(0) // begins to read ahead
        reading.destroy()
        const abort = new AbortController()
        const aborted = await backend.get(key, { range: null, signal: abort.signal })
        const failed = bytesOf(aborted)
        abort.abort(fail('storage_unavailable', 'stop'))
        await expect(failed).rejects.toMatchObject({ code: 'storage_unavailable' })
        await get(key, { start: 1, end: 2 })
        const reader = await backend.openReader?.(key, { range: null, signal: never })
        await reader?.read(Buffer.alloc(1000))
        await reader?.close()
      }
      await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
    })

    it('refuses keys that blobKey did not make', async () => {
      for (const text of [
        '',
        'a',
        '../x',
        'a/../b',
        `a/${'0'.repeat(36)}`,
        `${freshKey()}/x`,
        `../${freshKey()}`,
        '.tmp/x',
        `a\0/${nextId()}`,
      ]) {
        const key = text as BlobKey
        const body = bodyOf(Buffer.from('x'))
        await expect(backend.put(key, body, { size: 1, signal: never })).rejects.toMatchObject({ code: 'internal' })
        await expect(backend.get(key, { range: null, signal: never })).rejects.toMatchObject({ code: 'internal' })
        await expect(backend.delete(key)).rejects.toMatchObject({ code: 'internal' })
        await expect(backend.exists(key)).rejects.toMatchObject({ code: 'internal' })
      }
    })

    it('lists what it holds, where it can', async () => {
      if (backend.entries === undefined) return
      const keys = [freshKey(), freshKey('other'), freshKey()]
      for (const [at, key] of keys.entries()) await put(key, Buffer.alloc(at + 1))
      const found = await listed(backend.entries())
      expect(found.map(({ key, size }) => `${key} ${size}`).sort()).toEqual(
        keys.map((key, at) => `${key} ${at + 1}`).sort(),
      )
    })

    it('is ready', async () => {
      await backend.ready?.()
    })
  })
}
