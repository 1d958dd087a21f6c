// The stage of a benchmark: the product and the raw server, each a process with its data on the same disk, and one load client.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from '../test/support/http.ts'
import { startServer, type TestServer } from '../test/support/server.ts'
import { type Client, type Content, type Job, startClient, startRaw } from './jobs.ts'
import { RECORDS, seedRecords } from './records.ts'
import { SEED, seedFiles } from './seed.ts'

type Target = Pick<Job, 'port' | 'path' | 'headers'>

/** Buckets that take uploads. */
export type BucketName = 'files' | 'zstd' | 'sealed' | 'both'

export interface Bench {
  readonly server: TestServer
  readonly client: Client
  product(path: string): Target
  raw(path: string): Target
  /** Id of a file of that size in the product, uploaded on first use; by default noise in the bucket files. */
  stored(size: number, bucket?: BucketName, content?: Content): Promise<string>
  storedRaw(size: number): Promise<string>
  remove(ids: readonly string[], bucket?: BucketName): Promise<void>
  removeRaw(ids: readonly string[]): void
  /** Fills the buckets few and many once; the product restarts. */
  seed(): Promise<void>
  close(): Promise<void>
}

const SCHEMA = `version: 1
buckets:
${Object.entries({
  files: '',
  few: '',
  many: '',
  zstd: 'compression: zstd',
  sealed: 'encryption: true',
  both: 'compression: zstd\n    encryption: true',
})
  .map(
    ([name, codecs]) => `  ${name}:
    backend: local
    max_file_size: 2GB
    ${codecs}
    rules:
      create: auth.id != null
      read: auth.id == file.owner_id
      download: auth.id == file.owner_id
      update: auth.id == file.owner_id
      delete: auth.id == file.owner_id
`,
  )
  .join('')}${RECORDS}`

/** Starts everything. `durability` is `full` or `normal`, for both servers. */
export async function createBench(durability: 'full' | 'normal'): Promise<Bench> {
  const server = await startServer({
    schema: SCHEMA,
    config: {
      database: { durability },
      logging: { level: 'warn' },
      storage: { encryption: { keys: [{ id: 'k1', key: `base64:${randomBytes(32).toString('base64')}` }] } },
    },
  })
  const rawDir = mkdtempSync(join(tmpdir(), 'alyx-bench-raw-'))
  const raw = await startRaw(rawDir, durability)
  const client = startClient()
  const headers = { authorization: `Bearer ${await server.token('bench')}` }
  const stored = new Map<string, Promise<string>>()
  let seeded: Promise<void> | null = null

  const product = (path: string): Target => ({ port: server.port, path, headers })
  const rawTarget = (path: string): Target => ({ port: raw.port, path, headers: {} })
  const place = (target: Target, size: number, tag: string, content: Content = 'noise'): Promise<string> => {
    const known = stored.get(tag)
    if (known) return known
    const made = client
      .run({ ...target, kind: 'put', tag, size, content, connections: 1, requests: 1 })
      .then((done) => {
        const id = done.ids[0]
        if (id === undefined) throw new Error(`nothing was stored for ${tag}`)
        return id
      })
    stored.set(tag, made)
    return made
  }
  return {
    server,
    client,
    product,
    raw: rawTarget,
    stored: (size, bucket = 'files', content = 'noise') =>
      place(product(`/api/files/${bucket}?name={i}`), size, `${bucket}-${content}-${size}`, content),
    storedRaw: (size) => place(rawTarget('/{i}'), size, `raw-${size}`),
    remove: async (ids, bucket = 'files') => {
      for (const id of ids) {
        const answer = await request({
          port: server.port,
          method: 'DELETE',
          path: `/api/files/${bucket}/${id}`,
          headers,
        })
        if (answer.status !== 204) throw new Error(`DELETE ${id}: ${answer.status} ${answer.text}`)
      }
    },
    removeRaw: (ids) => {
      for (const id of ids) rmSync(join(rawDir, id), { force: true })
    },
    seed: () => {
      seeded ??= (async () => {
        await server.kill('SIGTERM')
        const file = join(server.dir, 'data', 'alyx.db')
        seedFiles(file, 'few', SEED.few, SEED.base, 'bench')
        seedFiles(file, 'many', SEED.many, SEED.base + SEED.few, 'bench')
        seedRecords(file)
        await server.restart()
      })()
      return seeded
    },
    close: async () => {
      client.close()
      raw.close()
      await server.stop()
      rmSync(rawDir, { recursive: true, force: true })
    },
  }
}
