// Resumable uploads with the real tus-js-client against a real server process.
import { execFile } from 'node:child_process'
import { createReadStream, createWriteStream, mkdtempSync, type ReadStream, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type DetailedError, Upload, type UploadOptions } from 'tus-js-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CuttingProxy, startProxy } from '../support/proxy.ts'
import { seededBytes, seededStream, sha256, sha256OfSeed } from '../support/random.ts'
import { HTML, PNG } from '../support/samples.ts'
import { eventually, startServer, type TestServer } from '../support/server.ts'
import { freshName, tusOn } from './tus-requests.ts'

const MIB = 1024 * 1024
const CLIENT = fileURLToPath(new URL('./tus-client.mjs', import.meta.url))

let server: TestServer
let alice: string
let bob: string
let scratch: string

beforeAll(async () => {
  server = await startServer()
  alice = await server.token('alice')
  bob = await server.token('bob')
  scratch = mkdtempSync(join(tmpdir(), 'alyx-tus-'))
})

afterAll(async () => {
  await server?.stop()
  if (scratch) rmSync(scratch, { recursive: true, force: true })
})

interface Seen {
  readonly method: string
  readonly status: number
  readonly offset: number | null
}

interface Outcome {
  readonly error: DetailedError | Error | null
  readonly url: string
  readonly id: string
  readonly seen: readonly Seen[]
}

/** Runs one upload to its success or failure and tells what went over the wire. */
function run(
  source: Buffer | ReadStream,
  options: UploadOptions & { readonly token?: string } = {},
  prepare?: (upload: Upload) => void,
) {
  const seen: Seen[] = []
  return new Promise<Outcome>((resolve) => {
    const end = (error: Error | null): void => {
      const url = upload.url ?? ''
      resolve({ error, url, id: url.split('/').at(-1) ?? '', seen })
    }
    const upload = new Upload(source as unknown as Buffer, {
      endpoint: endpoint('any'),
      retryDelays: null,
      headers: { Authorization: `Bearer ${options.token ?? alice}` },
      metadata: { filename: freshName(), filetype: 'text/html' },
      ...options,
      onAfterResponse(req, res) {
        const offset = res.getHeader('upload-offset')
        seen.push({
          method: req.getMethod(),
          status: res.getStatus(),
          offset: offset === undefined ? null : Number(offset),
        })
      },
      onSuccess: () => end(null),
      onError: end,
    })
    prepare?.(upload)
    upload.start()
  })
}

function endpoint(bucket: string, port = server.port): string {
  return `http://127.0.0.1:${port}/api/files/${bucket}/tus`
}

function statusOf(error: Error | null): number | null {
  return error !== null && 'originalResponse' in error
    ? ((error as DetailedError).originalResponse?.getStatus() ?? null)
    : null
}

async function expectContent(outcome: Outcome, content: Buffer, bucket = 'any', token = alice): Promise<void> {
  expect(outcome.error).toBeNull()
  const file = await tusOn(server, bucket, token).download(outcome.id)
  expect(file.status).toBe(200)
  expect(file.body.equals(content)).toBe(true)
}

/** A proxy in front of the server for the time of `work`. */
async function throughProxy<T>(work: (proxy: CuttingProxy) => Promise<T>): Promise<T> {
  const proxy = await startProxy(server.port)
  try {
    return await work(proxy)
  } finally {
    await proxy.close()
  }
}

