// From the staging folder to a real server: sent, verified and named by records.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import {
  AlyxError,
  type Files,
  type FilesOptions,
  openFiles,
  type SchemaFacts,
  type UploadOptions,
} from 'alyx/client/node'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { failure } from '../client/failure.ts'
import { schema } from '../client/generated/alyx.ts'
import { freshName, scratch } from '../client/schema.ts'
import { PLACES, stageClient, startAt } from '../client/stage.ts'
import { seededBytes, sha256 } from '../support/random.ts'
import { PNG } from '../support/samples.ts'
import type { TestServer } from '../support/server.ts'

const KIB = 1024
const folder = scratch()
afterAll(() => folder.remove())

describe.each(PLACES)('staged files that go to a server that keeps them $where', ({ backend, why }) => {
  if (why !== null) return it.skip('needs an S3 server')
  let server: TestServer
  let token: string
  const opened: Files[] = []

  beforeAll(async () => {
    server = await startAt(backend, { uploads: { chunk_size: '256KiB' } })
    token = await server.token('alice')
  })
  afterEach(async () => {
    for (const files of opened.splice(0)) await files.close()
  })
  afterAll(async () => {
    await server?.stop()
  })

  const client = () => stageClient({ url: server.url, token })
  let count = 0

  async function open(options: Partial<FilesOptions> = {}): Promise<Files> {
    count += 1
    const files = await openFiles<SchemaFacts>({
      client: client(),
      dir: join(folder.dir, `${backend}-${count}`),
      schema,
      ...options,
    })
    opened.push(files)
    return files
  }

  const held = (files: Files): readonly string[] => readdirSync(join(files.dir, 'temporary'))
  const rows = (name: string) =>
    server.query<{ checksum: string }>('SELECT checksum FROM _alyx_files WHERE name = ?', name)

  describe('upload', () => {
    it.each([40 * KIB, 900 * KIB + 7])('%d bytes arrive whole, and stay staged', async (size) => {
      const files = await open({ bucket: 'files' })
      const content = seededBytes(size, size)
      const staged = await files.stage(content, { name: freshName() })
      const file = await files.upload(staged, { metadata: { from: 'staging' } })
      expect(file).toMatchObject({ name: staged.name, size, checksum: staged.checksum, metadata: { from: 'staging' } })
      const stored = Buffer.from(await (await client().storage.files.download(file.id)).arrayBuffer())
      expect(stored.equals(content)).toBe(true)
      expect(await files.get(staged.id)).toEqual(staged)
      expect(held(files)).toEqual([])
    })

    it('no more run at a time than the pool takes, and every one ends', async () => {
      const real = client()
      let running = 0
      let most = 0
      const counted: FilesOptions['client'] = {
        collection: (name) => real.collection(name as 'posts'),
        storage: {
          bucket(name) {
            const bucket = real.storage.bucket(name as 'files')
            return {
              delete: (id) => bucket.delete(id),
              upload(source, options) {
                running += 1
                most = Math.max(most, running)
                const upload = bucket.upload(source, options as UploadOptions)
                upload.then(
                  () => (running -= 1),
                  () => (running -= 1),
                )
                return upload
              },
            }
          },
        },
      }
      const files = await open({ client: counted, bucket: 'files', concurrency: 3 })
      const all = await Promise.all(
        Array.from({ length: 12 }, async (_, n) => {
          const staged = await files.stage(seededBytes(n, 300 * KIB), { name: freshName() })
          return [staged.checksum, (await files.upload(staged)).checksum]
        }),
      )
      for (const [sent, stored] of all) expect(stored).toBe(sent)
      expect(most).toBe(3)
    })

    it('two uploads of one content do not go on with each other', async () => {
      const files = await open({ bucket: 'files' })
      const staged = await files.stage(seededBytes(77, 700 * KIB), { name: freshName() })
      const [one, two] = await Promise.all([
        files.upload(staged, { path: `a/${staged.name}` }),
        files.upload(staged, { path: `b/${staged.name}` }),
      ])
      expect(one.id).not.toBe(two.id)
      expect([one.checksum, two.checksum]).toEqual([staged.checksum, staged.checksum])
    })

    it('a copy that was changed is not sent', async () => {
      const files = await open({ bucket: 'files' })
      const staged = await files.stage(Buffer.from('right'), { name: freshName() })
      writeFileSync(staged.path, 'wrong')
      const error = await failure(files.upload(staged))
      expect(error).toMatchObject({ code: 'checksum_mismatch', details: { expected: staged.checksum } })
      expect(error.details.found).toBe(sha256(Buffer.from('wrong')))
      expect(rows(staged.name)).toEqual([])
      expect(held(files)).toEqual([])
    })

    it('a copy that was changed while it was sent is refused by the server', async () => {
      const files = await open({ bucket: 'files' })
      const staged = await files.stage(seededBytes(78, 900 * KIB), { name: freshName() })
      let spoilt = false
      const onProgress = (): void => {
        if (!spoilt) writeFileSync(staged.path, seededBytes(79, 900 * KIB))
        spoilt = true
      }
      expect(await failure(files.upload(staged, { onProgress }))).toMatchObject({ code: 'checksum_mismatch' })
      expect(rows(staged.name)).toEqual([])
    })

    it('what was cleaned up is not sent, and a clean-up takes nothing from an upload on its way', async () => {
      const files = await open({ bucket: 'files' })
      const staged = await files.stage(seededBytes(80, 900 * KIB), { name: freshName() })
      let cleaned: Promise<unknown> | null = null
      const onProgress = (): void => {
        cleaned ??= files.cleanUp({ force: true })
      }
      expect((await files.upload(staged, { onProgress })).checksum).toBe(staged.checksum)
      expect(await cleaned).toMatchObject({ removed: 1 })
      expect(await failure(files.upload(staged))).toMatchObject({ code: 'source_unreadable' })
      expect(await failure(files.upload(staged, { bucket: 'missing' as 'files' }))).toBeInstanceOf(AlyxError)
    })

    it('a server that says nothing is given up after its time and tries, a caller who gives up at once', async () => {
      const sockets = new Set<Socket>()
      const silent = createServer((socket) => void sockets.add(socket.on('error', () => {})))
      await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done))
      try {
        const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
        const files = await open({ client: stageClient({ url, token }), bucket: 'files', timeout: 50, retries: 1 })
        const staged = await files.stage(Buffer.from('hello'))
        expect(await failure(files.upload(staged))).toMatchObject({ code: 'timeout' })
        const patient = await open({ client: stageClient({ url, token }), bucket: 'files' })
        const controller = new AbortController()
        const upload = failure(patient.upload(await patient.stage(Buffer.from('hello')), { signal: controller.signal }))
        await expect.poll(() => sockets.size).toBeGreaterThan(1)
        controller.abort()
        expect(await upload).toMatchObject({ code: 'aborted' })
        for (const one of [files, patient]) expect(held(one)).toEqual([])
      } finally {
        for (const socket of sockets) socket.destroy()
        await new Promise((done) => silent.close(done))
      }
    })
  })

  describe('attach', () => {
    const newPost = async (): Promise<{ readonly collection: 'posts'; readonly id: string }> => ({
      collection: 'posts',
      id: (await client().posts.create({ title: 'a post' })).id,
    })

    it('a field gets the file, a list gets each at its end, and the schema knows their buckets', async () => {
      const files = await open()
      const post = await newPost()
      const told: unknown[] = []
      const listen = (event: unknown): void => void told.push(event)
      subscribe('alyx.files.attached', listen)
      const picture = await files.stage(PNG, { name: freshName('.png') })
      const cover = await files.attach(post, 'cover', picture)
      const first = await files.attach(post, 'gallery', await files.stage(Buffer.from('1'), { name: freshName() }))
      const second = await files.attach(post, 'gallery', await files.stage(Buffer.from('2'), { name: freshName() }))
      unsubscribe('alyx.files.attached', listen)
      expect([cover.bucket, first.bucket]).toEqual(['images', 'files'])
      expect(await client().posts.get(post.id)).toMatchObject({ cover: cover.id, gallery: [first.id, second.id] })
      expect(told).toHaveLength(3)
      expect(told[0]).toMatchObject({ collection: 'posts', record: post.id, field: 'cover', file: cover.id })
    })

    it('without the schema the record tells lists, and the caller the bucket', async () => {
      const files = await openWithoutSchema()
      const post = await newPost()
      const staged = await files.stage(Buffer.from('1'), { name: freshName() })
      const file = await files.attach(post, 'gallery', staged, { bucket: 'files' })
      expect(await client().posts.get(post.id)).toMatchObject({ gallery: [file.id] })
      expect(await failure(files.attach(post, 'gallery', staged))).toMatchObject({ code: 'invalid_request' })
      expect(await failure(files.attach(post, 'nothing', staged, { bucket: 'files' }))).toMatchObject({
        code: 'validation_failed',
      })
    })

    it('a record that is not there costs no upload, and what a record refuses is deleted again', async () => {
      const files = await open()
      const staged = await files.stage(PNG, { name: freshName('.png') })
      const nobody = { collection: 'posts', id: '00000000-0000-7000-8000-000000000000' }
      expect(await failure(files.attach(nobody, 'cover', staged))).toMatchObject({ code: 'record_not_found' })
      expect(rows(staged.name)).toEqual([])
      const refused = await failure(files.attach(await newPost(), 'cover', staged, { bucket: 'files' }))
      expect(refused.status).toBeGreaterThanOrEqual(400)
      expect(rows(staged.name)).toEqual([])
    })
  })

  async function openWithoutSchema(): Promise<Files> {
    count += 1
    const files = await openFiles({ client: client(), dir: join(folder.dir, `${backend}-${count}`) })
    opened.push(files)
    return files
  }
})
