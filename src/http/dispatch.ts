// From a request to its route and back: find, identify, parse, handle, send, report. One Hono handler per path.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context, Hono } from 'hono'
import type { Clock } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import type { NextId } from '../core/ids.ts'
import type { Caller } from '../core/model.ts'
import type { Observer } from '../observe/observer.ts'
import type { ClientAddress } from './address.ts'
import { readJson } from './body.ts'
import { requireSingleHeaders } from './caller.ts'
import type { Cors } from './cors.ts'
import { abandon, type Sent, send } from './delivery.ts'
import { failureAnswer, toFailure, validationFailure } from './errors.ts'
import { Exchange } from './exchange.ts'
import { networkOf } from './network.ts'
import { parseQuery } from './query.ts'
import type { RateLimit } from './rate.ts'
import { type Answer, type Dialect, type Input, PARAMS, type RateName, type Route } from './route.ts'

export interface DispatchDeps {
  readonly callers: (exchange: Exchange) => Promise<Caller> | Caller
  readonly address: ClientAddress
  readonly cors: Cors
  readonly rates: Readonly<Record<RateName, RateLimit>>
  readonly observer: Observer
  /** +1 when a request starts to bring a file, −1 when it is over. */
  readonly activeUploads: (change: 1 | -1) => void
  readonly clock: Clock
  readonly nextId: NextId
}

interface Desk extends DispatchDeps {
  readonly dialects: readonly Dialect[]
}

/** All routes of one path. */
interface Place {
  readonly path: string
  readonly routes: ReadonlyMap<string, Route>
  readonly methods: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly methodOverride: boolean
}

type Params = Readonly<Record<string, string>>

const PARAMETER = /\{(\w+)\}/g

/** Makes `app` answer these routes, 405 for other methods on their paths and 404 for everything else. Routes that only say what does not
 *  exist are asked last, so that nobody else has to be matched against them. */
export function registerRoutes(app: Hono, routes: readonly Route[], given: DispatchDeps): void {
  const deps: Desk = { ...given, dialects: [...new Set(routes.flatMap(({ dialect }) => dialect ?? []))] }
  for (const place of placesOf(routes.filter(({ absent }) => absent !== true))) {
    app.all(place.path.replaceAll(PARAMETER, ':$1'), (c) => run(deps, place, c, c.req.param() as Params))
  }
  const absent = placesOf(routes.filter((route) => route.absent === true)).map((place) => ({
    place,
    pattern: new RegExp(`^${place.path.replaceAll(PARAMETER, '(?<$1>[^/]+)')}$`),
  }))
  app.notFound((c) => {
    for (const { place, pattern } of absent) {
      const match = pattern.exec(c.req.path)
      if (match !== null) return run(deps, place, c, { ...match.groups })
    }
    return run(deps, null, c, {})
  })
}

/** Fixed segments before parameters, so that `/sign` is never taken for an id. */
function placesOf(routes: readonly Route[]): Place[] {
  // A brace sorts after every letter.
  const paths = [...new Set(routes.map((route) => route.path))].sort()
  return paths.map((path) => {
    const here = routes.filter((route) => route.path === path)
    const table = new Map(here.map((route) => [route.method as string, route]))
    const methods = [...table.keys()]
    if (table.has('GET') && !table.has('HEAD')) methods.push('HEAD')
    return {
      path,
      routes: table,
      methods,
      headers: Object.assign({}, ...here.map((route) => route.headers ?? {})),
      methodOverride: here.some((route) => route.methodOverride === true),
    }
  })
}

async function run(deps: Desk, place: Place | null, c: Context, params: Params): Promise<Response> {
  const { observer } = deps
  const exchange = open(deps, c, params)
  const dialect = dialectAt(deps, exchange.start.path)
  let route: Route | null = null
  let answer: Answer
  let counted = false
  try {
    const { incoming } = exchange.start
    if (incoming !== null) requireSingleHeaders(incoming)
    deps.cors.mark(exchange)
    if (place === null) throw fail('not_found', 'there is nothing at this address')
    Object.assign(exchange.answerHeaders, place.headers)
    const preflight = deps.cors.preflight(exchange, place.methods)
    if (preflight !== null) answer = preflight
    else {
      route = choose(place, exchange)
      requireParams(exchange)
      if (route.open !== true) exchange.caller = await deps.callers(exchange)
      if (route.keyed === true && exchange.caller.kind !== 'key')
        throw fail('unauthenticated', 'an API key is needed here')
      if (route.rate !== undefined) requireRate(deps, route.rate, exchange)
      if (route.upload === true) {
        counted = true
        deps.activeUploads(1)
      }
      const input = await inputOf(route, exchange)
      const more = (route.rateCount?.(input.body) ?? 1) - 1
      if (route.rate !== undefined && more > 0) deps.rates[route.rate].charge(rateKey(exchange), more)
      answer = await route.handler(exchange, input)
    }
  } catch (error) {
    answer = failureAnswer(
      toFailure(error, exchange.start.requestId, observer),
      exchange.start.requestId,
      route,
      dialect,
    )
  }
  if (counted) deps.activeUploads(-1)
  return finish(deps, exchange, answer, route, place)
}

