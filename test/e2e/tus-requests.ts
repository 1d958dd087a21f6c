// tus spoken by hand: raw requests with everything in the hands of the test.
import type { OutgoingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { type Answer, request } from '../support/http.ts'
import type { TestServer } from '../support/server.ts'

export const V1 = { 'tus-resumable': '1.0.0' } as const
export const BYTES = 'application/offset+octet-stream'

export interface Tus {
  readonly bucket: string
  /** POST; `headers` replace or, as undefined, remove what would be sent. */
  create(
    length: number | string,
    metadata?: Readonly<Record<string, string>>,
    headers?: OutgoingHttpHeaders,
    body?: Buffer,
  ): Promise<Answer>
  /** POST that must succeed; the id of the upload. */
  begin(length: number, metadata?: Readonly<Record<string, string>>): Promise<string>
  head(id: string): Promise<Answer>
  patch(id: string, offset: number | string, body: Buffer | Readable, headers?: OutgoingHttpHeaders): Promise<Answer>
  remove(id: string): Promise<Answer>
  /** Any method on `/api/files/{bucket}{rest}`. */
  send(method: string, rest: string, headers?: OutgoingHttpHeaders, body?: Buffer | null): Promise<Answer>
  /** GET of the finished file's bytes. */
  download(id: string): Promise<Answer>
  /** GET of the File object. */
  stat(id: string): Promise<Answer>
  list(): Promise<readonly { readonly id: string; readonly name: string }[]>
}

/** `key base64,key base64`. */
export function encodeMetadata(metadata: Readonly<Record<string, string>>): string {
  return Object.entries(metadata)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
    .join(',')
}

/** The last segment of Location. */
export function idOf(answer: Answer): string {
  return String(answer.headers.location).split('/').at(-1) ?? ''
}

let names = 0
/** A name no other test uses. */
export function freshName(extension = 'bin'): string {
  names += 1
  return `file-${process.pid}-${names}.${extension}`
}

/** `token` null speaks as nobody. */
export function tusOn(server: TestServer, bucket: string, token: string | null): Tus {
  const { port } = server
  const base = `/api/files/${bucket}`
  const send: Tus['send'] = (method, rest, headers = {}, body = null) =>
    request({ port, method, path: `${base}${rest}`, token, headers: defined(headers), body })
  const create: Tus['create'] = (length, metadata = { filename: freshName() }, headers = {}, body) =>
    send(
      'POST',
      '/tus',
      { ...V1, 'upload-length': String(length), 'upload-metadata': encodeMetadata(metadata), ...headers },
      body ?? null,
    )
  return {
    bucket,
    send,
    create,
    async begin(length, metadata) {
      const answer = await create(length, metadata)
      if (answer.status !== 201) throw new Error(`POST was answered ${answer.status}: ${answer.text}`)
      return idOf(answer)
    },
    head: (id) => send('HEAD', `/tus/${id}`, V1),
    patch: (id, offset, body, headers = {}) =>
      request({
        port,
        method: 'PATCH',
        path: `${base}/tus/${id}`,
        token,
        headers: defined({ ...V1, 'upload-offset': String(offset), 'content-type': BYTES, ...headers }),
        body,
      }),
    remove: (id) => send('DELETE', `/tus/${id}`, V1),
    download: (id) => send('GET', `/${id}/download`),
    stat: (id) => send('GET', `/${id}`),
    async list() {
      const answer = await send('GET', '?limit=1000')
      return answer.json<{ files: { id: string; name: string }[] }>().files
    },
  }
}

function defined(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined))
}
