// The side file of an encrypted upload, in step with the spool: made, extended, cut back, copied, and believed only as far as it reaches.
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createKeyring } from '../../src/blobs/keyring.ts'
import { SPOOL_HEADER, SPOOL_RECORD } from '../../src/blobs/spool-cipher.ts'
import { hasSide, openSide, openSpooled, readableBytes, renewFile } from '../../src/blobs/spool-side.ts'
import { bodyOf, bytesOf, openDescriptors } from '../contract/backend.ts'
import { freshPlace } from '../contract/codec.ts'
import { seededBytes } from '../support/random.ts'

const keyring = createKeyring([{ id: 'k1', key: seededBytes(1, 32) }])
const place = freshPlace()
const content = seededBytes(2, 5000)

let directory: string
let path: string
let spool: Buffer
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'alyx-side-'))
  path = join(directory, 'upload.keys')
  spool = Buffer.alloc(0)
})
afterEach(() => rm(directory, { recursive: true }))

/** Appends the content's bytes from `start` to `end`; without `record` the process dies before the segment's end. */
async function append(start: number, end: number, record = true): Promise<void> {
  const side = await openSide(path, place, keyring, start)
  spool = Buffer.concat([spool.subarray(0, start), ...side.cipher([content.subarray(start, end)])])
  expect(side.end).toBe(end)
  if (record) await side.record()
  await side.sync()
  await side.close()
}
const readBack = async (size = spool.length): Promise<Buffer> =>
  bytesOf(bodyOf(spool.subarray(0, size)).pipe(await openSpooled(path, place, keyring, size)))

it('gives back what was appended in several goes, and holds nothing of it', async () => {
  await append(0, 1000)
  await append(1000, 1001)
  await append(1001, 5000)
  expect((await stat(path)).size).toBe(SPOOL_HEADER + 3 * SPOOL_RECORD)
  expect(spool.includes(content.subarray(0, 16))).toBe(false)
  expect((await readBack()).equals(content)).toBe(true)
})

it('begins anew at 0, with another key', async () => {
  await append(0, 1000)
  const [header, before] = [await readFile(path), spool]
  await append(0, 1000)
  expect((await readFile(path)).subarray(0, SPOOL_HEADER).equals(header.subarray(0, SPOOL_HEADER))).toBe(false)
  expect(spool.equals(before)).toBe(false)
  expect((await readBack()).equals(content.subarray(0, 1000))).toBe(true)
})

it('forgets what was not acknowledged when the upload goes on before it', async () => {
  await append(0, 1000)
  await append(1000, 3000)
  await append(1000, 2000)
  expect((await stat(path)).size).toBe(SPOOL_HEADER + 2 * SPOOL_RECORD)
  expect((await readBack()).equals(content.subarray(0, 2000))).toBe(true)
})

it('tells how many bytes can be read, and refuses to go on where they end too early', async () => {
  await append(0, 1000)
  await append(1000, 2000, false)
  expect(await readableBytes(path, 2000)).toBe(1000)
  await expect(openSide(path, place, keyring, 2000)).rejects.toMatchObject({ code: 'blob_missing' })
  await expect(openSide(path, place, keyring, 500)).rejects.toMatchObject({ code: 'blob_missing' })
  await expect(openSpooled(path, place, keyring, 2000)).rejects.toMatchObject({ code: 'blob_missing' })
  await truncate(path, SPOOL_HEADER + SPOOL_RECORD - 1)
  expect(await readableBytes(path, 1000)).toBe(0)
})

it('is not there for plain uploads, all of which can be read', async () => {
  expect(await hasSide(path)).toBe(false)
  expect(await readableBytes(path, 1000)).toBe(1000)
  await expect(openSpooled(path, place, keyring, 0)).rejects.toMatchObject({ code: 'blob_missing' })
})

it('opens with the keys only, and keeps no descriptor when it does not', async () => {
  await append(0, 1000)
  const before = openDescriptors()
  const other = createKeyring([{ id: 'k2', key: seededBytes(9, 32) }])
  const refused = { code: 'decrypt_failed' }
  for (const keys of [null, other]) {
    await expect(openSide(path, place, keys, 1000)).rejects.toMatchObject(refused)
    await expect(openSpooled(path, place, keys, 1000)).rejects.toMatchObject(refused)
  }
  await expect(openSide(path, freshPlace(), keyring, 1000)).rejects.toMatchObject(refused)
  await writeFile(path, 'what is no side file')
  await expect(openSide(path, place, keyring, 1000)).rejects.toMatchObject({ code: expect.stringMatching(/_/) })
  await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
})

it('is replaced by its copy: what still writes to the old one changes nothing', async () => {
  await append(0, 1000)
  const old = await openSide(path, place, keyring, 1000)
  await renewFile(path, true)
  old.cipher([content.subarray(1000, 2000)])
  await old.record()
  await old.close()
  expect((await stat(path)).size).toBe(SPOOL_HEADER + SPOOL_RECORD)
  expect((await readBack()).equals(content.subarray(0, 1000))).toBe(true)
  await renewFile(join(directory, 'not there'), true)
})
