// What /v1 refuses by itself. `details.param` names the parameter at fault, `details.code` what OpenAI's clients know it as.
import { type AppError, fail } from '../core/errors.ts'

/** A parameter that is missing or wrong. */
export function wrong(param: string, message: string): AppError {
  return fail('invalid_request', message, { details: { param } })
}

/** More than there may be, in `param`. Bytes. */
export function tooLarge(param: 'bytes' | 'data', limit: number): AppError {
  const what = param === 'data' ? 'the part' : 'the upload'
  return fail('file_too_large', `${what} has more than the ${limit} bytes allowed here`, { details: { limit, param } })
}

/** A pre-signed address that is not one of ours. */
export function badPartUrl(): AppError {
  return fail('invalid_token', 'the url of the upload is not valid: use it as it stands there', {
    details: { param: null, code: 'invalid_api_key' },
  })
}

/** The upload is `completed`, `cancelled` or `expired`. */
export function ended(status: string): AppError {
  return fail('invalid_request', `the upload is ${status}`, { details: { code: `upload_${status}` } })
}

/** It belongs to another account. */
export function foreign(what: 'file' | 'upload'): AppError {
  return fail('forbidden', `this API key has no access to the ${what}`)
}
