// Request bodies that are read whole: JSON, strictly; and what no body may be: encoded.
import { fail, isFailure } from '../core/errors.ts'
import type { Exchange } from './exchange.ts'
import { parseJson } from './json.ts'

/** Largest JSON body, bytes. */
const MAX_JSON = 1024 * 1024
const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

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
