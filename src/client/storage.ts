// Files: the verbs of one bucket, and the same for all of them by name.
import { AlyxError, isAlyxError } from './errors.ts'
import { createListing, type Listing, type Page } from './listing.ts'
import type { AlyxFile, Metadata, Upload, UploadOptions } from './model.ts'
import type { AbortSignalLike, DownloadResponse, UploadSource } from './platform.ts'
import { pathOf, type Transport } from './transport.ts'
import { type TusOptions, tusOptions } from './tus-options.ts'

export interface Cancel {
  readonly signal?: AbortSignalLike
}

export interface DownloadOptions extends Cancel {
  /** Bytes, both ends included; `end` left out = to the end of the file. */
  readonly range?: { readonly start: number; readonly end?: number }
  /** As browsers show it: inline where the type is safe. */
  readonly view?: boolean
}

export interface LinkOptions extends Cancel {
  /** How long the link works: seconds, or `15m`. Default and maximum are the server's. */
  readonly expiry?: string | number
  /** `view` shows the file in a browser where its type is safe. Default `download`. */
  readonly operation?: 'download' | 'view'
}

export interface SignedLink {
  readonly url: string
  readonly token: string
  readonly expires_at: string
}

/** Of several links, one may fail alone. */
export type SignedLinks = readonly (
  | ({ readonly id: string; readonly error?: undefined } & SignedLink)
  | { readonly id: string; readonly url?: undefined; readonly error: Failure }
)[]

interface Failure {
  readonly code: string
  readonly message: string
}

export interface Deleted {
  readonly deleted: readonly string[]
  readonly failed: readonly ({ readonly id: string } & Failure)[]
}

export interface FileQuery extends Cancel {
  /** Of a page: 1 to 1,000, default 100. */
  readonly limit?: number
  readonly cursor?: string
  readonly sort?: 'created_at' | '-created_at' | 'name' | '-name' | 'size' | '-size'
  /** Substring of the name. */
  readonly search?: string
  /** `image/png` or `image/*`. */
  readonly mimeType?: string
  readonly ownerId?: string
  /** Counts all pages. */
  readonly total?: boolean
}

export interface FileUpdate<Meta extends object = Metadata> {
  readonly name?: string
  readonly path?: string
  readonly metadata?: Meta
  /** RFC 3339; null = never. */
  readonly expires_at?: string | null
  readonly rules?: { readonly [operation: string]: string } | null
}

export interface FileReference {
  readonly collection: string
  readonly record_id: string
  readonly field: string
}

/** The files of one bucket. Every verb fails with AlyxError. */
export interface BucketClient<File = AlyxFile, Meta extends object = Metadata> {
  /** Sends content of any size: in one request where it is small, resumably where it is large. */
  upload(source: UploadSource, options?: UploadOptions<Meta>): Upload<File>
  /** The bytes, as the platform's own `Response`. */
  download(id: string, options?: DownloadOptions): Promise<DownloadResponse>
  /** A link that works without credentials until it expires. */
  getUrl(id: string, options?: LinkOptions): Promise<string>
  /** The same with its token and its end. */
  sign(id: string, options?: LinkOptions): Promise<SignedLink>
  /** Links to any number of files, in their order. */
  getUrls(ids: readonly string[], options?: LinkOptions): Promise<SignedLinks>
  /** Ends every link to the file made so far. */
  revokeLinks(id: string, options?: Cancel): Promise<void>
  delete(id: string, options?: Cancel): Promise<void>
  /** Any number of files; those that cannot be deleted are in `failed`, the others are gone. What ends it on its way has `deleted` and `failed`
   *  so far in its details. */
  deleteMany(ids: readonly string[], options?: Cancel): Promise<Deleted>
  list(query?: FileQuery): Listing<File>
  stat(id: string, options?: Cancel): Promise<File>
  update(id: string, change: FileUpdate<Meta>, options?: Cancel): Promise<File>
  /** Takes a deleted file back, in buckets with `trash`. */
  restore(id: string, options?: Cancel): Promise<File>
  /** Which records name the file. */
  references(id: string, options?: Cancel): Promise<readonly FileReference[]>
  /** What other clients of the tus protocol need to upload here: `uppy.use(Tus, client.storage.videos.tus())`. */
  tus(): TusOptions
}

