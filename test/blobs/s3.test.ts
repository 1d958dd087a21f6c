// The S3 backend on a real server: the contract of all backends, and what only S3 has.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Backend, type MultipartJournal, UNNAMED } from '../../src/blobs/backend.ts'
import { openS3 } from '../../src/blobs/s3.ts'
import { fail } from '../../src/core/errors.ts'
import type { BlobKey } from '../../src/core/model.ts'
import { type Observer, silent } from '../../src/observe/observer.ts'
import { backendContract, bodyOf, bytesOf, freshKey, never } from '../contract/backend.ts'
import { seededBytes, seededStream, sha256OfSeed } from '../support/random.ts'
import { newS3Bucket, objectsIn, type S3Access, s3Client, s3Server, unfinishedIn } from '../support/s3-server.ts'

const MIB = 1024 * 1024
const { access, skipped } = await s3Server()

interface Share {
  readonly access: S3Access
  readonly client: S3Client
  readonly bucket: string
}

/** Records what a real one would, in order. */
function listeningJournal(): MultipartJournal & { readonly open: Map<string, BlobKey>; readonly heard: string[] } {
  const open = new Map<string, BlobKey>()
  const heard: string[] = []
  return {
    open,
    heard,
    opened: async (key, uploadId) => {
      heard.push(uploadId.startsWith(UNNAMED) ? 'opened unnamed' : 'opened')
      open.set(uploadId, key)
    },
    closed: async (_key, uploadId) => {
      heard.push(uploadId.startsWith(UNNAMED) ? 'closed unnamed' : 'closed')
      open.delete(uploadId)
    },
  }
}

function open(share: Share, journal: MultipartJournal, observer: Observer = silent, prefix = 'alyx'): Promise<Backend> {
  const { access, bucket } = share
  const place = { name: 's3', bucket, bucketPrefix: prefix, region: 'us-east-1', forcePathStyle: true }
  return openS3({ ...access, ...place, journal, observer })
}

