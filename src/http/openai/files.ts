// /v1/files: what the official SDKs of OpenAI speak.
import * as z from 'zod'
import { isFailure } from '../../core/errors.ts'
import type { OpenAiFile } from '../../meta/openai.ts'
import type { Observer } from '../../observe/observer.ts'
import type { FileInput, OpenAiFiles } from '../../openai/model.ts'
import { requireIdentity } from '../body.ts'
import type { Exchange } from '../exchange.ts'
import { type FormSpec, readForm } from '../multipart.ts'
import { BYTES_FAILURES, conditions, isRefusal, refusal } from '../rest/byte-answers.ts'
import { type Answer, json, type Route, route } from '../route.ts'
import { OPENAI } from './failures.ts'
import { listSchema, openAiFileSchema, viewList, viewOpenAiFile } from './view.ts'

export interface OpenAiFileRoutes {
  readonly files: OpenAiFiles
  readonly bucket: string
  readonly observer: Observer
  /** Bytes of a refused body that are read to the end. */
  readonly drains: number
}

const FILES = '/v1/files'
const FILE = '/v1/files/{openai_file}'
const BINARY = { type: 'string', format: 'binary' } as const
const FORM = {
  file: 'file',
  fields: ['purpose', 'expires_after[anchor]', 'expires_after[seconds]', 'expires_in'],
  trailing: true,
} as const satisfies FormSpec<string>

/** What any route of /v1 can fail with. */
export const ACCESS = ['unauthenticated', 'forbidden', 'database_busy'] as const
export const COMMON = { tag: 'OpenAI files', dialect: OPENAI } as const
/** What storing bytes can fail with. */
export const STORING = [
  'file_too_large',
  'quota_exceeded',
  'file_type_not_allowed',
  'invalid_filename',
  'rate_limited',
  'storage_unavailable',
  'storage_full',
] as const

const listQuery = z.strictObject({
  purpose: z.string().min(1).max(64).optional(),
  limit: z
    .string()
    .regex(/^\d{1,5}$/, 'must be a whole number')
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= 10_000, 'must be between 1 and 10000')
    .default(10_000)
    .meta({ description: '1 to 10000.' }),
  order: z.enum(['asc', 'desc'], 'must be asc or desc').default('desc').meta({ description: 'By created_at.' }),
  after: z.string().min(1).max(80).optional().meta({ description: 'Id of the file behind which the page begins.' }),
})

/** POST, GET and DELETE of files, and their content. */
export function openAiFileRoutes({ files, bucket, observer, drains }: OpenAiFileRoutes): readonly Route[] {
  async function store(exchange: Exchange): Promise<OpenAiFile> {
    requireIdentity(exchange)
    const form = await readForm(exchange, FORM)
    const input: FileInput = {
      name: form.name.replaceAll('%22', '"'),
      declaredType: form.declaredType,
      sizeBound: exchange.contentLength,
      body: form.body,
      asked: () => ({
        purpose: form.fields.purpose,
        anchor: form.fields['expires_after[anchor]'],
        seconds: form.fields['expires_after[seconds]'],
        expiresIn: form.fields.expires_in,
      }),
    }
    try {
      return await files.create(exchange.call(), input)
    } finally {
      form.body.destroy()
    }
  }

  return [
    route({
      ...COMMON,
      method: 'POST',
      path: FILES,
      summary: 'Upload a file',
      rate: 'uploads',
      upload: true,
      drains,
      body: {
        kind: 'raw',
        description: 'The fields and the file, in any order.',
        content: {
          'multipart/form-data': {
            type: 'object',
            required: ['file', 'purpose'],
            properties: {
              file: BINARY,
              purpose: { type: 'string' },
              'expires_after[anchor]': { const: 'created_at' },
              'expires_after[seconds]': { type: 'integer', minimum: 3600, maximum: 2_592_000 },
              expires_in: { type: 'integer', minimum: 1 },
            },
          },
        },
      },
      responses: { 200: { description: 'Stored.', schema: openAiFileSchema } },
      failures: [...ACCESS, ...STORING, 'body_too_large', 'unsupported_media_type'],
      async handler(exchange) {
        try {
          const file = await store(exchange)
          const { bytes, fileId: id } = file
          observer.event('upload', { bucket, protocol: 'openai', result: 'stored', bytes, id })
          return json(200, viewOpenAiFile(file, 'uploaded'))
        } catch (error) {
          const result = isFailure(error) ? error.code : 'internal'
          observer.event('upload', { bucket, protocol: 'openai', result, bytes: 0 })
          throw error
        }
      },
    }),
    route({
      ...COMMON,
      method: 'GET',
      path: FILES,
      summary: 'List files',
      query: listQuery,
      responses: { 200: { description: 'A page.', schema: listSchema(openAiFileSchema) } },
      failures: ACCESS,
      async handler(exchange, { query }) {
        const { purpose = null, limit, order, after = null } = query
        const page = await files.list(exchange.call(), { purpose, limit, descending: order === 'desc', after })
        return json(
          200,
          viewList(
            page.files.map((file) => viewOpenAiFile(file)),
            page.hasMore,
          ),
        )
      },
    }),
    route({
      ...COMMON,
      method: 'GET',
      path: FILE,
      summary: 'Look at a file',
      responses: { 200: { description: 'The file.', schema: openAiFileSchema } },
      failures: [...ACCESS, 'file_not_found'],
      async handler(exchange) {
        return json(200, viewOpenAiFile(await files.get(exchange.call(), exchange.param('openai_file'))))
      },
    }),
    route({
      ...COMMON,
      method: 'DELETE',
      path: FILE,
      summary: 'Delete a file',
      responses: {
        200: {
          description: 'Deleted.',
          schema: z.object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) }),
        },
      },
      failures: [...ACCESS, 'file_not_found', 'file_in_use'],
      async handler(exchange) {
        const id = exchange.param('openai_file')
        await files.remove(exchange.call(), id)
        return json(200, { id, object: 'file', deleted: true })
      },
    }),
    route({
      ...COMMON,
      method: 'GET',
      path: `${FILE}/content`,
      summary: 'The bytes of a file',
      responses: {
        200: { description: 'The whole file.', content: { '*/*': BINARY } },
        206: { description: 'The range asked for.', content: { '*/*': BINARY } },
        304: { description: 'Unchanged.' },
      },
      failures: [...ACCESS, ...BYTES_FAILURES],
      handler: (exchange) => content(exchange),
    }),
  ]

  async function content(exchange: Exchange): Promise<Answer> {
    const delivery = await files.content(exchange.call(), exchange.param('openai_file'), {
      method: exchange.start.method === 'HEAD' ? 'HEAD' : 'GET',
      headers: conditions(exchange),
    })
    if (isRefusal(delivery)) return refusal(exchange, delivery, OPENAI)
    const { status } = delivery
    return {
      ...delivery,
      onSent: (bytes, whole) =>
        observer.event('download', { bucket, operation: 'download', protocol: 'openai', status, bytes, whole }),
    }
  }
}
