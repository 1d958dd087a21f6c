// The nouns of the client, and the shape that a generated schema has.
import type { UploadSource } from './platform.ts'

export type Json = string | number | boolean | null | { readonly [key: string]: Json } | readonly Json[]
/** What the client of a file may note on it: a JSON object of at most 16 KiB. */
export type Metadata = { readonly [key: string]: Json }

/** A file as the server describes it (docs/http-api.md). Times are RFC 3339 in UTC. */
export interface AlyxFile<
  Bucket extends string = string,
  MimeType extends string = string,
  Meta extends object = Metadata,
> {
  readonly id: string
  readonly bucket: Bucket
  readonly name: string
  /** Unique in its bucket; for display. */
  readonly path: string
  /** Told from the bytes. */
  readonly mime_type: MimeType
  /** Bytes a download returns. */
  readonly size: number
  readonly original_size: number | null
  readonly stored_size: number
  /** SHA-256 of the content, hex. */
  readonly checksum: string
  readonly compressed: boolean
  readonly compression_type: 'gzip' | 'zstd' | null
  readonly encrypted: boolean
  readonly metadata: Meta
  readonly version: number
  readonly owner_id: string | null
  readonly expires_at: string | null
  readonly created_at: string
  readonly updated_at: string
}

/** Whether an expanded field holds the file, and not the id of one the caller may not read. */
export function isFile<F extends AlyxFile<string, string, object>>(value: F | string | null | undefined): value is F {
  return typeof value === 'object' && value !== null && 'mime_type' in value
}

/** What the client knows of a schema while it runs: the constant of a generated module. Sizes are bytes. */
export interface SchemaFacts {
  readonly buckets: {
    readonly [name: string]: { readonly allowedTypes: readonly string[]; readonly maxFileSize: number }
  }
  readonly collections: {
    readonly [name: string]: {
      readonly primary: string
      /** Fields that name files; `list` = several. */
      readonly files?: { readonly [field: string]: { readonly bucket: string; readonly list: boolean } }
    }
  }
}

/** What TypeScript knows of it: the interface of a generated module. */
export interface SchemaTypes {
  readonly buckets: { readonly [name: string]: BucketTypes }
  readonly collections: { readonly [name: string]: CollectionTypes }
}

export interface BucketTypes {
  readonly file: AlyxFile<string, string, object>
  readonly allowedTypes: string
  readonly maxFileSize: number
}

export interface CollectionTypes {
  readonly record: object
  readonly create: object
  readonly update: object
  /** Of each field that can be expanded: what it holds then. */
  readonly expand: object
  readonly filter: object
  /** Names of fields that records can be sorted by. */
  readonly sort: string
  readonly id: string | number
}

/** The types of a client without a generated module: every name is taken. */
export interface AnySchema extends SchemaTypes {
  readonly buckets: {
    readonly [name: string]: { readonly file: AlyxFile; readonly allowedTypes: string; readonly maxFileSize: number }
  }
  readonly collections: {
    readonly [name: string]: {
      readonly record: { readonly [field: string]: unknown }
      readonly create: { readonly [field: string]: unknown }
      readonly update: { readonly [field: string]: unknown }
      readonly expand: { readonly [field: string]: unknown }
      readonly filter: { readonly [field: string]: unknown }
      readonly sort: string
      readonly id: string | number
    }
  }
}

export type BucketOf<S extends SchemaTypes> = keyof S['buckets'] & string
export type CollectionOf<S extends SchemaTypes> = keyof S['collections'] & string

/** Metadata of the files of buckets, where the program knows more of them than that they are JSON. */
export type MetadataOf<Names extends string> = { readonly [Bucket in Names]?: object }

/** The files of a bucket, with the metadata the program says they have. */
export type FileOf<S extends SchemaTypes, B extends BucketOf<S>, M = unknown> = B extends keyof M
  ? Omit<S['buckets'][B]['file'], 'metadata'> & { readonly metadata: M[B] & object }
  : S['buckets'][B]['file']

/** `{ field: 'value' }` is equality and `{ field: null }` is null; else operators, of which all must hold. */
export type Filter<T, Operators extends string> =
  | ('eq' extends Operators ? T | null : null)
  | ({ readonly [O in Operators]?: O extends 'in' ? readonly T[] : O extends 'like' | 'contains' ? string : T } & {
      readonly is_null?: true
      readonly not_null?: true
    })

/** Of a field that is a list. */
export type ListFilter<T> = null | {
  readonly contains?: T
  readonly is_null?: true
  readonly not_null?: true
}

/** A field, `-` before it for the other way round. */
export type Sort<Field extends string> = Field | `-${Field}`

/** A record whose fields `E` are replaced by what they stand for. */
export type Expanded<C extends CollectionTypes, E extends keyof C['expand']> = Omit<C['record'], E> &
  Pick<C['expand'], E>

export interface UploadProgress {
  /** Bytes sent; never falls. */
  readonly loaded: number
  /** Null while the length of a stream is not known. */
  readonly total: number | null
  /** 0 to 100; 100 only once the file is stored. Null while the length is not known. */
  readonly percent: number | null
}

export interface UploadOptions<Meta extends object = Metadata> {
  /** Of the file; default: that of the source, else a random one. */
  readonly name?: string
  /** Default: what the bucket's template makes of the name. */
  readonly path?: string
  /** What the source is, where it does not say itself; the server judges by the bytes. */
  readonly type?: string
  readonly metadata?: Meta
  /** How long the file lives: seconds, or `7d`. */
  readonly expiresIn?: string | number
  /** SHA-256 of the content, hex: the server refuses anything else. */
  readonly checksum?: string
  /** CEL rules of the file's own, in buckets with `file_security`. */
  readonly rules?: { readonly [Operation in 'read' | 'update' | 'delete' | 'download']?: string }
  /** Bytes of a stream, so that it can be sent resumably. */
  readonly size?: number
  readonly onProgress?: (progress: UploadProgress) => void
  /** Gives the upload up, as `abort()` does. */
  readonly signal?: import('./platform.ts').AbortSignalLike
  /** False: do not go on where an earlier upload of the same content stopped, and do not remember this one. */
  readonly resumable?: boolean
  /** Makes two sources the same content across restarts, where the client cannot know. */
  readonly resumeKey?: string
}

/** An upload on its way: await it, or steer it. */
export interface Upload<File> extends Promise<File> {
  readonly state: 'running' | 'paused' | 'done' | 'failed'
  /** As `onProgress` told last. */
  readonly progress: UploadProgress
  /** Stops sending; what has arrived stays for `resume()`. */
  pause(): void
  resume(): void
  /** Gives it up: the promise rejects with `aborted`, the server forgets what had arrived. Resolves once it has. */
  abort(): Promise<void>
}

export type { UploadSource }
