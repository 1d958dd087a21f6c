// One request and its answer: what a handler may ask about the request, and what was found out about it so far.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { timestamp } from '../core/clock.ts'
import { ANONYMOUS, type Call, type Caller } from '../core/model.ts'
import { openBody } from './body-stream.ts'

export interface ExchangeStart {
  readonly requestId: string
  readonly method: string
  readonly path: string
  /** Raw query without the question mark. */
  readonly search: string
  readonly params: Readonly<Record<string, string>>
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly ip: string
  readonly web: Request
  /** Null outside node:http (app.request in tests, other runtimes). */
  readonly incoming: IncomingMessage | null
  readonly outgoing: ServerResponse | null
}

/** Lives from the arrival of a request's head to the last byte of its answer. */
export class Exchange {
  readonly start: ExchangeStart
  caller: Caller = ANONYMOUS
  /** Headers of every answer to this request: request id, CORS, the route's own. */
  readonly answerHeaders: Record<string, string>
  #body: Readable | null = null
  #abort: AbortController | null = null

  constructor(start: ExchangeStart) {
    this.start = start
    this.answerHeaders = { 'x-request-id': start.requestId }
  }

  /** A path parameter, decoded and already of the form PARAMS demands. */
  param(name: string): string {
    return this.start.params[name] ?? ''
  }

  /** A request header by its lower-case name; several are joined as node:http does. */
  header(name: string): string | undefined {
    const { incoming, web } = this.start
    if (incoming === null) return web.headers.get(name) ?? undefined
    const value = incoming.headers[name]
    return typeof value === 'string' ? value : value?.join(', ')
  }

  /** Content-Length in bytes; null when the client did not say. */
  get contentLength(): number | null {
    const header = this.header('content-length')
    return header === undefined || !/^\d{1,15}$/.test(header) ? null : Number(header)
  }

  get hasBody(): boolean {
    const { incoming, web } = this.start
    if (incoming === null) return web.body !== null
    return incoming.headers['transfer-encoding'] !== undefined || (this.contentLength ?? 0) > 0
  }

  /** The request body, unread. Destroying it leaves the connection alive, so that an answer can still be sent.
   *  Errors when the client breaks off. The same stream on every call. */
  body(): Readable {
    this.#body ??= openBody(this.start)
    return this.#body
  }

  /** Ends the reading of a body nobody wants any more; the connection stays. */
  giveUpBody(): void {
    this.#body?.destroy()
  }

  /** Aborts when the client went away before the answer was complete. */
  get signal(): AbortSignal {
    if (this.#abort !== null) return this.#abort.signal
    const abort = new AbortController()
    this.#abort = abort
    const { outgoing } = this.start
    if (outgoing === null) return abort.signal
    const gone = (): void => {
      if (!outgoing.writableFinished) abort.abort()
    }
    if (outgoing.destroyed) gone()
    else outgoing.once('close', gone)
    return abort.signal
  }

  /** Whether a failure is only what the signal ended work with: there is nobody left to tell, and nothing is wrong. */
  isFarewell(error: unknown): boolean {
    const signal = this.#abort?.signal
    return signal?.aborted === true && error === signal.reason
  }

  /** The address of `id` below what was asked for. A path, right under any prefix the app is mounted at, and never from Host. */
  addressOf(id: string): string {
    return `/${this.start.path.replace(/^\/+|\/+$/g, '')}/${id}`
  }

  /** What services are called with. */
  call(): Call {
    const { method, path, ip, startedAt } = this.start
    const signal = (): AbortSignal => this.signal
    return {
      caller: this.caller,
      request: { method, path, ip, time: timestamp(startedAt) },
      // Made when somebody waits for it: most calls are over before that.
      get signal() {
        return signal()
      },
    }
  }
}
