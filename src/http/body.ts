// Request bodies: as a stream that can be given up without losing the connection, and as strictly read JSON.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { fail, isFailure } from '../core/errors.ts'
import { giveContinue } from './continue.ts'
import type { Exchange } from './exchange.ts'
import { parseJson } from './json.ts'

/** Largest JSON body, bytes. */
const MAX_JSON = 1024 * 1024
const HIGH_WATER_MARK = 1024 * 1024
const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

export interface BodySource {
  readonly web: Request
  readonly incoming: IncomingMessage | null
  readonly outgoing: ServerResponse | null
}

/** The request body. Destroying it stops reading and nothing else: an IncomingMessage would take its socket along, and with it
 *  the answer. Errors with `invalid_request` when the client breaks off before the end. */
export function openBody(source: BodySource): Readable {
  const { web, incoming, outgoing } = source
  if (incoming === null || outgoing === null) {
    return web.body === null ? Readable.from([]) : Readable.fromWeb(web.body as unknown as NodeReadableStream)
  }
  const body = new Readable({
    highWaterMark: HIGH_WATER_MARK,
    read() {
      giveContinue(incoming, outgoing)
      incoming.resume()
    },
    destroy(error, done) {
      incoming.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken)
      incoming.on('error', () => {})
      incoming.pause()
      done(error)
    },
  })
  const onData = (chunk: Buffer): void => {
    if (!body.push(chunk)) incoming.pause()
  }
  const onEnd = (): void => {
    body.push(null)
  }
  const onBroken = (): void => {
    if (!incoming.readableEnded) body.destroy(fail('invalid_request', 'the request body broke off before its end'))
  }
  // It may break before anyone listens.
  body.on('error', () => {})
  incoming.pause()
  incoming.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken)
  if (incoming.destroyed && !incoming.readableEnded) process.nextTick(onBroken)
  return body
}

/** The JSON body of a request. Fails: unsupported_media_type, body_too_large, invalid_json. */
export async function readJson(exchange: Exchange): Promise<unknown> {
  requireIdentity(exchange)
  const type = exchange.header('content-type')
  if (type === undefined || !JSON_TYPE.test(type)) {
    throw fail('unsupported_media_type', 'the body must be application/json', {
      hint: 'Send Content-Type: application/json.',
    })
  }
  const tooLarge = fail('body_too_large', `the JSON body exceeds ${MAX_JSON} bytes`, { details: { limit: MAX_JSON } })
  if ((exchange.contentLength ?? 0) > MAX_JSON) throw tooLarge
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of exchange.body() as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_JSON) throw tooLarge
    chunks.push(chunk)
  }
  return parseJson(decode(Buffer.concat(chunks, size)))
}

/** Fails unsupported_media_type when the body is encoded: what is stored is what was sent. */
export function requireIdentity(exchange: Exchange): void {
  const encoding = exchange.header('content-encoding')
  if (encoding === undefined || encoding.trim().toLowerCase() === 'identity') return
  throw fail('unsupported_media_type', 'bodies with a Content-Encoding are not taken', {
    hint: 'Send the bytes as they are.',
  })
}

function decode(bytes: Buffer): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    if (text.startsWith('\ufeff')) throw fail('invalid_json', 'the body starts with a byte order mark')
    return text
  } catch (error) {
    throw isFailure(error) ? error : fail('invalid_json', 'the body is not UTF-8')
  }
}
