// The HTTP client of the command line: one server, one credential, streams both ways.
import { type ClientRequest, type IncomingMessage, request as plain } from 'node:http'
import { request as secure } from 'node:https'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fail } from '../core/errors.ts'
import { refused, unreachable, usage } from './exit.ts'

/** The file object of API.md §3, as far as the command line reads it. */
export interface RemoteFile {
  readonly id: string
  readonly bucket: string
  readonly name: string
  readonly path: string
  readonly mime_type: string
  readonly size: number
  readonly checksum: string
  readonly owner_id: string | null
  readonly created_at: string
}

export interface CallOptions {
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as it comes, chunked. */
  readonly body?: Readable
  /** Sent as JSON. */
  readonly data?: unknown
  /** Statuses besides 2xx that the caller understands. */
  readonly accept?: readonly number[]
}

export interface Client {
  /** Without a trailing slash. */
  readonly url: string
  /** The Authorization header, fresh for every request; null = anonymous. */
  authorization(): Promise<string | null>
  /** The answer once its headers are here; the caller reads or destroys its body. Fails: Stop, with the exit code of the answer. */
  call(method: string, path: string, options?: CallOptions): Promise<IncomingMessage>
  /** The JSON of the answer; null when it is empty. */
  json(method: string, path: string, options?: CallOptions): Promise<unknown>
}

/** A connection over which nothing moves for this long is given up, milliseconds. */
const IDLE = 300_000

/** A client of the server at `url`; `token` is asked for each request. Fails: usage when `url` is not http(s). */
export function createClient(url: string, token: () => Promise<string | null>): Client {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw usage(`"${url}" is not the address of a server`, 'Write it as http://host:port.')
  }
  const base = url.replace(/\/+$/, '')
  const authorization = async () => {
    const text = await token()
    return text === null ? null : `Bearer ${text}`
  }
  const call = async (method: string, path: string, options: CallOptions = {}) => {
    const target = new URL(base + path)
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) target.searchParams.set(name, value)
    }
    const text = options.data === undefined ? null : Buffer.from(JSON.stringify(options.data))
    const type = text !== null ? 'application/json' : options.body ? 'application/octet-stream' : null
    const credential = await authorization()
    const outgoing = (target.protocol === 'https:' ? secure : plain)(target, {
      method,
      headers: {
        ...options.headers,
        ...(credential === null ? {} : { authorization: credential }),
        ...(type === null ? {} : { 'content-type': type }),
        ...(text === null ? {} : { 'content-length': text.length }),
      },
    })
    outgoing.setTimeout(IDLE, () => outgoing.destroy(fail('storage_unavailable', 'nothing moved for five minutes')))
    const answer = await answerTo(outgoing, text === null ? (options.body ?? null) : Readable.from([text]), base)
    const status = answer.statusCode!
    if ((status >= 200 && status < 300) || options.accept?.includes(status)) return answer
    throw refused(status, await textOf(answer, base))
  }
  return {
    url: base,
    authorization,
    call,
    async json(method, path, options) {
      const answer = await call(method, path, options)
      const text = await textOf(answer, base)
      try {
        return text === '' ? null : JSON.parse(text)
      } catch {
        throw refused(answer.statusCode!, text)
      }
    },
  }
}

/** A server may answer (413, 401, …) before it took the whole body: that answer counts, not the broken pipe after it. */
function answerTo(outgoing: ClientRequest, body: Readable | null, origin: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.on('response', resolve)
    outgoing.on('error', (error) => reject(unreachable(origin, error)))
    if (body === null) outgoing.end()
    // The request's own errors arrive above; only a source that breaks has to end the request here.
    else pipeline(body, outgoing).catch((error) => outgoing.destroy(error))
  })
}

async function textOf(answer: IncomingMessage, origin: string): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of answer) chunks.push(chunk as Buffer)
  } catch (error) {
    throw unreachable(origin, error)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** `/api/files/{bucket}[/…]` with every segment encoded. */
export function filesPath(...segments: readonly string[]): string {
  return ['/api/files', ...segments.map(encodeURIComponent)].join('/')
}
