// What every tus request must have before its verb looks at it.
import { fail } from '../../core/errors.ts'
import { requireIdentity } from '../body.ts'
import type { Exchange } from '../exchange.ts'
import { OFFSET_OCTET_STREAM, TUS_VERSION } from './headers.ts'

/** Fails precondition_failed unless the client speaks tus 1.0.0. */
export function requireVersion(exchange: Exchange): void {
  const version = exchange.header('tus-resumable')
  if (version === TUS_VERSION) return
  throw fail(
    'precondition_failed',
    version === undefined ? 'Tus-Resumable is missing' : 'this version of tus is not spoken here',
    {
      details: { supported: [TUS_VERSION] },
      hint: `Send Tus-Resumable: ${TUS_VERSION}.`,
    },
  )
}

/** Content-Length in bytes; null for a chunked body, 0 for none. */
export function bodyLength(exchange: Exchange): number | null {
  return exchange.hasBody ? exchange.contentLength : 0
}

/** Checks that a body is the plain bytes of an upload. Fails: unsupported_media_type, invalid_request. */
export function requireUploadBody(exchange: Exchange): void {
  if (exchange.header('content-type')?.toLowerCase() !== OFFSET_OCTET_STREAM) {
    throw fail('unsupported_media_type', `the content type is not ${OFFSET_OCTET_STREAM}`, {
      hint: `Send Content-Type: ${OFFSET_OCTET_STREAM}.`,
    })
  }
  requireIdentity(exchange)
  // A client that asks for a check must not believe that it was made.
  if (exchange.header('upload-checksum') !== undefined) {
    throw fail('invalid_request', 'Upload-Checksum is not offered', {
      hint: 'Send the SHA-256 of the whole file as checksum in Upload-Metadata.',
    })
  }
}
