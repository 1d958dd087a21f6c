// The routes of tus 1.0.0: one verb of the protocol each.
import type { ErrorCode } from '../../core/errors.ts'
import type { UploadSessions } from '../../files/model.ts'
import { type Route, route } from '../route.ts'
import { appendUpload } from './append.ts'
import { cancelUpload } from './cancel.ts'
import { createUpload } from './create.ts'
import { discover, type MaxSize } from './discover.ts'
import { OFFSET_OCTET_STREAM, TUS_VERSION } from './headers.ts'
import { uploadStatus } from './status.ts'

export interface TusDeps {
  readonly sessions: UploadSessions
  readonly maxSize: MaxSize
  /** Bytes; what clients are told to send at a time. */
  readonly chunkSize: number
}

const COLLECTION = '/api/files/{bucket}/tus'
const UPLOAD = '/api/files/{bucket}/tus/{upload_id}'

const COMMON = {
  tag: 'Resumable uploads',
  headers: { 'tus-resumable': TUS_VERSION },
  onFailure(code: ErrorCode) {
    // Clients of the protocol try a 409 again; a path that is taken stays taken.
    if (code === 'file_exists') return { status: 422 }
    return code === 'precondition_failed' ? { headers: { 'tus-version': TUS_VERSION } } : {}
  },
} as const

const BYTES = {
  kind: 'raw',
  description: 'The bytes from Upload-Offset on.',
  content: { [OFFSET_OCTET_STREAM]: { type: 'string', format: 'binary' } },
} as const

const ACCESS = ['bucket_not_found', 'unauthenticated', 'forbidden', 'precondition_failed', 'database_busy'] as const
const FIND = [...ACCESS, 'upload_not_found', 'upload_expired', 'upload_locked'] as const
const ARRIVE = [
  'body_too_large',
  'unsupported_media_type',
  'storage_unavailable',
  'storage_full',
  'database_busy',
] as const
/** What the last byte can bring to light. */
const FINISH = ['file_type_not_allowed', 'checksum_mismatch', 'file_refused', 'inspection_failed'] as const

const OFFSET = { 'Upload-Offset': 'Bytes that have arrived and are durable.' }
const EXPIRES = { 'Upload-Expires': 'Until when the upload can be continued (RFC 9110 date).' }

/** POST, HEAD, PATCH, DELETE and OPTIONS of API.md §4. */
export function tusRoutes({ sessions, maxSize, chunkSize }: TusDeps): readonly Route[] {
  const offers = {
    ...COMMON,
    method: 'OPTIONS',
    summary: 'What tus features the server offers',
    open: true,
    responses: {
      204: {
        description: 'Version, extensions and largest size.',
        headers: { 'Tus-Version': '', 'Tus-Extension': '', 'Tus-Max-Size': 'Bytes.' },
      },
    },
    failures: ['bucket_not_found'],
    handler: (exchange) => discover(maxSize, chunkSize, exchange),
  } as const satisfies Omit<Route, 'path'>
  return [
    route({ ...offers, path: COLLECTION }),
    route({ ...offers, path: UPLOAD }),
    route({
      ...COMMON,
      method: 'POST',
      path: COLLECTION,
      summary: 'Begin a resumable upload',
      body: BYTES,
      rate: 'uploads',
      upload: true,
      methodOverride: true,
      responses: {
        201: {
          description: 'Begun; an empty file is finished already.',
          headers: {
            Location: 'Path of the upload; its last segment is the id of the file to be.',
            ...OFFSET,
            ...EXPIRES,
          },
        },
      },
      failures: [
        ...ACCESS,
        ...ARRIVE,
        ...FINISH,
        'invalid_filename',
        'invalid_path',
        'invalid_metadata',
        'invalid_expiry',
        'file_too_large',
        'quota_exceeded',
        'file_exists',
        'rate_limited',
        'not_implemented',
      ],
      handler: (exchange) => createUpload(sessions, exchange),
    }),
    route({
      ...COMMON,
      method: 'HEAD',
      path: UPLOAD,
      summary: 'How far an upload has come',
      methodOverride: true,
      responses: {
        200: {
          description: 'Where to continue.',
          headers: { ...OFFSET, 'Upload-Length': 'Bytes in all.', 'Upload-Metadata': '', ...EXPIRES },
        },
      },
      failures: FIND,
      handler: (exchange) => uploadStatus(sessions, exchange),
    }),
    route({
      ...COMMON,
      method: 'PATCH',
      path: UPLOAD,
      summary: 'Send the next bytes of an upload',
      body: BYTES,
      upload: true,
      methodOverride: true,
      responses: {
        204: {
          description: 'Arrived and durable; with the last byte the file exists.',
          headers: { ...OFFSET, ...EXPIRES },
        },
      },
      failures: [...FIND, ...ARRIVE, ...FINISH, 'offset_mismatch'],
      handler: (exchange) => appendUpload(sessions, exchange),
    }),
    route({
      ...COMMON,
      method: 'DELETE',
      path: UPLOAD,
      summary: 'Give up an unfinished upload',
      methodOverride: true,
      responses: { 204: { description: 'Bytes, path and reservation are free.' } },
      failures: FIND,
      handler: (exchange) => cancelUpload(sessions, exchange),
    }),
  ]
}
