// Shares, for those who make them: create, list, look at, revoke.
import * as z from 'zod'
import { isId } from '../../core/ids.ts'
import type { OwnShare, Share, ShareService } from '../../shares/model.ts'
import { empty, json, type Route, route } from '../route.ts'
import { PAGE } from './page.ts'

const TAG = 'Shares'
const SHARES = '/api/shares'
const SHARE = `${SHARES}/{share_id}`
const NAME = /^[a-z][a-z0-9_]{0,62}$/

const operation = z.enum(['download', 'view'], 'must be download or view')
const time = z.string().meta({ format: 'date-time' })
const shareShape = {
  id: z.string().meta({ format: 'uuid' }),
  state: z.enum(['active', 'revoked', 'expired', 'exhausted']),
  operation: operation.nullable().meta({ description: 'Null allows both.' }),
  max_downloads: z.int().nullable(),
  downloads: z.int().nullable().meta({ description: 'Counted where there is a limit; else null.' }),
  note: z.string().nullable().meta({ description: 'Shown to the one who shares only.' }),
  created_at: time,
  expires_at: time,
  revoked_at: time.nullable(),
}
const entrySchema = z.object({ ...shareShape, file_count: z.int() }).meta({ id: 'ShareEntry' })
const shareSchema = z
  .object({
    ...shareShape,
    url: z.string().meta({ description: 'The files, as a page for people and as JSON for programs. Holds the token.' }),
    token: z.string(),
    files: z.array(
      z.object({
        bucket: z.string(),
        id: z.string(),
        name: z.string().nullable(),
        size: z.int().nullable(),
        mime_type: z.string().nullable(),
        removed: z.boolean(),
        url: z.string().nullable().meta({ description: 'Straight to the bytes. Holds the token.' }),
      }),
    ),
  })
  .meta({ id: 'Share' })

const createBody = z
  .strictObject({
    files: z
      .array(
        z.strictObject({
          bucket: z.string().regex(NAME, 'is not the name of a bucket'),
          id: z.string().refine(isId, 'is not the id of a file'),
        }),
      )
      .min(1)
      .max(100),
    expires_in: z
      .union([z.string().min(1).max(40), z.int().transform(String)])
      .meta({ description: 'Seconds, or a duration such as `7d`; at most signed_urls.max_expiry.' }),
    operation: operation.optional().meta({ description: 'Only this one; both when left out.' }),
    max_downloads: z.int().min(1).max(1_000_000).optional(),
    note: z
      .string()
      .max(1000)
      .refine((text) => text.isWellFormed() && !text.includes('\0'), 'must be well-formed text without NUL')
      .optional(),
  })
  .meta({ id: 'ShareCreate' })

const listQuery = z.strictObject({
  limit: PAGE.limit,
  cursor: PAGE.cursor,
  owner_id: z.string().min(1).max(255).optional().meta({ description: 'For admins: whose shares.' }),
})

/** The routes of a share's maker (API.md §5). */
export function shareRoutes(shares: ShareService): readonly Route[] {
  return [
    route({
      method: 'POST',
      path: SHARES,
      summary: 'Share files',
      tag: TAG,
      rate: 'sign',
      body: { kind: 'json', schema: createBody },
      responses: {
        201: { description: 'Shared.', schema: shareSchema, headers: { Location: 'Path of the share.' } },
      },
      failures: [
        'unauthenticated',
        'forbidden',
        'bucket_not_found',
        'file_not_found',
        'invalid_expiry',
        'database_busy',
        'storage_full',
      ],
      async handler(exchange, { body }) {
        const made = await shares.create(exchange.call(), {
          files: body.files,
          expiresIn: body.expires_in,
          operation: body.operation ?? null,
          maxDownloads: body.max_downloads ?? null,
          note: body.note ?? null,
        })
        return json(201, viewOwn(made), { location: exchange.addressOf(made.share.id) })
      },
    }),
    route({
      method: 'GET',
      path: SHARES,
      summary: 'List shares',
      tag: TAG,
      query: listQuery,
      responses: {
        200: {
          description: 'The shares of the caller, the latest first, without their tokens.',
          schema: z.object({ shares: z.array(entrySchema), next_cursor: z.string().nullable() }),
        },
      },
      failures: ['unauthenticated', 'forbidden'],
      async handler(exchange, { query }) {
        const page = await shares.list(exchange.call(), {
          ownerId: query.owner_id ?? null,
          limit: query.limit,
          cursor: query.cursor ?? null,
        })
        return json(200, {
          shares: page.shares.map((share) => ({ ...view(share), file_count: share.files })),
          next_cursor: page.nextCursor,
        })
      },
    }),
    route({
      method: 'GET',
      path: SHARE,
      summary: 'Look at a share',
      tag: TAG,
      responses: { 200: { description: 'The share, with its token.', schema: shareSchema } },
      failures: ['unauthenticated', 'forbidden', 'share_not_found'],
      async handler(exchange) {
        return json(200, viewOwn(await shares.get(exchange.call(), exchange.param('share_id'))))
      },
    }),
    route({
      method: 'DELETE',
      path: SHARE,
      summary: 'Revoke a share',
      tag: TAG,
      responses: { 204: { description: 'It opens nothing any more.' } },
      failures: ['unauthenticated', 'forbidden', 'share_not_found', 'database_busy'],
      async handler(exchange) {
        await shares.revoke(exchange.call(), exchange.param('share_id'))
        return empty(204)
      },
    }),
  ]
}

function view(share: Share) {
  return {
    id: share.id,
    state: share.state,
    operation: share.operation,
    max_downloads: share.maxDownloads,
    downloads: share.downloads,
    note: share.note,
    created_at: share.createdAt,
    expires_at: share.expiresAt,
    revoked_at: share.revokedAt,
  }
}

function viewOwn({ share, url, token, files }: OwnShare): z.infer<typeof shareSchema> {
  return {
    ...view(share),
    url,
    token,
    files: files.map(({ mimeType, ...file }) => ({ ...file, mime_type: mimeType })),
  }
}
