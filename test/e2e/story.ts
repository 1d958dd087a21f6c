// The main story: a schema, one command, a large file over a connection that breaks and a server that dies, a link for somebody else, and a
// record that takes its file along. Where the bytes are kept is said in the two files of the project and nowhere else.
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Upload } from 'tus-js-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, request } from '../support/http.ts'
import type { ConfigValues } from '../support/project.ts'
import { type CuttingProxy, startProxy } from '../support/proxy.ts'
import { seededStream, sha256OfSeed } from '../support/random.ts'
import { pause, startServer, type TestServer } from '../support/server.ts'

const MiB = 1024 * 1024
const SIZE = 100 * MiB
const SEED = 77

/** What the story is told with. */
export interface Stage {
  /** The name of the backend in schema.yaml. */
  readonly backend: string
  /** Of alyx.yml: merged into the default. */
  readonly config: ConfigValues
  /** Keys `{bucket}/{id}` of all blobs that are stored, in any order. */
  stored(server: TestServer): Promise<readonly string[]>
}

const schema = (backend: string): string => `version: 1
buckets:
  videos:
    backend: ${backend}
    max_file_size: 1GB
    rules:
      create: auth.id != null
      read: auth.id == file.owner_id
      download: auth.id == file.owner_id
      delete: auth.id == file.owner_id
  covers:
    backend: ${backend}
    max_file_size: 1MB
    rules: {create: auth.id != null, read: "true", download: "true", delete: auth.id == file.owner_id}
collections:
  albums:
    fields:
      id: {type: uuid, primary: true, default: auto}
      cover: {type: file, bucket: covers, nullable: true, on_delete: cascade}
    rules: {create: auth.id != null, read: "true", delete: auth.id != null}
`

/** SHA-256 of a download, with its length and status, read as a stream. */
function download(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; size: number; sha256: string }> {
  return new Promise((resolve, reject) => {
    get(url, { headers, agent: false }, (res) => {
      const hash = createHash('sha256')
      let size = 0
      res.on('data', (part: Buffer) => {
        hash.update(part)
        size += part.length
      })
      res.on('end', () => resolve({ status: res.statusCode ?? 0, size, sha256: hash.digest('hex') }))
      res.on('error', reject)
    }).on('error', reject)
  })
}

async function bytesAt(path: string, start: number, end: number): Promise<Buffer> {
  const file = await openFile(path)
  const { buffer } = await file.read(Buffer.alloc(end - start + 1), 0, end - start + 1, start)
  await file.close()
  return buffer
}

