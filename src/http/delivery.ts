// From an answer to bytes on the wire: straight into node's response where there is one, else as a web Response.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { DeliveryBody } from '../files/model.ts'
import { isHeld } from './continue.ts'
import type { Exchange } from './exchange.ts'
import { pull, pump } from './pump.ts'
import type { Answer } from './route.ts'

/** Unread request bodies up to this many bytes are read to the end, so that the connection can be used again. */
const DRAIN_LIMIT = 1024 * 1024
/** How long a client that is still sending has to notice its answer, milliseconds. */
const LINGER = 2000

export interface Sent {
  readonly response: Response
  /** Bytes of the body that were sent. */
  readonly bytes: number
  /** Set when the body broke off half way through the server's fault. */
  readonly error: unknown
}

/** Sends an answer; `drains`: bytes of an unread body that are read all the same. Rejects before anything was sent when the body cannot be opened. */
export async function send(exchange: Exchange, answer: Answer, drains = 0): Promise<Sent> {
  const { incoming, outgoing, method } = exchange.start
  const headers = merge(exchange.answerHeaders, answer.headers)
  // Hono wraps what HEAD is answered with in a Response of its own, so that one cannot be written directly.
  if (outgoing === null || incoming === null || method === 'HEAD') return sendWeb(answer, headers, method === 'HEAD')

  const { body } = answer
  if (isDelivery(body) && body.bytes === null) {
    const reader = (await body.reader?.()) ?? null
    const stream = reader === null ? await body.stream() : null
    if (hasUnread(exchange, incoming)) headers.connection = 'close'
    if (!outgoing.destroyed) outgoing.writeHead(answer.status, headers)
    const { bytes, error } =
      reader === null ? await pump(stream!, outgoing, body.length) : await pull(reader, outgoing, body.length)
    answer.onSent?.(bytes, bytes === body.length)
    return { response: RESPONSE_ALREADY_SENT, bytes, error }
  }
  const content = isDelivery(body) ? await body.bytes!() : body
  // Counting what the head says already would take longer than sending it.
  const bytes = content === null ? 0 : Number(headers['content-length'] ?? Buffer.byteLength(content))
  if (outgoing.destroyed) {
    answer.onSent?.(0, false)
    return abandon(outgoing)
  }
  if (hasUnread(exchange, incoming)) sendEarly(exchange, incoming, outgoing, answer.status, headers, content, drains)
  else {
    outgoing.writeHead(answer.status, headers)
    if (content === null) outgoing.end()
    // Text of as many bytes as units is ASCII, which node writes faster when it need not look.
    else if (bytes === content.length) outgoing.end(content, 'latin1')
    else outgoing.end(content)
  }
  answer.onSent?.(bytes, true)
  return { response: RESPONSE_ALREADY_SENT, bytes, error: null }
}

/** Breaks the connection of an answer that was begun and cannot be finished. */
export function abandon(outgoing: ServerResponse): Sent {
  outgoing.destroy()
  return { response: RESPONSE_ALREADY_SENT, bytes: 0, error: null }
}

function isDelivery(body: Answer['body']): body is DeliveryBody {
  return body !== null && typeof body === 'object' && !Buffer.isBuffer(body)
}

function merge(own: Record<string, string>, answer: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = { ...own, ...answer }
  if (own.vary !== undefined && answer.vary !== undefined && answer.vary !== own.vary)
    headers.vary = `${own.vary}, ${answer.vary}`
  return headers
}

async function sendWeb(answer: Answer, headers: Record<string, string>, head: boolean): Promise<Sent> {
  const { body, status } = answer
  const done = (content: ConstructorParameters<typeof Response>[0], bytes: number): Sent => {
    answer.onSent?.(bytes, true)
    return { response: new Response(content, { status, headers }), bytes, error: null }
  }
  if (head || body === null) return done(null, 0)
  if (!isDelivery(body)) return done(typeof body === 'string' ? body : new Uint8Array(body), Buffer.byteLength(body))
  if (body.bytes !== null) return done(new Uint8Array(await body.bytes()), body.length)
  return done(Readable.toWeb(await body.stream()) as ReadableStream<Uint8Array>, body.length)
}

function hasUnread(exchange: Exchange, incoming: IncomingMessage): boolean {
  if (!exchange.hasBody || incoming.readableEnded) return false
  exchange.giveUpBody()
  if (!incoming.complete) return true
  incoming.resume()
  return false
}

/** Answers a client that has more to say. The answer goes out whole at once; the connection ends only after the client had the
 *  chance to read it: closing over unread bytes would reset it and take the answer along (RFC 9112 §9.6). */
function sendEarly(
  exchange: Exchange,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  status: number,
  headers: Record<string, string>,
  content: string | Buffer | null,
  drains: number,
): void {
  const waits = isHeld(incoming)
  const length = exchange.contentLength
  const limit = Math.max(drains, DRAIN_LIMIT)
  if (waits || length === null || length > limit) headers.connection = 'close'
  if (content === null && status !== 204) headers['content-length'] ??= '0'
  outgoing.writeHead(status, headers)
  if (content !== null) outgoing.write(content)
  else outgoing.flushHeaders()
  if (waits) outgoing.end()
  else drain(incoming, limit, drains > 0 ? null : LINGER, () => outgoing.end())
}

/** `linger` null: as long as the client goes on sending; a silent one is the idle guard's. */
function drain(incoming: IncomingMessage, limit: number, linger: number | null, done: () => void): void {
  let size = 0
  const onData = (chunk: Buffer): void => {
    size += chunk.length
    if (size <= limit) return
    incoming.pause()
    timer ??= setTimeout(finish, LINGER)
  }
  const finish = (): void => {
    clearTimeout(timer ?? undefined)
    incoming.off('data', onData).off('end', finish).off('close', finish)
    done()
  }
  let timer = linger === null ? null : setTimeout(finish, linger)
  incoming.on('error', () => {})
  incoming.on('data', onData).on('end', finish).on('close', finish)
  incoming.resume()
}
