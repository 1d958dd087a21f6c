// The way back for deleted files of buckets with a trash.
import * as z from 'zod'
import type { FileService } from '../../files/model.ts'
import { json, type Route, route } from '../route.ts'
import { ACCESS, FILE, TAG } from './files.ts'
import { fileSchema, viewFile } from './view.ts'

const restoreQuery = z.strictObject({
  path: z.string().optional().meta({ description: 'Where to; default: where it was.' }),
})

/** POST restore of API.md §3. */
export function trashRoutes(files: FileService): readonly Route[] {
  return [
    route({
      method: 'POST',
      path: `${FILE}/restore`,
      summary: 'Restore a deleted file',
      tag: TAG,
      query: restoreQuery,
      responses: { 200: { description: 'The file as it is now.', schema: fileSchema } },
      failures: [...ACCESS, 'file_not_found', 'file_exists', 'invalid_path'],
      async handler(exchange, { query }) {
        const { path = null } = query
        const row = await files.restore(exchange.call(), exchange.param('bucket'), exchange.param('id'), path)
        return json(200, viewFile(row))
      },
    }),
  ]
}