describe('an upload that goes well', () => {
  test('in three chunks becomes a file with the id of the upload', async () => {
    const content = seededBytes(1, 2.5 * MIB)
    const name = freshName()
    const outcome = await run(content, {
      chunkSize: MIB,
      metadata: { filename: name, filetype: 'text/html', colour: 'blue' },
    })
    await expectContent(outcome, content)
    expect(outcome.seen.map(({ method, status, offset }) => `${method} ${status} ${offset}`)).toEqual([
      'POST 201 0',
      `PATCH 204 ${MIB}`,
      `PATCH 204 ${2 * MIB}`,
      `PATCH 204 ${2.5 * MIB}`,
    ])
    const stat = await tusOn(server, 'any', alice).stat(outcome.id)
    expect(stat.json()).toMatchObject({
      id: outcome.id,
      name,
      owner_id: 'alice',
      size: content.length,
      checksum: sha256(content),
      mime_type: 'application/octet-stream',
      metadata: { colour: 'blue' },
    })
  })

  test('in one request', async () => {
    const content = seededBytes(2, 3 * MIB)
    await expectContent(await run(content), content)
  })

  test('of no bytes is finished when it is created', async () => {
    const outcome = await run(Buffer.alloc(0))
    expect(outcome.error).toBeNull()
    expect(outcome.seen).toMatchObject([{ method: 'POST', status: 201 }])
    const stat = await tusOn(server, 'any', alice).stat(outcome.id)
    expect(stat.json()).toMatchObject({ size: 0, mime_type: 'application/x-empty' })
  })

  test('whose first bytes come with the creation', async () => {
    const content = seededBytes(3, 2.5 * MIB)
    const outcome = await run(content, { uploadDataDuringCreation: true, chunkSize: MIB })
    await expectContent(outcome, content)
    expect(outcome.seen.map(({ method, offset }) => `${method} ${offset}`)).toEqual([
      `POST ${MIB}`,
      `PATCH ${2 * MIB}`,
      `PATCH ${2.5 * MIB}`,
    ])
  })

  test('whose only request is the creation', async () => {
    const content = seededBytes(4, 100_000)
    const outcome = await run(content, { uploadDataDuringCreation: true })
    await expectContent(outcome, content)
    expect(outcome.seen).toHaveLength(1)
  })

  test('with POST in place of PATCH, for networks that know only GET and POST', async () => {
    const content = seededBytes(5, 1.5 * MIB)
    const outcome = await run(content, { overridePatchMethod: true, chunkSize: MIB })
    await expectContent(outcome, content)
    expect(outcome.seen.map(({ method, status }) => `${method} ${status}`)).toEqual([
      'POST 201',
      'POST 204',
      'POST 204',
    ])
  })

  test('beside seven others at once', async () => {
    const contents = Array.from({ length: 8 }, (_, i) => seededBytes(100 + i, 200_000 + i * 77_777))
    const outcomes = await Promise.all(contents.map((content) => run(content, { chunkSize: 150_000 })))
    for (const [i, outcome] of outcomes.entries()) await expectContent(outcome, contents[i] as Buffer)
    expect(new Set(outcomes.map(({ id }) => id)).size).toBe(8)
  })

  test('that is started again after it was finished does not send a byte', async () => {
    const content = seededBytes(6, 300_000)
    const first = await run(content)
    const again = await run(content, { uploadUrl: first.url })
    expect(again.error).toBeNull()
    expect(again.seen.map(({ method, status, offset }) => `${method} ${status} ${offset}`)).toEqual([
      `HEAD 200 ${content.length}`,
    ])
  })
})

describe('a connection that breaks', () => {
  test('in the middle of a chunk costs nothing that had arrived', () =>
    throughProxy(async (proxy) => {
      const content = seededBytes(10, 8 * MIB)
      proxy.cutAfter(5 * MIB)
      const outcome = await run(content, { endpoint: endpoint('any', proxy.port), retryDelays: Array(20).fill(50) })
      await expectContent(outcome, content)
      expect(proxy.cuts()).toBeGreaterThan(0)
      const resumed = outcome.seen.find(({ method, status }) => method === 'HEAD' && status === 200)
      expect(resumed?.offset).toBeGreaterThan(0)
      expect(resumed?.offset).toBeLessThan(content.length)
    }))

  test('while the first bytes come with the creation does not block the path for the next attempt', () =>
    throughProxy(async (proxy) => {
      const content = seededBytes(11, 3 * MIB)
      proxy.cutAfter(MIB)
      const failed = await run(content, {
        endpoint: endpoint('any', proxy.port),
        uploadDataDuringCreation: true,
        metadata: { filename: 'cut-at-creation.bin' },
      })
      expect(failed.error).not.toBeNull()
      proxy.cutAfter(null)
      let outcome: Outcome | null = null
      await eventually('the path is free again', async () => {
        outcome = await run(content, {
          endpoint: endpoint('any', proxy.port),
          uploadDataDuringCreation: true,
          metadata: { filename: 'cut-at-creation.bin' },
        })
        return outcome.error === null
      })
      await expectContent(outcome as unknown as Outcome, content)
    }))

  test('twice in 100 MB: what is downloaded is what was sent', () =>
    throughProxy(async (proxy) => {
      const size = 100 * MIB
      const file = join(scratch, 'large.bin')
      await pipeline(seededStream(12, size), createWriteStream(file))
      proxy.cutAfter(45 * MIB)
      const outcome = await run(createReadStream(file), {
        endpoint: endpoint('any', proxy.port),
        retryDelays: Array(20).fill(50),
      })
      expect(outcome.error).toBeNull()
      expect(proxy.cuts()).toBeGreaterThanOrEqual(2)
      const checksum = await sha256OfSeed(12, size)
      const download = await tusOn(server, 'any', alice).download(outcome.id)
      expect(sha256(download.body)).toBe(checksum)
      expect((await tusOn(server, 'any', alice).stat(outcome.id)).json()).toMatchObject({ size, checksum })
    }))

  test('and a process that ends: another process goes on where the first one was', async () => {
    const content = seededBytes(13, 4 * MIB)
    const file = join(scratch, 'resumed.bin')
    writeFileSync(file, content)
    const job = {
      endpoint: endpoint('any'),
      token: alice,
      file,
      storage: join(scratch, 'urls.json'),
      name: freshName(),
      chunkSize: MIB,
      stopAfter: 2 * MIB,
    }
    const first = await clientProcess(job)
    expect(first.outcome).toBe('stopped')
    const second = await clientProcess({ ...job, stopAfter: null })
    expect(second.outcome).toBe('success')
    expect(second.url).toBe(first.url)
    expect(second.requests[0]).toMatchObject({ method: 'HEAD', status: 200 })
    expect(Number(second.requests[0]?.offset)).toBeGreaterThanOrEqual(2 * MIB)
    const download = await tusOn(server, 'any', alice).download(second.url.split('/').at(-1) ?? '')
    expect(download.body.equals(content)).toBe(true)
  })
})

