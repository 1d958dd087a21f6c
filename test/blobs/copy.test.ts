// Copying blobs between backends: exact, repeatable, and nothing false left behind.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { copyBlob } from '../../src/blobs/copy.ts'
import { openFilesystem } from '../../src/blobs/filesystem.ts'
import { fail } from '../../src/core/errors.ts'
import type { BlobKey } from '../../src/core/model.ts'
import { silent } from '../../src/observe/observer.ts'
import { bodyOf, bytesOf, freshKey, never } from '../contract/backend.ts'
import { seededBytes } from '../support/random.ts'

describe('a copy of a blob', () => {
  let root: string
  let from: Backend
  let to: Backend
  const bytes = seededBytes(1, 700_000)
  const expected = { storedSize: bytes.length, storedCrc32: crc32(bytes) }
  const put = (backend: Backend, key: BlobKey, content: Buffer): Promise<{ size: number }> =>
    backend.put(key, bodyOf(content), { size: content.length, signal: never })
  const held = async (backend: Backend, key: BlobKey): Promise<Buffer> =>
    bytesOf(await backend.get(key, { range: null, signal: never }))

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'alyx-copy-'))
    from = await openFilesystem({ root: join(root, 'from'), durability: 'normal', observer: silent })
    to = await openFilesystem({ root: join(root, 'to'), durability: 'normal', observer: silent })
  })
  afterEach(() => rm(root, { recursive: true }))

  it('is the same bytes under the same key, and the original stays', async () => {
    const key = freshKey()
    await put(from, key, bytes)
    await copyBlob(key, expected, from, to, never)
    await copyBlob(key, expected, from, to, never)
    expect((await held(to, key)).equals(bytes)).toBe(true)
    expect((await held(from, key)).equals(bytes)).toBe(true)
    const empty = freshKey()
    await put(from, empty, Buffer.alloc(0))
    await copyBlob(empty, { storedSize: 0, storedCrc32: 0 }, from, to, never)
    expect(await to.exists(empty)).toBe(true)
  })

  it('replaces what an earlier try left half', async () => {
    const key = freshKey()
    await put(from, key, bytes)
    await put(to, key, bytes.subarray(0, 1000))
    await copyBlob(key, expected, from, to, never)
    expect((await held(to, key)).equals(bytes)).toBe(true)
  })

  it('is not made of a blob that is missing or not what it should be', async () => {
    const missing = freshKey()
    await expect(copyBlob(missing, expected, from, to, never)).rejects.toMatchObject({ code: 'blob_missing' })
    const damaged = freshKey()
    await put(from, damaged, Buffer.concat([bytes.subarray(1), Buffer.from('x')]))
    await expect(copyBlob(damaged, expected, from, to, never)).rejects.toMatchObject({ code: 'file_corrupt' })
    for (const key of [missing, damaged]) expect(await to.exists(key)).toBe(false)
  })

  it('does not stay when it was damaged on its way', async () => {
    const key = freshKey()
    await put(from, key, bytes)
    const damaging: Backend = {
      ...to,
      async put(key, body, options) {
        const done = await to.put(key, body, options)
        const [bucket, id] = key.split('/') as [string, string]
        await writeFile(join(root, 'to', bucket, id.slice(0, 6), id.slice(6, 8), id), bytes.subarray(1))
        return done
      },
    }
    await expect(copyBlob(key, expected, from, damaging, never)).rejects.toMatchObject({ code: 'file_corrupt' })
    expect(await to.exists(key)).toBe(false)
  })

  it('stops when it is told to', async () => {
    const key = freshKey()
    await put(from, key, bytes)
    const reason = fail('storage_unavailable', 'stopping')
    await expect(copyBlob(key, expected, from, to, AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(await to.exists(key)).toBe(false)
  })
})
