// How failures look to OpenAI's clients: their envelope, and statuses that their retries understand.
import * as z from 'zod'
import { CATALOGUE, type ErrorCode } from '../../core/errors.ts'
import type { Dialect } from '../route.ts'

/** Where /v1 answers otherwise. 409, 429 and all from 500 on are tried again by the SDKs, the others are not. */
const STATUSES: Readonly<Partial<Record<ErrorCode, number>>> = {
  upload_locked: 409,
  upload_expired: 400,
  file_in_use: 400,
  storage_delete_failed: 503,
  file_too_large: 400,
  body_too_large: 400,
  file_type_not_allowed: 400,
  unsupported_media_type: 400,
}

/** The parameter at fault where the failure does not say. */
const PARAMS: Readonly<Partial<Record<ErrorCode, string>>> = {
  file_not_found: 'id',
  upload_not_found: 'upload_id',
  invalid_filename: 'file',
  invalid_path: 'file',
  file_type_not_allowed: 'file',
  file_too_large: 'file',
}

const KEY_CODES: ReadonlySet<ErrorCode> = new Set(['unauthenticated', 'invalid_token', 'token_expired'])

/** `{"error":{message,type,param,code}}`, all four always. */
export const OPENAI: Dialect = {
  prefix: '/v1/',
  schema: z
    .object({
      error: z.object({
        message: z.string(),
        type: z.string().meta({ description: '`invalid_request_error`, `rate_limit_error` or `server_error`.' }),
        param: z.string().nullable().meta({ description: 'The parameter at fault.' }),
        code: z.string().nullable(),
      }),
    })
    .meta({ id: 'OpenAIError' }),
  status: ({ code }) => STATUSES[code] ?? CATALOGUE[code].status,
  body(failure) {
    const { code, details, message } = failure
    const status = STATUSES[code] ?? failure.status
    const isKey = KEY_CODES.has(code) && details?.param === undefined
    return JSON.stringify({
      error: {
        message: isKey ? 'Incorrect API key provided: send Authorization: Bearer and a valid key.' : message,
        type: status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error',
        param: isKey ? null : paramOf(code, details),
        code: isKey ? 'invalid_api_key' : codeOf(code, details),
      },
    })
  },
}

function codeOf(code: ErrorCode, details: Readonly<Record<string, unknown>> | undefined): string {
  if (typeof details?.code === 'string') return details.code
  return code === 'body_too_large' ? 'file_too_large' : code
}

/** Named by the room of /v1, by the query or form, or the first of a JSON body. */
function paramOf(code: ErrorCode, details: Readonly<Record<string, unknown>> | undefined): string | null {
  const { param, parameter, fields } = details ?? {}
  if (typeof param === 'string') return param
  if (typeof parameter === 'string') return parameter
  if (Array.isArray(fields)) {
    const [first] = fields as readonly { readonly path?: unknown }[]
    if (typeof first?.path === 'string' && first.path !== '') return first.path.slice(0, 120)
  }
  return PARAMS[code] ?? null
}
