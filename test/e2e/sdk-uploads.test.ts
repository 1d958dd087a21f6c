// Uploads of the client against a real server process: every source, every size, and everything that goes wrong on the way.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import {
  type AlyxErrorCode,
  type Fetch,
  folderStore,
  type Upload,
  type UploadProgress,
  type UploadSource,
} from 'alyx/client'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { failure } from '../client/failure.ts'
import { freshName, SCHEMA, scratch } from '../client/schema.ts'
import { stageClient } from '../client/stage.ts'
import { startProxy } from '../support/proxy.ts'
import { seededBytes, seededStream, sha256 } from '../support/random.ts'
import { newS3Bucket, s3Client, s3Config, s3Server } from '../support/s3-server.ts'
import { JPEG, PNG, SVG } from '../support/samples.ts'
import { eventually, startServer, type TestServer } from '../support/server.ts'

const KIB = 1024
const MIB = 1024 * KIB
const STEP = 256 * KIB

const { access, skipped } = await s3Server()
const folder = scratch()
afterAll(() => folder.remove())

/** For a client: as if the server had said that it likes chunks of `size` bytes. */
function inChunksOf(size: number): Fetch {
  return async (url, init) => {
    const answer = await fetch(url, init)
    return init.method === 'OPTIONS' ? new Response(null, { headers: { 'alyx-chunk-size': String(size) } }) : answer
  }
}

/** Never falls, ends whole, and says so once. */
function expectProgress(told: readonly UploadProgress[], size: number): void {
  const loaded = told.map((progress) => progress.loaded)
  expect(loaded).toEqual([...loaded].sort((a, b) => a - b))
  expect(told.at(-1)).toEqual({ loaded: size, total: size, percent: 100 })
  expect(told.filter(({ percent }) => percent === 100)).toHaveLength(1)
}

it('a server that nobody runs ends the upload soon, with its cause', async () => {
  const own = stageClient({ url: 'http://127.0.0.1:1', token: 'x', retries: 0 })
  const error = await failure(own.storage.files.upload(new Uint8Array(3)))
  expect(error).toMatchObject({ code: 'network_error', status: 0 })
  expect(error.cause).toBeDefined()
})

