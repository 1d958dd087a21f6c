// The headers of tus 1.0.0: what is read and what is written.
import { fail } from '../../core/errors.ts'
import { httpDate } from '../../files/http-date.ts'

export const TUS_VERSION = '1.0.0'
export const TUS_EXTENSIONS = 'creation,creation-with-upload,termination,expiration'
/** The only content type of bytes (tus 1.0 core, PATCH). */
export const OFFSET_OCTET_STREAM = 'application/offset+octet-stream'

const DIGITS = /^(?:0|[1-9]\d{0,14})$/

/** Upload-Length in bytes. Two headers arrive joined by a comma and are refused with everything else that is not
 *  1 to 15 plain digits. Fails: invalid_request. */
export function parseUploadLength(header: string | undefined): number {
  return parseDigits('Upload-Length', header)
}

/** Upload-Offset in bytes. Fails: invalid_request. */
export function parseOffset(header: string | undefined): number {
  return parseDigits('Upload-Offset', header)
}

function parseDigits(name: string, header: string | undefined): number {
  if (header === undefined)
    throw fail('invalid_request', `${name} is missing`, { hint: `Send ${name}: the number of bytes.` })
  if (!DIGITS.test(header)) {
    throw fail('invalid_request', `${name} is not a number of bytes`, {
      hint: `Send ${name} once, as 1 to 15 decimal digits.`,
    })
  }
  return Number(header)
}

export interface TusState {
  readonly offset: number
  /** RFC 3339; null where the upload has become a file and nothing runs out any more. */
  readonly expiresAt: string | null
}

/** Upload-Offset and Upload-Expires, as they stand on every answer about an upload; names lower-case. */
export function tusHeaders(state: TusState): Record<string, string> {
  const headers: Record<string, string> = { 'upload-offset': String(state.offset), 'cache-control': 'no-store' }
  if (state.expiresAt !== null) headers['upload-expires'] = httpDate(state.expiresAt)
  return headers
}