/** Tells the story on a stage of its own. */
export function mainStory(name: string, open: () => Promise<Stage>): void {
  describe(`the main story, ${name}`, () => {
    let stage: Stage
    let server: TestServer
    let proxy: CuttingProxy
    let token: string
    let source: string
    let checksum: string
    let id = ''
    let small = ''

    beforeAll(async () => {
      stage = await open()
      server = await startServer({ schema: schema(stage.backend), config: stage.config })
      proxy = await startProxy(server.port)
      token = await server.token('alice')
      source = join(server.dir, 'holiday.bin')
      await pipeline(seededStream(SEED, SIZE), createWriteStream(source))
      checksum = await sha256OfSeed(SEED, SIZE)
    })

    afterAll(async () => {
      await proxy?.close()
      await server?.stop()
    })

    const ask = (method: string, path: string, more: Partial<Parameters<typeof request>[0]> = {}): Promise<Answer> =>
      request({ port: server.port, method, path, token, ...more })

    it('an unmodified tus-js-client uploads 100 MB over a breaking connection and a server that is killed', {
      timeout: 600_000,
    }, async () => {
      const cutAt = [11, 37].map((n) => n * MiB)
      const killAt = 58 * MiB
      let killed = false
      const acknowledged: number[] = []
      const url = await new Promise<string>((resolve, reject) => {
        const upload = new Upload(createReadStream(source), {
          endpoint: `http://127.0.0.1:${proxy.port}/api/files/videos/tus`,
          chunkSize: 5 * MiB,
          uploadSize: SIZE,
          retryDelays: Array.from({ length: 40 }, () => 250),
          headers: { Authorization: `Bearer ${token}` },
          metadata: { filename: 'holiday.bin', filetype: 'text/html' },
          onProgress: (sent) => {
            const next = cutAt[0]
            if (next !== undefined && sent > next) {
              cutAt.shift()
              proxy.cut()
            }
            if (!killed && sent > killAt) {
              killed = true
              void server
                .kill('SIGKILL')
                .then(() => pause(200))
                .then(() => server.restart())
            }
          },
          onChunkComplete: (_chunk, accepted) => acknowledged.push(accepted),
          onError: reject,
          onSuccess: () => resolve(upload.url ?? ''),
        })
        upload.start()
      })
      id = url.split('/').at(-1) ?? ''
      expect(killed).toBe(true)
      expect(cutAt).toEqual([])
      expect(proxy.cuts()).toBeGreaterThanOrEqual(2)
      expect(acknowledged).toEqual([...acknowledged].sort((a, b) => a - b))
      expect(acknowledged.at(-1)).toBe(SIZE)
    })

    it('the file is listed once, with its size, checksum and a type that comes from its bytes', async () => {
      const list = await ask('GET', '/api/files/videos')
      expect(list.json<{ files: unknown[] }>().files).toEqual([
        expect.objectContaining({
          id,
          name: 'holiday.bin',
          size: SIZE,
          checksum,
          owner_id: 'alice',
          mime_type: expect.not.stringContaining('html'),
        }),
      ])
    })

    it('its download is the same bytes', async () => {
      const got = await download(`${server.url}/api/files/videos/${id}/download`, { authorization: `Bearer ${token}` })
      expect(got).toEqual({ status: 200, size: SIZE, sha256: checksum })
    })

    it('HEAD tells its size, and ranges are its parts', async () => {
      const path = `/api/files/videos/${id}/download`
      const head = await ask('HEAD', path)
      expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, String(SIZE), 0])
      for (const [start, end] of [
        [0, 0],
        [8 * MiB - 10, 8 * MiB + 9],
        [SIZE - 300_000, SIZE - 1],
      ] as const) {
        const part = await ask('GET', path, { headers: { range: `bytes=${start}-${end}` } })
        expect([part.status, part.headers['content-range']]).toEqual([206, `bytes ${start}-${end}/${SIZE}`])
        expect(part.body.equals(await bytesAt(source, start, end))).toBe(true)
      }
      expect((await ask('GET', path, { headers: { range: `bytes=${SIZE}-` } })).status).toBe(416)
      const etag = head.headers.etag as string
      expect((await ask('GET', path, { headers: { 'if-none-match': etag } })).status).toBe(304)
    })

    it('a raw PUT, an empty one and a form become files too, under names that are ids', async () => {
      const put = await ask('PUT', '/api/files/videos?name=note.txt', { body: 'twelve bytes' })
      const empty = await ask('PUT', '/api/files/videos?name=empty', { body: '' })
      const form = new FormData()
      form.append('file', new Blob([Buffer.alloc(300_000, 'form')]), 'form.txt')
      const posted = await fetch(`${server.url}/api/files/videos`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: form,
      })
      expect([put.status, empty.status, posted.status]).toEqual([201, 201, 201])
      small = put.json<{ id: string }>().id
      const others = [empty.json<{ id: string }>().id, ((await posted.json()) as { id: string }).id]
      const get = (file: string) => ask('GET', `/api/files/videos/${file}/download`)
      expect((await get(small)).text).toBe('twelve bytes')
      expect((await get(others[0]!)).body.length).toBe(0)
      expect((await get(others[1]!)).body.equals(Buffer.alloc(300_000, 'form'))).toBe(true)
      const keys = [id, small, ...others].map((file) => `videos/${file}`)
      expect((await stage.stored(server)).toSorted()).toEqual(keys.toSorted())
    })

    it('others get nothing', async () => {
      const path = `/api/files/videos/${id}/download`
      expect((await request({ port: server.port, path })).status).toBe(401)
      expect((await request({ port: server.port, path, token: await server.token('mallory') })).status).toBe(403)
    })

    it('a signed link opens it without credentials; one changed character does not; a deleted file is gone', async () => {
      const signed = await ask('GET', `/api/files/videos/${id}/sign?expiry=5m&operation=download`)
      expect(signed.status).toBe(200)
      const link = signed.json<{ url: string; expires_at: string }>()
      expect(Date.parse(link.expires_at) - Date.now()).toBeGreaterThan(4 * 60_000)
      expect(Date.parse(link.expires_at) - Date.now()).toBeLessThanOrEqual(5 * 60_000)
      expect(await download(link.url)).toEqual({ status: 200, size: SIZE, sha256: checksum })

      const at = link.url.indexOf('token=') + 12
      const changed = link.url.slice(0, at) + (link.url.charAt(at) === 'x' ? 'y' : 'x') + link.url.slice(at + 1)
      expect((await download(changed)).status).toBe(401)

      expect((await ask('DELETE', `/api/files/videos/${id}`)).status).toBe(204)
      expect((await download(link.url)).status).toBe(404)
      expect((await ask('GET', `/api/files/videos/${id}`)).status).toBe(404)
      expect(await stage.stored(server)).not.toContain(`videos/${id}`)
    })

    it('a record takes its file along', async () => {
      const cover = (await ask('PUT', '/api/files/covers?name=cover', { body: 'a cover' })).json<{ id: string }>().id
      const created = await ask('POST', '/api/collections/albums', { json: { cover } })
      expect(created.status).toBe(201)
      expect(await stage.stored(server)).toContain(`covers/${cover}`)
      const album = created.json<{ id: string }>().id
      expect((await ask('DELETE', `/api/collections/albums/${album}`)).status).toBe(204)
      expect((await ask('GET', `/api/files/covers/${cover}`)).status).toBe(404)
      await expect.poll(() => stage.stored(server)).not.toContain(`covers/${cover}`)
    })

    it('nothing is left behind', async () => {
      const report = await server.doctor()
      expect(report.problems).toEqual([])
      expect(server.query('SELECT * FROM _alyx_multiparts')).toEqual([])
      expect(server.query('SELECT * FROM _alyx_uploads')).toEqual([])
      expect(await server.project.run(['doctor', '--read-data'])).toMatchObject({ code: 0 })
    })
  })
}
