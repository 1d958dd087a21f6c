// A client: one server, one credential, and the names of the schema as its members.
import type { AlyxErrorCode } from './errors.ts'
import type { Listing } from './listing.ts'
import type {
  AnySchema,
  BucketOf,
  CollectionOf,
  CollectionTypes,
  FileOf,
  Metadata,
  SchemaFacts,
  SchemaTypes,
  Upload,
  UploadOptions,
} from './model.ts'
import type { DownloadResponse, UploadSource } from './platform.ts'
import { type CollectionClient, createCollection } from './records.ts'
import { httpStack } from './request.ts'
import type { ResumeStore } from './resume-store.ts'
import { createShares, type SharesClient } from './shares.ts'
import type { Host } from './source.ts'
import {
  type BucketClient,
  type Cancel,
  createBucket,
  type Deleted,
  type DownloadOptions,
  type FileQuery,
  type FileReference,
  type FileUpdate,
  type LinkOptions,
  type SignedLink,
  type SignedLinks,
} from './storage.ts'
import { createTransport, type TransportOptions } from './transport.ts'
import type { TusOptions } from './tus-options.ts'
import { createUpload } from './upload.ts'

export type { AlyxErrorCode }

export interface ClientOptions extends TransportOptions {
  /** How often an upload is tried again, counted from the last bytes that got through; default 10, about a minute and a half. */
  readonly uploadRetries?: number | undefined
  /** Milliseconds without a sign of life after which a request of an upload is tried again; default 300,000. */
  readonly stallTimeout?: number | undefined
  /** Where unfinished uploads are remembered. Default: `localStorage` in pages, a folder of the user in Node, Bun and Deno, else nowhere
   *  beyond the end of the program. */
  readonly resumeStore?: ResumeStore | undefined
}

type MetaOf<M, B> = B extends keyof M ? M[B] & object : Metadata

/** The verbs of BucketClient, each with the name of a bucket before the rest. */
export interface StorageVerbs<S extends SchemaTypes, M = unknown> {
  upload<B extends BucketOf<S>>(
    bucket: B,
    source: UploadSource,
    options?: UploadOptions<MetaOf<M, B>>,
  ): Upload<FileOf<S, B, M>>
  download(bucket: BucketOf<S>, id: string, options?: DownloadOptions): Promise<DownloadResponse>
  getUrl(bucket: BucketOf<S>, id: string, options?: LinkOptions): Promise<string>
  sign(bucket: BucketOf<S>, id: string, options?: LinkOptions): Promise<SignedLink>
  getUrls(bucket: BucketOf<S>, ids: readonly string[], options?: LinkOptions): Promise<SignedLinks>
  revokeLinks(bucket: BucketOf<S>, id: string, options?: Cancel): Promise<void>
  delete(bucket: BucketOf<S>, id: string, options?: Cancel): Promise<void>
  deleteMany(bucket: BucketOf<S>, ids: readonly string[], options?: Cancel): Promise<Deleted>
  list<B extends BucketOf<S>>(bucket: B, query?: FileQuery): Listing<FileOf<S, B, M>>
  stat<B extends BucketOf<S>>(bucket: B, id: string, options?: Cancel): Promise<FileOf<S, B, M>>
  update<B extends BucketOf<S>>(
    bucket: B,
    id: string,
    change: FileUpdate<MetaOf<M, B>>,
    options?: Cancel,
  ): Promise<FileOf<S, B, M>>
  restore<B extends BucketOf<S>>(bucket: B, id: string, options?: Cancel): Promise<FileOf<S, B, M>>
  references(bucket: BucketOf<S>, id: string, options?: Cancel): Promise<readonly FileReference[]>
  tus(bucket: BucketOf<S>): TusOptions
  /** The verbs bound to a bucket, also to one whose name is that of a verb. */
  bucket<B extends BucketOf<S>>(name: B): BucketClient<FileOf<S, B, M>, MetaOf<M, B>>
}

/** `client.storage.upload('avatars', …)`, or bound to a bucket `client.storage.avatars.upload(…)`. */
export type StorageClient<S extends SchemaTypes, M = unknown> = StorageVerbs<S, M> & {
  readonly [B in Exclude<BucketOf<S>, keyof StorageVerbs<S> | 'then'>]: BucketClient<FileOf<S, B, M>, MetaOf<M, B>>
}

export interface ClientVerbs<S extends SchemaTypes, M = unknown> {
  readonly url: string
  readonly storage: StorageClient<S, M>
  readonly shares: SharesClient<BucketOf<S>>
  /** A collection by name, also one whose name is taken here. */
  collection<C extends CollectionOf<S>>(name: C): CollectionClient<S['collections'][C]>
}

/** `client.storage`, `client.shares`, and each collection by its name. */
export type Client<S extends SchemaTypes = AnySchema, M = unknown> = ClientVerbs<S, M> & {
  readonly [C in Exclude<CollectionOf<S>, keyof ClientVerbs<S> | 'then'>]: CollectionClient<S['collections'][C]>
}

const VERBS = [
  'upload',
  'download',
  'getUrl',
  'sign',
  'getUrls',
  'revokeLinks',
  'delete',
  'deleteMany',
  'list',
  'stat',
  'update',
  'restore',
  'references',
  'tus',
] as const satisfies readonly (keyof BucketClient)[]

/** A client on a platform. Without `facts` every name is tried, `storage.bucket(name)` and `collection(name)` reach them. */
export function connect(
  host: Host & { resumeStore(): ResumeStore },
  options: ClientOptions,
  facts: SchemaFacts | null,
) {
  const transport = createTransport(options)
  const upload = createUpload({
    transport,
    host,
    facts,
    stack: httpStack(),
    bytesOnly: host.bytesOnly,
    store: options.resumeStore ?? host.resumeStore(),
    retries: options.uploadRetries ?? 10,
    stallTimeout: options.stallTimeout ?? 300_000,
  })
  const bucket = (name: string): BucketClient => createBucket({ transport, upload }, name)
  const verbs = VERBS.map((verb) => [
    verb,
    (name: string, ...rest: readonly unknown[]) =>
      (bucket(name)[verb] as (...rest: readonly unknown[]) => unknown)(...rest),
  ])
  const collection = (name: string): CollectionClient<CollectionTypes> => createCollection(transport, name)
  // Own names come last, so that no name of a schema hides one; `then` would make a promise of its object.
  return named(Object.keys(facts?.collections ?? {}), collection, {
    url: transport.url,
    storage: named(Object.keys(facts?.buckets ?? {}), bucket, { ...Object.fromEntries(verbs), bucket }),
    shares: createShares(transport),
    collection,
  })
}

function named<T>(names: readonly string[], make: (name: string) => T, own: object): object {
  const members = names.filter((name) => name !== 'then').map((name) => [name, make(name)] as const)
  return { ...Object.fromEntries(members), ...own }
}
