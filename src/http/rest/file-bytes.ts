// Files as bytes: upload as a form or raw, download, view.
import * as z from 'zod'
import { type AppError, fail, isFailure } from '../../core/errors.ts'
import type { FileRow } from '../../core/model.ts'
import type { Delivery, FileService, LinkOperation, UploadInput } from '../../files/model.ts'
import type { Observer } from '../../observe/observer.ts'
import { requireIdentity } from '../body.ts'
import { failureAnswer } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { readUploadForm } from '../multipart.ts'
import { type Answer, json, type Route, route } from '../route.ts'
import { ACCESS, FILE, TAG } from './files.ts'
import { fileSchema, viewFile } from './view.ts'

const BUCKET = '/api/files/{bucket}'
const BINARY = { type: 'string', format: 'binary' } as const

const fieldShape = {
  path: z.string().optional().meta({ description: "Default: the bucket's path template." }),
  metadata: z.string().optional().meta({ description: 'JSON object of at most 16 KiB.' }),
  expires_in: z.string().optional().meta({ description: 'Seconds, or a duration such as `7d`.' }),
  checksum: z.string().optional().meta({ description: 'SHA-256 of the bytes, hex; verified before the file appears.' }),
  rules: z.string().optional().meta({ description: 'JSON object of CEL rules; only in buckets with file_security.' }),
}
const putQuery = z.strictObject({ name: z.string().meta({ description: 'Name of the file.' }), ...fieldShape })
const linkQuery = z.strictObject({
  token: z.string().optional().meta({ description: 'Of a signed link; no other credential is needed.' }),
})

const CREATED = {
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
  'unsupported_media_type',
  'rate_limited',
  'storage_unavailable',
  'storage_full',
] as const

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
    return json(201, viewFile(row), { location: exchange.addressOf(row.id) })
  }

  const bytes = (method: 'GET' | 'HEAD', operation: LinkOperation): Route =>
    route({
      method,
      path: `${FILE}/${operation}`,
      summary: summaryOf(method, operation),
      tag: TAG,
      query: linkQuery,
      responses: {
        200: {
          description: 'The whole file.',
          content: { '*/*': BINARY },
          headers: {
            ETag: '`"<sha256>"`, or `"<sha256>-<coding>"` with a Content-Encoding.',
            'Content-Encoding':
              '`gzip` or `zstd`: the stored bytes of a compressed file, for clients that accept them so.',
          },
        },
        206: {
          description: 'The range asked for.',
          content: { '*/*': BINARY },
          headers: { 'Content-Range': 'bytes a-b/size' },
        },
        304: { description: 'Unchanged.' },
      },
      failures: [
        ...ACCESS,
        'file_not_found',
        'precondition_failed',
        'range_not_satisfiable',
        'storage_unavailable',
        'decrypt_failed',
        'file_corrupt',
      ],
      async handler(exchange, input) {
        const bucket = exchange.param('bucket')
        const delivery = await files.open(exchange.call(), {
          bucket,
          id: exchange.param('id'),
          operation,
          method,
          token: input.query?.token ?? null,
          headers: {
            'accept-encoding': exchange.header('accept-encoding'),
            range: exchange.header('range'),
            'if-range': exchange.header('if-range'),
            'if-match': exchange.header('if-match'),
            'if-none-match': exchange.header('if-none-match'),
            'if-modified-since': exchange.header('if-modified-since'),
            'if-unmodified-since': exchange.header('if-unmodified-since'),
          },
        })
        if (delivery.status === 412 || delivery.status === 416)
          return refusedDelivery(delivery, (failure) => failureAnswer(failure, exchange.start.requestId, null))
        return {
          ...delivery,
          onSent: (sent, whole) =>
            observer.event('download', { bucket, operation, status: delivery.status, bytes: sent, whole }),
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

function summaryOf(method: 'GET' | 'HEAD', operation: LinkOperation): string {
  if (method === 'HEAD') return `What a ${operation} would answer`
  return operation === 'download' ? 'Download a file' : 'Show a file in the browser'
}

/** 412 and 416 carry the envelope like every failure, and what the file's current state is. */
export function refusedDelivery({ status, headers }: Delivery, render: (failure: AppError) => Answer): Answer {
  const failure =
    status === 412
      ? fail('precondition_failed', 'the file is not in the state the request demands')
      : fail('range_not_satisfiable', 'the range begins after the end of the file')
  const answer = render(failure)
  const kept = Object.fromEntries(
    ['content-range', 'accept-ranges', 'etag', 'vary'].flatMap((name) =>
      headers[name] === undefined ? [] : [[name, headers[name]]],
    ),
  )
  return { ...answer, headers: { ...answer.headers, ...kept } }
}
