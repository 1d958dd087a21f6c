// /v1/uploads: large files in parts, by the official SDKs of OpenAI or by pre-signed addresses.
import * as z from 'zod'
import type { OpenAiPart, OpenAiUpload } from '../../meta/openai.ts'
import type { OpenAiUploads } from '../../openai/model.ts'
import { requireIdentity } from '../body.ts'
import type { Exchange } from '../exchange.ts'
import { type FormSpec, readForm } from '../multipart.ts'
import { json, type Route, route } from '../route.ts'
import { ACCESS, COMMON, STORING } from './files.ts'
import {
  arrivedPartSchema,
  listSchema,
  openAiPartSchema,
  openAiUploadSchema,
  viewArrivedPart,
  viewList,
  viewOpenAiPart,
  viewOpenAiUpload,
} from './view.ts'

const UPLOADS = '/v1/uploads'
const UPLOAD = '/v1/uploads/{openai_upload}'
const PARTS = `${UPLOAD}/parts`
const BINARY = { type: 'string', format: 'binary' } as const
/** Form and head around the bytes of a part. */
const AROUND = 64 * 1024
const DATA = { file: 'data', fields: [], trailing: true, unnamed: 'data' } as const satisfies FormSpec<string>

const createBody = z
  .strictObject({
    filename: z.string(),
    purpose: z.string(),
    bytes: z.int().min(0),
    mime_type: z.string().max(255).meta({ description: 'Shown, never believed.' }),
    expires_after: z
      .strictObject({ anchor: z.literal('created_at'), seconds: z.int() })
      .optional()
      .meta({ description: 'Of the file to be.' }),
    expires_in: z.int().optional().meta({ description: 'Seconds; short for expires_after.' }),
  })
  .meta({ id: 'OpenAIUploadCreate' })

const completeBody = z
  .strictObject({
    part_ids: z
      .array(z.string())
      .max(10_000)
      .optional()
      .meta({ description: 'In order; the numbered parts unless given.' }),
    md5: z.string().nullish().meta({ description: 'Of the whole file, in hex or base64.' }),
  })
  .meta({ id: 'OpenAIUploadComplete' })

const whole = (most: number) =>
  z
    .string()
    .regex(/^\d{1,12}$/, 'must be a whole number')
    .transform(Number)
    .refine((number) => number >= 1 && number <= most, `must be between 1 and ${most}`)

const partQuery = z.strictObject({
  expires: whole(999_999_999_999),
  signature: z.string().max(100),
  part_number: whole(10_000),
})

const FIND = [...ACCESS, 'upload_not_found'] as const
const FOUND = { 200: { description: 'The upload as it is now.', schema: openAiUploadSchema } }
const KEPT = { 200: { description: 'The part has arrived and is durable.', schema: openAiPartSchema } }

/** Uploads, their parts, and how they end. `drains`: bytes of a refused body that are read to the end. */
export function openAiUploadRoutes(uploads: OpenAiUploads, drains: number): readonly Route[] {
  const idOf = (exchange: Exchange): string => exchange.param('openai_upload')

  async function post(exchange: Exchange, upload: OpenAiUpload): Promise<OpenAiPart> {
    requireIdentity(exchange)
    const { body } = await readForm(exchange, DATA)
    try {
      return await uploads.addPart(upload, { body, length: null, number: null })
    } finally {
      body.destroy()
    }
  }

  return [
    route({
      ...COMMON,
      method: 'POST',
      path: UPLOADS,
      summary: 'Begin an upload in parts',
      rate: 'uploads',
      body: { kind: 'json', schema: createBody },
      responses: { 200: { description: 'Pending.', schema: openAiUploadSchema } },
      failures: [...ACCESS, ...STORING],
      async handler(exchange, { body }) {
        const { filename, purpose, bytes, mime_type: mimeType, expires_after: after, expires_in: expiresIn } = body
        const lifetime = { anchor: after?.anchor, seconds: after?.seconds, expiresIn }
        return json(
          200,
          viewOpenAiUpload(await uploads.create(exchange.call(), { filename, purpose, bytes, mimeType, lifetime })),
        )
      },
    }),
    route({
      ...COMMON,
      method: 'GET',
      path: UPLOAD,
      summary: 'Look at an upload',
      responses: FOUND,
      failures: FIND,
      async handler(exchange) {
        return json(200, viewOpenAiUpload(await uploads.get(exchange.call(), idOf(exchange))))
      },
    }),
    route({
      ...COMMON,
      method: 'GET',
      path: PARTS,
      summary: 'The parts that have arrived',
      responses: { 200: { description: 'All of them.', schema: listSchema(arrivedPartSchema) } },
      failures: FIND,
      async handler(exchange) {
        const parts = await uploads.parts(exchange.call(), idOf(exchange))
        return json(200, viewList(parts.map(viewArrivedPart), false))
      },
    }),
    route({
      ...COMMON,
      method: 'POST',
      path: PARTS,
      summary: 'Add a part',
      upload: true,
      drains,
      body: {
        kind: 'raw',
        description: 'The part, of at most 64 MiB.',
        content: { 'multipart/form-data': { type: 'object', required: ['data'], properties: { data: BINARY } } },
      },
      responses: KEPT,
      failures: [...FIND, ...STORING, 'upload_locked'],
      async handler(exchange) {
        const upload = await uploads.requireOpen(exchange.call(), idOf(exchange))
        return json(200, viewOpenAiPart(await post(exchange, upload)))
      },
    }),
    route({
      ...COMMON,
      method: 'PUT',
      path: PARTS,
      summary: 'Add or replace a numbered part by the url of the upload',
      open: true,
      upload: true,
      drains,
      query: partQuery,
      body: { kind: 'raw', description: 'The bytes of the part, of at most 64 MiB.', content: { '*/*': BINARY } },
      responses: KEPT,
      failures: ['invalid_token', 'upload_not_found', ...STORING, 'upload_locked'],
      async handler(exchange, { query }) {
        const upload = await uploads.requireSigned(idOf(exchange), query)
        requireIdentity(exchange)
        const length = exchange.hasBody ? exchange.contentLength : 0
        const body = exchange.body()
        try {
          return json(200, viewOpenAiPart(await uploads.addPart(upload, { body, length, number: query.part_number })))
        } finally {
          body.destroy()
        }
      },
    }),
    route({
      ...COMMON,
      method: 'POST',
      path: `${UPLOAD}/complete`,
      summary: 'Make a file of the parts',
      body: { kind: 'json', schema: completeBody },
      responses: FOUND,
      failures: [...FIND, ...STORING, 'upload_locked'],
      async handler(exchange, { body }) {
        const { part_ids: partIds = null, md5 = null } = body
        return json(200, viewOpenAiUpload(await uploads.complete(exchange.call(), idOf(exchange), { partIds, md5 })))
      },
    }),
    route({
      ...COMMON,
      method: 'POST',
      path: `${UPLOAD}/cancel`,
      summary: 'Give an upload up',
      responses: FOUND,
      failures: [...FIND, 'upload_locked'],
      async handler(exchange) {
        return json(200, viewOpenAiUpload(await uploads.cancel(exchange.call(), idOf(exchange))))
      },
    }),
  ]
}

/** Bytes that a refused request of /v1 may still bring: more than any file or part may have, and some for those that have too many. */
export function drainLimit(maxSize: number): number {
  return 2 * Math.max(maxSize, 512 * 1024 * 1024) + AROUND
}
