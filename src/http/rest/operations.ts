// What operators ask a server: is it alive, is it ready, what did it count, what can it do.
import * as z from 'zod'
import { fail } from '../../core/errors.ts'
import { json, type Route, route } from '../route.ts'

const TAG = 'Operations'
const parts = z.record(z.string(), z.enum(['up', 'down']))

/** Each part of the server and whether it works. Names only: no addresses, no paths. */
export type Readiness = () => Promise<Readonly<Record<string, boolean>>>
export type RenderMetrics = () => Promise<{ readonly contentType: string; readonly body: string }>

export interface OperationDeps {
  readonly ready: Readiness
  /** Null leaves /metrics out. */
  readonly metrics: RenderMetrics | null
  /** The OpenAPI document as JSON text, built at the first call. */
  readonly document: () => Promise<string>
}

/** Health, metrics and documents of API.md §7. */
export function operationRoutes({ ready, metrics, document }: OperationDeps): readonly Route[] {
  const common = { method: 'GET', tag: TAG, open: true } as const
  const routes = [
    route({
      ...common,
      path: '/health/live',
      summary: 'Whether the process answers',
      responses: { 200: { description: 'It does.', schema: z.object({ status: z.literal('ok') }) } },
      failures: [],
      handler: () => json(200, { status: 'ok' }),
    }),
    route({
      ...common,
      path: '/health/ready',
      summary: 'Whether the server can do its work',
      responses: { 200: { description: 'It can.', schema: z.object({ status: z.literal('ready'), parts }) } },
      failures: ['storage_unavailable'],
      async handler() {
        const found = Object.entries(await ready())
        const shown = Object.fromEntries(found.map(([name, up]) => [name, up ? 'up' : 'down']))
        if (found.every(([, up]) => up)) return json(200, { status: 'ready', parts: shown })
        throw fail('storage_unavailable', 'a part of the server does not work', { details: { parts: shown } })
      },
    }),
    route({
      ...common,
      path: '/openapi.json',
      summary: 'This interface as an OpenAPI 3.1 document',
      responses: { 200: { description: 'The document.', content: { 'application/json': { type: 'object' } } } },
      failures: [],
      handler: async () => text('application/json', await document(), { 'cache-control': 'no-cache' }),
    }),
    route({
      ...common,
      path: '/docs',
      summary: 'This interface as a page to read',
      responses: { 200: { description: 'The page.', content: { 'text/html': { type: 'string' } } } },
      failures: [],
      async handler() {
        const { DOCS_PAGE, DOCS_POLICY } = await import('../docs.ts')
        return text('text/html; charset=utf-8', DOCS_PAGE, {
          'cache-control': 'no-cache',
          'content-security-policy': DOCS_POLICY,
          'referrer-policy': 'no-referrer',
        })
      },
    }),
  ]
  if (metrics === null) return routes
  return [
    ...routes,
    route({
      ...common,
      path: '/metrics',
      summary: 'Counters for Prometheus',
      responses: { 200: { description: 'Text format.', content: { 'text/plain': { type: 'string' } } } },
      failures: [],
      async handler() {
        const { contentType, body } = await metrics()
        return text(contentType, body, { 'cache-control': 'no-store' })
      },
    }),
  ]
}

function text(contentType: string, body: string, headers: Readonly<Record<string, string>>) {
  return {
    status: 200,
    headers: {
      'content-type': contentType,
      'content-length': String(Buffer.byteLength(body)),
      'x-content-type-options': 'nosniff',
      ...headers,
    },
    body,
  }
}
