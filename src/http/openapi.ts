// The OpenAPI 3.1 document, from the same route objects that answer. Loaded when the document is first asked for.
import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from '@asteasolutions/zod-to-openapi'
import * as z from 'zod'
import { CATALOGUE, type ErrorCode } from '../core/errors.ts'
import type { JsonSchema } from '../schema/field-type.ts'
import { PARAMS, type ResponseDoc, type Route } from './route.ts'

export interface DocumentFacts {
  readonly version: string
  readonly publicUrl: string
}

type Responses = RouteConfig['responses']
type Content = NonNullable<Responses[string] & { content?: unknown }>['content']

/** Whatever is asked of any route may go wrong in these ways. */
const ALWAYS: readonly ErrorCode[] = ['invalid_request', 'method_not_allowed', 'internal']
const IDENTIFIED: readonly ErrorCode[] = ['invalid_token', 'token_expired', 'rate_limited']

const errorSchema = z
  .object({
    error: z.object({
      code: z.string().meta({ description: 'Stable; what programs decide by.' }),
      message: z.string().meta({ description: 'What happened, with its values.' }),
      hint: z.string().meta({ description: 'What to do next.' }),
      details: z.record(z.string(), z.unknown()).optional(),
      request_id: z.string(),
    }),
  })
  .meta({ id: 'Error' })

/** Every route with its parameters, bodies, answers and failures. */
export function describeRoutes(routes: readonly Route[], facts: DocumentFacts): object {
  const registry = new OpenAPIRegistry()
  registry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'A JWT, or an API key that starts with alyx_.',
  })
  const named = new Map(routes.flatMap((route) => Object.entries(route.components ?? {})))
  for (const [name, schema] of named) registry.registerComponent('schemas', name, schema)
  for (const route of routes) if (route.absent !== true) registry.registerPath(describe(route))
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: { title: 'Alyx', version: facts.version, description: 'Files in buckets that a schema declares.' },
    servers: [{ url: facts.publicUrl }],
  })
}

function describe(route: Route): RouteConfig {
  return {
    method: route.method.toLowerCase() as RouteConfig['method'],
    path: route.path,
    operationId: route.operationId ?? operationId(route),
    summary: route.summary,
    tags: [route.tag],
    // Either a credential or none: rules may admit anyone, and links carry their own right.
    security: route.open === true ? [] : [{ bearer: [] }, {}],
    request: requestOf(route),
    responses: { ...successes(route), ...failures(route) },
  }
}

function requestOf(route: Route): NonNullable<RouteConfig['request']> {
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!)
  const params = names.map(
    (name) => [name, z.string().meta({ description: PARAMS[name]?.description ?? name })] as const,
  )
  const body = route.body === undefined ? undefined : bodyOf(route.body)
  return {
    ...(names.length === 0 ? {} : { params: z.object(Object.fromEntries(params)) }),
    ...(route.query === undefined ? {} : { query: route.query as z.ZodObject }),
    ...(body === undefined ? {} : { body }),
  }
}

/** `get_files_bucket_id_download` */
function operationId({ method, path }: Route): string {
  const words = path.replace(/^\/api\//, '').match(/\w+/g) ?? []
  return [method.toLowerCase(), ...words].join('_')
}

function bodyOf(body: NonNullable<Route['body']>): NonNullable<RouteConfig['request']>['body'] {
  if (body.kind === 'json') {
    const schema = body.described ?? body.schema
    return { required: body.optional !== true, content: { 'application/json': { schema } } } as ReturnType<
      typeof bodyOf
    >
  }
  return { required: true, description: body.description, content: contentOf(body.content)! }
}

function contentOf(content: Readonly<Record<string, JsonSchema>>): Content {
  return Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }])) as Content
}

function successes(route: Route): Responses {
  const responses: Responses = {}
  for (const [status, doc] of Object.entries(route.responses)) {
    const headers = {
      ...doc.headers,
      ...Object.fromEntries(Object.keys(route.headers ?? {}).map((name) => [name, ''])),
    }
    const content = successContent(doc)
    responses[status] = {
      description: doc.description,
      ...(content === undefined ? {} : { content }),
      ...(Object.keys(headers).length === 0 ? {} : { headers: headersOf(headers) }),
    } as Responses[string]
  }
  return responses
}

function successContent(doc: ResponseDoc): Content | undefined {
  const others = doc.content === undefined ? undefined : contentOf(doc.content)
  return doc.schema === undefined ? others : Object.assign({ 'application/json': { schema: doc.schema } }, others)
}

function headersOf(headers: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      name,
      { schema: { type: 'string' }, ...(description === '' ? {} : { description }) },
    ]),
  )
}

/** One answer per status, naming every code that has it. */
function failures(route: Route): Responses {
  const codes = new Set<ErrorCode>([...ALWAYS, ...(route.open === true ? [] : IDENTIFIED), ...route.failures])
  codes.add('invalid_query')
  if (route.body?.kind === 'json') {
    for (const code of ['invalid_json', 'validation_failed', 'unsupported_media_type', 'body_too_large'] as const)
      codes.add(code)
  }
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of codes) {
    const status =
      route.dialect?.status({ code, details: undefined }) ?? route.onFailure?.(code).status ?? CATALOGUE[code].status
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const responses: Responses = {}
  for (const [status, named] of byStatus) {
    responses[status] = {
      description: named.map((code) => `\`${code}\``).join(', '),
      ...(route.method === 'HEAD'
        ? {}
        : { content: { 'application/json': { schema: route.dialect?.schema ?? errorSchema } } }),
    }
  }
  return responses
}
