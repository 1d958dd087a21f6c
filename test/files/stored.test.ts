// What a bucket stores its files through, and what a row says of the result.
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openFilesystem } from '../../src/blobs/filesystem.ts'
import { createKeyring } from '../../src/blobs/keyring.ts'
import { type BlobStore, createBlobStore } from '../../src/blobs/store.ts'
import { chooseCodecs, plainFacts, storeCoded, usesCodecs } from '../../src/files/stored.ts'
import { silent } from '../../src/observe/observer.ts'
import type { Bucket } from '../../src/schema/model.ts'
import { bodyOf, bytesOf, listed, never } from '../contract/backend.ts'
import { freshPlace, seededText } from '../contract/codec.ts'
import { seededBytes } from '../support/random.ts'

type Settings = Pick<Bucket, 'compression' | 'encryption'>
const bucketOf = (compression: Settings['compression'], encryption: boolean): Bucket =>
  ({ compression, encryption }) as Bucket

describe('a bucket', () => {
  const text = seededText(1, 4100)
  const noise = seededBytes(1, 4100)

  it.each<[Settings['compression'], boolean, string, Buffer, readonly string[]]>([
    ['none', false, 'text/plain', text, []],
    ['gzip', false, 'text/plain', text, ['gzip']],
    ['zstd', false, 'text/plain', text, ['zstd']],
    ['none', true, 'text/plain', text, ['aes-256-gcm']],
    ['zstd', true, 'text/plain', text, ['zstd', 'aes-256-gcm']],
    ['zstd', false, 'image/jpeg', noise, []],
    ['zstd', true, 'image/jpeg', noise, ['aes-256-gcm']],
    ['gzip', false, 'application/octet-stream', noise, []],
    ['gzip', false, 'application/octet-stream', text, ['gzip']],
  ])('with compression %s, encryption %s stores %s as it should', (compression, encryption, type, head, names) => {
    const bucket = bucketOf(compression, encryption)
    expect(chooseCodecs(bucket, type, head)).toEqual(names)
    expect(usesCodecs(bucket)).toBe(compression !== 'none' || encryption)
  })
})

it('a plain file has its own size and no original', () => {
  expect(plainFacts(5, 7)).toEqual({ size: 5, originalSize: null, storedSize: 5, storedCrc32: 7, codecs: [] })
})

describe('storing through codecs', () => {
  let root: string
  let store: BlobStore
  const open = async (keyring: ReturnType<typeof createKeyring> | null): Promise<BlobStore> => {
    const local = await openFilesystem({ root, durability: 'normal', observer: silent })
    return createBlobStore(new Map([['local', local]]), silent, keyring)
  }
  const uploadOf = () => {
    const { fileId: id, bucket, key } = freshPlace()
    return { id, bucket, backend: 'local', key }
  }
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'alyx-stored-'))
    store = await open(createKeyring([{ id: 'k1', key: seededBytes(1, 32) }]))
  })
  afterEach(() => rm(root, { recursive: true }))

  it('records the content’s size, the stored bytes and their CRC-32, and how to undo it', async () => {
    const content = seededText(1, 300_000)
    const upload = uploadOf()
    const facts = await storeCoded(store, upload, bodyOf(content), ['zstd', 'aes-256-gcm'], () => content.length)
    expect(facts).toMatchObject({ size: content.length, originalSize: content.length })
    expect(facts.codecs.map(({ name }) => name)).toEqual(['zstd', 'aes-256-gcm'])
    expect(facts.storedSize).toBeLessThan(content.length / 2)
    const bytes = await bytesOf(await store.readStored({ ...upload, ...facts }, null, never))
    expect([bytes.length, crc32(bytes)]).toEqual([facts.storedSize, facts.storedCrc32])
    const back = createHash('sha256').update(await bytesOf(await store.read({ ...upload, ...facts }, null, never)))
    expect(back.digest('hex')).toBe(createHash('sha256').update(content).digest('hex'))
  })

  it('asks for the size only when the body has ended', async () => {
    const body = bodyOf(seededText(1, 300_000))
    const hasEnded = (): number => (body.readableEnded ? 300_000 : 0)
    expect(await storeCoded(store, uploadOf(), body, ['gzip'], hasEnded)).toMatchObject({ size: 300_000 })
  })

  it('leaves nothing when the body breaks, and fails with its error', async () => {
    const body = new Readable({ read() {} })
    const reason = new Error('the client went away')
    const storing = storeCoded(store, uploadOf(), body, ['zstd', 'aes-256-gcm'], () => 0)
    body.push(seededText(1, 300_000))
    setImmediate(() => body.destroy(reason))
    await expect(storing).rejects.toBe(reason)
    expect(await listed(store.entries())).toEqual([])
  })

  it('destroys the body when there is no key to encrypt with', async () => {
    const body = bodyOf(seededText(1, 1000))
    body.on('error', () => {})
    const storing = storeCoded(await open(null), uploadOf(), body, ['aes-256-gcm'], () => 1000)
    await expect(storing).rejects.toMatchObject({ code: 'internal' })
    expect(body.destroyed).toBe(true)
    expect(await listed(store.entries())).toEqual([])
  })
})
