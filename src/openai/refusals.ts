// What /v1 refuses by itself. `details.param` names the parameter at fault, `details.code` what OpenAI's clients know it as.
import { type AppError, fail } from '../core/errors.ts'

/** A parameter that is missing or wrong. */
export function wrong(param: string, message: string): AppError {
  return fail('invalid_request', message, { details: { param } })
}

/** A body that is longer than it may be. Bytes. */
export function tooLarge(what: string, limit: number): AppError {
  return fail('file_too_large', `${what} has more than the ${limit} bytes allowed here`, { details: { limit } })
}

/** The upload is `completed`, `cancelled` or `expired`. */
export function ended(status: string): AppError {
  return fail('invalid_request', `the upload is ${status}`, { details: { code: `upload_${status}` } })
}

/** It belongs to another account. */
export function foreign(what: 'file' | 'upload'): AppError {
  return fail('forbidden', `this API key has no access to the ${what}`)
}