/** More are asked for in several requests. */
const MOST_IDS = 100

export interface BucketDeps {
  readonly transport: Transport
  readonly upload: (bucket: string, source: UploadSource, options?: UploadOptions<object>) => Upload<AlyxFile>
}

/** The verbs of the bucket `bucket`. */
export function createBucket({ transport, upload }: BucketDeps, bucket: string): BucketClient {
  const all = () => pathOf('files', bucket)
  const at = (id: string, ...more: readonly string[]) => pathOf('files', bucket, id, ...more)
  const sign = async (id: string, { expiry, operation, signal }: LinkOptions = {}) =>
    transport.json<SignedLink>('GET', at(id, 'sign'), { query: { expiry, operation }, signal })
  return {
    upload: (source, options) => upload(bucket, source, options),
    async download(id, { range, view = false, signal } = {}) {
      const headers = range === undefined ? {} : { headers: { range: `bytes=${range.start}-${range.end ?? ''}` } }
      const answer = await transport.send('GET', at(id, view ? 'view' : 'download'), { ...headers, signal })
      return answer as unknown as DownloadResponse
    },
    getUrl: async (id, options) => (await sign(id, options)).url,
    sign,
    async getUrls(ids, { expiry, operation, signal } = {}) {
      const said = { ...(expiry === undefined ? {} : { expiry: String(expiry) }), ...(operation ? { operation } : {}) }
      const pages = await inTurn(ids, (some) =>
        transport.json<{ links: SignedLinks }>('POST', pathOf('files', bucket, 'sign'), {
          data: { ids: some, ...said },
          signal,
        }),
      )
      return pages.flatMap(({ links }) => links)
    },
    revokeLinks: async (id, options) => transport.json('POST', at(id, 'revoke-links'), options),
    delete: async (id, options) => transport.json('DELETE', at(id), options),
    async deleteMany(ids, options) {
      const done = { deleted: [] as string[], failed: [] as Deleted['failed'][number][] }
      await inTurn(ids, async (some) => {
        const { deleted, failed } = await transport
          .json<Deleted>('POST', pathOf('files', bucket, 'delete'), { data: { ids: some }, ...options })
          .catch((error: unknown) => partOf(error, done))
        done.deleted.push(...deleted)
        done.failed.push(...failed)
      })
      return done
    },
    list: ({ mimeType, ownerId, total, cursor, signal, ...query } = {}) =>
      createListing(async (next) => {
        const { files, ...page } = await transport.json<{
          files: AlyxFile[]
          next_cursor: string | null
          total?: number
        }>('GET', all(), {
          query: { ...query, mime_type: mimeType, owner_id: ownerId, total: total || null, cursor: next ?? cursor },
          signal,
        })
        return { items: files, ...page } satisfies Page<AlyxFile>
      }),
    stat: async (id, options) => transport.json('GET', at(id), options),
    update: async (id, change, options) => transport.json('PATCH', at(id), { data: change, ...options }),
    restore: async (id, options) => transport.json('POST', at(id, 'restore'), options),
    async references(id, options) {
      const { references } = await transport.json<{ references: FileReference[] }>('GET', at(id, 'references'), options)
      return references
    },
    tus: () => tusOptions(transport, bucket),
  }
}

async function inTurn<T>(ids: readonly string[], ask: (some: readonly string[]) => Promise<T>): Promise<readonly T[]> {
  const found: T[] = []
  for (let start = 0; start < ids.length; start += MOST_IDS) found.push(await ask(ids.slice(start, start + MOST_IDS)))
  return found
}

/** What was done is in the refusal. `before` = what was done before. */
function partOf(error: unknown, before: Deleted): Deleted {
  if (!isAlyxError(error)) throw error
  const { code, message, details, cause } = error
  if (code !== 'partial_failure' || !Array.isArray(details.deleted) || !Array.isArray(details.failed)) {
    if (before.deleted.length + before.failed.length === 0) throw error
    throw new AlyxError(code, message, { ...error, cause, details: { ...details, ...before } })
  }
  return { deleted: details.deleted as string[], failed: details.failed as Deleted['failed'] }
}
