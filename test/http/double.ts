// A file service in memory, so that tests of the HTTP room meet parsing and rendering and nothing else.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Hono } from 'hono'
import { type Clock, timestamp } from '../../src/core/clock.ts'
import { fail } from '../../src/core/errors.ts'
import { createIds } from '../../src/core/ids.ts'
import { ANONYMOUS, type BlobKey, type Call, type Caller, type FileRow } from '../../src/core/model.ts'
import type { FileService, ListInput, OpenInput, UploadInput } from '../../src/files/model.ts'
import { createHttp, type HttpDeps } from '../../src/http/app.ts'
import type { EventName } from '../../src/observe/observer.ts'
import type { RecordService } from '../../src/records/model.ts'
import type { ShareService } from '../../src/shares/model.ts'

export interface Heard {
  readonly name: EventName
  readonly fields: Readonly<Record<string, unknown>>
}

export interface World {
  readonly app: Hono
  readonly rows: Map<string, FileRow>
  readonly bytes: Map<string, Buffer>
  readonly calls: Call[]
  readonly uploads: UploadInput[]
  readonly lists: ListInput[]
  readonly opens: OpenInput[]
  readonly heard: Heard[]
  readonly clock: Clock & { ms: number }
}

export const USER: Caller = { ...ANONYMOUS, kind: 'user', id: 'alice' }
export const ALICE = { authorization: 'Bearer alice' }

const absent = (collection: string): Error => fail('collection_not_found', `collection ${collection} does not exist`)

/** The records of a schema without collections. */
const noRecords: RecordService = {
  list: async (_, collection) => Promise.reject(absent(collection)),
  get: async (_, collection) => Promise.reject(absent(collection)),
  create: async (_, collection) => Promise.reject(absent(collection)),
  update: async (_, collection) => Promise.reject(absent(collection)),
  remove: async (_, collection) => Promise.reject(absent(collection)),
  references: async () => [],
}

const noShare = async (): Promise<never> => Promise.reject(fail('share_not_found', 'there is no such share'))

/** A server on which nothing is shared. */
const noShares: ShareService = {
  create: noShare,
  list: async () => ({ shares: [], nextCursor: null }),
  get: noShare,
  revoke: noShare,
  files: noShare,
  open: noShare,
}

