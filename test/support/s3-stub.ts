// A pretended S3 server that fails on command, for what a real one cannot be made to do. It checks no signatures.
import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

export type Operation = 'put' | 'get' | 'head' | 'delete' | 'begin' | 'part' | 'complete' | 'abort' | 'bucket' | 'list'

/** What happens to one request. `acts`: what was asked is done all the same.
 *  answer — this status and S3 error code · drop — the connection is reset · hang — nothing comes ·
 *  garbage — 200 and no XML · break — half of a body, then a reset · stall — half of a body, then nothing ·
 *  short — half of a body of a length that was not said, then its end · whole — the Range header is overlooked */
export type Fault =
  | { readonly how: 'answer'; readonly status: number; readonly code: string; readonly acts?: boolean }
  | { readonly how: 'drop' | 'hang'; readonly acts?: boolean }
  | { readonly how: 'garbage' | 'break' | 'stall' | 'short' | 'whole' }

interface Held {
  readonly bytes: Buffer
  readonly mark: string | undefined
  readonly etag: string
}

interface Upload {
  readonly name: string
  readonly mark: string | undefined
  readonly parts: Map<number, Buffer>
}

export interface S3Stub {
  readonly endpoint: string
  readonly objects: Map<string, Held>
  readonly uploads: Map<string, Upload>
  /** Every request that came, in order. */
  readonly asked: Operation[]
  /** Decides about each request; null = it is done. */
  script(fault: (operation: Operation, name: string) => Fault | null): void
  /** Connections that are open. */
  connections(): number
  /** Stops listening and cuts every connection; `start` listens on the same port again. */
  stop(): Promise<void>
  start(): Promise<void>
}

