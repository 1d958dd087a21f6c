// Four buckets that store their files otherwise than they are, and what the suites about them ask.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Answer, request } from '../support/http.ts'
import { form } from '../support/multipart.ts'
import { seededBytes } from '../support/random.ts'
import type { TestServer } from '../support/server.ts'

export const KEY_1 = `base64:${Buffer.alloc(32, 1).toString('base64')}`
export const KEY_2 = `base64:${Buffer.alloc(32, 2).toString('base64')}`

const RULES = '{create: "true", read: "true", download: "true", delete: "true"}'

/** Name → what is stored of it. */
export const BUCKETS = {
  gz: { compression: 'gzip', encryption: false },
  zs: { compression: 'zstd', encryption: false },
  enc: { compression: 'none', encryption: true },
  both: { compression: 'zstd', encryption: true },
} as const
export type BucketName = keyof typeof BUCKETS
export const NAMES = Object.keys(BUCKETS) as readonly BucketName[]

export const SCHEMA = `version: 1
buckets:
${NAMES.map(
  (name) =>
    `  ${name}: {backend: local, max_file_size: 1GiB, compression: ${BUCKETS[name].compression}, ` +
    `encryption: ${BUCKETS[name].encryption}, rules: ${RULES}}\n`,
).join('')}`

/** Merged into alyx.yml. */
export function withKeys(...keys: readonly (readonly [id: string, key: string])[]) {
  return { storage: { encryption: { keys: keys.map(([id, key]) => ({ id, key })) } } }
}

/** Text that compresses, `size` bytes of it, different for each seed; the marker stands in it again and again. */
export function textOf(seed: number, size: number, marker = 'nobody may find these words'): Buffer {
  const lines: string[] = []
  const chance = seededBytes(seed, Math.ceil(size / 4)).toString('hex')
  for (let at = 0, n = 0; at < size; n++) {
    const line = `${seed}:${n} ${marker} ${chance.slice(n * 12, n * 12 + 12)}\n`
    lines.push(line)
    at += line.length
  }
  return Buffer.from(lines.join('')).subarray(0, size)
}

export interface StoredView {
  readonly id: string
  readonly size: number
  readonly original_size: number | null
  readonly stored_size: number
  readonly checksum: string
  readonly mime_type: string
  readonly compressed: boolean
  readonly compression_type: string | null
  readonly encrypted: boolean
}

export interface CodecClient {
  put(bucket: string, name: string, body: Buffer): Promise<Answer>
  /** PUT that must succeed. */
  store(bucket: string, name: string, body: Buffer): Promise<StoredView>
  post(bucket: string, filename: string, body: Buffer): Promise<Answer>
  get(bucket: string, id: string, headers?: Readonly<Record<string, string>>, method?: string): Promise<Answer>
}

/** Speaks to a server as one caller. */
export function codecClient({ port }: TestServer, token: string): CodecClient {
  const put: CodecClient['put'] = (bucket, name, body) =>
    request({ port, token, method: 'PUT', path: `/api/files/${bucket}?name=${encodeURIComponent(name)}`, body })
  return {
    put,
    async store(bucket, name, body) {
      const answer = await put(bucket, name, body)
      if (answer.status !== 201) throw new Error(`storing ${name}: ${answer.status} ${answer.text}`)
      return answer.json<StoredView>()
    },
    post(bucket, filename, body) {
      const made = form({ filename, body })
      const headers = { 'content-type': made.contentType }
      return request({ port, token, method: 'POST', path: `/api/files/${bucket}`, headers, body: made.body })
    },
    get: (bucket, id, headers = {}, method = 'GET') =>
      request({ port, token, method, path: `/api/files/${bucket}/${id}/download`, headers: { ...headers } }),
  }
}

/** Every file below the data directory, the database and its log included. */
export function filesOnDisk({ dir }: TestServer): readonly string[] {
  return readdirSync(join(dir, 'data'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** The files whose bytes hold `words`. */
export function filesHolding(server: TestServer, words: string): readonly string[] {
  return filesOnDisk(server).filter((path) => readFileSync(path).includes(words))
}

/** Where the blob of a file lies. */
export function blobPath(server: TestServer, id: string): string {
  const path = filesOnDisk(server).find((each) => each.endsWith(`/${id}`) && each.includes('/files/'))
  if (path === undefined) throw new Error(`there is no blob of ${id}`)
  return path
}
