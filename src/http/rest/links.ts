// Signed links: one, many, and the end of all of a file's links.
import * as z from 'zod'
import { isId } from '../../core/ids.ts'
import type { FileService, Link } from '../../files/model.ts'
import { empty, json, type Route, route } from '../route.ts'
import { ACCESS, FILE } from './files.ts'

const TAG = 'Links'
const operation = z.enum(['download', 'view'], 'must be download or view')
const expiry = z.string().min(1).max(40).meta({ description: 'Seconds, or a duration such as `15m`.' })

const linkShape = { url: z.string(), token: z.string(), expires_at: z.string().meta({ format: 'date-time' }) }
const linkSchema = z.object(linkShape).meta({ id: 'Link' })
const signQuery = z.strictObject({ expiry: expiry.optional(), operation: operation.optional() })
const signBody = z
  .strictObject({
    ids: z.array(z.string().refine(isId, 'is not the id of a file')).min(1).max(100),
    expiry: z.union([expiry, z.int().transform(String)]).optional(),
    operation: operation.optional(),
  })
  .meta({ id: 'BulkSign' })
const bulkSchema = z.object({
  links: z.array(
    z.object({
      id: z.string(),
      ...z.object(linkShape).partial().shape,
      error: z.object({ code: z.string(), message: z.string() }).optional(),
    }),
  ),
})

/** Sign, bulk sign and revoke-links of API.md §5. */
export function linkRoutes(files: FileService): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: `${FILE}/sign`,
      summary: 'Sign a link to a file',
      tag: TAG,
      rate: 'sign',
      query: signQuery,
      responses: { 200: { description: 'A link that works until it expires.', schema: linkSchema } },
      failures: [...ACCESS, 'file_not_found', 'invalid_expiry', 'rate_limited'],
      async handler(exchange, { query }) {
        const link = await files.sign(
          exchange.call(),
          exchange.param('bucket'),
          exchange.param('id'),
          query.expiry ?? null,
          query.operation ?? null,
        )
        return json(200, viewLink(link))
      },
    }),
    route({
      method: 'POST',
      path: '/api/files/{bucket}/sign',
      summary: 'Sign links to up to 100 files',
      tag: TAG,
      rate: 'sign',
      rateCount: (body) => signBody.parse(body).ids.length,
      body: { kind: 'json', schema: signBody },
      responses: { 200: { description: 'A link or an error for each id.', schema: bulkSchema } },
      failures: [...ACCESS, 'invalid_expiry', 'rate_limited'],
      async handler(exchange, { body }) {
        const links = await files.signMany(
          exchange.call(),
          exchange.param('bucket'),
          body.ids,
          body.expiry ?? null,
          body.operation ?? null,
        )
        return json(200, {
          links: links.map((link) => ('error' in link ? link : { id: link.id, ...viewLink(link) })),
        })
      },
    }),
    route({
      method: 'POST',
      path: `${FILE}/revoke-links`,
      summary: 'End all links to a file',
      tag: TAG,
      responses: { 204: { description: 'No link made before works any more.' } },
      failures: [...ACCESS, 'file_not_found'],
      async handler(exchange) {
        await files.revokeLinks(exchange.call(), exchange.param('bucket'), exchange.param('id'))
        return empty(204)
      },
    }),
  ]
}

function viewLink({ url, token, expiresAt }: Link): Record<string, string> {
  return { url, token, expires_at: expiresAt }
}
