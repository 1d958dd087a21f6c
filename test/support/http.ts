// Requests exactly as written: no path clean-up, no keep-alive, no retries; and bytes straight onto a socket.
import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import type { Readable } from 'node:stream'

export interface RequestOptions {
  readonly port: number
  readonly method?: string
  /** Sent as it is. */
  readonly path: string
  readonly headers?: OutgoingHttpHeaders
  /** Shorthand for `Authorization: Bearer …`. */
  readonly token?: string | null
  /** A stream is sent chunked unless Content-Length is given. */
  readonly body?: Buffer | string | Readable | null
  /** Sent as JSON with its content type. */
  readonly json?: unknown
  /** Milliseconds for the whole exchange; default 60,000. */
  readonly timeout?: number
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
  /** `error.code` of the envelope, or null. */
  readonly code: string | null
  json<T = Record<string, unknown>>(): T
}

/** Wraps what came back. */
export function answerOf(status: number, headers: IncomingHttpHeaders, body: Buffer): Answer {
  const text = body.toString('utf8')
  return {
    status,
    headers,
    body,
    text,
    get code() {
      try {
        const parsed = JSON.parse(text) as { error?: { code?: unknown } } | null
        return typeof parsed?.error?.code === 'string' ? parsed.error.code : null
      } catch {
        return null
      }
    },
    json: <T>() => JSON.parse(text) as T,
  }
}

/** One request on its own connection. An answer that arrives before the body was sent counts; a broken one rejects. */
export function request(options: RequestOptions): Promise<Answer> {
  const { port, method = 'GET', path, token, timeout = 60_000 } = options
  const body = options.json === undefined ? (options.body ?? null) : JSON.stringify(options.json)
  const headers: OutgoingHttpHeaders = { ...options.headers }
  if (token) headers.authorization = `Bearer ${token}`
  if (options.json !== undefined) headers['content-type'] ??= 'application/json'
  const streamed = body !== null && typeof body === 'object' && !Buffer.isBuffer(body)
  if (body !== null && !streamed && !hasHeader(headers, 'content-length') && !hasHeader(headers, 'transfer-encoding'))
    headers['content-length'] = Buffer.byteLength(body)
  return new Promise((resolve, reject) => {
    let answered = false
    const req = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, (res) => {
      answered = true
      const parts: Buffer[] = []
      res.on('data', (part: Buffer) => parts.push(part))
      res.on('end', () => {
        clearTimeout(timer)
        // What the server did not want to read must not keep the connection open.
        if (!req.writableFinished) req.destroy()
        if (streamed) body.destroy()
        resolve(answerOf(res.statusCode ?? 0, res.headers, Buffer.concat(parts)))
      })
      res.on('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
    })
    const timer = setTimeout(() => {
      req.destroy()
      reject(new Error(`no complete answer to ${method} ${path} within ${timeout} ms`))
    }, timeout)
    req.on('error', (error) => {
      if (answered) return
      clearTimeout(timer)
      reject(error)
    })
    if (streamed) {
      body.on('error', () => req.destroy())
      body.pipe(req)
    } else req.end(body ?? undefined)
  })
}

function hasHeader(headers: OutgoingHttpHeaders, name: string): boolean {
  return Object.keys(headers).some((key) => key.toLowerCase() === name)
}

export interface RawOptions {
  /** Milliseconds after which what has arrived is returned; default 30,000. */
  readonly timeout?: number
  /** Ends with the first whole answer, where the server may keep the connection. */
  readonly once?: boolean
  /** Half-close after writing. */
  readonly end?: boolean
}

/** Writes bytes to a fresh socket and returns everything that comes back until the server closes (Latin-1 text). */
export function raw(port: number, bytes: string | Buffer, options: RawOptions = {}): Promise<string> {
  return rawExchange(port, bytes, options).then((exchange) => exchange.text)
}

/** As `raw`, and tells whether the server closed the connection itself. */
export function rawExchange(
  port: number,
  bytes: string | Buffer,
  options: RawOptions = {},
): Promise<{ readonly text: string; readonly closed: boolean }> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    const socket = connect(port, '127.0.0.1')
    const finish = (closed: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ text: Buffer.concat(parts).toString('latin1'), closed })
    }
    const timer = setTimeout(() => finish(false), options.timeout ?? 30_000)
    socket.on('data', (part) => {
      parts.push(part)
      if (options.once && isWhole(Buffer.concat(parts).toString('latin1'))) finish(false)
    })
    socket.on('close', () => finish(true))
    socket.on('error', () => finish(true))
    socket.on('connect', () => {
      const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
      if (options.end) socket.end(data)
      else socket.write(data)
    })
  })
}

/** Whether the text holds a final answer and all of its body, whose length is declared. */
function isWhole(text: string): boolean {
  const { status, headers, body } = parseRaw(text)
  const length = headers['content-length']
  return status !== 0 && length !== undefined && body.length >= Number(length)
}

/** Splits the first answer of a raw exchange; interim 1xx answers are skipped but reported. */
export function parseRaw(text: string): Answer & { readonly interim: readonly number[] } {
  const interim: number[] = []
  let rest = text
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    const head = end < 0 ? rest : rest.slice(0, end)
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0)
    if (status >= 100 && status < 200 && status !== 101 && end >= 0) {
      interim.push(status)
      rest = rest.slice(end + 4)
      continue
    }
    const headers: IncomingHttpHeaders = {}
    for (const line of head.split('\r\n').slice(1)) {
      const colon = line.indexOf(':')
      if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
    }
    let body = end < 0 ? '' : rest.slice(end + 4)
    if (headers['transfer-encoding'] === 'chunked') body = unchunk(body)
    return Object.assign(answerOf(status, headers, Buffer.from(body, 'latin1')), { interim })
  }
}

function unchunk(text: string): string {
  let out = ''
  let rest = text
  for (;;) {
    const line = rest.indexOf('\r\n')
    const size = Number.parseInt(rest.slice(0, line), 16)
    if (line < 0 || !(size > 0)) return out
    out += rest.slice(line + 2, line + 2 + size)
    rest = rest.slice(line + 4 + size)
  }
}
