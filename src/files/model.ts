// What the file service takes and gives. Protocols (REST, tus, …) are ways to call these verbs.
import type { Readable } from 'node:stream'
import type { Call, FileFacts, FileRow, LinkOperation } from '../core/model.ts'
import type { CommitOptions } from '../meta/commit.ts'
import type { SortField } from '../meta/store.ts'
import type { TransformRequest } from './transformer.ts'

/** The fields of an upload as they arrive, all text; the service parses and refuses them. */
export interface UploadFields {
  readonly name: string
  readonly path?: string | undefined
  /** JSON object. */
  readonly metadata?: string | undefined
  /** Seconds, or a duration such as `7d`. */
  readonly expires_in?: string | undefined
  /** SHA-256, hex. */
  readonly checksum?: string | undefined
  /** JSON object of CEL sources; only in buckets with file_security. */
  readonly rules?: string | undefined
}

export interface UploadInput {
  readonly bucket: string
  readonly fields: UploadFields
  /** Exact length of the file in bytes where the protocol states it; else null. */
  readonly size: number | null
  /** A bound above the length (a multipart body's Content-Length); null when there is none. */
  readonly sizeBound: number | null
  /** What the client says the type is: shown in a refusal, never believed. */
  readonly declaredType: string | null
  /** Not read before the claim. Ends after the last byte; errors when the request breaks. */
  readonly body: Readable
  /** Bytes the protocol takes where it takes fewer than the bucket. */
  readonly maxSize?: number
  /** Commits the claim together with what another protocol knows of it, or refuses it; `meta.commit` unless given. */
  readonly commit?: (id: string, facts: FileFacts, options: CommitOptions) => Promise<FileRow>
}

export interface ListInput {
  readonly limit: number
  readonly cursor: string | null
  readonly sort: SortField
  readonly descending: boolean
  readonly search: string | null
  readonly mimeType: string | null
  readonly ownerId: string | null
  readonly total: boolean
  /** The files in the trash that the caller may delete, instead of those that they may read. */
  readonly trashed?: boolean
}

export interface FileList {
  readonly files: readonly FileRow[]
  readonly nextCursor: string | null
  readonly total: number | null
}

/** Body of a PATCH, as parsed JSON with known keys only. */
export interface FileUpdate {
  readonly name?: string | undefined
  readonly path?: string | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** RFC 3339, or null for never. */
  readonly expires_at?: string | null | undefined
  readonly rules?: Readonly<Record<string, string>> | null | undefined
}

export type { LinkOperation }

export interface OpenInput {
  readonly bucket: string
  readonly id: string
  readonly operation: LinkOperation
  readonly method: 'GET' | 'HEAD'
  /** A signed link's token; replaces the caller's rights. */
  readonly token: string | null
  /** Another image than the stored one; of `view` only. */
  readonly transform?: TransformRequest | null
  /** Conditional and range headers as received (RFC 9110 §13, §14), and which codings the client takes; lower-case names. */
  readonly headers: {
    readonly 'accept-encoding'?: string | undefined
    readonly range?: string | undefined
    readonly 'if-range'?: string | undefined
    readonly 'if-match'?: string | undefined
    readonly 'if-none-match'?: string | undefined
    readonly 'if-modified-since'?: string | undefined
    readonly 'if-unmodified-since'?: string | undefined
  }
}

/** A complete answer but for the bytes, which are opened only when they will be sent. */
export interface Delivery {
  readonly status: 200 | 206 | 304 | 412 | 416
  /** ASCII only, lower-case names; content-length included where the answer has one. */
  readonly headers: Readonly<Record<string, string>>
  /** Null for HEAD, 304, 412, 416 and empty files. */
  readonly body: DeliveryBody | null
}

/** One read at a time; 0 at the end; close once. */
export interface BodyReader {
  read(into: Buffer): Promise<number>
  close(): Promise<void>
}

export interface DeliveryBody {
  readonly length: number
  /** Rejects before the first byte when the blob is not there; errors (never ends early) when it turns out corrupt. */
  stream(): Promise<Readable>
  /** The same for callers that bring their own buffers; null where only streams are offered. Close the reader. */
  reader?(): Promise<BodyReader | null>
  /** The whole body in one buffer, for bodies of at most 256 KiB; null when the body is larger. */
  bytes: (() => Promise<Buffer>) | null
}

export interface BulkResult {
  readonly deleted: readonly string[]
  readonly failed: readonly { readonly id: string; readonly code: string; readonly message: string }[]
}

export interface Link {
  readonly url: string
  readonly token: string
  readonly expiresAt: string
}

