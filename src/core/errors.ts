// Every failure Alyx can answer with: one catalogue, one error class, one way to raise it.

interface Entry {
  readonly status: number
  readonly hint: string
}

/** The stable codes of the HTTP contract, each with its status and what the caller can do next. */
export const CATALOGUE = {
  invalid_request: { status: 400, hint: 'Correct the request and send it again.' },
  invalid_json: { status: 400, hint: 'Send one JSON value in UTF-8, without duplicate keys.' },
  invalid_query: { status: 400, hint: 'Correct the named query parameter.' },
  invalid_filename: {
    status: 400,
    hint: 'A name has 1 to 255 UTF-8 bytes and no slash, backslash, control or bidi character.',
  },
  invalid_path: {
    status: 400,
    hint: 'A path has 1 to 1024 UTF-8 bytes in segments joined by "/", none of them "." or "..".',
  },
  invalid_metadata: { status: 400, hint: 'Metadata is a JSON object of at most 16 KiB.' },
  invalid_expiry: { status: 400, hint: 'Ask for an expiry between one second and the maximum in details.' },
  validation_failed: { status: 400, hint: 'Correct the fields in details.' },
  file_reference_invalid: { status: 400, hint: 'Name a file that exists in the field’s bucket and that you may read.' },
  checksum_mismatch: { status: 400, hint: 'The bytes that arrived are not the ones announced: send them again.' },
  file_refused: { status: 400, hint: 'The server has looked into the content and does not take it.' },
  unauthenticated: { status: 401, hint: 'Send Authorization: Bearer <JWT or API key>.' },
  invalid_token: { status: 401, hint: 'Get a new token: this one is not valid here.' },
  token_expired: { status: 401, hint: 'Get a new token: this one has expired.' },
  forbidden: { status: 403, hint: 'The rule in details does not admit this caller.' },
  not_found: { status: 404, hint: 'Check the address; /openapi.json lists every route.' },
  bucket_not_found: { status: 404, hint: 'Declare the bucket in schema.yaml or correct its name.' },
  file_not_found: { status: 404, hint: 'The file does not exist, was deleted or has expired.' },
  upload_not_found: { status: 404, hint: 'Create the upload again.' },
  collection_not_found: { status: 404, hint: 'Declare the collection in schema.yaml or correct its name.' },
  record_not_found: { status: 404, hint: 'The record does not exist.' },
  share_not_found: { status: 404, hint: 'The share does not exist.' },
  method_not_allowed: { status: 405, hint: 'Use a method from the Allow header.' },
  file_exists: { status: 409, hint: 'Choose another path, or delete the file that has this one.' },
  file_in_use: { status: 409, hint: 'Remove the references first.' },
  record_in_use: { status: 409, hint: 'Delete or change the record in details first: it points at this one.' },
  storage_delete_failed: { status: 409, hint: 'The file is kept and still readable: try again later.' },
  partial_failure: { status: 409, hint: 'See details for what was done and what was not.' },
  unique_violation: { status: 409, hint: 'Choose another value for the field in details.' },
  offset_mismatch: { status: 409, hint: 'Ask HEAD for the current offset and continue there.' },
  upload_expired: { status: 410, hint: 'Create the upload again.' },
  share_expired: { status: 410, hint: 'Ask for a new share.' },
  share_revoked: { status: 410, hint: 'Ask for a new share.' },
  share_exhausted: { status: 410, hint: 'Ask for a new share.' },
  precondition_failed: { status: 412, hint: 'Read the current version and decide again.' },
  file_too_large: { status: 413, hint: 'Raise max_file_size of the bucket in schema.yaml, or send a smaller file.' },
  quota_exceeded: { status: 413, hint: 'Delete files or raise the limit in details.' },
  body_too_large: { status: 413, hint: 'Send a smaller body.' },
  file_type_not_allowed: { status: 415, hint: 'The type is taken from the bytes; the bucket allows those in details.' },
  unsupported_media_type: { status: 415, hint: 'Send the content type and encoding that the route documents.' },
  range_not_satisfiable: { status: 416, hint: 'Ask for a range inside the size in Content-Range.' },
  upload_locked: { status: 423, hint: 'Another request is writing this upload: try again shortly.' },
  rate_limited: { status: 429, hint: 'Wait for the seconds in Retry-After.' },
  internal: { status: 500, hint: 'Report the request id: the cause is in the server’s log.' },
  decrypt_failed: { status: 500, hint: 'The key this file was written with is not in storage.encryption.keys.' },
  file_corrupt: { status: 500, hint: 'The stored bytes do not match their checksum: restore the file from a backup.' },
  not_implemented: { status: 501, hint: 'This server does not offer the feature.' },
  storage_unavailable: { status: 503, hint: 'The storage backend does not answer: try again after Retry-After.' },
  inspection_failed: { status: 503, hint: 'The content could not be inspected: try again after Retry-After.' },
  database_busy: { status: 503, hint: 'Try again after Retry-After.' },
  storage_full: { status: 507, hint: 'The server’s disk is full.' },
  /** Raised between rooms only; callers turn it into one of the codes above. */
  blob_missing: { status: 500, hint: 'The stored bytes are missing: run alyx doctor.' },
  /** Configuration, schema and command-line faults; never sent over HTTP. */
  config_invalid: { status: 500, hint: 'Correct the lines named above.' },
} as const satisfies Record<string, Entry>

export type ErrorCode = keyof typeof CATALOGUE
/** Machine-readable facts of a failure; must be safe to show to the caller. */
export type Details = Readonly<Record<string, unknown>>

export interface FailOptions {
  readonly details?: Details
  /** Replaces the catalogue's hint where something more exact can be said. */
  readonly hint?: string
  /** The foreign error behind this one: logged, never sent. */
  readonly cause?: unknown
  /** Seconds for the Retry-After header (RFC 9110 §10.2.3). */
  readonly retryAfter?: number
}

/** The only error Alyx raises on purpose. `message` is safe to send; `cause` is for the log. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly details: Details | undefined
  readonly hint: string
  readonly retryAfter: number | undefined

  constructor(code: ErrorCode, message: string, options: FailOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.details = options.details
    this.hint = options.hint ?? CATALOGUE[code].hint
    this.retryAfter = options.retryAfter ?? (CATALOGUE[code].status === 503 ? 1 : undefined)
  }

  /** HTTP status of the code. */
  get status(): number {
    return CATALOGUE[this.code].status
  }
}

/** Builds the error to throw: `throw fail('file_too_large', '…', { details: { limit, size } })`. */
export function fail(code: ErrorCode, message: string, options?: FailOptions): AppError {
  return new AppError(code, message, options)
}

/** Narrows to an AppError, optionally with one of the given codes. */
export function isFailure(error: unknown, ...codes: readonly ErrorCode[]): error is AppError {
  return error instanceof AppError && (codes.length === 0 || codes.includes(error.code))
}

/** The `code` of a system error (`ENOENT`, `ENOSPC`, …), or null. */
export function systemCode(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}
