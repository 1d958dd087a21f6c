// Files as bytes: upload as a form or raw, download, view.
import * as z from 'zod'
import { isFailure } from '../../core/errors.ts'
import type { FileRow } from '../../core/model.ts'
import type { FileService, LinkOperation, UploadInput } from '../../files/model.ts'
import type { Observer } from '../../observe/observer.ts'
import { requireIdentity } from '../body.ts'
import type { Exchange } from '../exchange.ts'
import { readUploadForm } from '../multipart.ts'
import { type Answer, json, type Route, route } from '../route.ts'
import { BINARY, BYTES, BYTES_FAILURES, conditions, isRefusal, refusal, summaryOf } from './byte-answers.ts'
import { ACCESS, FILE, TAG } from './files.ts'
import { fileSchema, viewFile } from './view.ts'
import { linkQuery, transformOf, viewQuery } from './view-query.ts'

const BUCKET = '/api/files/{bucket}'

const fieldShape = {
  path: z.string().optional().meta({ description: "Default: the bucket's path template." }),
  metadata: z.string().optional().meta({ description: 'JSON object of at most 16 KiB.' }),
  expires_in: z.string().optional().meta({ description: 'Seconds, or a duration such as `7d`.' }),
  checksum: z.string().optional().meta({ description: 'SHA-256 of the bytes, hex; verified before the file appears.' }),
  rules: z.string().optional().meta({ description: 'JSON object of CEL rules; only in buckets with file_security.' }),
}
const putQuery = z.strictObject({ name: z.string().meta({ description: 'Name of the file.' }), ...fieldShape })

const CREATED = {
  202: { description: 'Taken in, and kept from everybody until an admin has released it.', schema: fileSchema },
  201: { description: 'Stored.', schema: fileSchema, headers: { Location: 'Path of the file.' } },
}
const REFUSALS = [
  ...ACCESS,
  'invalid_filename',
  'invalid_path',
  'invalid_metadata',
  'invalid_expiry',
  'checksum_mismatch',
  'file_exists',
  'file_too_large',
  'quota_exceeded',
  'file_type_not_allowed',
  'file_refused',
  'unsupported_media_type',
  'rate_limited',
  'storage_unavailable',
  'inspection_failed',
  'storage_full',
] as const

/** Beyond what any view can fail with. */
const TRANSFORM = ['unsupported_media_type', 'quota_exceeded', 'not_implemented'] as const

/** POST and PUT of a file, GET and HEAD of its bytes (API.md §3, §5). */
export function byteRoutes(files: FileService, observer: Observer): readonly Route[] {
  async function store(exchange: Exchange, input: Omit<UploadInput, 'bucket'>): Promise<Answer> {
    const bucket = exchange.param('bucket')
    let row: FileRow
    try {
      row = await files.upload(exchange.call(), { bucket, ...input })
    } catch (error) {
      observer.event('upload', {
        bucket,
        protocol: 'put',
        result: isFailure(error) ? error.code : 'internal',
        bytes: 0,
      })
      throw error
    } finally {
      input.body.destroy()
    }
    observer.event('upload', { bucket, protocol: 'put', result: 'stored', bytes: row.size, id: row.id })
    // Nobody but admins sees it, so it has no address yet.
    if (row.state === 'quarantined') return json(202, viewFile(row))
    return json(201, viewFile(row), { location: exchange.addressOf(row.id) })
  }

  const bytes = (method: 'GET' | 'HEAD', operation: LinkOperation): Route =>
    route({
      method,
      path: `${FILE}/${operation}`,
      summary: summaryOf(method, operation),
      tag: TAG,
      query: operation === 'view' ? viewQuery : linkQuery,
      responses: BYTES,
      failures: [...ACCESS, ...BYTES_FAILURES, ...(operation === 'view' ? TRANSFORM : [])],
      async handler(exchange, input) {
        const bucket = exchange.param('bucket')
        const delivery = await files.open(exchange.call(), {
          bucket,
          id: exchange.param('id'),
          operation,
          method,
          token: input.query?.token ?? null,
          transform: operation === 'view' ? transformOf(input.query ?? {}) : null,
          headers: conditions(exchange),
        })
        if (isRefusal(delivery)) return refusal(exchange, delivery)
        const protocol = input.query?.token == null ? 'rest' : 'link'
        return {
          ...delivery,
          onSent: (sent, whole) =>
            observer.event('download', { bucket, operation, protocol, status: delivery.status, bytes: sent, whole }),
        }
      },
    })

  return [
    route({
      method: 'POST',
      path: BUCKET,
      summary: 'Upload a file as a form',
      tag: TAG,
      rate: 'uploads',
      upload: true,
      body: {
        kind: 'raw',
        description: 'The fields in any order, then the file as the last part.',
        content: {
          'multipart/form-data': {
            type: 'object',
            required: ['file'],
            properties: {
              ...Object.fromEntries(Object.keys(fieldShape).map((name) => [name, { type: 'string' }])),
              file: BINARY,
            },
          },
        },
      },
      responses: CREATED,
      failures: [...REFUSALS, 'body_too_large'],
      async handler(exchange) {
        requireIdentity(exchange)
        const { fields, name, declaredType, body } = await readUploadForm(exchange)
        return store(exchange, {
          fields: { name, ...fields },
          size: null,
          sizeBound: exchange.contentLength,
          declaredType,
          body,
        })
      },
    }),
    route({
      method: 'PUT',
      path: BUCKET,
      summary: 'Upload a file as it is',
      tag: TAG,
      rate: 'uploads',
      upload: true,
      query: putQuery,
      body: { kind: 'raw', description: 'The bytes of the file.', content: { '*/*': BINARY } },
      responses: CREATED,
      failures: REFUSALS,
      handler(exchange, { query }) {
        requireIdentity(exchange)
        const size = exchange.hasBody ? exchange.contentLength : 0
        const declaredType = exchange.header('content-type')?.trim() ?? null
        return store(exchange, { fields: query, size, sizeBound: size, declaredType, body: exchange.body() })
      },
    }),
    bytes('GET', 'download'),
    bytes('HEAD', 'download'),
    bytes('GET', 'view'),
    bytes('HEAD', 'view'),
  ]
}
