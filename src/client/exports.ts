// What `alyx/client` exports on every platform, besides createClient.
export type { Client, ClientOptions, ClientVerbs, StorageClient, StorageVerbs } from './connect.ts'
export {
  AlyxError,
  type AlyxErrorCode,
  CLIENT_CODES,
  type ClientErrorCode,
  isAlyxError,
  SERVER_CODES,
  type ServerErrorCode,
} from './errors.ts'
export type { Listing, Page } from './listing.ts'
export {
  type AlyxFile,
  type AnySchema,
  type BucketTypes,
  type CollectionTypes,
  type Expanded,
  type Filter,
  isFile,
  type Json,
  type ListFilter,
  type Metadata,
  type MetadataOf,
  type SchemaFacts,
  type SchemaTypes,
  type Sort,
  type Upload,
  type UploadOptions,
  type UploadProgress,
} from './model.ts'
export type { AbortSignalLike, BlobLike, DownloadResponse, Fetch, NativeFile, UploadSource } from './platform.ts'
export type { CollectionClient, RecordOptions, RecordQuery } from './records.ts'
export { memoryStore, type ResumeStore } from './resume-store.ts'
export type { CreatedShare, NewShare, Share, SharedFile, SharesClient } from './shares.ts'
export type {
  BucketClient,
  Deleted,
  DownloadOptions,
  FileQuery,
  FileReference,
  FileUpdate,
  LinkOptions,
  SignedLink,
  SignedLinks,
} from './storage.ts'
export type { Token } from './transport.ts'
export type { TusOptions } from './tus-options.ts'
