// What GET and HEAD of a file's bytes take and answer, whatever gives the right to them.
import { type ErrorCode, fail } from '../../core/errors.ts'
import type { Delivery, LinkOperation, OpenInput } from '../../files/model.ts'
import { failureAnswer } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Answer, Dialect, ResponseDoc } from '../route.ts'

export const BINARY = { type: 'string', format: 'binary' } as const

export const BYTES: Readonly<Record<number, ResponseDoc>> = {
  200: {
    description: 'The whole file.',
    content: { '*/*': BINARY },
    headers: {
      ETag: '`"<sha256>"`, or `"<sha256>-<coding>"` with a Content-Encoding.',
      'Content-Encoding': '`gzip` or `zstd`: the stored bytes of a compressed file, for clients that accept them so.',
    },
  },
  206: {
    description: 'The range asked for.',
    content: { '*/*': BINARY },
    headers: { 'Content-Range': 'bytes a-b/size' },
  },
  304: { description: 'Unchanged.' },
}
export const BYTES_FAILURES: readonly ErrorCode[] = [
  'file_not_found',
  'precondition_failed',
  'range_not_satisfiable',
  'storage_unavailable',
  'decrypt_failed',
  'file_corrupt',
]

/** The headers that say which bytes are wanted, and in what case. */
export function conditions(exchange: Exchange): OpenInput['headers'] {
  return {
    'accept-encoding': exchange.header('accept-encoding'),
    range: exchange.header('range'),
    'if-range': exchange.header('if-range'),
    'if-match': exchange.header('if-match'),
    'if-none-match': exchange.header('if-none-match'),
    'if-modified-since': exchange.header('if-modified-since'),
    'if-unmodified-since': exchange.header('if-unmodified-since'),
  }
}

/** Whether it is answered by `refusal`. */
export function isRefusal({ status }: Delivery): boolean {
  return status === 412 || status === 416
}

/** What the document calls a route of bytes. */
export function summaryOf(method: 'GET' | 'HEAD', operation: LinkOperation): string {
  if (method === 'HEAD') return `What a ${operation} would answer`
  return operation === 'download' ? 'Download a file' : 'Show a file in the browser'
}

/** 412 and 416 carry the envelope like every failure, and what the file's current state is. */
export function refusal(exchange: Exchange, { status, headers }: Delivery, dialect?: Dialect): Answer {
  const failure =
    status === 412
      ? fail('precondition_failed', 'the file is not in the state the request demands')
      : fail('range_not_satisfiable', 'the range begins after the end of the file')
  const answer = failureAnswer(failure, exchange.start.requestId, null, dialect)
  const kept = Object.fromEntries(
    ['content-range', 'accept-ranges', 'etag', 'vary'].flatMap((name) =>
      headers[name] === undefined ? [] : [[name, headers[name]]],
    ),
  )
  return { ...answer, headers: { ...answer.headers, ...kept } }
}
