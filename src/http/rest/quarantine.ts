// For admins: files that the server's inspection has put aside.
import * as z from 'zod'
import type { FileRow } from '../../core/model.ts'
import type { FileService } from '../../files/model.ts'
import { empty, json, type Route, route } from '../route.ts'
import { ACCESS } from './files.ts'
import { PAGE } from './page.ts'
import { fileSchema, viewFile } from './view.ts'

const TAG = 'Quarantine'
const BUCKET = '/api/admin/quarantine/{bucket}'
const FILE = `${BUCKET}/{id}`
const failures = [...ACCESS, 'file_not_found'] as const

const quarantinedSchema = fileSchema
  .extend({
    quarantined_at: z.string().meta({ format: 'date-time' }),
    reason: z.string().meta({ description: 'What the inspection said; may be empty.' }),
  })
  .meta({ id: 'QuarantinedFile' })

/** List, download, release and delete, under /api/admin/quarantine. */
export function quarantineRoutes({ quarantine }: FileService): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: BUCKET,
      summary: 'List files in quarantine',
      tag: TAG,
      query: z.strictObject({ limit: PAGE.limit, cursor: PAGE.cursor }),
      responses: {
        200: {
          description: 'One page, latest first.',
          schema: z.object({ files: z.array(quarantinedSchema), next_cursor: z.string().nullable() }),
        },
      },
      failures: ACCESS,
      async handler(exchange, { query }) {
        const { limit, cursor = null } = query
        const page = await quarantine.list(exchange.call(), exchange.param('bucket'), limit, cursor)
        return json(200, { files: page.files.map(viewQuarantined), next_cursor: page.nextCursor })
      },
    }),
    route({
      method: 'GET',
      path: `${FILE}/download`,
      summary: 'Download a file in quarantine',
      tag: TAG,
      responses: {
        200: {
          description: 'The whole file, as an attachment.',
          content: { '*/*': { type: 'string', format: 'binary' } },
        },
      },
      failures: [...failures, 'storage_unavailable', 'decrypt_failed', 'file_corrupt'],
      async handler(exchange) {
        const bucket = exchange.param('bucket')
        const { headers, body } = await quarantine.open(exchange.call(), bucket, exchange.param('id'))
        return { status: 200, headers, body }
      },
    }),
    route({
      method: 'POST',
      path: `${FILE}/release`,
      summary: 'Release a file from quarantine',
      tag: TAG,
      responses: { 200: { description: 'From now on it is a file like any other.', schema: fileSchema } },
      failures,
      async handler(exchange) {
        const row = await quarantine.release(exchange.call(), exchange.param('bucket'), exchange.param('id'))
        return json(200, viewFile(row))
      },
    }),
    route({
      method: 'DELETE',
      path: FILE,
      summary: 'Delete a file in quarantine',
      tag: TAG,
      responses: { 204: { description: 'Gone for good.' } },
      failures: [...failures, 'storage_delete_failed', 'storage_unavailable'],
      async handler(exchange) {
        await quarantine.remove(exchange.call(), exchange.param('bucket'), exchange.param('id'))
        return empty(204)
      },
    }),
  ]
}

function viewQuarantined(row: FileRow): z.infer<typeof quarantinedSchema> {
  return { ...viewFile(row), quarantined_at: row.hidden?.at ?? row.createdAt, reason: row.hidden?.reason ?? '' }
}
