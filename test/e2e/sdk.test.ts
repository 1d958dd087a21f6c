// The generated client against a real server process: every call.
import { createHash } from 'node:crypto'
import { isFile, type RecordQuery } from 'alyx/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure } from '../client/failure.ts'
import type { PostsRecord, Schema } from '../client/generated/alyx.ts'
import { freshName } from '../client/schema.ts'
import { PLACES, stageClient, startAt } from '../client/stage.ts'
import { PNG } from '../support/samples.ts'
import type { TestServer } from '../support/server.ts'

const text = (words: string): Uint8Array => new TextEncoder().encode(words)

describe.each(PLACES)('the client, with files $where', ({ backend, why }) => {
  if (why !== null) return it.skip('needs an S3 server')
  let server: TestServer
  let alice: ReturnType<typeof stageClient>
  let bob: ReturnType<typeof stageClient>
  let nobody: ReturnType<typeof stageClient>

  beforeAll(async () => {
    server = await startAt(backend, { uploads: { chunk_size: '256KiB' } })
    alice = stageClient({ url: server.url, token: () => server.token('alice') })
    bob = stageClient({ url: server.url, token: await server.token('bob') })
    nobody = stageClient({ url: `${server.url}/` })
  })

  afterAll(() => server?.stop())

  describe('files', () => {
    it('are stored, described, read, changed, listed and deleted', async () => {
      const name = freshName('.txt')
      const file = await alice.storage.files.upload(text('hello'), {
        name,
        metadata: { colour: 'blue', width: 3, tags: ['a'] },
        expiresIn: '1h',
      })
      expect(file).toMatchObject({
        bucket: 'files',
        name,
        path: name,
        mime_type: 'text/plain',
        size: 5,
        owner_id: 'alice',
      })
      expect(file.metadata).toEqual({ colour: 'blue', width: 3, tags: ['a'] })
      expect(file.checksum).toBe(createHash('sha256').update('hello').digest('hex'))
      expect(Date.parse(file.expires_at!)).toBeGreaterThan(Date.parse(file.created_at))

      expect(await alice.storage.stat('files', file.id)).toEqual(file)
      expect(await (await alice.storage.files.download(file.id)).text()).toBe('hello')
      const part = await alice.storage.download('files', file.id, { range: { start: 1, end: 3 } })
      expect([part.status, await part.text()]).toEqual([206, 'ell'])
      expect(await (await alice.storage.files.download(file.id, { range: { start: 3 } })).text()).toBe('lo')
      const shown = await alice.storage.files.download(file.id, { view: true })
      expect(shown.headers.get('content-disposition')).toMatch(/^inline/)
      await shown.text()

      const changed = await alice.storage.files.update(file.id, {
        name: 'b.txt',
        metadata: { colour: 'red' },
        expires_at: null,
      })
      expect(changed).toMatchObject({ id: file.id, name: 'b.txt', metadata: { colour: 'red' }, expires_at: null })
      await alice.storage.files.delete(file.id)
      expect(await failure(alice.storage.files.stat(file.id))).toMatchObject({ code: 'file_not_found', status: 404 })
    })

    it('come back from the trash of a bucket that has one', async () => {
      const file = await alice.storage.own.upload(text('wanted again'), { name: freshName('.txt') })
      await alice.storage.own.delete(file.id)
      expect(await failure(alice.storage.own.download(file.id))).toMatchObject({ code: 'file_not_found' })
      expect(await alice.storage.own.restore(file.id)).toMatchObject({ id: file.id, path: file.path })
      expect(await (await alice.storage.own.download(file.id)).text()).toBe('wanted again')
      expect(await failure(alice.storage.own.restore(file.id))).toMatchObject({ code: 'file_not_found' })
    })

    it('are listed as a page, page by page and one by one', async () => {
      const owner = stageClient({ url: server.url, token: await server.token('lister') })
      const names = Array.from({ length: 5 }, (_, at) => `${freshName()}-${at}.txt`).sort()
      for (const name of names) await owner.storage.files.upload(text(name), { name })
      const query = { ownerId: 'lister', sort: 'name', limit: 2, total: true } as const
      const page = await owner.storage.files.list(query)
      expect(page.items.map(({ name }) => name)).toEqual(names.slice(0, 2))
      expect(page).toMatchObject({ total: 5, next_cursor: expect.any(String) })
      const sizes: number[] = []
      for await (const { items } of owner.storage.list('files', query).pages()) sizes.push(items.length)
      expect(sizes).toEqual([2, 2, 1])
      const found: string[] = []
      for await (const { name } of owner.storage.files.list(query)) found.push(name)
      expect(found).toEqual(names)
      const behind = await owner.storage.files.list({ ...query, cursor: page.next_cursor! })
      expect(behind.items.map(({ name }) => name)).toEqual(names.slice(2, 4))
      expect((await owner.storage.files.list({ search: names[3]!, mimeType: 'text/*' })).items).toHaveLength(1)
      expect((await owner.storage.files.list({ mimeType: 'image/*', ownerId: 'lister' })).items).toEqual([])
    })

    it('get links that need no credential, alone and in any number, until they are revoked', async () => {
      const ids: string[] = []
      for (let at = 0; at < 3; at++)
        ids.push((await alice.storage.files.upload(text(`${at}`), { name: freshName() })).id)
      const url = await alice.storage.getUrl('files', ids[0]!, { expiry: '5m', operation: 'view' })
      expect(url).toContain(`/view?token=`)
      expect(await (await fetch(url)).text()).toBe('0')
      const signed = await alice.storage.files.sign(ids[0]!, { expiry: 60 })
      expect(signed).toMatchObject({ url: expect.stringContaining('/download?token='), token: expect.any(String) })
      const many = await alice.storage.files.getUrls([...ids, '019a3f6e-5c1b-7a40-8d52-0c8d2f6b7e11'], { expiry: '1h' })
      expect(many.map(({ id }) => id).slice(0, 3)).toEqual(ids)
      expect(await Promise.all(many.slice(0, 3).map(async ({ url }) => (await fetch(url!)).text()))).toEqual([
        '0',
        '1',
        '2',
      ])
      expect(many[3]).toMatchObject({ error: { code: 'file_not_found' } })
      await alice.storage.files.revokeLinks(ids[0]!)
      expect((await fetch(signed.url)).status).toBe(401)
    })

    it('go in bulk, more than one request takes, and those that cannot are named', async () => {
      const ids = await Promise.all(
        Array.from({ length: 3 }, async () => (await alice.storage.files.upload(text('x'), { name: freshName() })).id),
      )
      const missing = Array.from({ length: 100 }, (_, at) => `019a3f6e-5c1b-7a40-8d52-${String(at).padStart(12, '0')}`)
      const result = await alice.storage.files.deleteMany([ids[0]!, ...missing, ids[1]!, ids[2]!])
      expect([...result.deleted].sort()).toEqual([...ids].sort())
      expect(result.failed).toHaveLength(100)
      expect(result.failed[0]).toMatchObject({ id: missing[0], code: 'file_not_found' })
      expect(await alice.storage.files.deleteMany([])).toEqual({ deleted: [], failed: [] })
    })

    it('carry rules of their own where the bucket lets them, whatever their size', async () => {
      for (const size of [10, 400 * 1024]) {
        const rules = { read: 'auth.id != null', download: '"true" == "true"' }
        const file = await alice.storage.own.upload(new Uint8Array(size).fill(65), { name: freshName('.txt'), rules })
        expect((await bob.storage.own.stat(file.id)).size).toBe(size)
        expect((await (await nobody.storage.own.download(file.id)).arrayBuffer()).byteLength).toBe(size)
      }
    })

    it('of a bucket named like a verb are reached by storage.bucket', async () => {
      const file = await alice.storage.bucket('stat').upload(text('x'), { name: freshName() })
      expect((await alice.storage.stat('stat', file.id)).bucket).toBe('stat')
      expect(typeof alice.storage.stat).toBe('function')
    })
  })

  describe('records', () => {
    it('are made, read, changed and deleted, with their files in place of ids where asked', async () => {
      const cover = await alice.storage.images.upload(PNG, { name: freshName('.png') })
      const more = await alice.storage.files.upload(text('a'), { name: freshName() })
      const post = await alice.posts.create({ title: 'Hello', cover: cover.id, gallery: [more.id] })
      expect(post).toMatchObject({ title: 'Hello', state: 'draft', cover: cover.id, gallery: [more.id], likes: 0 })

      const expanded = await alice.posts.get(post.id, { expand: ['cover', 'gallery'] })
      expect(isFile(expanded.cover) && expanded.cover.mime_type).toBe('image/png')
      expect(expanded.gallery.map((file) => isFile(file) && file.id)).toEqual([more.id])
      expect((await nobody.posts.get(post.id, { expand: ['gallery'] })).gallery).toEqual([more.id])

      const another = await alice.storage.files.upload(text('b'), { name: freshName() })
      const grown = await alice.posts.update(post.id, { 'gallery+': another.id, state: 'live' })
      expect(grown).toMatchObject({ gallery: [more.id, another.id], state: 'live' })
      expect((await alice.posts.update(post.id, { 'gallery-': [more.id] })).gallery).toEqual([another.id])
      expect(await alice.storage.files.references(another.id)).toEqual([
        { collection: 'posts', record_id: post.id, field: 'gallery' },
      ])

      await alice.posts.delete(post.id)
      expect(await failure(alice.posts.get(post.id))).toMatchObject({ code: 'record_not_found' })
      expect(await failure(alice.storage.images.stat(cover.id))).toMatchObject({ code: 'file_not_found' })
    })

    it('are listed by filters, in order, in pages and as a whole', async () => {
      const mark = freshName('')
      const made: PostsRecord[] = []
      for (const [at, state] of (['draft', 'live', 'live'] as const).entries())
        made.push(
          await alice.posts.create({ title: `${mark} ${at}: a,b`, state, likes: at, parent: made[0]?.id ?? null }),
        )
      const titled = { title: { contains: mark } } as const
      const by = async (filter: RecordQuery<Schema['collections']['posts']>) =>
        (await alice.posts.list({ sort: 'likes', ...filter })).items.map(({ likes }) => likes)
      expect(await by({ filter: titled })).toEqual([0, 1, 2])
      expect(await by({ filter: { ...titled, state: 'live' }, sort: ['-likes', 'id'] })).toEqual([2, 1])
      expect(await by({ filter: { ...titled, likes: { gte: 1, lt: 2 } } })).toEqual([1])
      expect(await by({ filter: { ...titled, likes: { in: [0, 2] } } })).toEqual([0, 2])
      expect(await by({ filter: { ...titled, parent: null } })).toEqual([0])
      expect(await by({ filter: { ...titled, parent: { not_null: true } } })).toEqual([1, 2])
      expect(await by({ filter: { title: `${mark} 1: a,b` } })).toEqual([1])
      expect(await by({ search: mark, limit: 2, offset: 1 })).toEqual([1, 2])
      const page = await alice.posts.list({ filter: titled, limit: 2, total: true, expand: ['parent'], sort: 'likes' })
      expect(page.total).toBe(3)
      const parent = page.items[1]!.parent
      expect(typeof parent === 'object' && parent?.id).toBe(made[0]!.id)
      const all: number[] = []
      for await (const post of alice.posts.list({ filter: titled, limit: 1, sort: '-likes' })) all.push(post.likes)
      expect(all).toEqual([2, 1, 0])
      expect(await failure(alice.posts.list({ filter: { title: { in: ['a,b'] } } }))).toMatchObject({
        code: 'invalid_query',
      })
      expect((await alice.collection('posts').list({ filter: titled })).items).toHaveLength(3)
    })
  })

  describe('failures', () => {
    it('carry code, status, hint, details and request id', async () => {
      const error = await failure(alice.posts.create({ title: 'x'.repeat(201) }))
      expect(error).toMatchObject({ name: 'AlyxError', code: 'validation_failed', status: 400 })
      expect(error.details).toMatchObject({ fields: [{ path: 'title', message: expect.any(String) }] })
      expect(error.requestId).toMatch(/\w{8}/)
      expect(error.hint).not.toBe('')
      expect(await failure(nobody.storage.drop.list())).toMatchObject({ code: 'unauthenticated', status: 401 })
      const denied = await failure(bob.storage.drop.list())
      expect(denied).toMatchObject({ code: 'forbidden', status: 403, details: { operation: 'read' } })
    })

    it('of a server that is not there, of a token that is none, and of calls that were given up', async () => {
      const gone = stageClient({ url: 'http://127.0.0.1:1', retries: 0 })
      expect(await failure(gone.storage.files.list())).toMatchObject({ code: 'network_error', status: 0 })
      const wrong = stageClient({ url: server.url, token: 'nonsense' })
      expect(await failure(wrong.storage.files.list())).toMatchObject({ code: 'invalid_token' })
      expect(await failure(alice.storage.files.list({ signal: AbortSignal.abort() }))).toMatchObject({
        code: 'aborted',
      })
      expect(() => stageClient({ url: 'localhost:8080' })).toThrow(/not the address of a server/)
      expect(await failure(alice.storage.files.stat('..'))).toMatchObject({ code: 'invalid_request' })
    })

    it('of a token that has run out lead to asking for another one', async () => {
      const old = await server.token('alice', { exp: 1_000_000_000 })
      const tokens = [old, await server.token('alice')]
      const client = stageClient({ url: server.url, token: () => tokens.shift() ?? '' })
      expect((await client.storage.files.list({ limit: 1 })).items.length).toBeLessThanOrEqual(1)
      expect(tokens).toEqual([])
      const fixed = stageClient({ url: server.url, token: old })
      expect(await failure(fixed.storage.files.list())).toMatchObject({ code: 'token_expired' })
    })
  })
})