describe('a server that is killed', () => {
  test('in the middle of an upload keeps every offset it acknowledged', async () => {
    const content = seededBytes(20, 12 * MIB)
    let acknowledged = 0
    let back: Promise<unknown> | null = null
    const outcome = await run(content, {
      chunkSize: MIB,
      retryDelays: Array(300).fill(100),
      onChunkComplete(_size, accepted) {
        if (back === null) acknowledged = accepted
        if (accepted >= 5 * MIB) back ??= server.kill('SIGKILL').then(() => server.restart())
      },
    })
    expect(back).not.toBeNull()
    await back
    const resumed = outcome.seen.find(({ method, status }) => method === 'HEAD' && status === 200)
    expect(resumed?.offset).toBeGreaterThanOrEqual(acknowledged)
    await expectContent(outcome, content)
    expect((await server.doctor()).problems).toEqual([])
  })
})

describe('an upload that is given up', () => {
  test('is gone from the server, with its path', async () => {
    const content = seededBytes(30, 4 * MIB)
    const name = freshName()
    const options = { chunkSize: MIB, metadata: { filename: name } }
    const url = await new Promise<string>((resolve, reject) => {
      const upload = new Upload(content, {
        ...options,
        endpoint: endpoint('any'),
        retryDelays: null,
        headers: { Authorization: `Bearer ${alice}` },
        onChunkComplete(_size, accepted) {
          if (accepted === 2 * MIB) upload.abort(true).then(() => resolve(upload.url ?? ''), reject)
        },
        onError: reject,
        onSuccess: () => reject(new Error('the upload was finished')),
      })
      upload.start()
    })
    const id = url.split('/').at(-1) ?? ''
    expect((await tusOn(server, 'any', alice).head(id)).status).toBe(404)
    expect((await tusOn(server, 'any', alice).stat(id)).status).toBe(404)
    await expectContent(await run(content, options), content)
  })
})

