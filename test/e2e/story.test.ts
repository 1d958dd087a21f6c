// The main story: a schema, one command, a large file over a connection that breaks and a server that dies, and a link for somebody else.
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Upload } from 'tus-js-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { type CuttingProxy, startProxy } from '../support/proxy.ts'
import { seededStream, sha256OfSeed } from '../support/random.ts'
import { pause, startServer, type TestServer } from '../support/server.ts'

const MiB = 1024 * 1024
const SIZE = 100 * MiB
const SEED = 77

const SCHEMA = `version: 1
buckets:
  videos:
    backend: local
    max_file_size: 1GB
    rules:
      create: auth.id != null
      read: auth.id == file.owner_id
      download: auth.id == file.owner_id
      delete: auth.id == file.owner_id
`

let server: TestServer
let proxy: CuttingProxy
let token: string
let source: string
let checksum: string
let id = ''

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA })
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

describe('the main story', () => {
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
    const list = await request({ port: server.port, path: '/api/files/videos', token })
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

  it('others get nothing', async () => {
    const path = `/api/files/videos/${id}/download`
    expect((await request({ port: server.port, path })).status).toBe(401)
    expect((await request({ port: server.port, path, token: await server.token('mallory') })).status).toBe(403)
  })

  it('a signed link opens it without credentials; one changed character does not; a deleted file is gone', async () => {
    const signed = await request({
      port: server.port,
      path: `/api/files/videos/${id}/sign?expiry=5m&operation=download`,
      token,
    })
    expect(signed.status).toBe(200)
    const link = signed.json<{ url: string; expires_at: string }>()
    expect(Date.parse(link.expires_at) - Date.now()).toBeGreaterThan(4 * 60_000)
    expect(Date.parse(link.expires_at) - Date.now()).toBeLessThanOrEqual(5 * 60_000)
    expect(await download(link.url)).toEqual({ status: 200, size: SIZE, sha256: checksum })

    const at = link.url.indexOf('token=') + 12
    const changed = link.url.slice(0, at) + (link.url.charAt(at) === 'x' ? 'y' : 'x') + link.url.slice(at + 1)
    expect((await download(changed)).status).toBe(401)

    expect(
      (await request({ port: server.port, method: 'DELETE', path: `/api/files/videos/${id}`, token })).status,
    ).toBe(204)
    expect((await download(link.url)).status).toBe(404)
    expect((await request({ port: server.port, path: `/api/files/videos/${id}`, token })).status).toBe(404)
  })

  it('nothing is left behind', async () => {
    expect((await server.doctor()).problems).toEqual([])
  })
})
