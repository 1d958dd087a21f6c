// POST: a new upload, with its first bytes or without (tus 1.0 creation, creation-with-upload, expiration).
import { fail, isFailure } from '../../core/errors.ts'
import type { UploadSessions, UploadStatus } from '../../files/model.ts'
import type { Exchange } from '../exchange.ts'
import { type Answer, empty } from '../route.ts'
import { parseUploadLength, tusHeaders } from './headers.ts'
import { parseUploadMetadata } from './metadata.ts'
import { bodyLength, requireUploadBody, requireVersion } from './request.ts'

/** 201 with Location, Upload-Offset and Upload-Expires. What is refused leaves nothing behind, the upload included. */
export async function createUpload(sessions: UploadSessions, exchange: Exchange): Promise<Answer> {
  requireVersion(exchange)
  refuseExtensions(exchange)
  const size = parseUploadLength(exchange.header('upload-length'))
  const fields = parseUploadMetadata(exchange.header('upload-metadata'))
  const length = bodyLength(exchange)
  if (length !== 0) requireUploadBody(exchange)
  if (length !== null && length > size) {
    throw fail('body_too_large', `the body has ${length} bytes, Upload-Length says ${size}`, {
      details: { limit: size, size: length },
    })
  }
  const created = await sessions.create(exchange.call(), { bucket: exchange.param('bucket'), fields, size })
  const status =
    length === 0 || created.file !== null ? created : await appendFirst(sessions, exchange, created, length)
  return empty(201, {
    ...tusHeaders(status),
    'content-length': '0',
    location: exchange.addressOf(status.id),
  })
}

async function appendFirst(
  sessions: UploadSessions,
  exchange: Exchange,
  created: UploadStatus,
  length: number | null,
): Promise<UploadStatus> {
  const call = exchange.call()
  const bucket = exchange.param('bucket')
  const { id } = created
  // What is refused for good goes; and so does what nobody can continue because nobody heard its address:
  // kept, it would only hold its path against the client's next attempt.
  const abandon = (): Promise<void> => sessions.cancel(call, bucket, id).catch(() => {})
  try {
    const status = await sessions.append(call, { bucket, id, offset: 0, length, body: exchange.body() })
    if (exchange.signal.aborted) await abandon()
    return status
  } catch (error) {
    const passing = isFailure(error) && error.status >= 500 && !exchange.signal.aborted
    // In a passing trouble the client learns where its upload is and goes on with PATCH.
    if (passing) return sessions.status(call, bucket, id)
    await abandon()
    throw error
  }
}

/** tus 1.0 has extensions that are not offered here; ignoring them would store something else than was meant. */
function refuseExtensions(exchange: Exchange): void {
  if (exchange.header('upload-defer-length') !== undefined) {
    throw fail('invalid_request', 'Upload-Defer-Length is not offered', {
      hint: 'Send Upload-Length when you create the upload.',
    })
  }
  if (exchange.header('upload-concat') !== undefined) {
    throw fail('not_implemented', 'Upload-Concat is not offered', {
      hint: 'Send the file as one upload (parallelUploads: 1).',
    })
  }
}
