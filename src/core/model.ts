// The nouns: what a caller, a file, an upload and a blob are. Every room speaks these words.

/** What a rule decides about. */
export const OPERATIONS = ['create', 'read', 'update', 'delete', 'download'] as const
export type Operation = (typeof OPERATIONS)[number]

/** How bytes are handed out by a link or a share: as an attachment, or to be shown where the type is safe. */
export type LinkOperation = 'download' | 'view'

/** Who asks. An anonymous caller has null and empty in every field. */
export interface Caller {
  readonly kind: 'anonymous' | 'user' | 'key'
  /** JWT `sub`, or the API key's id (`key_…`). */
  readonly id: string | null
  readonly email: string | null
  readonly verified: boolean | null
  readonly role: string | null
  readonly roles: readonly string[]
  readonly tenant: string | null
  /** All further claims of the token. */
  readonly claims: Readonly<Record<string, unknown>>
  /** Of API keys only; null means unrestricted. */
  readonly scopes: readonly Scope[] | null
  /** Holds one of auth.admin_roles: passes every rule. */
  readonly admin: boolean
}

export type Scope = 'read' | 'write'

/** A row of `_alyx_api_keys`: what is stored of a key. Times are RFC 3339 with milliseconds. */
export interface ApiKeyRow {
  /** `key_` and 32 hex digits: the caller's id. */
  readonly id: string
  /** SHA-256 of the whole key, 64 hex digits. */
  readonly hash: string
  readonly name: string | null
  readonly tenant: string | null
  readonly scopes: readonly Scope[]
  readonly role: string | null
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly revokedAt: string | null
}

export const ANONYMOUS: Caller = {
  kind: 'anonymous',
  id: null,
  email: null,
  verified: null,
  role: null,
  roles: [],
  tenant: null,
  claims: {},
  scopes: null,
  admin: false,
}

/** What a rule may know about the request. */
export interface RequestFacts {
  readonly method: string
  readonly path: string
  /** Client address; behind a trusted proxy the forwarded one. */
  readonly ip: string
  /** RFC 3339. */
  readonly time: string
}

/** One call of a service: who, in which request, until when. */
export interface Call {
  readonly caller: Caller
  readonly request: RequestFacts
  /** Aborts when the client went away or the server stops. */
  readonly signal: AbortSignal
}

/** Where a backend keeps bytes: `{bucket}/{id}`, made by blobs/keys.ts only. Never holds user text. */
export type BlobKey = string & { readonly __blobKey: never }

/** Inclusive byte positions (RFC 9110 §14.1.2). */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export type Metadata = Readonly<Record<string, unknown>>
/** A file's own rules (`file_security`), CEL source per operation. */
export type OwnRules = Readonly<Partial<Record<Operation, string>>>

/** `ready` is readable; `trashed` was deleted and can be restored; `quarantined` waits for an admin, as `inspect` asked for; `deleting` is a
 *  tombstone whose bytes may still be there. */
export type FileState = 'ready' | 'trashed' | 'quarantined' | 'deleting'

/** Since when a file is in the trash or in quarantine, or was when it was condemned. Times RFC 3339. */
export interface Hidden {
  readonly at: string
  /** Of the trash: until when it can be restored; null in quarantine. */
  readonly purgeAt: string | null
  /** Of quarantine: what `inspect` said. */
  readonly reason: string | null
}

/** One codec that was applied to a blob, in the order of encoding, with what decoding needs. */
export interface CodecUse {
  readonly name: 'gzip' | 'zstd' | 'aes-256-gcm'
  readonly params: Readonly<Record<string, unknown>>
}

/** What is known only once the last byte has arrived. */
export interface FileFacts {
  readonly mimeType: string
  /** Bytes a download returns. */
  readonly size: number
  /** Bytes the client sent, when they differ from what a download returns or from what is stored; else null. */
  readonly originalSize: number | null
  /** Bytes the backend holds. */
  readonly storedSize: number
  /** CRC-32 of the bytes the backend holds (as zlib computes it), checked on every full read; null when unknown. */
  readonly storedCrc32: number | null
  /** SHA-256 of the content, 64 lower-case hex digits. */
  readonly checksum: string
  readonly codecs: readonly CodecUse[]
}

/** A row of `_alyx_files`. Times are RFC 3339 text with milliseconds. */
export interface FileRow extends FileFacts {
  readonly id: string
  readonly bucket: string
  readonly name: string
  readonly path: string
  readonly metadata: Metadata
  readonly version: number
  readonly ownerId: string | null
  readonly tenant: string | null
  readonly backend: string
  readonly key: BlobKey
  readonly state: FileState
  readonly rules: OwnRules | null
  /** Signed links carry the epoch they were made in; raising it ends them all. */
  readonly linkEpoch: number
  readonly expiresAt: string | null
  /** Until then the file waits for a record to name it, seen by its owner only; null once one has, or where the bucket has no staging. */
  readonly stagedUntil: string | null
  readonly createdAt: string
  readonly updatedAt: string
  /** Null but in the trash and in quarantine. */
  readonly hidden: Hidden | null
}

/** `put` covers raw and multipart requests, which cannot be resumed; `tus` can. `openai` is an upload of /v1, `part` one of its parts, which
 *  never becomes a file. */
export type Protocol = 'put' | 'tus' | 'openai' | 'part'

/** What is known before the first byte. */
export interface UploadDraft {
  readonly id: string
  readonly bucket: string
  readonly name: string
  readonly path: string
  readonly protocol: Protocol
  /** Declared length in bytes; null when the client did not say. */
  readonly size: number | null
  /** Client metadata, as it will stand on the file. */
  readonly metadata: Metadata
  readonly rules: OwnRules | null
  readonly ownerId: string | null
  readonly tenant: string | null
  readonly backend: string
  readonly key: BlobKey
  /** Announced SHA-256 (lower-case hex), verified before the commit. */
  readonly checksum: string | null
  /** Requested life of the file in milliseconds, counted from the commit; null = none. */
  readonly fileLifetime: number | null
  /** The client asked for that life; otherwise it is a default, which the owner's policy may shorten. */
  readonly lifetimeAsked?: boolean
  /** Milliseconds the file will be staged for, counted from the commit; null = it is not. */
  readonly staging: number | null
  /** When the unfinished upload may be swept, RFC 3339. */
  readonly expiresAt: string
  readonly createdAt: string
  /** The process that receives the bytes. */
  readonly holder: string
  readonly leaseExpiresAt: string
}

/** A row of `_alyx_uploads`: the claim of an upload that is not finished. */
export interface UploadRow extends Omit<UploadDraft, 'path' | 'holder' | 'leaseExpiresAt'> {
  /** Null once the claim was abandoned and its path is free again. */
  readonly path: string | null
  /** Durable bytes in the spool (tus); the truth about what has arrived. */
  readonly offset: number
  /** Bytes reserved from the quotas. */
  readonly reserved: number
  readonly state: 'open' | 'abandoned'
  readonly holder: string | null
  readonly leaseExpiresAt: string | null
  readonly updatedAt: string
}