export type BulkLink =
  | ({ readonly id: string } & Link)
  | { readonly id: string; readonly error: { readonly code: string; readonly message: string } }

export interface BucketView {
  readonly name: string
  readonly maxFileSize: number
  readonly maxTotalSize: number | null
  readonly allowedTypes: readonly string[]
  readonly compression: 'none' | 'gzip' | 'zstd'
  readonly encrypted: boolean
  readonly retention: { readonly default: number | null; readonly max: number | null } | null
  /** Milliseconds for which deleted files can be restored; null = deleted files are gone. */
  readonly trash: number | null
}

/** Files that `inspect` had put aside. For admins only: all others fail unauthenticated or forbidden. Every verb fails bucket_not_found. */
export interface Quarantine {
  /** Latest first. */
  list(call: Call, bucket: string, limit: number, cursor: string | null): Promise<FileList>
  /** The whole content. Fails: file_not_found, storage_unavailable, file_corrupt, decrypt_failed. */
  open(call: Call, bucket: string, id: string): Promise<Pick<Delivery, 'headers' | 'body'>>
  /** From now on it is a file like any other. Fails file_not_found. */
  release(call: Call, bucket: string, id: string): Promise<FileRow>
  /** For good. Fails: file_not_found, storage_delete_failed. */
  remove(call: Call, bucket: string, id: string): Promise<void>
}

/** Every verb throws AppError: bucket_not_found, file_not_found, unauthenticated/forbidden and what it names. */
export interface FileService {
  buckets(call: Call): readonly BucketView[]
  /** claim → put → commit. Fails: file_exists, file_too_large, quota_exceeded, file_type_not_allowed, checksum_mismatch, invalid_*, storage_*. */
  upload(call: Call, input: UploadInput): Promise<FileRow>
  list(call: Call, bucket: string, input: ListInput): Promise<FileList>
  stat(call: Call, bucket: string, id: string): Promise<FileRow>
  update(call: Call, bucket: string, id: string, update: FileUpdate): Promise<FileRow>
  /** Into the trash of the bucket where it has one, unless `permanent`, which takes files out of the trash too.
   *  Fails: storage_delete_failed with the file kept. */
  remove(call: Call, bucket: string, id: string, permanent?: boolean): Promise<void>
  removeMany(call: Call, bucket: string, ids: readonly string[], permanent?: boolean): Promise<BulkResult>
  /** Out of the trash, to where it was or, when given, to `path`. Asks for the right to delete it. Fails: file_not_found, file_exists. */
  restore(call: Call, bucket: string, id: string, path: string | null): Promise<FileRow>
  readonly quarantine: Quarantine
  open(call: Call, input: OpenInput): Promise<Delivery>
  /** `expiry`: text such as `15m` or seconds; null = the default. */
  sign(call: Call, bucket: string, id: string, expiry: string | null, operation: string | null): Promise<Link>
  signMany(
    call: Call,
    bucket: string,
    ids: readonly string[],
    expiry: string | null,
    operation: string | null,
  ): Promise<readonly BulkLink[]>
  revokeLinks(call: Call, bucket: string, id: string): Promise<void>
}

/** What HEAD on an upload tells (tus 1.0 core). */
export interface UploadStatus {
  readonly id: string
  readonly offset: number
  readonly length: number
  /** RFC 3339; null once finished. */
  readonly expiresAt: string | null
  /** Set once the upload has become a file. */
  readonly file: FileRow | null
  readonly name: string
}

export interface SessionDraft {
  readonly bucket: string
  readonly fields: UploadFields
  readonly size: number
}

export interface AppendInput {
  readonly bucket: string
  readonly id: string
  /** Upload-Offset as stated by the client. */
  readonly offset: number
  /** Content-Length when known. */
  readonly length: number | null
  readonly body: Readable
}

/** Resumable uploads. Uploads of other callers are upload_not_found. */
export interface UploadSessions {
  /** Limits, quota, name and create rule are decided here. Zero bytes finish at once (`file` is set). */
  create(call: Call, draft: SessionDraft): Promise<UploadStatus>
  /** Fails: upload_not_found, upload_expired. Takes over from a request that is still writing. */
  status(call: Call, bucket: string, id: string): Promise<UploadStatus>
  /** Appends and, with the last byte, commits the file. What arrived before a disconnect is kept.
   *  Fails: offset_mismatch, body_too_large, upload_locked, upload_expired, and at the end what upload() fails with. */
  append(call: Call, input: AppendInput): Promise<UploadStatus>
  /** Fails: upload_not_found (a finished upload too: its file stays). */
  cancel(call: Call, bucket: string, id: string): Promise<void>
}
