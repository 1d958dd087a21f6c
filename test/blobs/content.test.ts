// The content of stored files behind their codecs: for streams, for callers with buffers of their own, and for clients that decode it.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Backend, BlobReader } from '../../src/blobs/backend.ts'
import { codedContent, collect, type StoredFile, storedAsIs } from '../../src/blobs/content.ts'
import { openFilesystem } from '../../src/blobs/filesystem.ts'
import { FRAME_SIZE } from '../../src/blobs/frame-format.ts'
import { createKeyring } from '../../src/blobs/keyring.ts'
import { type BlobStore, createBlobStore } from '../../src/blobs/store.ts'
import type { ByteRange, CodecUse } from '../../src/core/model.ts'
import { silent } from '../../src/observe/observer.ts'
import { bodyOf, bytesOf, never, openDescriptors } from '../contract/backend.ts'
import { freshPlace, seededText } from '../contract/codec.ts'
import { createChance, seededBytes } from '../support/random.ts'

type Names = readonly CodecUse['name'][]

const SIZE = 3 * FRAME_SIZE + 777
const STACKS: readonly Names[] = [['gzip'], ['zstd'], ['aes-256-gcm'], ['gzip', 'aes-256-gcm'], ['zstd', 'aes-256-gcm']]
const corrupt = { code: 'file_corrupt' }

let root: string
let store: BlobStore
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'alyx-content-'))
  const local = await openFilesystem({ root, durability: 'normal', observer: silent })
  const { put, get, delete: remove, exists } = local
  const backends = new Map<string, Backend>([
    ['local', local],
    ['plain', { put, get, delete: remove, exists }],
  ])
  store = createBlobStore(backends, silent, createKeyring([{ id: 'k1', key: seededBytes(1, 32) }]))
})
afterEach(() => rm(root, { recursive: true }))

async function stored(content: Buffer, names: Names, backend = 'local'): Promise<StoredFile> {
  const place = freshPlace()
  const { fileId: id, bucket, key } = place
  const encoding = store.encode(names, bodyOf(content), place)
  const { storedSize } = await store.write(backend, key, encoding.stream, null, never)
  return { id, bucket, backend, key, size: content.length, storedSize, ...encoding.facts() }
}
const pathOf = ({ bucket, id }: StoredFile): string => join(root, bucket, id.slice(0, 6), id.slice(6, 8), id)
async function change(file: StoredFile, edit: (bytes: Buffer) => Buffer): Promise<void> {
  await writeFile(pathOf(file), edit(await readFile(pathOf(file))))
}
const flipped = (at: number) => (bytes: Buffer) => {
  bytes[at]! ^= 4
  return bytes
}
/** All that a reader gives into buffers of `size` bytes, copied before the next read. */
async function drained(reader: BlobReader, size: number): Promise<Buffer> {
  const into = Buffer.alloc(size)
  const chunks: Buffer[] = []
  try {
    for (;;) {
      const count = await reader.read(into)
      if (count === 0) return Buffer.concat(chunks)
      chunks.push(Buffer.from(into.subarray(0, count)))
    }
  } finally {
    await reader.close()
  }
}

describe.each(STACKS.map((stack) => ({ stack, through: stack.join(', then ') })))(
  'a file stored through $through',
  ({ stack }) => {
    it('is the same by streams and by readers, whole and in ranges', async () => {
      const content = seededText(3, SIZE)
      const file = await stored(content, stack)
      const chance = createChance(4)
      const ranges: (ByteRange | null)[] = [null, { start: 0, end: SIZE - 1 }, { start: SIZE - 1, end: SIZE - 1 }]
      for (let i = 0; i < 8; i++) {
        const start = chance.below(SIZE)
        ranges.push({ start, end: start + chance.below(SIZE - start) })
      }
      for (const range of ranges) {
        const wanted = range === null ? content : content.subarray(range.start, range.end + 1)
        expect((await bytesOf(await store.read(file, range, never))).equals(wanted)).toBe(true)
        for (const size of [1000, FRAME_SIZE, 512 * 1024]) {
          const reader = await store.openReader(file, range, never)
          expect((await drained(reader!, size)).equals(wanted)).toBe(true)
        }
      }
    })

    it('gives a reader nothing wrong when a bit has changed, and never an end as if it were all', async () => {
      const content = seededText(3, SIZE)
      for (const part of [0.01, 0.5, 0.999]) {
        const file = await stored(content, stack)
        await change(file, flipped(Math.floor(file.storedSize * part)))
        const whole = (async () => drained((await store.openReader(file, null, never))!, 50_000))()
        await expect(whole, `${part}`).rejects.toMatchObject(corrupt)
      }
    })

    it('leaves no descriptor open, however its readers end', async () => {
      const file = await stored(seededText(3, SIZE), stack)
      const before = openDescriptors()
      for (const reads of [0, 1, 2]) {
        const reader = (await store.openReader(file, null, never))!
        for (let read = 0; read < reads; read++) await reader.read(Buffer.alloc(1000))
        await reader.close()
      }
      await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
    })
  },
)

