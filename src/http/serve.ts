// The HTTP server: node's, with limits that fit files, faults of the protocol answered in our words, and an orderly end.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { type Clock, systemClock } from '../core/clock.ts'
import { type AppError, type ErrorCode, fail, systemCode } from '../core/errors.ts'
import { createIds } from '../core/ids.ts'
import type { Observer } from '../observe/observer.ts'
import { holdContinue } from './continue.ts'
import { envelope, failureAnswer } from './errors.ts'
import { createIdleGuard, type IdleLimits } from './idle.ts'

export interface ServeOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Milliseconds requests in flight get to finish once closing began. */
  readonly shutdownTimeout: number
  readonly observer: Observer
  /** Called first when closing begins: from then on the server should say that it is not ready. */
  readonly onClosing?: () => void
  readonly clock?: Clock
  readonly idle?: IdleLimits
  /** Milliseconds for a complete request head. */
  readonly headersTimeout?: number
}

export interface HttpServer {
  /** Where it listens, with the port it got. */
  readonly url: string
  /** Stops accepting, lets requests finish, then cuts what is left; resolves once their work has come to its end, too. Twice is once. */
  close(): Promise<void>
}

const IDLE: IdleLimits = { read: 60_000, write: 120_000 }
/** How long the work of requests that were cut may take to come to its end: keeping what arrived, clearing what is refused. Milliseconds. */
const SETTLE = 5000

/** Resolves once it listens. Fails with the system's error when it cannot (EADDRINUSE, EACCES). */
export async function serveHttp(app: Hono, options: ServeOptions): Promise<HttpServer> {
  const { host, port, observer } = options
  const nextId = createIds(options.clock ?? systemClock)
  const idle = createIdleGuard(options.idle ?? IDLE)
  const headersTimeout = options.headersTimeout ?? 15_000
  let closing: Promise<void> | null = null
  let atWork = 0
  let whenDone: (() => void) | null = null

  const answer = getRequestListener(app.fetch, {
    // Answers are written directly and unread bodies are dealt with in delivery.ts.
    overrideGlobalObjects: false,
    autoCleanupIncoming: false,
    errorHandler: (error) =>
      refusal(fail('invalid_request', 'the request line or Host header is malformed', { cause: error }), nextId()),
  })
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    idle.serving(incoming, outgoing)
    if (closing !== null) outgoing.shouldKeepAlive = false
    atWork += 1
    void answer(incoming, outgoing).finally(() => {
      atWork -= 1
      if (atWork === 0) whenDone?.()
    })
  }
  const server = createServer(
    {
      // An upload takes as long as it takes; the idle guard ends those that have stopped.
      requestTimeout: 0,
      headersTimeout,
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: Math.min(5000, headersTimeout),
      maxHeaderSize: 16 * 1024,
      requireHostHeader: false,
    },
    serve,
  )
  // Their size is what counts; node's own limit of 1000 would refuse small ones.
  server.maxHeadersCount = 4000
  server.on('connection', (socket) => idle.add(socket))
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    holdContinue(incoming)
    serve(incoming, outgoing)
  })
  server.on('connect', (_incoming: IncomingMessage, socket: Duplex) =>
    writeRaw(socket, fail('method_not_allowed', 'this server is not a proxy', { details: { allow: [] } }), nextId()),
  )
  server.on('clientError', (error: Error, socket: Duplex) => onClientError(error, socket, nextId))

  await listen(server, host, port)
  const url = urlOf(server.address() as AddressInfo, host)
  observer.event('server', { state: 'listening', url })

  const end = async (): Promise<void> => {
    options.onClosing?.()
    observer.event('server', { state: 'closing' })
    const ended = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const outgoing of idle.busy()) outgoing.shouldKeepAlive = false
    const sweep = setInterval(() => server.closeIdleConnections(), 50)
    const cut = setTimeout(() => server.closeAllConnections(), options.shutdownTimeout)
    server.closeIdleConnections()
    await ended
    clearInterval(sweep)
    clearTimeout(cut)
    if (atWork > 0) {
      const done = new Promise<void>((resolve) => {
        whenDone = resolve
      })
      await Promise.race([done, pause(SETTLE, undefined, { ref: false })])
    }
    idle.stop()
    observer.event('server', { state: 'closed' })
  }
  return {
    url,
    close() {
      closing ??= end()
      return closing
    },
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function urlOf({ address, port, family }: AddressInfo, host: string): string {
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : family === 'IPv6' ? `[${address}]` : address
  return `http://${shown}:${port}`
}

function refusal(failure: AppError, requestId: string): Response {
  const { status, headers, body } = failureAnswer(failure, requestId, null)
  return new Response(body as string, { status, headers: { ...headers, 'x-request-id': requestId } })
}

const PROTOCOL_FAULTS: Readonly<Record<string, readonly [number, ErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'invalid_request', 'the request head exceeds 16 KiB'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'body_too_large', 'the chunk extensions of the body exceed 16 KiB'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'invalid_request', 'the request head did not arrive in time'],
}

/** What the parser refuses never becomes a request; the client still learns why, and the connection ends. */
function onClientError(error: Error, socket: Duplex, nextId: () => string): void {
  const code = systemCode(error) ?? ''
  // After the head of an answer is out, anything more would read as a part of it.
  const begun = '_httpMessage' in socket && (socket._httpMessage as ServerResponse | null)?.headersSent === true
  if (code === 'ECONNRESET' || !socket.writable || begun) {
    socket.destroy()
    return
  }
  const [status, name, message] = PROTOCOL_FAULTS[code] ?? [
    400,
    'invalid_request',
    'the request is not well-formed HTTP/1.1',
  ]
  writeRaw(socket, fail(name, message), nextId(), status)
}

function writeRaw(socket: Duplex, failure: AppError, requestId: string, status = failure.status): void {
  const body = envelope(failure, requestId)
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Cache-Control: no-store\r\nX-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}
