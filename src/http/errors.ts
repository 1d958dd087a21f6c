// How a failure looks to clients: one envelope, one status per code, the cause left behind in the log.
import type * as z from 'zod'
import { AppError, CATALOGUE, type ErrorCode, fail } from '../core/errors.ts'
import type { Observer } from '../observe/observer.ts'
import type { Answer, Dialect, Route } from './route.ts'

/** Codes that are spoken between rooms or on the command line; a client sees `internal`. */
const UNSPOKEN: ReadonlySet<ErrorCode> = new Set(['blob_missing', 'config_invalid'])

/** Turns whatever was thrown into a failure that may be shown. Foreign errors become `internal`, their cause goes to the log. */
export function toFailure(error: unknown, requestId: string, observer: Observer): AppError {
  if (error instanceof AppError && !UNSPOKEN.has(error.code)) {
    if (CATALOGUE[error.code].status >= 500 && error.cause !== undefined) {
      observer.event('internal_error', { request_id: requestId, code: error.code, error })
    }
    return error
  }
  observer.event('internal_error', { request_id: requestId, code: 'internal', error })
  return fail('internal', 'the server failed to answer this request')
}

/** The JSON text of the envelope (API.md §1). */
export function envelope(failure: AppError, requestId: string): string {
  const { code, message, hint, details } = failure
  return JSON.stringify({
    error: { code, message, hint, ...(details === undefined ? {} : { details }), request_id: requestId },
  })
}

/** The answer a failure becomes; a route may want another status and further headers. */
export function failureAnswer(
  failure: AppError,
  requestId: string,
  route: Route | null,
  dialect: Dialect | null = null,
): Answer {
  const rendering = route?.onFailure?.(failure.code)
  const status = dialect?.status(failure) ?? rendering?.status ?? failure.status
  const body = dialect?.body(failure) ?? envelope(failure, requestId)
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    ...rendering?.headers,
  }
  if (failure.retryAfter !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(failure.retryAfter)))
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  const allow = failure.code === 'method_not_allowed' ? failure.details?.allow : undefined
  if (Array.isArray(allow)) headers.allow = allow.join(', ')
  return { status, headers, body }
}

/** The failure of a JSON body its schema refuses. `details.fields` names each fault: `{ path, message }`. */
export function validationFailure(error: z.ZodError): AppError {
  const fields = error.issues.slice(0, 20).flatMap((issue) => {
    const path = issue.path.map(String).join('.')
    if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }]
    return issue.keys
      .slice(0, 20)
      .map((key) => ({ path: path === '' ? key : `${path}.${key}`, message: 'is unknown here' }))
  })
  const first = fields[0] ?? { path: '', message: 'is not valid' }
  const shown = first.path === '' ? 'the body' : first.path.slice(0, 120)
  return fail('validation_failed', `${shown}: ${first.message}`, { details: { fields } })
}