describe.each([
  ['in a folder', 'local', async () => ({}), null],
  [
    'in S3',
    'cloud',
    async () => ({ storage: { backends: { cloud: s3Config(access!, await newS3Bucket(s3Client(access!))) } } }),
    skipped,
  ],
] as const)('uploads %s', (_, backend, config, why) => {
  describe.skipIf(why !== null && access === null)(`as they are told${why ?? ''}`, () => {
    let server: TestServer
    let token: string
    beforeAll(async () => {
      server = await startServer({
        schema: SCHEMA(backend),
        config: { ...(await config()), uploads: { chunk_size: '256KiB' } },
      })
      token = await server.token('alice')
    })
    afterAll(() => server?.stop())
    const client = (options: Partial<Parameters<typeof stageClient>[0]> = {}) =>
      stageClient({ url: server.url, token, ...options })

    async function expectStored(
      upload: Upload<{ readonly id: string; readonly size: number; readonly checksum: string }>,
      content: Uint8Array,
    ) {
      const file = await upload
      expect(file.size).toBe(content.length)
      expect(file.checksum).toBe(sha256(Buffer.from(content)))
      const stored = await (await client().storage.files.download(file.id)).arrayBuffer()
      expect(sha256(Buffer.from(stored))).toBe(file.checksum)
      return file
    }

    describe('every source', () => {
      const small = seededBytes(1, 40 * KIB)
      const large = seededBytes(2, 700 * KIB + 13)
      const fileOf = (content: Buffer): string => {
        const path = join(folder.dir, freshName())
        writeFileSync(path, content)
        return path
      }
      const web = (content: Buffer, step = 100_000): ReadableStream => {
        let at = 0
        return new ReadableStream({
          pull(controller) {
            if (at >= content.length) return controller.close()
            controller.enqueue(new Uint8Array(content.subarray(at, at + step)))
            at += step
          },
        })
      }
      const sources: readonly (readonly [string, (content: Buffer) => UploadSource])[] = [
        ['Blob', (content) => new Blob([new Uint8Array(content)])],
        ['File', (content) => new File([new Uint8Array(content)], freshName())],
        ['ArrayBuffer', (content) => new Uint8Array(content).buffer],
        ['Uint8Array', (content) => new Uint8Array(content)],
        ['Buffer', (content) => content],
        ['DataView', (content) => new DataView(new Uint8Array(content).buffer)],
        ['ReadableStream', (content) => web(content)],
        ['Node Readable', (content) => Readable.from([content.subarray(0, 1000), content.subarray(1000)])],
        ['fs.ReadStream', (content) => createReadStream(fileOf(content))],
        ['path', fileOf],
        ['file: URL', (content) => pathToFileURL(fileOf(content))],
        [
          '{ uri, name, type }',
          (content) => ({
            uri: `data:application/octet-stream;base64,${content.toString('base64')}`,
            name: freshName(),
            type: 'application/octet-stream',
          }),
        ],
      ]
      it.each(sources)('%s is taken, small or large', async (_, make) => {
        for (const content of [small, large]) {
          const told: UploadProgress[] = []
          const upload = client().storage.files.upload(make(content), {
            onProgress: (progress) => told.push(progress),
            metadata: { n: 1, list: [true, null] },
          })
          const file = await expectStored(upload, content)
          expect(file).toMatchObject({ metadata: { n: 1, list: [true, null] } })
          if (told.every(({ total }) => total !== null)) expectProgress(told, content.length)
          expect(upload.state).toBe('done')
        }
      })

      it('a stream of known length is sent in chunks, and refused when it is longer or shorter', async () => {
        await expectStored(client().storage.files.upload(web(large, 70_001), { size: large.length }), large)
        await expectStored(client().storage.files.upload(Readable.from([small]), { size: small.length }), small)
        for (const size of [large.length - 1, large.length + 1])
          expect(await failure(client().storage.files.upload(web(large), { size, name: freshName() }))).toMatchObject({
            code: 'source_unreadable',
          })
      })

      it('nothing at all, and names of every script, are taken', async () => {
        await expectStored(client().storage.files.upload(new Uint8Array(0), { name: freshName() }), new Uint8Array(0))
        for (const content of [small, large]) {
          const name = `${freshName('')} €漢😀 "&?#%é.bin`
          expect((await client().storage.files.upload(content, { name, path: `a b/${name}` })).path).toBe(
            `a b/${name}`.normalize('NFC'),
          )
        }
      })

      it('what cannot be read is refused', async () => {
        expect(await failure(client().storage.files.upload('/no/such/file'))).toMatchObject({
          code: 'source_unreadable',
        })
        expect(await failure(client().storage.files.upload(folder.dir))).toMatchObject({ code: 'source_unreadable' })
        expect(await failure(client().storage.files.upload(7 as never))).toMatchObject({ code: 'invalid_request' })
        expect(await failure(client().storage.files.upload(null as never))).toMatchObject({ code: 'invalid_request' })
        const broken = new Readable({
          read() {
            this.destroy(new Error('pulled out'))
          },
        })
        expect(await failure(client().storage.files.upload(broken))).toMatchObject({ code: 'source_unreadable' })
      })

      it('metadata too large for an address travels in a form, quotes in the name and all', async () => {
        const metadata = { text: 'ü'.repeat(6000), more: ['"', '\r\n', '\\'] }
        const name = `${freshName('')} "x%'(*).txt`
        const file = await client().storage.files.upload(small, { name, metadata, path: name })
        expect(file).toMatchObject({ name, metadata, size: small.length })
        const error = await failure(client().storage.files.upload(large, { name: freshName(), metadata }))
        expect(error.code).toBe('invalid_metadata')
      })
    })

    describe('through a connection that breaks', () => {
      it('100 MB arrive whole over one that is cut twice, and progress never falls', async () => {
        const size = 100 * MIB
        const path = join(folder.dir, freshName())
        await pipeline(seededStream(3, size), createWriteStream(path))
        const proxy = await startProxy(server.port)
        const told: UploadProgress[] = []
        let cuts = 0
        const own = stageClient({ url: `http://127.0.0.1:${proxy.port}`, token, fetch: inChunksOf(5 * MIB) })
        const upload = own.storage.files.upload(path, {
          onProgress: (progress) => {
            told.push(progress)
            if (progress.loaded < (size / 3) * (cuts + 1) || cuts === 2) return
            cuts += 1
            proxy.cut()
          },
        })
        const file = await upload
        const hash = createHash('sha256')
        await pipeline(createReadStream(path), hash)
        expect(file).toMatchObject({ size, checksum: hash.digest('hex') })
        expect(cuts).toBe(2)
        expectProgress(told, size)
        await proxy.close()
      })

      it('a small file whose answer is lost is stored once', async () => {
        const proxy = await loseAnswers(server.port, 'PUT', 1)
        const own = stageClient({ url: `http://127.0.0.1:${proxy.port}`, token })
        const content = seededBytes(4, 200 * KIB)
        const name = freshName()
        const file = await expectStored(own.storage.files.upload(content, { name }), content)
        expect(proxy.lost()).toBe(1)
        expect((await client().storage.files.list({ search: name })).items.map(({ id }) => id)).toEqual([file.id])
        // Somebody else's file in the same place is no answer to this upload.
        const again = await loseAnswers(server.port, 'PUT', 1)
        const other = stageClient({ url: `http://127.0.0.1:${again.port}`, token })
        expect(await failure(other.storage.files.upload(seededBytes(5, 100), { name }))).toMatchObject({
          code: 'file_exists',
        })
        await Promise.all([proxy.close(), again.close()])
      })

      it('a large file whose beginning or end is not heard of is stored once', async () => {
        for (const [method, count] of [
          ['POST', 1],
          ['PATCH', 3],
        ] as const) {
          const proxy = await loseAnswers(server.port, method, count)
          const own = stageClient({ url: `http://127.0.0.1:${proxy.port}`, token })
          const content = seededBytes(6, 3 * STEP)
          const name = freshName()
          await expectStored(own.storage.files.upload(content, { name }), content)
          expect(proxy.lost()).toBe(count)
          expect((await client().storage.files.list({ search: name })).items).toHaveLength(1)
          expect(server.query('SELECT id FROM _alyx_uploads WHERE path = ?', name)).toEqual([])
          await proxy.close()
        }
      })

      it('a server that is silent is given up after stallTimeout and asked again', async () => {
        const proxy = await startProxy(server.port)
        const own = stageClient({ url: `http://127.0.0.1:${proxy.port}`, token, stallTimeout: 700 })
        await own.storage.files.list({ limit: 1 })
        const content = seededBytes(5, 900 * KIB)
        let hung = false
        const upload = own.storage.files.upload(content, {
          name: freshName(),
          onProgress: ({ loaded }) => {
            if (hung || loaded < STEP) return
            hung = true
            proxy.cut()
            proxy.turn('hang')
            setTimeout(() => proxy.turn('on'), 1500)
          },
        })
        await expectStored(upload, content)
        expect(hung).toBe(true)
        await proxy.close()
      })
    })

    describe('that are steered', () => {
      it.each([
        ['small', 200 * KIB],
        ['large', 3 * MIB],
      ] as const)('a %s one pauses, goes on and ends whole', async (_, size) => {
        const content = seededBytes(6, size)
        const told: UploadProgress[] = []
        const upload = client().storage.files.upload(new Blob([content]), {
          name: freshName(),
          onProgress: (progress) => {
            told.push(progress)
            if (told.length === 1 || (told.length === 4 && progress.percent !== 100)) upload.pause()
          },
        })
        await eventually('it pauses', () => upload.state === 'paused')
        expect(upload.progress).toEqual(told.at(-1))
        upload.resume()
        const timer = setInterval(() => upload.resume(), 20)
        await expectStored(upload, content)
        clearInterval(timer)
        expectProgress(told, size)
      })

      it.each([
        ['small', 200 * KIB],
        ['large', 3 * MIB],
      ] as const)('a %s one that is given up in flight leaves nothing', async (_, size) => {
        const name = freshName()
        const controller = new AbortController()
        const upload = client().storage.files.upload(seededBytes(7, size), {
          name,
          signal: controller.signal,
          onProgress: ({ loaded }) => loaded > 0 && controller.abort(),
        })
        const error = await failure(upload)
        expect(error).toMatchObject({ code: 'aborted', status: 0 })
        expect(upload.state).toBe('failed')
        await eventually(
          'path and bytes are free',
          () => server.query<{ n: number }>('SELECT count(*) AS n FROM _alyx_uploads WHERE path = ?', name)[0]!.n === 0,
        )
        await client().storage.files.upload(seededBytes(8, 10), { name })
      })

      it('abort() resolves once the server has forgotten, also while paused', async () => {
        const name = freshName()
        const upload = client().storage.files.upload(seededBytes(9, 2 * MIB), {
          name,
          onProgress: ({ loaded }) => loaded > STEP && upload.pause(),
        })
        await eventually('it pauses', () => upload.state === 'paused')
        await upload.abort()
        expect(await failure(upload)).toMatchObject({ code: 'aborted' })
        expect(server.query('SELECT id FROM _alyx_uploads WHERE path = ?', name)).toEqual([])
        await upload.abort()
      })

      it('abort() waits neither for a server that is silent nor for a stream', async () => {
        const line = await startProxy(server.port)
        onTestFinished(() => line.close())
        line.turn('hang')
        const { files } = client({ url: `http://127.0.0.1:${line.port}` }).storage
        const silent = files.upload(new Uint8Array(3))
        await eventually('it is asked', () => line.connections() > 0)
        await silent.abort()
        expect(await failure(silent)).toMatchObject({ code: 'aborted' })
        const endless = client().storage.files.upload(new ReadableStream({ pull: () => new Promise(() => {}) }))
        setTimeout(() => void endless.abort(), 100)
        expect(await failure(endless)).toMatchObject({ code: 'aborted' })
      })

      it('a signal that is aborted already sends nothing', async () => {
        const line = await startProxy(server.port)
        onTestFinished(() => line.close())
        const { files } = client({ url: `http://127.0.0.1:${line.port}` }).storage
        expect(await failure(files.upload(new Uint8Array(3), { signal: AbortSignal.abort() }))).toMatchObject({
          code: 'aborted',
        })
        expect(line.connections()).toBe(0)
      })
    })

    describe('that go on later', () => {
      it('in a second process, after the first was killed', async () => {
        const path = join(folder.dir, freshName())
        await pipeline(seededStream(10, 12 * MIB), createWriteStream(path))
        const state = join(folder.dir, 'state')
        const run = (stopAt: number): Promise<string> =>
          new Promise((resolve) => {
            const child = fileURLToPath(new URL('../client/upload-main.ts', import.meta.url))
            execFile(
              process.execPath,
              ['--disable-warning=ExperimentalWarning', child, server.url, token, path, state, String(stopAt)],
              (_, stdout) => resolve(stdout),
            )
          })
        const first = await run(6 * MIB)
        expect(first).toBe('')
        const second = JSON.parse(await run(Infinity)) as {
          readonly first: number
          readonly size: number
          readonly checksum: string
          readonly name: string
        }
        const hash = createHash('sha256')
        await pipeline(createReadStream(path), hash)
        expect(second).toMatchObject({ size: 12 * MIB, checksum: hash.digest('hex') })
        expect(second.first).toBeGreaterThanOrEqual(3 * MIB)
      })

      it('not with other content of the same name, nor with other metadata', async () => {
        const store = folderStore(join(folder.dir, 'other'))
        const name = freshName()
        const stopped = (content: Uint8Array, metadata: { readonly a: number }): Promise<void> =>
          new Promise((resolve) => {
            const upload = client({ resumeStore: store }).storage.files.upload(content, {
              name,
              metadata,
              onProgress: ({ loaded }) => {
                if (loaded <= 2 * STEP) return
                upload.pause()
                resolve()
              },
            })
            upload.catch(() => {})
          })
        const content = seededBytes(11, 2 * MIB)
        await stopped(content, { a: 1 })
        const file = await client({ resumeStore: store }).storage.files.upload(content, { name, metadata: { a: 2 } })
        expect(file).toMatchObject({ checksum: sha256(content), metadata: { a: 2 } })
      })
    })

    describe('that cannot be', () => {
      it('are refused before anything is sent: too large, of a wrong type, into a bucket that is not', async () => {
        const line = await startProxy(server.port)
        onTestFinished(() => line.close())
        const { storage } = client({ url: `http://127.0.0.1:${line.port}` })
        const { images, files } = storage
        const refuse = async (code: AlyxErrorCode, upload: Upload<unknown>) => {
          const error = await failure(upload)
          expect(error).toMatchObject({ code, status: 0 })
          expect(line.connections()).toBe(0)
          return error
        }
        const big = await refuse('file_too_large', images.upload(Buffer.concat([PNG, Buffer.alloc(MIB)])))
        expect(big.details).toEqual({ limit: MIB, size: MIB + PNG.length })
        await refuse('file_type_not_allowed', images.upload(Buffer.from('words'), { name: 'a.txt' }))
        await refuse(
          'file_type_not_allowed',
          images.upload(new File(['%PDF-1.4'], 'a.png', { type: 'application/pdf' })),
        )
        await refuse('file_type_not_allowed', images.upload(new Uint8Array(0)))
        await refuse('bucket_not_found', storage.upload('nope' as never, Buffer.from('x')))
        const sparse = join(folder.dir, freshName())
        writeFileSync(sparse, '')
        const { truncate } = await import('node:fs/promises')
        await truncate(sparse, 1024 ** 3 + 1)
        expect(statSync(sparse).size).toBe(1024 ** 3 + 1)
        await refuse('file_too_large', files.upload(sparse))
        await files.upload(Buffer.from('x'), { name: freshName() })
        expect(line.connections()).toBeGreaterThan(0)
      })

      it('are refused by the server where only it knows, and never before', async () => {
        const { images } = client().storage
        expect((await images.upload(new File([JPEG], freshName('.txt'), { type: 'image/jpg' }))).mime_type).toBe(
          'image/jpeg',
        )
        expect((await images.upload(PNG, { type: 'application/octet-stream', name: freshName() })).mime_type).toBe(
          'image/png',
        )
        expect(await failure(images.upload(SVG, { name: freshName('.svg') }))).toMatchObject({
          code: 'file_type_not_allowed',
          status: 415,
        })
        const name = freshName()
        await client().storage.files.upload(Buffer.from('1'), { name })
        for (const size of [1, MIB])
          expect(await failure(client().storage.files.upload(seededBytes(12, size), { name }))).toMatchObject({
            code: 'file_exists',
          })
        for (const size of [10, MIB])
          expect(
            await failure(
              client().storage.files.upload(seededBytes(13, size), { name: freshName(), checksum: '0'.repeat(64) }),
            ),
          ).toMatchObject({ code: 'checksum_mismatch', status: 400 })
        expect(await failure(stageClient({ url: server.url }).storage.files.upload(Buffer.from('x')))).toMatchObject({
          code: 'unauthenticated',
        })
      })

      it('a token that runs out on the way is asked for anew', async () => {
        let asked = 0
        const stale = await server.token('alice', { exp: 1_000_000_000 })
        const own = client({
          token: () => {
            asked += 1
            return asked % 4 === 3 ? stale : token
          },
        })
        const content = seededBytes(14, 2 * MIB)
        await expectStored(own.storage.files.upload(content, { name: freshName() }), content)
        expect(asked).toBeGreaterThan(8)
      })
    })
  })
})

interface LosingProxy {
  readonly port: number
  readonly lost: () => number
  close(): Promise<void>
}

/** In front of the server: the first `count` answers to `method` never arrive, their connections end instead. */
async function loseAnswers(target: number, method: string, count: number): Promise<LosingProxy> {
  let lost = 0
  const sockets = new Set<Socket>()
  const proxy = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    let asked = ''
    const end = (): void => {
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', end).on('close', end)
    }
    near.on('data', (part: Buffer) => {
      asked = /^([A-Z]+) \/\S+ HTTP/.exec(part.toString('latin1'))?.[1] ?? asked
      far.write(part)
    })
    far.on('data', (part: Buffer) => {
      if (asked !== method || lost >= count) return void near.write(part)
      lost += 1
      end()
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return {
    port: (proxy.address() as AddressInfo).port,
    lost: () => lost,
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => proxy.close(() => resolve()))
    },
  }
}