describe('what is refused is reported to the client as a failure', () => {
  test('a type the bucket does not take, whatever the client calls it', async () => {
    const content = Buffer.concat([HTML, Buffer.alloc(200_000, '<p>x</p>')])
    const outcome = await run(content, {
      endpoint: endpoint('img'),
      chunkSize: 50_000,
      metadata: { filename: 'a.png', filetype: 'image/png' },
    })
    expect(statusOf(outcome.error)).toBe(415)
    expect((await tusOn(server, 'img', alice).head(outcome.id)).status).toBe(404)
    expect(await tusOn(server, 'img', alice).list()).toEqual([])
  })

  test('a type that only the last chunk completes', async () => {
    const outcome = await run(HTML, { endpoint: endpoint('img'), chunkSize: 10, metadata: { filename: 'b.png' } })
    expect(statusOf(outcome.error)).toBe(415)
    expect((await tusOn(server, 'img', alice).head(outcome.id)).status).toBe(404)
  })

  test('a type in a creation with bytes', async () => {
    const outcome = await run(HTML, {
      endpoint: endpoint('img'),
      uploadDataDuringCreation: true,
      metadata: { filename: 'c.png' },
    })
    expect(statusOf(outcome.error)).toBe(415)
    // The path is free: nothing of the refused upload is left.
    await expectContent(await run(PNG, { endpoint: endpoint('img'), metadata: { filename: 'c.png' } }), PNG, 'img')
  })

  test('a file that is too large, before any byte', async () => {
    const outcome = await run(seededBytes(31, 2 * MIB), { endpoint: endpoint('img') })
    expect(statusOf(outcome.error)).toBe(413)
    expect(outcome.seen).toHaveLength(1)
  })

  test('a path that is taken, and not tried again', async () => {
    const metadata = { filename: freshName() }
    expect((await run(seededBytes(32, 100), { metadata })).error).toBeNull()
    const outcome = await run(seededBytes(33, 100), { metadata, retryDelays: [10, 10, 10] })
    expect(statusOf(outcome.error)).toBe(422)
    expect(outcome.seen).toHaveLength(1)
  })

  test('a wrong checksum', async () => {
    const outcome = await run(seededBytes(34, 1000), {
      metadata: { filename: freshName(), checksum: sha256('something else') },
    })
    expect(statusOf(outcome.error)).toBe(400)
    expect((await tusOn(server, 'any', alice).head(outcome.id)).status).toBe(404)
  })

  test('a length that is not known, and an upload in parallel parts', async () => {
    const file = join(scratch, 'deferred.bin')
    writeFileSync(file, seededBytes(35, 1000))
    const deferred = await run(createReadStream(file), { uploadLengthDeferred: true, chunkSize: 500 })
    expect(statusOf(deferred.error)).toBe(400)
    const parallel = await run(seededBytes(36, 3 * MIB), { parallelUploads: 3 })
    expect(parallel.error).not.toBeNull()
  })

  test('a caller without the right to create', async () => {
    expect(statusOf((await run(PNG, { endpoint: endpoint('none') })).error)).toBe(403)
  })
})

describe('an upload of somebody else', () => {
  test('cannot be seen, continued or ended', async () => {
    const content = seededBytes(40, 2 * MIB)
    const mine = tusOn(server, 'any', alice)
    const id = await mine.begin(content.length)
    expect((await mine.patch(id, 0, content.subarray(0, MIB))).status).toBe(204)
    for (const theirs of [tusOn(server, 'any', bob), tusOn(server, 'any', null)]) {
      expect((await theirs.head(id)).status).toBe(404)
      expect((await theirs.patch(id, MIB, content.subarray(MIB))).status).toBe(404)
      expect((await theirs.remove(id)).status).toBe(404)
    }
    expect((await mine.patch(id, MIB, content.subarray(MIB))).status).toBe(204)
    expect((await mine.download(id)).body.equals(content)).toBe(true)
    // Resuming it as another user begins a new upload instead of touching this one.
    const outcome = await run(content, { token: bob, uploadUrl: `${endpoint('any')}/${id}` })
    expect(outcome.error).toBeNull()
    expect(outcome.id).not.toBe(id)
  })
})

describe('an upload that was not finished in time', () => {
  test('is 410, and the client begins a new one', async () => {
    const short = await startServer({ config: { uploads: { expiry: '2s' } } })
    try {
      const token = await short.token('alice')
      const tus = tusOn(short, 'any', token)
      const created = await tus.create(100)
      expect(Date.parse(String(created.headers['upload-expires']))).toBeLessThanOrEqual(Date.now() + 2000)
      const id = String(created.headers.location).split('/').at(-1) ?? ''
      await eventually('the upload expires', async () => (await tus.head(id)).status === 410)
      expect(await tus.patch(id, 0, Buffer.alloc(10))).toMatchObject({ status: 410, code: 'upload_expired' })
      const outcome = await run(seededBytes(41, 100), {
        endpoint: endpoint('any', short.port),
        uploadUrl: `${endpoint('any', short.port)}/${id}`,
        token,
      })
      expect(outcome.error).toBeNull()
      expect(outcome.id).not.toBe(id)
    } finally {
      await short.stop()
    }
  })
})

interface ClientReport {
  readonly outcome: string
  readonly url: string
  readonly requests: readonly { readonly method: string; readonly status: number; readonly offset: string | null }[]
}

async function clientProcess(job: Readonly<Record<string, unknown>>): Promise<ClientReport> {
  const { stdout } = await promisify(execFile)(process.execPath, [CLIENT, JSON.stringify(job)])
  return JSON.parse(stdout) as ClientReport
}