function open(deps: DispatchDeps, c: Context, params: Params): Exchange {
  const env = c.env as { incoming?: IncomingMessage; outgoing?: ServerResponse } | undefined
  const incoming = env?.incoming ?? null
  const web = c.req.raw
  const query = web.url.indexOf('?')
  return new Exchange({
    requestId: deps.nextId(),
    method: web.method,
    path: c.req.path,
    search: query === -1 ? '' : web.url.slice(query + 1),
    params,
    startedAt: deps.clock.now(),
    ip: deps.address(incoming),
    web,
    incoming,
    outgoing: env?.outgoing ?? null,
  })
}

function choose(place: Place, exchange: Exchange): Route {
  let { method } = exchange.start
  if (place.methodOverride && method === 'POST')
    method = exchange.header('x-http-method-override')?.toUpperCase() ?? method
  const route = place.routes.get(method) ?? (method === 'HEAD' ? place.routes.get('GET') : undefined)
  if (route === undefined) {
    throw fail('method_not_allowed', `this address does not take ${method.slice(0, 20)}`, {
      details: { allow: place.methods },
    })
  }
  return route
}

function requireParams(exchange: Exchange): void {
  const { params } = exchange.start
  for (const name in params) {
    const param = PARAMS[name]
    if (param !== undefined && !param.fits(params[name]!)) {
      throw fail(
        param.missing,
        `${name.replace('_', ' ')} ${JSON.stringify(params[name]!.slice(0, 80))} does not exist`,
      )
    }
  }
}

function rateKey({ caller, start }: Exchange): string {
  return `${caller.id ?? ''} ${networkOf(start.ip)}`
}

function requireRate({ rates, observer }: DispatchDeps, limit: RateName, exchange: Exchange): void {
  const wait = rates[limit].hit(rateKey(exchange))
  if (wait === 0) return
  observer.event('rate_refused', { limit, caller: exchange.caller.id, ip: exchange.start.ip })
  throw fail('rate_limited', 'too many requests of this kind', { retryAfter: wait })
}

const NOTHING: Input<unknown, unknown> = { query: undefined, body: undefined }

async function inputOf(route: Route, exchange: Exchange): Promise<Input<unknown, unknown>> {
  const { search } = exchange.start
  if (route.absent === true) return NOTHING
  if (search === '' && route.query === undefined && route.body?.kind !== 'json') return NOTHING
  const query = parseQuery(route.query, search, route.repeats)
  if (route.body?.kind !== 'json') return { query, body: undefined }
  const given = route.body.optional === true && !exchange.hasBody ? {} : await readJson(exchange)
  const parsed = route.body.schema.safeParse(given)
  if (!parsed.success) throw validationFailure(parsed.error)
  return { query, body: parsed.data }
}

/** How failures look at this address; null as everywhere. */
function dialectAt({ dialects }: Desk, path: string): Dialect | null {
  return dialects.find(({ prefix }) => path.startsWith(prefix)) ?? null
}

async function finish(
  deps: Desk,
  exchange: Exchange,
  answer: Answer,
  route: Route | null,
  place: Place | null,
): Promise<Response> {
  const { observer, clock } = deps
  const { requestId, method, path, startedAt, ip, outgoing } = exchange.start
  let final = answer
  let sent: Sent
  try {
    sent = await send(exchange, answer, route?.drains)
  } catch (error) {
    if (outgoing !== null && exchange.isFarewell(error)) sent = abandon(outgoing)
    else {
      final = failureAnswer(toFailure(error, requestId, observer), requestId, route, dialectAt(deps, path))
      // Once a head is out nothing can be said any more but that it broke.
      sent = outgoing?.headersSent === true ? abandon(outgoing) : await send(exchange, final, route?.drains)
    }
  }
  if (sent.error !== null)
    observer.event('internal_error', { request_id: requestId, code: 'broken_off', error: sent.error })
  observer.event('request', {
    request_id: requestId,
    method,
    route: place?.path ?? 'unmatched',
    path,
    status: final.status,
    ms: clock.now() - startedAt,
    bytes: sent.bytes,
    caller: exchange.caller.id,
    ip,
    ...(outgoing?.destroyed === true && !outgoing.writableFinished ? { broken_off: true } : {}),
  })
  return sent.response
}