describe.skipIf(access === null)(`on a real server${skipped}`, () => {
  let share: Share
  beforeAll(async () => {
    const client = s3Client(access!)
    share = { access: access!, client, bucket: await newS3Bucket(client) }
  })
  afterAll(() => share.client.destroy())

  backendContract('S3', async () => {
    const backend = await open(share, listeningJournal())
    return {
      backend,
      close: async () => {
        expect(await unfinishedIn(share.client, share.bucket)).toEqual([])
        await backend.close!()
      },
    }
  })

  describe('the S3 backend', () => {
    let backend: Backend
    let journal: ReturnType<typeof listeningJournal>
    let points: string[]
    const observer: Observer = {
      event: (name, fields) => {
        points.push(name === 'step' ? String(fields.point) : name)
      },
    }
    const start = async (): Promise<void> => {
      journal = listeningJournal()
      points = []
      backend = await open(share, journal, observer)
    }
    beforeAll(start)
    afterEach(async () => {
      expect(await unfinishedIn(share.client, share.bucket)).toEqual([])
      expect(journal.open.size).toBe(0)
      await backend.close!()
      await start()
    })
    afterAll(() => backend.close!())

    const get = async (key: BlobKey, start: number, end: number): Promise<Buffer> =>
      bytesOf(await backend.get(key, { range: { start, end }, signal: never }))
    const nameOf = (key: BlobKey): string => `alyx/${key}`

    it('keeps a blob under the prefix, the bucket and the id, and nothing beside it', async () => {
      const key = freshKey()
      await backend.put(key, bodyOf(Buffer.from('bytes')), { size: 5, signal: never })
      expect(await objectsIn(share.client, share.bucket, nameOf(key))).toEqual([nameOf(key)])
      expect(await backend.stat!(key)).toEqual({ size: 5 })
      expect(await backend.stat!(freshKey())).toBeNull()
      expect(points).toEqual(['s3.put'])
      const bare = await open(share, journal, observer, '')
      const other = freshKey()
      await bare.put(other, bodyOf(Buffer.from('x')), { size: 1, signal: never })
      expect(await objectsIn(share.client, share.bucket, other)).toEqual([other])
      await bare.close!()
    })

    for (const size of [8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 20 * MIB]) {
      it(`gives back ${size} bytes and any range across the borders of parts, announced or not`, async () => {
        const bytes = seededBytes(size, size)
        for (const announced of [size, null]) {
          const key = freshKey()
          expect(await backend.put(key, bodyOf(bytes), { size: announced, signal: never })).toEqual({ size })
          expect((await bytesOf(await backend.get(key, { range: null, signal: never }))).equals(bytes)).toBe(true)
          for (const border of [8 * MIB, 16 * MIB].filter((at) => at < size)) {
            const over = Math.min(border + 2, size - 1)
            expect((await get(key, border - 3, over)).equals(bytes.subarray(border - 3, over + 1))).toBe(true)
            expect((await get(key, border, size - 1)).equals(bytes.subarray(border))).toBe(true)
          }
          await backend.delete(key)
        }
      })
    }

    it('records a multipart upload before its first part and forgets it after the object is there', async () => {
      await backend.put(freshKey(), bodyOf(seededBytes(1, 9 * MIB)), { size: 9 * MIB, signal: never })
      expect(journal.heard).toEqual(['opened unnamed', 'opened', 'closed unnamed', 'closed'])
      expect(points).toEqual(['s3.begun', 's3.opened', 's3.part', 's3.part', 's3.completed'])
    })

    it('sends no part of an upload that could not be recorded', async () => {
      const busy = fail('database_busy', 'busy')
      const named = async (_: BlobKey, id: string): Promise<void> => {
        if (!id.startsWith(UNNAMED)) throw busy
      }
      const refused = await open(share, { ...journal, opened: named }, observer)
      const key = freshKey()
      const putting = refused.put(key, bodyOf(seededBytes(1, 9 * MIB)), { size: null, signal: never })
      await expect(putting).rejects.toBe(busy)
      expect(points).toEqual(['s3.begun'])
      expect(await backend.exists(key)).toBe(false)
      await refused.close!()
    })

    it.each([
      ['fewer bytes than announced', 30 * MIB, 20 * MIB],
      ['more bytes than announced', 20 * MIB, 30 * MIB],
    ])('puts nothing together of %s', async (_words, size, sent) => {
      const key = freshKey()
      const body = seededStream(1, sent)
      await expect(backend.put(key, body, { size, signal: never })).rejects.toMatchObject({ code: 'invalid_request' })
      expect(body.destroyed).toBe(true)
      expect(points).not.toContain('s3.completed')
      expect(await backend.exists(key)).toBe(false)
    })

    it('takes back the parts of an upload that is aborted or breaks while they are on their way', async () => {
      for (const how of ['abort', 'break'] as const) {
        const key = freshKey()
        const reason = fail('storage_unavailable', 'the server stops')
        const abort = new AbortController()
        const body = seededStream(2, 200 * MIB)
        const stop = (): void => void (how === 'abort' ? abort.abort(reason) : body.destroy(reason))
        const stopping: Observer = {
          event: (name, { point }) => void (name === 'step' && point === 's3.part' && stop()),
        }
        const other = await open(share, journal, stopping)
        await expect(other.put(key, body, { size: 200 * MIB, signal: abort.signal })).rejects.toBe(reason)
        expect(journal.heard.splice(0)).toEqual(['opened unnamed', 'opened', 'closed unnamed', 'closed'])
        expect(await backend.exists(key)).toBe(false)
        await other.close!()
      }
    })

    it('aborts what a killed process left, however often it is asked, and keeps what was completed', async () => {
      const key = freshKey()
      const left = Promise.withResolvers<string>()
      // As after a kill: the journal has it, and nobody goes on.
      const silentEnd = {
        opened: async (_: BlobKey, id: string) => void (!id.startsWith(UNNAMED) && left.resolve(id)),
        closed: async () => {},
      }
      const dead = await open(share, silentEnd)
      const body = new Readable({ read() {} })
      body.push(seededBytes(3, 9 * MIB))
      const put = dead.put(key, body, { size: null, signal: never }).catch(() => {})
      const uploadId = await left.promise
      const place = { Bucket: share.bucket, Key: nameOf(key), UploadId: uploadId }
      await expect.poll(async () => (await share.client.send(new ListPartsCommand(place))).Parts?.length).toBe(1)
      await backend.abortLeftover!(key, uploadId)
      await backend.abortLeftover!(key, uploadId)
      body.destroy()
      await put
      await dead.close!()
      expect(await backend.exists(key)).toBe(false)

      const done = freshKey()
      const completed: string[] = []
      const watched = await open(share, {
        ...journal,
        opened: async (_, id) => void (!id.startsWith(UNNAMED) && completed.push(id)),
      })
      await watched.put(done, bodyOf(seededBytes(1, 9 * MIB)), { size: null, signal: never })
      await backend.abortLeftover!(done, completed[0]!)
      expect(await backend.stat!(done)).toEqual({ size: 9 * MIB })
      await watched.close!()
    })

    it('finds and aborts what was begun under the key and whose id did not arrive, and nothing beside it', async () => {
      const [key, other] = [freshKey(), freshKey()]
      const begun = async (of: BlobKey): Promise<string> =>
        (await share.client.send(new CreateMultipartUploadCommand({ Bucket: share.bucket, Key: nameOf(of) }))).UploadId!
      await begun(key)
      await begun(key)
      const kept = await begun(other)
      const left = async (of: BlobKey) =>
        (await share.client.send(new ListMultipartUploadsCommand({ Bucket: share.bucket, Prefix: nameOf(of) }))).Uploads
      expect(await left(key)).toHaveLength(2)
      await backend.abortLeftover!(key, `${UNNAMED}1`)
      await backend.abortLeftover!(key, `${UNNAMED}1`)
      expect(await left(key)).toBeUndefined()
      expect(await left(other)).toHaveLength(1)
      await backend.abortLeftover!(other, kept)
    })

    it('never overwrites a key with an upload in parts either', async () => {
      const key = freshKey()
      await backend.put(key, bodyOf(Buffer.from('first')), { size: 5, signal: never })
      const large = backend.put(key, seededStream(1, 9 * MIB), { size: null, signal: never })
      await expect(large).rejects.toMatchObject({ code: 'internal' })
      expect((await get(key, 0, 4)).toString()).toBe('first')
    })

    it('lets one of many uploads in parts to the same key win, whole', async () => {
      const key = freshKey()
      const seeds = [1, 2, 3]
      const results = await Promise.allSettled(
        seeds.map((seed) => backend.put(key, seededStream(seed, 9 * MIB), { size: null, signal: never })),
      )
      const found = await bytesOf(await backend.get(key, { range: null, signal: never }))
      const winner = seeds.findIndex((seed) => seededBytes(seed, 9 * MIB).equals(found))
      expect(results[winner]?.status).toBe('fulfilled')
    })

    it('says file_corrupt when fewer bytes are stored than a range needs', async () => {
      const key = freshKey()
      await backend.put(key, bodyOf(seededBytes(1, 100)), { size: 100, signal: never })
      for (const start of [50, 100, 150]) {
        const range = { start, end: 200 }
        await expect(backend.get(key, { range, signal: never })).rejects.toMatchObject({ code: 'file_corrupt' })
        await expect(backend.read!(key, range, 300)).rejects.toMatchObject({ code: 'file_corrupt' })
      }
    })

    it('stands by a download that is slow, and leaves room for uploads meanwhile', async () => {
      const key = freshKey()
      const bytes = seededBytes(5, 2 * MIB)
      await backend.put(key, bodyOf(bytes), { size: null, signal: never })
      const slow = await Promise.all(
        Array.from({ length: 256 }, () => backend.get(key, { range: null, signal: never })),
      )
      await backend.put(freshKey(), bodyOf(Buffer.from('x')), { size: 1, signal: never })
      expect((await bytesOf(slow[0]!)).equals(bytes)).toBe(true)
      for (const stream of slow) stream.destroy()
    })

    it('tells a missing S3 bucket and wrong keys from a missing blob, and makes no bucket', async () => {
      const strangers = [
        await open({ ...share, bucket: 'alyx-test-of-nobody' }, journal, observer),
        await open({ ...share, access: { ...share.access, secretAccessKey: 'wrong' } }, journal, observer),
      ]
      for (const stranger of strangers) {
        const key = freshKey()
        const code = { code: 'storage_unavailable', retryAfter: 5 }
        for (const size of [1, 9 * MIB]) {
          const body = seededStream(1, size)
          await expect(stranger.put(key, body, { size, signal: never })).rejects.toMatchObject(code)
          expect(body.destroyed).toBe(true)
        }
        await expect(stranger.get(key, { range: null, signal: never })).rejects.toMatchObject(code)
        await expect(stranger.exists(key)).rejects.toMatchObject(code)
        await expect(stranger.stat!(key)).rejects.toMatchObject(code)
        await expect(stranger.delete(key)).rejects.toMatchObject(code)
        await expect(stranger.ready!()).rejects.toMatchObject(code)
        await stranger.close!()
      }
    })

    it('leaves other people’s objects and metadata of its own no secret', async () => {
      const place = { Bucket: share.bucket, Key: 'other/people' }
      await share.client.send(new PutObjectCommand({ ...place, Body: 'mine' }))
      const key = freshKey()
      await backend.put(key, bodyOf(Buffer.from('x')), { size: 1, signal: never })
      const { Metadata } = await share.client.send(new HeadObjectCommand({ Bucket: share.bucket, Key: nameOf(key) }))
      expect(Object.keys(Metadata ?? {})).toEqual(['alyx-put'])
      await backend.delete(key)
      expect(await objectsIn(share.client, share.bucket, 'other/')).toEqual(['other/people'])
    })

    it('streams 64 MiB through unchanged', async () => {
      const key = freshKey()
      await backend.put(key, seededStream(9, 64 * MIB), { size: 64 * MIB, signal: never })
      const hash = createHash('sha256')
      for await (const chunk of await backend.get(key, { range: null, signal: never })) hash.update(chunk as Buffer)
      expect(hash.digest('hex')).toBe(await sha256OfSeed(9, 64 * MIB))
    })
  })
})
