// Plain calls: one request with a fresh credential, its answer or an AlyxError, tried again where that cannot do harm.
import { AlyxError, errorOfAnswer, isAlyxError } from './errors.ts'
import type { AbortSignalLike, BareResponse, Fetch } from './platform.ts'
import { abortedBy, delayBefore, mayRepeat, wait } from './retry.ts'

/** A JWT or an API key; a function is asked before every request, so that it can renew what has run out. */
export type Token = string | null | (() => string | null | Promise<string | null>)

export interface TransportOptions {
  readonly url: string
  readonly token?: Token | undefined
  /** Default: the `fetch` of the platform. Uploads do not use it. */
  readonly fetch?: Fetch | undefined
  /** Milliseconds a call may wait for its answer to begin; default 60,000. Uploads have `stallTimeout` instead. */
  readonly timeout?: number | undefined
  /** How often a call is tried again; default 3. */
  readonly retries?: number | undefined
}

export interface CallOptions {
  readonly query?: Readonly<Record<string, Value | readonly Value[]>>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly data?: unknown
  readonly signal?: AbortSignalLike | undefined
  /** The caller brings a credential of another kind: none of the client's is sent. */
  readonly anonymous?: boolean
}

type Value = string | number | boolean | null | undefined

export interface Transport {
  /** Without a trailing slash. */
  readonly url: string
  /** The Authorization header for the next request; null = anonymous. */
  authorization(): Promise<string | null>
  /** Whether asking for the token again can give another one. */
  readonly renewable: boolean
  /** The answer once its head is here. Fails: AlyxError. */
  send(method: string, path: string, options?: CallOptions): Promise<BareResponse>
  /** The JSON of the answer; undefined when it is empty. Fails: AlyxError. */
  json<T>(method: string, path: string, options?: CallOptions): Promise<T>
}

interface Answered {
  readonly answer: BareResponse
  /** The signal of the call does not reach the answer any more. */
  readonly release: () => void
}

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE'])

/** Fails: invalid_request when `url` is not http(s). */
export function createTransport(options: TransportOptions): Transport {
  const { token = null, timeout = 60_000, retries = 3 } = options
  if (!/^https?:\/\/[^/]/.test(options.url)) {
    throw new AlyxError('invalid_request', `"${options.url}" is not the address of a server`, {
      hint: 'Write it as http://host:port.',
    })
  }
  const url = options.url.replace(/\/+$/, '')
  const doFetch = options.fetch ?? ((address, init) => globalThis.fetch(address, init))

  const authorization = async (): Promise<string | null> => headerOf(await tokenOf(token))

  async function once(method: string, path: string, call: CallOptions): Promise<Answered> {
    const { signal, anonymous = false } = call
    const headers: Record<string, string> = { ...call.headers }
    const credential = anonymous ? null : await authorization()
    if (credential !== null) headers.authorization = credential
    const body = call.data === undefined ? {} : { body: jsonOf(call.data, 'invalid_request') }
    if (call.data !== undefined) headers['content-type'] = 'application/json'
    if (signal?.aborted) throw abortedBy(signal)
    const controller = new AbortController()
    const stop = (): void => controller.abort()
    let late = false
    const timer = setTimeout(() => {
      late = true
      stop()
    }, timeout)
    signal?.addEventListener('abort', stop)
    try {
      const answer = await doFetch(url + path + queryOf(call.query), {
        method,
        headers,
        signal: controller.signal,
        ...body,
      })
      if (answer.status < 400) return { answer, release: () => signal?.removeEventListener('abort', stop) }
      const text = await answer.text()
      throw errorOfAnswer(answer.status, text, (name) => answer.headers.get(name))
    } catch (error) {
      signal?.removeEventListener('abort', stop)
      if (error instanceof AlyxError) throw error
      if (signal?.aborted) throw abortedBy(signal)
      if (late) throw new AlyxError('timeout', `${url} did not answer within ${timeout} ms`, { cause: error })
      throw new AlyxError('network_error', `${url} cannot be reached`, {
        cause: error,
        hint: 'Check the network, the url of the client and, in a browser, server.cors.allowed_origins.',
      })
    } finally {
      clearTimeout(timer)
    }
  }

  async function ask(method: string, path: string, call: CallOptions): Promise<Answered> {
    let renewed = false
    for (let count = 0; ; count += 1) {
      try {
        return await once(method, path, call)
      } catch (error) {
        const failure = error as AlyxError
        const stale = failure.code === 'token_expired' || failure.code === 'invalid_token'
        if (stale && !renewed && typeof token === 'function' && call.anonymous !== true) renewed = true
        else if (count >= retries || !mayRepeat(failure, IDEMPOTENT.has(method))) throw error
        else await wait(delayBefore(count, failure.retryAfter), call.signal)
      }
    }
  }

  return {
    url,
    authorization,
    renewable: typeof token === 'function',
    send: async (method, path, call = {}) => (await ask(method, path, call)).answer,
    async json<T>(method: string, path: string, call: CallOptions = {}): Promise<T> {
      const { answer, release } = await ask(method, path, call)
      const text = await answer
        .text()
        .catch((error: unknown) => {
          if (call.signal?.aborted) throw abortedBy(call.signal)
          const message = `the answer of ${url} broke off`
          throw new AlyxError('network_error', message, { cause: error, status: answer.status })
        })
        .finally(release)
      try {
        return (text === '' ? undefined : JSON.parse(text)) as T
      } catch (error) {
        throw new AlyxError('unexpected_answer', `${url} answered something that is not JSON`, {
          cause: error,
          status: answer.status,
          hint: 'This does not look like an answer of Alyx: check the url of the client.',
        })
      }
    },
  }
}

/** `/api/…` with every segment encoded. */
export function pathOf(...segments: readonly string[]): string {
  return `/api/${segments.map(encodeSegment).join('/')}`
}

/** `.` and `..` would be taken as steps of the path by every URL parser: nothing is named so. Programs in JavaScript may give no text at all. */
function encodeSegment(segment: unknown): string {
  if (typeof segment !== 'string' || ['', '.', '..'].includes(segment)) {
    throw new AlyxError('invalid_request', `"${segment}" cannot be the name or id of anything`)
  }
  return encoded(segment)
}

/** A text as a part of an address. Half of a surrogate pair, which no address can hold, becomes U+FFFD. */
export function encoded(text: string): string {
  return encodeURIComponent(String(text).replace(/\p{Cs}/gu, '\ufffd'))
}

/** Fails: what JSON cannot say. */
export function jsonOf(value: unknown, code: 'invalid_request' | 'invalid_metadata'): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    throw new AlyxError(code, `this cannot be sent as JSON: ${messageOf(error)}`, { cause: error })
  }
}

/** Fails: unauthenticated when there should be one and it cannot be had. */
async function tokenOf(token: Token): Promise<string | null | undefined> {
  try {
    return typeof token === 'function' ? await token() : token
  } catch (error) {
    if (isAlyxError(error)) throw error
    throw new AlyxError('unauthenticated', `the token function of the client failed: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function headerOf(token: string | null | undefined): string | null {
  const text = token?.trim() ?? ''
  if (/[^\x21-\x7e]/.test(text)) {
    throw new AlyxError('invalid_token', 'the token of the client holds characters that no token has')
  }
  return text === '' ? null : `Bearer ${text}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function queryOf(query: CallOptions['query']): string {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? (value as readonly Value[]) : [value as Value])
      .filter((one) => one !== undefined && one !== null)
      .map((one) => `${encoded(name)}=${encoded(String(one))}`),
  )
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}
