// Every failure the client can end with: one class, and a closed union of codes.

/** What the server answers with (docs/http-api.md). */
export const SERVER_CODES = [
  'invalid_request',
  'invalid_json',
  'invalid_query',
  'invalid_filename',
  'invalid_path',
  'invalid_metadata',
  'file_refused',
  'inspection_failed',
  'invalid_expiry',
  'validation_failed',
  'file_reference_invalid',
  'checksum_mismatch',
  'unauthenticated',
  'invalid_token',
  'token_expired',
  'forbidden',
  'not_found',
  'bucket_not_found',
  'file_not_found',
  'upload_not_found',
  'collection_not_found',
  'record_not_found',
  'share_not_found',
  'method_not_allowed',
  'file_exists',
  'file_in_use',
  'record_in_use',
  'storage_delete_failed',
  'partial_failure',
  'unique_violation',
  'offset_mismatch',
  'upload_expired',
  'share_expired',
  'share_revoked',
  'share_exhausted',
  'precondition_failed',
  'file_too_large',
  'quota_exceeded',
  'body_too_large',
  'file_type_not_allowed',
  'unsupported_media_type',
  'range_not_satisfiable',
  'upload_locked',
  'rate_limited',
  'internal',
  'decrypt_failed',
  'file_corrupt',
  'not_implemented',
  'storage_unavailable',
  'database_busy',
  'storage_full',
] as const

/** What only the client can know: nothing answered, nothing in time, the caller gave up, the source cannot be read (or changed
 *  while it was), or the answer is none of Alyx. */
export const CLIENT_CODES = ['network_error', 'timeout', 'aborted', 'source_unreadable', 'unexpected_answer'] as const

export type ServerErrorCode = (typeof SERVER_CODES)[number]
export type ClientErrorCode = (typeof CLIENT_CODES)[number]
export type AlyxErrorCode = ServerErrorCode | ClientErrorCode

export interface AlyxErrorFacts {
  /** HTTP status; 0 where there was no answer. */
  readonly status?: number
  readonly hint?: string
  readonly details?: Readonly<Record<string, unknown>>
  readonly requestId?: string | null
  /** Seconds the server asked to wait. */
  readonly retryAfter?: number | null
  readonly cause?: unknown
}

/** The only error the client throws. `code` is stable; a code this version does not know is `unexpected_answer`, the original in
 *  `details.code`. */
export class AlyxError extends Error {
  override readonly name = 'AlyxError'
  readonly code: AlyxErrorCode
  readonly status: number
  /** What to do next; '' where nothing is known. */
  readonly hint: string
  readonly details: Readonly<Record<string, unknown>>
  /** Of the answer, for the operator of the server; null where there was none. */
  readonly requestId: string | null
  readonly retryAfter: number | null

  constructor(code: AlyxErrorCode, message: string, facts: AlyxErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.code = code
    this.status = facts.status ?? 0
    this.hint = facts.hint ?? ''
    this.details = facts.details ?? {}
    this.requestId = facts.requestId ?? null
    this.retryAfter = facts.retryAfter ?? null
  }
}

/** Whether something thrown is an AlyxError, also one of another copy of this module. */
export function isAlyxError(error: unknown): error is AlyxError {
  return error instanceof Error && error.name === 'AlyxError' && 'code' in error
}

/** The failure that an answer stands for. `body` is its text as it came. */
export function errorOfAnswer(status: number, body: string, header: (name: string) => string | null): AlyxError {
  const retryAfter = secondsOf(header('retry-after'))
  const requestId = header('x-request-id')
  const said = envelopeOf(body)
  if (said === null) {
    const message = `the server answered ${status} without saying why`
    const hint = 'This does not look like an answer of Alyx: check the url of the client.'
    return new AlyxError(bareCode(status), message, { status, hint, requestId, retryAfter })
  }
  const known = (SERVER_CODES as readonly string[]).includes(said.code)
  return new AlyxError(known ? (said.code as ServerErrorCode) : 'unexpected_answer', said.message, {
    status,
    hint: said.hint ?? '',
    details: known ? (said.details ?? {}) : { ...said.details, code: said.code },
    requestId: said.request_id ?? requestId,
    retryAfter,
  })
}

interface Envelope {
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly details?: Readonly<Record<string, unknown>>
  readonly request_id?: string
}

function envelopeOf(body: string): Envelope | null {
  try {
    const { error } = JSON.parse(body) as { readonly error?: Partial<Envelope> }
    return typeof error?.code === 'string' && typeof error.message === 'string' ? (error as Envelope) : null
  } catch {
    return null
  }
}

/** Of answers without an envelope: those of HEAD, and of whatever stands between the server and here. */
function bareCode(status: number): AlyxErrorCode {
  if (status === 423) return 'upload_locked'
  if (status === 429) return 'rate_limited'
  return status === 502 || status === 503 || status === 504 ? 'storage_unavailable' : 'unexpected_answer'
}

function secondsOf(text: string | null): number | null {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null
}
