// One try of an upload: what it is told, how it is stopped, and how its failures become errors of ours.
import { DetailedError, type HttpRequest, type HttpResponse, type HttpStack } from 'tus-js-client'
import { AlyxError, errorOfAnswer, isAlyxError } from './errors.ts'
import type { Transport } from './transport.ts'

/** What both ways of sending need. */
export interface Wire {
  readonly transport: Transport
  readonly stack: HttpStack
  /** Requests take bytes and no blobs. */
  readonly bytesOnly: boolean
  /** Milliseconds without a sign of life after which a request is given up. */
  readonly stallTimeout: number
}

/** What a try tells while it runs. */
export interface Attempt {
  /** Aborts when the upload is paused or given up. */
  readonly signal: AbortSignal
  /** Bytes sent so far, of this try; may be less than an earlier one told. */
  progress(loaded: number): void
  /** Called when the server answered anything. */
  reached(): void
}

/** Ends requests that no longer move. */
export interface Watch {
  /** Something moved. */
  alive(): void
  stop(): void
}

/** Calls `give` once nothing moved for `ms`. */
export function watch(ms: number, give: () => void): Watch {
  let timer = setTimeout(give, ms)
  return {
    alive() {
      clearTimeout(timer)
      timer = setTimeout(give, ms)
    },
    stop: () => clearTimeout(timer),
  }
}

/** The credential is asked for every request anew. */
export async function authorize(wire: Wire, request: HttpRequest): Promise<void> {
  const credential = await wire.transport.authorization()
  if (credential !== null) request.setHeader('Authorization', credential)
}

/** The failure an answer stands for. */
export function refusalOf(answer: HttpResponse): AlyxError {
  return errorOfAnswer(answer.getStatus(), answer.getBody() ?? '', (name) => answer.getHeader(name) ?? null)
}

/** Whatever a request ended with, as an error of ours. */
export function failureOf(error: unknown, url: string): AlyxError {
  if (isAlyxError(error)) return error
  if (error instanceof DetailedError) {
    // The library runs in browsers, too, where a cause is an event.
    const cause = error.causingError as unknown
    if (isAlyxError(cause)) return cause
    if (error.originalResponse !== null && error.originalResponse !== undefined)
      return refusalOf(error.originalResponse)
    return new AlyxError('network_error', `${url} cannot be reached`, { cause: cause ?? error })
  }
  return new AlyxError('network_error', `${url} cannot be reached`, { cause: error })
}

/** A request that nobody answered in time. */
export function stalled(url: string, ms: number): AlyxError {
  return new AlyxError('timeout', `nothing moved between here and ${url} for ${ms} ms`)
}
