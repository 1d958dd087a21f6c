// A small file in one request: a raw PUT, or a form where what is said about the file would not fit into an address.
import type { HttpRequest, HttpResponse } from 'tus-js-client'
import { type Attempt, authorize, failureOf, refusalOf, stalled, type Wire, watch } from './attempt.ts'
import { AlyxError } from './errors.ts'
import type { AlyxFile } from './model.ts'
import { randomName } from './random.ts'
import { abortedBy } from './retry.ts'
import type { Source } from './source.ts'
import { joined, sliceOf } from './stream.ts'
import { encoded, pathOf } from './transport.ts'

/** What is said about a file, as texts; what is undefined is not said. */
export interface FileFields {
  readonly name: string
  readonly path: string | undefined
  /** JSON. */
  readonly metadata: string | undefined
  readonly expiresIn: string | undefined
  readonly checksum: string | undefined
  /** JSON. */
  readonly rules: string | undefined
}

interface Named {
  readonly bucket: string
  readonly fields: FileFields
  /** Declared; '' = not known. */
  readonly type: string
}

/** Bytes of an address; the whole head of a request may have 16 KiB. */
const LONGEST_QUERY = 4096
const UNKNOWN = 'application/octet-stream'

/** The file, once it is stored. Fails: AlyxError; nothing of the upload is left then, unless the answer was lost. */
export async function sendWhole(
  wire: Wire,
  attempt: Attempt,
  source: Source,
  { bucket, fields, type }: Named,
): Promise<AlyxFile> {
  const given = pairsOf(fields)
  const query = queryOf(fields, given)
  const content = await source.slice(0, source.size)
  const declared = type === '' ? UNKNOWN : type
  const form = query.length > LONGEST_QUERY ? formOf(given, fields.name, declared, content) : null
  const path = pathOf('files', bucket)
  const request =
    form === null
      ? wire.stack.createRequest('PUT', `${wire.transport.url}${path}?${query}`)
      : wire.stack.createRequest('POST', wire.transport.url + path)
  request.setHeader('Content-Type', form?.type ?? declared)
  const before = form?.before ?? 0
  return exchange(wire, attempt, request, form?.body ?? (source.size === 0 ? null : content), (sent) =>
    Math.min(Math.max(sent - before, 0), source.size),
  )
}

/** The same of a stream that does not say how long it is. `body` begins it. */
export async function sendStream(
  wire: Wire,
  attempt: Attempt,
  body: (fail: (error: unknown) => void) => unknown,
  { bucket, fields, type }: Named,
): Promise<AlyxFile> {
  const query = queryOf(fields, pairsOf(fields))
  if (query.length > LONGEST_QUERY) {
    throw new AlyxError('invalid_metadata', 'the metadata of a stream of unknown length must have at most 4 KiB')
  }
  const request = wire.stack.createRequest('PUT', `${wire.transport.url}${pathOf('files', bucket)}?${query}`)
  request.setHeader('Content-Type', type === '' ? UNKNOWN : type)
  const broken = new AbortController()
  return exchange(
    wire,
    attempt,
    request,
    body((error) => broken.abort(error)),
    (sent) => sent,
    broken.signal,
  )
}

/** Sends a request and reads the file out of its answer. */
async function exchange(
  wire: Wire,
  attempt: Attempt,
  request: HttpRequest,
  body: unknown,
  loaded: (sent: number) => number,
  broken?: AbortSignal,
): Promise<AlyxFile> {
  const { url } = wire.transport
  await authorize(wire, request)
  if (attempt.signal.aborted) throw abortedBy(attempt.signal)
  const guard = watch(wire.stallTimeout, () => end(stalled(url, wire.stallTimeout)))
  // An XMLHttpRequest that is aborted never ends its promise, and a stream that breaks does not end its request.
  let end: (reason: unknown) => void = () => {}
  const onAbort = (): void => end(abortedBy(attempt.signal))
  const onBreak = (): void => end(broken?.reason)
  attempt.signal.addEventListener('abort', onAbort)
  broken?.addEventListener('abort', onBreak)
  request.setProgressHandler((sent) => {
    guard.alive()
    attempt.progress(loaded(sent))
  })
  try {
    const answer = await new Promise<HttpResponse>((resolve, reject) => {
      end = (reason) => {
        reject(reason)
        void request.abort()
      }
      request.send(body).then(resolve, reject)
    })
    attempt.reached()
    if (answer.getStatus() !== 201) throw refusalOf(answer)
    return parsed(answer.getBody(), url)
  } catch (error) {
    throw failureOf(error, url)
  } finally {
    guard.stop()
    attempt.signal.removeEventListener('abort', onAbort)
    broken?.removeEventListener('abort', onBreak)
  }
}

function pairsOf(fields: FileFields): readonly (readonly [string, string])[] {
  return Object.entries({
    path: fields.path,
    metadata: fields.metadata,
    expires_in: fields.expiresIn,
    checksum: fields.checksum,
    rules: fields.rules,
  }).filter((pair): pair is [string, string] => pair[1] !== undefined)
}

function queryOf({ name }: FileFields, given: readonly (readonly [string, string])[]): string {
  return [['name', name] as const, ...given].map(([key, value]) => `${key}=${encoded(value)}`).join('&')
}

/** multipart/form-data (RFC 7578): the fields, then the file. `before` = bytes in front of the content. */
function formOf(
  fields: readonly (readonly [string, string])[],
  name: string,
  type: string,
  content: Awaited<ReturnType<Source['slice']>>,
) {
  const boundary = `alyx-${randomName()}`
  const part = (disposition: string, more = '') =>
    `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n${more}\r\n`
  // RFC 8187: what encodeURIComponent leaves and the grammar does not know is encoded, too.
  const named = encoded(name).replace(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
  const texts = fields.map(([key, value]) => `${part(`name="${key}"`)}${value}\r\n`).join('')
  const head = new TextEncoder().encode(
    texts + part(`name="file"; filename="file"; filename*=UTF-8''${named}`, `Content-Type: ${type}\r\n`),
  )
  const tail = new TextEncoder().encode(`\r\n--${boundary}--\r\n`)
  const body =
    content instanceof Uint8Array
      ? sliceOf(joined([head, content, tail]))
      : new Blob([head, content as unknown as Blob, tail])
  return { type: `multipart/form-data; boundary=${boundary}`, before: head.length, body }
}

function parsed(body: string, url: string): AlyxFile {
  try {
    return JSON.parse(body) as AlyxFile
  } catch (error) {
    throw new AlyxError('unexpected_answer', `${url} answered something that is not JSON`, {
      cause: error,
      status: 201,
    })
  }
}
