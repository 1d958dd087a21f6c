// A route is data: how it is reached, what it takes, what it answers and fails with, and the handler that does it.
import type * as z from 'zod'
import type { AppError, ErrorCode } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { DeliveryBody } from '../files/model.ts'
import type { JsonSchema } from '../schema/field-type.ts'
import type { Exchange } from './exchange.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

/** What a handler gives back; `send` in delivery.ts turns it into bytes on the wire. */
export interface Answer {
  readonly status: number
  /** ASCII values only. Request id and CORS are added by `send`. */
  readonly headers: Readonly<Record<string, string>>
  /** Text is sent as UTF-8. Null sends no body. */
  readonly body: string | Buffer | DeliveryBody | null
  /** Told once the answer is over: bytes of the body that were sent, and whether it was all of them. */
  readonly onSent?: (bytes: number, whole: boolean) => void
}

/** A JSON answer; private, so never cached. */
export function json(status: number, value: unknown, headers?: Readonly<Record<string, string>>): Answer {
  const body = JSON.stringify(value)
  return jsonText(status, body, Buffer.byteLength(body), headers)
}

/** The same of what is JSON text already, and has so many bytes in UTF-8. */
export function jsonText(
  status: number,
  body: string,
  bytes: number,
  headers?: Readonly<Record<string, string>>,
): Answer {
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'content-length': String(bytes),
      'cache-control': 'no-store',
      ...headers,
    },
    body,
  }
}

/** An answer without a body, such as 204. */
export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers, body: null }
}

export interface ResponseDoc {
  readonly description: string
  /** Of a JSON body; for other bodies, or besides it, give `content`. */
  readonly schema?: z.ZodType
  /** Media type → OpenAPI schema object. */
  readonly content?: Readonly<Record<string, JsonSchema>>
  /** Header name → what it says. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A JSON body is read and parsed before the handler runs; any other body is left to the handler. */
export type RequestBody<B = unknown> =
  | {
      readonly kind: 'json'
      readonly schema: z.ZodType<B>
      /** What the document says of the body, where `schema` leaves the checking to the service. */
      readonly described?: JsonSchema
      /** No body at all is taken for `{}`. */
      readonly optional?: true
    }
  | {
      readonly kind: 'raw'
      readonly description: string
      /** Media type → OpenAPI schema object. */
      readonly content: Readonly<Record<string, JsonSchema>>
    }

export interface Input<Q, B> {
  readonly query: Q
  readonly body: B
}

export interface Route<Q = unknown, B = unknown> {
  readonly method: Method
  /** `/api/files/{bucket}/{id}`; parameters are those of PARAMS. */
  readonly path: string
  readonly summary: string
  readonly tag: string
  /** Name in the document, where method and path do not make a good one. */
  readonly operationId?: string
  /** Strict object of texts; without one any query is refused. */
  readonly query?: z.ZodType<Q>
  /** Keys of the query that may be given several times; the schema meets lists of texts there. */
  readonly repeats?: readonly string[]
  readonly body?: RequestBody<B>
  readonly responses: Readonly<Record<number, ResponseDoc>>
  /** JSON Schemas that others refer to as `#/components/schemas/{name}`. */
  readonly components?: Readonly<Record<string, JsonSchema>>
  /** Beyond those every route can fail with (invalid_request, invalid_query, invalid_token, …). */
  readonly failures: readonly ErrorCode[]
  /** Answers anyone without looking at credentials (health, documents, protocol discovery). */
  readonly open?: true
  /** For callers with an API key: others are told so before their query and body are looked at. */
  readonly keyed?: true
  /** Only says that what the address names does not exist: takes any query and is not in the document. */
  readonly absent?: true
  /** Counted against this limit of `rate_limits`, per caller and address. */
  readonly rate?: RateName
  /** How many events a body stands for, where it is more than one. */
  readonly rateCount?: (body: unknown) => number
  /** The request body is a file: counted as an active upload. */
  readonly upload?: true
  /** A POST to this path with X-HTTP-Method-Override is taken for the method named there. */
  readonly methodOverride?: true
  /** On every answer of this route, failures included. */
  readonly headers?: Readonly<Record<string, string>>
  /** Of all routes that begin with its prefix. */
  readonly dialect?: Dialect
  /** Bytes of a refused body that are read all the same, for clients that only look for an answer once they have sent everything. */
  readonly drains?: number
  /** Rendering of a failure where the protocol wants another status or more headers. */
  readonly onFailure?: (code: ErrorCode) => {
    readonly status?: number
    readonly headers?: Readonly<Record<string, string>>
  }
  handler(exchange: Exchange, input: Input<Q, B>): Promise<Answer> | Answer
}

/** Ties the types of query and body schemas to the handler's parameters. */
export function route<Q = undefined, B = undefined>(spec: Route<Q, B>): Route {
  return spec as Route
}

/** How failures look at all addresses that begin with `prefix`, where they look otherwise than elsewhere. */
export interface Dialect {
  readonly prefix: string
  /** Of the JSON body. */
  readonly schema: z.ZodType
  status(failure: Pick<AppError, 'code' | 'details'>): number
  /** JSON text. */
  body(failure: AppError): string
}

interface Param {
  readonly fits: (text: string) => boolean
  readonly missing: ErrorCode
  readonly description: string
}

const NAME = /^[a-z][a-z0-9_]{0,62}$/
/** UTF-16 units. */
const MAX_RECORD_ID = 512
/** Bytes, as of the `sub` of a token. */
const MAX_OWNER_ID = 255

/** The limits of `rate_limits` that routes are counted against. */
export type RateName = 'uploads' | 'sign'

/** What a path parameter must look like; anything else is as absent as an unknown one, before any look-up. */
export const PARAMS: Readonly<Record<string, Param>> = {
  owner_id: {
    fits: (text) => Buffer.byteLength(text) <= MAX_OWNER_ID && !/\p{Cc}/u.test(text),
    missing: 'not_found',
    description: 'Id of a caller: `sub` of their tokens, or `key_…`.',
  },
  bucket: {
    fits: (text) => NAME.test(text),
    missing: 'bucket_not_found',
    description: 'Name of a bucket in schema.yaml.',
  },
  id: { fits: isId, missing: 'file_not_found', description: 'Id of a file (UUIDv7).' },
  upload_id: {
    fits: isId,
    missing: 'upload_not_found',
    description: 'Id of an upload; the file it becomes has the same.',
  },
  share_id: { fits: isId, missing: 'share_not_found', description: 'Id of a share (UUIDv7).' },
  file_id: { fits: isId, missing: 'file_not_found', description: 'Id of a file in the share.' },
  collection: {
    fits: (text) => NAME.test(text),
    missing: 'collection_not_found',
    description: 'Name of a collection in schema.yaml.',
  },
  record_id: {
    fits: (text) => text.length <= MAX_RECORD_ID,
    missing: 'record_not_found',
    description: 'Value of the primary field, as text.',
  },
  openai_file: {
    fits: (text) => text.length <= 80,
    missing: 'file_not_found',
    description: 'Id of a file of /v1 (`file-…`).',
  },
  openai_upload: {
    fits: (text) => text.length <= 80,
    missing: 'upload_not_found',
    description: 'Id of an upload of /v1 (`upload_…`).',
  },
}