it('an encrypted file of a backend without readers is streamed', async () => {
  const content = seededText(3, 1000)
  const file = await stored(content, ['aes-256-gcm'], 'plain')
  expect(await store.openReader(file, null, never)).toBe(null)
  expect((await bytesOf(await store.read(file, null, never))).equals(content)).toBe(true)
})

it('the stored bytes can be read as they are, and are checked', async () => {
  const file = await stored(seededText(3, SIZE), ['zstd', 'aes-256-gcm'])
  const bytes = await readFile(pathOf(file))
  expect((await bytesOf(await store.read(storedAsIs(file), null, never))).equals(bytes)).toBe(true)
  expect((await bytesOf(await store.readStored(file, null, never))).equals(bytes)).toBe(true)
  await change(file, flipped(5))
  await expect(bytesOf(await store.readStored(file, null, never))).rejects.toMatchObject(corrupt)
})

describe('the coded content of a file', () => {
  const decoders = { gzip: gunzipSync, zstd: zstdDecompressSync }

  it.each<[Names, Buffer, 'gzip' | 'zstd' | null]>([
    [['gzip'], seededText(1, 1000), 'gzip'],
    [['gzip'], seededText(1, SIZE), 'gzip'],
    [['zstd'], seededText(1, 1000), 'zstd'],
    [['zstd'], seededText(1, FRAME_SIZE), 'zstd'],
    [['zstd'], seededText(1, FRAME_SIZE + 1), null],
    [[], seededText(1, 1000), null],
    [['gzip', 'aes-256-gcm'], seededText(1, 1000), null],
    [['aes-256-gcm'], seededText(1, 1000), null],
    [['gzip'], Buffer.alloc(0), null],
    // It would be longer than the content.
    [['zstd'], seededBytes(1, 1000), null],
  ])('through %j is what a client decodes', async (names, content, coding) => {
    for (const backend of ['local', 'plain']) {
      const file = await stored(content, names, backend)
      const coded = codedContent(file)
      expect(coded?.coding ?? null).toBe(coding)
      if (coded === null) continue
      const bytes = await bytesOf(await store.read(coded.file, null, never))
      expect(bytes).toHaveLength(coded.file.size)
      expect(decoders[coded.coding](bytes).equals(content)).toBe(true)
      expect((await store.readBytes(coded.file, null, SIZE)).equals(bytes)).toBe(true)
      const reader = await store.openReader(coded.file, null, never)
      if (backend === 'local') expect((await drained(reader!, 5000)).equals(bytes)).toBe(true)
    }
  })

  it('is checked like every whole read, and not by what follows it', async () => {
    const file = await stored(seededText(1, SIZE), ['gzip'])
    const { file: coded } = codedContent(file)!
    await change(file, flipped(file.storedSize - 3))
    await bytesOf(await store.read(coded, null, never))
    await change(file, flipped(100))
    await expect(bytesOf(await store.read(coded, null, never))).rejects.toMatchObject(corrupt)
    await expect(store.readBytes(coded, null, SIZE)).rejects.toMatchObject(corrupt)
    await expect(drained((await store.openReader(coded, null, never))!, 5000)).rejects.toMatchObject(corrupt)
    await change(file, (bytes) => flipped(100)(bytes).subarray(0, coded.size - 1))
    await expect((async () => bytesOf(await store.read(coded, null, never)))()).rejects.toMatchObject(corrupt)
  })

  it('is none where what was recorded of the compression is damaged', async () => {
    const file = await stored(seededText(1, 1000), ['gzip'])
    const params = { ...file.codecs[0]!.params, frame_size: 0 }
    expect(codedContent({ ...file, codecs: [{ name: 'gzip', params }] })).toBe(null)
  })
})

it('what is said to be small is not collected beyond its limit', async () => {
  expect((await collect(bodyOf(seededBytes(1, 1000)), 1000)).length).toBe(1000)
  const source = bodyOf(seededBytes(1, 1001))
  await expect(collect(source, 1000)).rejects.toMatchObject({ code: 'internal' })
  expect(source.destroyed).toBe(true)
  expect(await collect(Readable.from([]), 10)).toHaveLength(0)
})
