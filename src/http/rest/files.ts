// Files as objects: list, look at, change, delete.
import * as z from 'zod'
import type { ErrorCode } from '../../core/errors.ts'
import { fail } from '../../core/errors.ts'
import { isId } from '../../core/ids.ts'
import type { FileService, ListInput } from '../../files/model.ts'
import { empty, json, type Route, route } from '../route.ts'
import { PAGE } from './page.ts'
import { fileSchema, viewFile, viewTrashed } from './view.ts'

type SortField = ListInput['sort']

export const TAG = 'Files'
export const FILE = '/api/files/{bucket}/{id}'
/** What any route about files of a bucket can fail with. */
export const ACCESS: readonly ErrorCode[] = ['bucket_not_found', 'unauthenticated', 'forbidden', 'database_busy']

const SORTS = ['created_at', '-created_at', 'name', '-name', 'size', '-size', 'deleted_at', '-deleted_at'] as const

const PERMANENT = z
  .enum(['true', 'false'], 'must be true or false')
  .default('false')
  .meta({ description: 'Past the trash, and out of it.' })
const trashTime = z.string().optional().meta({ format: 'date-time', description: 'Of files in the trash.' })

const listQuery = z.strictObject({
  limit: PAGE.limit,
  cursor: PAGE.cursor,
  sort: z
    .enum(SORTS, `must be one of ${SORTS.join(', ')}`)
    .optional()
    .meta({ description: 'Default `-created_at`, of the trash `-deleted_at`; `deleted_at` is for the trash only.' }),
  search: z.string().min(1).max(255).optional().meta({ description: 'Substring of the name.' }),
  mime_type: z
    .string()
    .regex(/^[a-z0-9!#$&^_.+-]{1,127}\/(?:[a-z0-9!#$&^_.+-]{1,127}|\*)$/i, 'must be type/subtype or type/*')
    .optional()
    .meta({ description: '`image/png` or `image/*`.' }),
  owner_id: z.string().min(1).max(255).optional(),
  total: PAGE.total,
  trashed: z
    .enum(['true', 'false'], 'must be true or false')
    .default('false')
    .meta({ description: 'The trash instead: files that were deleted and that the caller may delete.' }),
})

const removeQuery = z.strictObject({ permanent: PERMANENT })

const listedSchema = fileSchema.extend({ deleted_at: trashTime, purge_at: trashTime }).meta({ id: 'ListedFile' })

const updateBody = z
  .strictObject({
    name: z.string(),
    path: z.string(),
    metadata: z.record(z.string(), z.unknown()),
    expires_at: z.string().nullable().meta({ format: 'date-time' }),
    rules: z.record(z.string(), z.string()).nullable(),
  })
  .partial()
  .meta({ id: 'FileUpdate' })

const deleteBody = z
  .strictObject({
    ids: z.array(z.string().refine(isId, 'is not the id of a file')).min(1).max(100),
    permanent: z.boolean().optional(),
  })
  .meta({ id: 'BulkDelete' })

/** GET list, GET, PATCH, DELETE and bulk delete of API.md §3. */
export function fileRoutes(files: FileService): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/files/{bucket}',
      summary: 'List files',
      tag: TAG,
      query: listQuery,
      responses: {
        200: {
          description: 'One page, holding only files the caller may read.',
          schema: z.object({
            files: z.array(listedSchema),
            next_cursor: z.string().nullable(),
            total: z.int().optional(),
          }),
        },
      },
      failures: ACCESS,
      async handler(exchange, { query }) {
        const trashed = query.trashed === 'true'
        const order = query.sort ?? (trashed ? '-deleted_at' : '-created_at')
        const descending = order.startsWith('-')
        const sort = (descending ? order.slice(1) : order) as SortField
        if (sort === 'deleted_at' && !trashed) throw invalidSort()
        const page = await files.list(exchange.call(), exchange.param('bucket'), {
          limit: query.limit,
          cursor: query.cursor ?? null,
          sort,
          descending,
          search: query.search ?? null,
          mimeType: query.mime_type?.toLowerCase() ?? null,
          ownerId: query.owner_id ?? null,
          total: query.total === 'true',
          trashed,
        })
        const { total } = page
        return json(200, {
          files: page.files.map(trashed ? viewTrashed : viewFile),
          next_cursor: page.nextCursor,
          ...(total === null ? {} : { total }),
        })
      },
    }),
    route({
      method: 'GET',
      path: FILE,
      summary: 'Look at a file',
      tag: TAG,
      responses: { 200: { description: 'The file.', schema: fileSchema } },
      failures: [...ACCESS, 'file_not_found'],
      async handler(exchange) {
        return json(200, viewFile(await files.stat(exchange.call(), exchange.param('bucket'), exchange.param('id'))))
      },
    }),
    route({
      method: 'PATCH',
      path: FILE,
      summary: 'Change a file',
      tag: TAG,
      body: { kind: 'json', schema: updateBody },
      responses: { 200: { description: 'The file as it is now.', schema: fileSchema } },
      failures: [
        ...ACCESS,
        'file_not_found',
        'file_exists',
        'invalid_filename',
        'invalid_path',
        'invalid_metadata',
        'invalid_expiry',
      ],
      async handler(exchange, { body }) {
        const row = await files.update(exchange.call(), exchange.param('bucket'), exchange.param('id'), body)
        return json(200, viewFile(row))
      },
    }),
    route({
      method: 'DELETE',
      path: FILE,
      summary: 'Delete a file',
      tag: TAG,
      query: removeQuery,
      responses: { 204: { description: 'Gone, or in the trash of a bucket that has one.' } },
      failures: [...ACCESS, 'file_not_found', 'file_in_use', 'storage_delete_failed', 'storage_unavailable'],
      async handler(exchange, { query }) {
        const permanent = query.permanent === 'true'
        await files.remove(exchange.call(), exchange.param('bucket'), exchange.param('id'), permanent)
        return empty(204)
      },
    }),
    route({
      method: 'POST',
      path: '/api/files/{bucket}/delete',
      summary: 'Delete up to 100 files',
      tag: TAG,
      body: { kind: 'json', schema: deleteBody },
      responses: {
        200: {
          description: 'All are gone.',
          schema: z.object({
            deleted: z.array(z.string()),
            failed: z.array(z.unknown()).meta({ description: 'Empty.' }),
          }),
        },
      },
      failures: [...ACCESS, 'partial_failure'],
      async handler(exchange, { body }) {
        const { ids, permanent = false } = body
        const { deleted, failed } = await files.removeMany(exchange.call(), exchange.param('bucket'), ids, permanent)
        if (failed.length === 0) return json(200, { deleted, failed })
        throw fail('partial_failure', `${failed.length} of ${ids.length} files could not be deleted`, {
          details: { deleted, failed },
        })
      },
    }),
  ]
}

function invalidSort(): Error {
  return fail('invalid_query', 'query parameter "sort" is not valid: deleted_at is for trashed=true', {
    details: { parameter: 'sort' },
  })
}
