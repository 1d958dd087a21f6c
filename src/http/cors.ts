// Cross-origin requests (WHATWG Fetch §3.2): exact origins only, and never with credentials of the browser.

import type { Exchange } from './exchange.ts'
import { type Answer, empty } from './route.ts'

const EXPOSED = [
  'Location',
  'Upload-Offset',
  'Upload-Length',
  'Upload-Expires',
  'Upload-Metadata',
  'Tus-Resumable',
  'Tus-Version',
  'Tus-Extension',
  'Tus-Max-Size',
  'Alyx-Chunk-Size',
  'X-Request-Id',
  'ETag',
  'Accept-Ranges',
  'Content-Length',
  'Content-Range',
  'Content-Disposition',
  'Retry-After',
].join(', ')

const ACCEPTED = [
  'Authorization',
  'Content-Type',
  'Range',
  'If-Range',
  'If-Match',
  'If-None-Match',
  'If-Modified-Since',
  'If-Unmodified-Since',
  'Tus-Resumable',
  'Upload-Length',
  'Upload-Offset',
  'Upload-Metadata',
  'Upload-Defer-Length',
  'Upload-Concat',
  'X-HTTP-Method-Override',
  'X-File-Access-Token',
].join(', ')

export interface Cors {
  /** Adds Vary and, for an allowed origin, what lets its scripts read the answer. */
  mark(exchange: Exchange): void
  /** The answer to a preflight, which carries no credentials; null when the request is none. */
  preflight(exchange: Exchange, methods: readonly string[]): Answer | null
}

/** `*` in the list admits every origin: no answer depends on cookies, so there is nothing to steal. */
export function createCors(allowedOrigins: readonly string[]): Cors {
  const allowed = new Set(allowedOrigins)
  return {
    mark(exchange) {
      if (allowed.size === 0) return
      exchange.answerHeaders.vary = 'Origin'
      const origin = exchange.header('origin')
      if (origin === undefined) return
      if (allowed.has(origin)) exchange.answerHeaders['access-control-allow-origin'] = origin
      else if (allowed.has('*')) exchange.answerHeaders['access-control-allow-origin'] = '*'
      else return
      exchange.answerHeaders['access-control-expose-headers'] = EXPOSED
    },
    preflight(exchange, methods) {
      if (exchange.start.method !== 'OPTIONS' || exchange.header('origin') === undefined) return null
      if (exchange.header('access-control-request-method') === undefined) return null
      if (exchange.answerHeaders['access-control-allow-origin'] === undefined) return empty(204, { vary: 'Origin' })
      return empty(204, {
        'access-control-allow-methods': methods.join(', '),
        'access-control-allow-headers': acceptedOf(exchange.header('access-control-request-headers')),
        'access-control-max-age': '600',
      })
    },
  }
}

/** The SDKs of OpenAI send headers of their own, and more with every release. */
const SDK_HEADER = /^(x-stainless-[a-z0-9-]{1,60}|openai-(organization|project|beta)|idempotency-key)$/

function acceptedOf(requested = ''): string {
  const more = requested.toLowerCase().split(',', 50)
  return [ACCEPTED, ...more.map((name) => name.trim()).filter((name) => SDK_HEADER.test(name))].join(', ')
}
