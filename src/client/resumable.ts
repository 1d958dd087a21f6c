// A large file over tus (tus-js-client): in chunks, each of them kept by the server once it has acknowledged it.
import { Upload } from 'tus-js-client'
import { type Attempt, authorize, failureOf, stalled, type Wire, watch } from './attempt.ts'
import { AlyxError, errorOfAnswer } from './errors.ts'
import { abortedBy } from './retry.ts'
import type { FileFields } from './single.ts'
import type { Source } from './source.ts'
import { pathOf, type Transport } from './transport.ts'

/** An upload the server may know already. */
export interface Resumption {
  /** Of the upload; null = none yet. */
  url(): string | null
  /** Called with the address as soon as there is one. */
  began(url: string): void
}

interface Chunks {
  readonly bucket: string
  readonly fields: FileFields
  /** Bytes of a chunk. */
  readonly step: number
}

/** Upload-Metadata takes so many characters. */
const LONGEST_METADATA = 12 * 1024
const TUS = { 'Tus-Resumable': '1.0.0' } as const

/** The id of the file, once it is stored. Fails: AlyxError; what has arrived stays on the server. */
export function sendChunks(
  wire: Wire,
  attempt: Attempt,
  source: Source,
  { bucket, fields, step }: Chunks,
  resumption: Resumption,
): Promise<string> {
  const { url } = wire.transport
  const metadata = metadataOf(fields)
  return new Promise((resolve, reject) => {
    let late = false
    const stop = (): void => {
      guard.stop()
      attempt.signal.removeEventListener('abort', give)
      void upload.abort()
    }
    const give = (): void => {
      stop()
      reject(late ? stalled(url, wire.stallTimeout) : abortedBy(attempt.signal))
    }
    const guard = watch(wire.stallTimeout, () => {
      late = true
      give()
    })
    // The library only asks its file reader for bytes; the value given here is never looked at.
    const upload: Upload = new Upload(UNREAD as unknown as Blob, {
      endpoint: url + pathOf('files', bucket, 'tus'),
      uploadUrl: resumption.url(),
      chunkSize: step,
      metadata,
      httpStack: wire.stack,
      fileReader: {
        // The library closes what it has sent; whoever opened the source decides about that.
        openFile: async () => ({ size: source.size, slice: (from, to) => part(source, from, to), close: () => {} }),
      },
      // When to try again is decided where pausing is, and what to remember where it is read.
      retryDelays: null,
      storeFingerprintForResuming: false,
      fingerprint: async () => '',
      onBeforeRequest: async (request) => {
        guard.alive()
        await authorize(wire, request)
        if (attempt.signal.aborted || late) throw abortedBy(attempt.signal)
      },
      onAfterResponse: (request, answer) => {
        guard.alive()
        attempt.reached()
        const status = answer.getStatus()
        // Only "gone" may start the upload anew; the library would also do so when the server is in trouble.
        if (request.getMethod() === 'HEAD' && status >= 300 && ![404, 410, 423].includes(status)) {
          throw errorOfAnswer(status, '', (name) => answer.getHeader(name) ?? null)
        }
      },
      onUploadUrlAvailable: () => resumption.began(upload.url!),
      onProgress: (sent) => {
        guard.alive()
        attempt.progress(sent)
      },
      onSuccess: () => {
        guard.stop()
        attempt.signal.removeEventListener('abort', give)
        resolve(idOf(upload.url!))
      },
      onError: (error) => {
        stop()
        reject(failureOf(error, url))
      },
    })
    if (attempt.signal.aborted) return give()
    attempt.signal.addEventListener('abort', give)
    upload.start()
  })
}

const UNREAD = new Uint8Array(0)

async function part(source: Source, start: number, end: number) {
  const last = Math.min(end, source.size)
  return { value: await source.slice(start, last), done: last >= source.size }
}

/** The last part of the address of an upload, which is the id of the file it becomes. */
export function idOf(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1).replace(/\?.*/s, '')
}

/** Makes the server forget an unfinished upload. Never fails: what cannot be told expires by itself. */
export async function forget(transport: Transport, bucket: string, url: string): Promise<void> {
  await transport.send('DELETE', pathOf('files', bucket, 'tus', idOf(url)), { headers: TUS }).catch(() => {})
}

/** Takes the path back from an upload of this caller that nobody heard the address of: it has no bytes, so nothing is lost.
 *  False = it is none of those. */
export async function release(transport: Transport, bucket: string, id: string): Promise<boolean> {
  const path = pathOf('files', bucket, 'tus', id)
  const answer = await transport.send('HEAD', path, { headers: TUS }).catch(() => null)
  if (answer?.headers.get('upload-offset') !== '0') return false
  await transport.send('DELETE', path, { headers: TUS }).catch(() => {})
  return true
}

/** Metadata that is not plain text travels as JSON, so that it is the same as of a small file. */
function metadataOf(fields: FileFields): Record<string, string> {
  const said: Record<string, string | undefined> = {
    filename: fields.name,
    path: fields.path,
    expires_in: fields.expiresIn,
    checksum: fields.checksum,
    alyx_metadata: fields.metadata,
    alyx_rules: fields.rules,
  }
  const known = Object.entries(said).filter((pair): pair is [string, string] => pair[1] !== undefined)
  const length = known.reduce(
    (sum, [key, value]) => sum + key.length + (new TextEncoder().encode(value).length * 4) / 3,
    0,
  )
  if (length > LONGEST_METADATA) {
    throw new AlyxError('invalid_metadata', 'the metadata of a file this large must have at most 8 KiB')
  }
  return Object.fromEntries(known)
}
