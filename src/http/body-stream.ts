// The request body as a stream that can be given up without losing the connection.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { fail } from '../core/errors.ts'
import { giveContinue } from './continue.ts'
import { received } from './young.ts'

const HIGH_WATER_MARK = 256 * 1024

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
    received(chunk.length)
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
