// What the faults of an S3 server mean: whether to try again, whether it may have acted, what to tell the caller.
import { type AppError, fail, isFailure, systemCode } from '../core/errors.ts'

/** Seconds for the Retry-After header. */
const RETRY_AFTER = 5
/** The request cannot have reached the server. */
const UNSENT: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])
const PASSING_STATUS: ReadonlySet<number> = new Set([408, 409, 429, 500, 502, 503, 504])
const PASSING_NAME: ReadonlySet<string> = new Set(['RequestTimeout', 'RequestTimeTooSkewed', 'SlowDown'])
const FULL: ReadonlySet<string> = new Set([
  'QuotaExceeded',
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
  'InsufficientCapacity',
])

/** The name S3 gave an error (`NoSuchKey`, …), or the error's own; empty for what is no error. */
export function faultName(error: unknown): string {
  return error instanceof Error ? error.name : ''
}

/** The status the server answered with; null when it did not answer. A 2xx means: with something that is no answer. */
export function faultStatus(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return null
  const { $metadata: facts } = error
  if (typeof facts !== 'object' || facts === null || !('httpStatusCode' in facts)) return null
  return typeof facts.httpStatusCode === 'number' ? facts.httpStatusCode : null
}

/** Whether the same request may succeed a moment later. */
export function isPassing(error: unknown): boolean {
  if (isFailure(error)) return error.code === 'storage_unavailable'
  if (isOurs(error) || faultName(error) === 'CredentialsProviderError') return false
  const status = faultStatus(error)
  return status === null || status < 300 || PASSING_STATUS.has(status) || PASSING_NAME.has(faultName(error))
}

/** Whether the server may have done what it was asked all the same. */
export function isDoubtful(error: unknown): boolean {
  if (isFailure(error)) return error.code === 'storage_unavailable'
  if (isOurs(error) || faultName(error) === 'CredentialsProviderError') return false
  if (UNSENT.has(systemCode(error) ?? '') || isUnconnected(error)) return false
  const status = faultStatus(error)
  return status === null || status < 300 || (status >= 500 && status !== 501 && status !== 507)
}

/** Whether there is nothing of that name; false where it is the S3 bucket that is missing. */
export function isMissing(error: unknown): boolean {
  return faultStatus(error) === 404 && ['NoSuchKey', 'NotFound'].includes(faultName(error))
}

/** Whether a condition of the request did not hold. */
export function isUnmet(error: unknown): boolean {
  return faultStatus(error) === 412
}

/** Whether the server was there, took the request, and then gave no sign of life any more. The client calls a reset the same. */
export function isSilence(error: unknown): boolean {
  return faultName(error) === 'TimeoutError' && systemCode(error) === null && !isUnconnected(error)
}

/** Whether the server does not know what was asked of it. */
export function isUnknownHere(error: unknown): boolean {
  return faultStatus(error) === 501
}

/** The failure for the caller; failures pass unchanged. `doing` completes "the storage backend failed to …". */
export function s3Failure(error: unknown, doing: string): AppError {
  if (isFailure(error)) return error
  if (isOurs(error)) return fail('internal', `could not ${doing}`, { cause: error })
  const status = faultStatus(error)
  const name = faultName(error)
  if (status === 507 || FULL.has(name)) return fail('storage_full', `no space is left to ${doing}`, { cause: error })
  if (status === 413 || name === 'EntityTooLarge')
    return fail('file_too_large', 'the storage backend holds no file of this size', { cause: error })
  return unavailable(`the storage backend failed to ${doing}`, error)
}

/** storage_unavailable with a Retry-After that gives an outage time to pass. */
export function unavailable(message: string, cause?: unknown): AppError {
  return fail('storage_unavailable', message, { cause, retryAfter: RETRY_AFTER })
}

/** A mistake in a program, not of a server. */
function isOurs(error: unknown): boolean {
  if (faultStatus(error) !== null || systemCode(error) !== null) return false
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError
}

/** The client's own timer has no code to tell it by; were its words to change, a HEAD too many would be sent. */
function isUnconnected(error: unknown): boolean {
  return faultName(error) === 'TimeoutError' && /not establish a connection/.test((error as Error).message)
}