/** Buckets: `pub` (all may), `none` (nobody may), `tiny` (10 bytes). `Bearer alice` is the only good credential. */
export function createWorld(overrides: Partial<HttpDeps> = {}, service: Partial<FileService> = {}): World {
  const clock = { ms: Date.parse('2026-01-02T03:04:05.678Z'), now: () => clock.ms }
  const nextId = createIds(clock)
  const rows = new Map<string, FileRow>()
  const bytes = new Map<string, Buffer>()
  const calls: Call[] = []
  const uploads: UploadInput[] = []
  const lists: ListInput[] = []
  const opens: OpenInput[] = []
  const heard: Heard[] = []

  const enter = (call: Call, bucket: string): void => {
    calls.push(call)
    if (!['pub', 'none', 'tiny'].includes(bucket)) throw fail('bucket_not_found', `bucket ${bucket} does not exist`)
    if (bucket === 'none') throw fail(call.caller.id === null ? 'unauthenticated' : 'forbidden', 'no rule admits this')
  }
  const find = (bucket: string, id: string): FileRow => {
    const row = rows.get(id)
    if (row === undefined || row.bucket !== bucket) throw fail('file_not_found', 'no such file')
    return row
  }
  const files: FileService = {
    buckets(call) {
      if (call.caller.id === null) throw fail('unauthenticated', 'sign in')
      const common = { maxTotalSize: null, allowedTypes: ['*/*'], compression: 'none', encrypted: false } as const
      return [{ name: 'pub', maxFileSize: 1024, ...common, retention: { default: 86_400_000, max: null }, trash: null }]
    },
    async upload(call, input) {
      uploads.push(input)
      enter(call, input.bucket)
      const limit = input.bucket === 'tiny' ? 10 : 64 * 1024 * 1024
      const tooLarge = (size: number): Error =>
        fail('file_too_large', `${size} bytes exceed ${limit}`, { details: { limit, size } })
      if ((input.size ?? 0) > limit) throw tooLarge(input.size!)
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of input.body as AsyncIterable<Buffer>) {
        size += chunk.length
        if (size > limit) throw tooLarge(size)
        chunks.push(chunk)
      }
      const content = Buffer.concat(chunks)
      const row = rowOf(nextId(), input.bucket, input.fields.name, content, call.caller.id, timestamp(clock.now()))
      rows.set(row.id, row)
      bytes.set(row.id, content)
      return row
    },
    async list(call, bucket, input) {
      enter(call, bucket)
      lists.push(input)
      return { files: [...rows.values()], nextCursor: null, total: input.total ? rows.size : null }
    },
    async stat(call, bucket, id) {
      enter(call, bucket)
      return find(bucket, id)
    },
    async update(call, bucket, id, update) {
      enter(call, bucket)
      const row = { ...find(bucket, id), ...(update.name === undefined ? {} : { name: update.name }), version: 2 }
      rows.set(id, row)
      return row
    },
    async remove(call, bucket, id) {
      enter(call, bucket)
      find(bucket, id)
      rows.delete(id)
    },
    async removeMany(call, bucket, ids) {
      enter(call, bucket)
      const deleted = ids.filter((id) => rows.delete(id))
      const failed = ids.filter((id) => !deleted.includes(id))
      return { deleted, failed: failed.map((id) => ({ id, code: 'file_not_found', message: 'no such file' })) }
    },
    async restore(call, bucket, id) {
      enter(call, bucket)
      return find(bucket, id)
    },
    quarantine: {
      list: async () => ({ files: [], nextCursor: null, total: null }),
      open: async (_, bucket, id) => Promise.reject(find(bucket, id)),
      release: async (_, bucket, id) => find(bucket, id),
      remove: async (_, bucket, id) => void find(bucket, id),
    },
    async open(call, input) {
      enter(call, input.bucket)
      opens.push(input)
      if (input.token !== null && input.token !== 'good') throw fail('invalid_token', 'not a link of ours')
      const row = find(input.bucket, input.id)
      const content = bytes.get(input.id)!
      const headers = { 'content-type': row.mimeType, 'content-length': String(content.length), vary: 'Authorization' }
      if (input.headers.range === 'bytes=9999-') {
        return { status: 416, headers: { ...headers, 'content-range': `bytes */${content.length}` }, body: null }
      }
      const sends = input.method === 'GET' && content.length > 0
      const small = content.length <= 256 * 1024
      const body = {
        length: content.length,
        stream: async () => Readable.from(pieces(content), { objectMode: false }),
        bytes: small ? async () => content : null,
      }
      return { status: 200, headers, body: sends ? body : null }
    },
    async sign(call, bucket, id, expiry, operation) {
      enter(call, bucket)
      find(bucket, id)
      return { url: `http://x/${operation}?token=t`, token: `t-${expiry}`, expiresAt: timestamp(clock.now()) }
    },
    async signMany(call, bucket, ids) {
      enter(call, bucket)
      return ids.map((id) => ({ id, error: { code: 'file_not_found', message: 'no such file' } }))
    },
    async revokeLinks(call, bucket, id) {
      enter(call, bucket)
      find(bucket, id)
    },
    ...service,
  }
  const app = createHttp({
    files,
    records: noRecords,
    shares: noShares,
    collections: new Map(),
    identify: async (authorization) => {
      if (authorization === 'Bearer alice') return USER
      throw fail('invalid_token', 'the token is not valid here')
    },
    server: {
      publicUrl: 'https://files.example',
      trustedProxies: [],
      cors: { allowedOrigins: ['https://app.example'] },
    },
    rateLimits: { uploads: null, sign: null, failedAuth: { count: 3, window: 60_000 } },
    observer: { event: (name, fields) => heard.push({ name, fields }) },
    metrics: null,
    ready: async () => ({ database: true }),
    clock,
    version: '1.2.3',
    ...overrides,
  })
  return { app, rows, bytes, calls, uploads, lists, opens, heard, clock }
}

function* pieces(content: Buffer): Generator<Buffer> {
  for (let at = 0; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536)
}

/** The row of a ready file. */
export function rowOf(
  id: string,
  bucket: string,
  name: string,
  content: Buffer,
  ownerId: string | null,
  now: string,
): FileRow {
  return {
    id,
    bucket,
    name,
    path: name,
    mimeType: 'text/plain',
    size: content.length,
    originalSize: null,
    storedSize: content.length,
    storedCrc32: null,
    checksum: createHash('sha256').update(content).digest('hex'),
    codecs: [],
    metadata: {},
    version: 1,
    ownerId,
    tenant: null,
    backend: 'local',
    key: `${bucket}/${id}` as BlobKey,
    state: 'ready',
    rules: null,
    linkEpoch: 0,
    expiresAt: null,
    stagedUntil: null,
    createdAt: now,
    updatedAt: now,
    hidden: null,
  }
}

/** Puts a file there and returns its id. */
export async function put(world: World, content: Buffer | string, bucket = 'pub'): Promise<string> {
  const answer = await world.app.request(`/api/files/${bucket}?name=a.txt`, {
    method: 'PUT',
    body: new Uint8Array(Buffer.from(content)),
  })
  return ((await answer.json()) as { id: string }).id
}

/** The error envelope of an answer. */
export async function errorOf(
  answer: Response,
): Promise<{ code: string; message: string; hint: string; details?: Record<string, unknown>; request_id: string }> {
  const body = (await answer.json()) as { error: { code: string; message: string; hint: string; request_id: string } }
  return body.error
}