/** Listens on a free port with the bucket `stub`. */
export async function startS3Stub(): Promise<S3Stub> {
  const objects = new Map<string, Held>()
  const uploads = new Map<string, Upload>()
  const asked: Operation[] = []
  const sockets = new Set<Socket>()
  const left = new WeakSet<Socket>()
  let decide: (operation: Operation, name: string) => Fault | null = () => null
  let port = 0

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('end', () => left.add(socket)).on('close', () => left.add(socket) && sockets.delete(socket))
  })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://stub')
    const [, bucket, ...rest] = url.pathname.split('/')
    const name = rest.join('/')
    const operation = operationOf(request.method ?? '', name, url.searchParams)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    asked.push(operation)
    // Here server and client are one thread: what the client gave up before it is seen here must not be done after what it asked next.
    await turn()
    await turn()
    if (left.has(request.socket)) return
    const fault =
      bucket === 'stub' ? decide(operation, name) : ({ how: 'answer', status: 404, code: 'NoSuchBucket' } as const)
    if (fault?.how === 'drop' || fault?.how === 'hang') {
      if (fault.acts) act(operation, name, url.searchParams, request, Buffer.concat(chunks))
      if (fault.how === 'drop') response.socket?.resetAndDestroy()
      return
    }
    if (fault?.how === 'answer') {
      if (fault.acts) act(operation, name, url.searchParams, request, Buffer.concat(chunks))
      return refuse(response, fault.status, fault.code, operation)
    }
    const answer = act(operation, name, url.searchParams, request, Buffer.concat(chunks))
    if ('code' in answer) return refuse(response, answer.status, answer.code, operation)
    const { status, headers, body } =
      operation === 'get' ? part(answer, fault?.how === 'whole' ? undefined : request.headers.range) : answer
    if (fault?.how === 'garbage') return void response.end('<html>what?')
    if (fault?.how === 'short') return void response.writeHead(status, headers).end(body.subarray(0, body.length / 2))
    response.writeHead(status, { 'content-length': body.length, ...headers })
    if (fault?.how !== 'break' && fault?.how !== 'stall')
      return void response.end(operation === 'head' ? undefined : body)
    response.write(body.subarray(0, body.length / 2), () => {
      // Later, so that what was sent is not lost in the reset.
      if (fault.how === 'break') setTimeout(() => response.socket?.resetAndDestroy(), 20)
    })
  }

  interface Done {
    readonly status: number
    readonly headers: Readonly<Record<string, string | number>>
    readonly body: Buffer
  }
  type Answer = Done | { readonly status: number; readonly code: string }

  function act(
    operation: Operation,
    name: string,
    query: URLSearchParams,
    request: IncomingMessage,
    sent: Buffer,
  ): Answer {
    const done = (headers: Done['headers'] = {}, body = '', status = 200): Done => ({
      status,
      headers,
      body: Buffer.from(body),
    })
    const mark = request.headers['x-amz-meta-alyx-put'] as string | undefined
    const held = objects.get(name)
    const upload = uploads.get(query.get('uploadId') ?? '')
    const taken = request.headers['if-none-match'] === '*' && held !== undefined
    switch (operation) {
      case 'bucket':
        return done()
      case 'put':
        if (taken) return { status: 412, code: 'PreconditionFailed' }
        return done({ etag: store(name, sent, mark) })
      case 'head':
        if (held === undefined) return { status: 404, code: 'NoSuchKey' }
        return {
          status: 200,
          headers: { etag: held.etag, 'content-length': held.bytes.length, 'x-amz-meta-alyx-put': held.mark ?? '' },
          body: Buffer.alloc(0),
        }
      case 'get':
        if (held === undefined) return { status: 404, code: 'NoSuchKey' }
        if ((request.headers['if-match'] ?? held.etag) !== held.etag) return { status: 412, code: 'PreconditionFailed' }
        return { status: 200, headers: { etag: held.etag }, body: held.bytes }
      case 'delete':
        objects.delete(name)
        return done({}, '', 204)
      case 'list': {
        const found = [...uploads].filter(([, { name: begun }]) => begun.startsWith(query.get('prefix') ?? ''))
        const rows = found.map(([id, { name: key }]) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`)
        return done({}, `<ListMultipartUploadsResult>${rows.join('')}</ListMultipartUploadsResult>`)
      }
      case 'begin': {
        const id = randomUUID()
        uploads.set(id, { name, mark, parts: new Map() })
        return done({}, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
      }
      case 'part':
        if (upload === undefined) return { status: 404, code: 'NoSuchUpload' }
        upload.parts.set(Number(query.get('partNumber')), sent)
        return done({ etag: etagOf(sent) })
      case 'complete': {
        if (upload === undefined) return { status: 404, code: 'NoSuchUpload' }
        const numbers = [...sent.toString().matchAll(/<PartNumber>(\d+)</g)].map((match) => Number(match[1]))
        uploads.delete(query.get('uploadId') ?? '')
        const etag = store(name, Buffer.concat(numbers.map((number) => upload.parts.get(number)!)), upload.mark)
        return done({}, `<CompleteMultipartUploadResult><ETag>${etag}</ETag></CompleteMultipartUploadResult>`)
      }
      case 'abort':
        if (!uploads.delete(query.get('uploadId') ?? '')) return { status: 404, code: 'NoSuchUpload' }
        return done({}, '', 204)
    }
  }

  function store(name: string, bytes: Buffer, mark: string | undefined): string {
    const etag = etagOf(bytes)
    objects.set(name, { bytes, mark, etag })
    return etag
  }

  function part(whole: Done, range: string | undefined): Done {
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? []
    if (first === undefined) return whole
    const end = Math.min(last ? Number(last) : Number.POSITIVE_INFINITY, whole.body.length - 1)
    const headers = { ...whole.headers, 'content-range': `bytes ${first}-${end}/${whole.body.length}` }
    return { status: 206, headers, body: whole.body.subarray(Number(first), end + 1) }
  }

  const start = async (): Promise<void> => {
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  }
  await start()
  return {
    endpoint: `http://127.0.0.1:${port}`,
    objects,
    uploads,
    asked,
    script(fault) {
      decide = fault
    },
    connections: () => sockets.size,
    start,
    stop() {
      for (const socket of sockets) socket.resetAndDestroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

function refuse(response: ServerResponse, status: number, code: string, operation: Operation): void {
  const body =
    operation === 'head' || operation === 'bucket'
      ? ''
      : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as told</Message></Error>`
  response.writeHead(status, { 'content-type': 'application/xml', 'content-length': body.length }).end(body)
}

function operationOf(method: string, name: string, query: URLSearchParams): Operation {
  if (name === '') return query.has('uploads') ? 'list' : 'bucket'
  if (query.has('uploads')) return 'begin'
  const inParts = query.has('uploadId')
  const found = {
    PUT: inParts ? 'part' : 'put',
    POST: 'complete',
    DELETE: inParts ? 'abort' : 'delete',
    HEAD: 'head',
    GET: 'get',
  } as const
  return found[method as keyof typeof found]
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`
}
