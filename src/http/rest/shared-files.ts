// Shares, for whoever has the token: the list of files, and their bytes.
import * as z from 'zod'
import type { ErrorCode } from '../../core/errors.ts'
import { fail, isFailure } from '../../core/errors.ts'
import type { LinkOperation } from '../../files/model.ts'
import type { Observer } from '../../observe/observer.ts'
import type { ShareService } from '../../shares/model.ts'
import { failureAnswer } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { type Answer, json, type Route, route } from '../route.ts'
import { BYTES, BYTES_FAILURES, conditions, isRefusal, refusal, summaryOf } from './byte-answers.ts'
import { endingPage, prefersPage, SHARE_PAGE_POLICY, sharePage } from './share-page.ts'

const TAG = 'Shares'
const FILES = '/api/shares/{share_id}/files'
const FAILURES: readonly ErrorCode[] = [
  'unauthenticated',
  'invalid_token',
  'share_not_found',
  'share_revoked',
  'share_expired',
  'share_exhausted',
]
/** An answer that is right for one token only, for now. */
const PRIVATE = {
  'cache-control': 'private, no-store, max-age=0',
  vary: 'Authorization, Cookie, X-File-Access-Token, Accept',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

const tokenQuery = z.strictObject({
  token: z
    .string()
    .optional()
    .meta({ description: 'Of the share; or send it in X-File-Access-Token. No other credential is needed.' }),
})
const filesSchema = z
  .object({
    files: z.array(
      z.object({
        id: z.string(),
        name: z.string().nullable(),
        size: z.int().nullable(),
        mime_type: z.string().nullable(),
        removed: z.boolean().meta({ description: 'It cannot be had any more.' }),
        url: z.string().nullable().meta({ description: 'Straight to the bytes. Holds the token.' }),
      }),
    ),
    expires_at: z.string().meta({ format: 'date-time' }),
  })
  .meta({ id: 'SharedFiles' })

/** The routes that a share's token opens (API.md §5). */
export function sharedFileRoutes(shares: ShareService, observer: Observer): readonly Route[] {
  const bytes = (method: 'GET' | 'HEAD', operation: LinkOperation): Route =>
    route({
      method,
      path: `${FILES}/{file_id}/${operation}`,
      summary: `${summaryOf(method, operation)} of a share`,
      tag: TAG,
      query: tokenQuery,
      responses: BYTES,
      failures: [...FAILURES, ...BYTES_FAILURES, 'database_busy'],
      async handler(exchange, { query }) {
        return shownToBrowsers(exchange, async () => {
          const delivery = await shares.open(exchange.call(), {
            shareId: exchange.param('share_id'),
            id: exchange.param('file_id'),
            operation,
            method,
            token: tokenOf(exchange, query),
            headers: conditions(exchange),
          })
          if (isRefusal(delivery)) return refusal(exchange, delivery)
          const { status, headers, body, bucket } = delivery
          return {
            status,
            headers,
            body,
            onSent(sent, whole) {
              delivery.onSent?.(sent)
              observer.event('download', {
                bucket,
                operation,
                protocol: 'share',
                status,
                bytes: sent,
                whole,
                share: exchange.param('share_id'),
              })
            },
          }
        })
      },
    })

  return [
    route({
      method: 'GET',
      path: FILES,
      summary: 'See what is shared',
      tag: TAG,
      query: tokenQuery,
      responses: {
        200: {
          description: 'The files; as a page where `Accept` asks for text/html first.',
          schema: filesSchema,
          content: { 'text/html': { type: 'string' } },
        },
      },
      failures: FAILURES,
      async handler(exchange, { query }) {
        return shownToBrowsers(exchange, async () => {
          const token = tokenOf(exchange, query)
          const share = await shares.files(exchange.param('share_id'), token)
          if (prefersPage(exchange.header('accept'))) return html({ status: 200, headers: {} }, sharePage(share))
          const shown = share.files.map(({ mimeType, ...file }) => ({ ...file, mime_type: mimeType }))
          return json(200, { files: shown, expires_at: share.expiresAt }, PRIVATE)
        })
      },
    }),
    bytes('GET', 'download'),
    bytes('HEAD', 'download'),
    bytes('GET', 'view'),
    bytes('HEAD', 'view'),
  ]
}

function html({ status, headers }: Pick<Answer, 'status' | 'headers'>, body: string): Answer {
  return {
    status,
    headers: {
      ...headers,
      ...PRIVATE,
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      'content-security-policy': SHARE_PAGE_POLICY,
    },
    body,
  }
}

/** Whoever opens the address of a share in a browser reads in a page what programs are told by the envelope; the status is the same. */
async function shownToBrowsers(exchange: Exchange, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work()
  } catch (error) {
    const page = isFailure(error) && prefersPage(exchange.header('accept')) ? endingPage(error.code) : null
    if (page === null || !isFailure(error)) throw error
    return html(failureAnswer(error, exchange.start.requestId, null), page)
  }
}

/** Null when none was sent. Which of two is meant nobody knows. Fails: invalid_request. */
function tokenOf(exchange: Exchange, query: z.infer<typeof tokenQuery> | undefined): string | null {
  const header = exchange.header('x-file-access-token')
  const token = query?.token
  if (header !== undefined && token !== undefined)
    throw fail('invalid_request', 'the token is sent both in the address and in X-File-Access-Token')
  return header ?? token ?? null
}
