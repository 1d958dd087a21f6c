// What is uploaded, whatever it came as: so many bytes, a name, and any part of them on demand.
import { AlyxError } from './errors.ts'
import type { BlobLike, UploadSource } from './platform.ts'
import { chunksOf, type Slice, sliceOf, streamSlices } from './stream.ts'

export type { Slice }

export interface Source {
  /** Bytes. */
  readonly size: number
  /** Null where the source has none. */
  readonly name: string | null
  /** As it calls itself, lower case without parameters; '' when it does not say. */
  readonly type: string
  /** The same text for the same content, also after a restart; null where that cannot be known. */
  identity(): Promise<string | null>
  /** The bytes from `start` to before `end` (≤ size). A stream goes forward only. Fails: source_unreadable. */
  slice(start: number, end: number): Promise<Slice>
  close(): void
}

/** A stream that does not say how long it is. */
export interface EndlessSource {
  readonly size: null
  readonly name: string | null
  readonly type: string
  readonly chunks: AsyncIterator<Uint8Array>
  close(): void
}

/** What the platform adds to that: paths of files, and how requests are sent. */
export interface Host {
  /** Opens a file by its path. Fails: source_unreadable, invalid_request where there are no paths. */
  openPath(path: string): Promise<Source>
  /** The file a Node stream is about to read from its beginning to its end; null for everything else. */
  fileOf(source: unknown): string | null
  /** Requests take bytes and no blobs. */
  readonly bytesOnly: boolean
  /** A request body of unknown length; `fail` is called when it breaks off. Null where requests cannot have one. */
  readonly streamBody: ((chunks: AsyncIterator<Uint8Array>, fail: (error: unknown) => void) => unknown) | null
}

/** Fails: invalid_request for what is no source, source_unreadable. `size` is what the caller knows of a stream's length. */
export async function openSource(
  source: UploadSource,
  size: number | null,
  host: Host,
): Promise<Source | EndlessSource> {
  if (typeof source === 'string') return host.openPath(source)
  if (source instanceof ArrayBuffer || isBytes(source, ArrayBuffer))
    return bytesSource(new Uint8Array(source as ArrayBuffer))
  if (ArrayBuffer.isView(source)) {
    return bytesSource(new Uint8Array(source.buffer as ArrayBuffer, source.byteOffset, source.byteLength))
  }
  if (isBlob(source)) return blobSource(source, host)
  if (hasText(source, 'uri')) return fetched(source as { readonly uri: string }, host)
  if (hasText(source, 'href')) return host.openPath((source as { readonly href: string }).href)
  const file = host.fileOf(source)
  if (file !== null) return host.openPath(file)
  const chunks = chunksOf(source)
  if (chunks === null) {
    throw new AlyxError('invalid_request', 'this cannot be uploaded', {
      hint: 'Give a Blob, File, ArrayBuffer, typed array, ReadableStream, Node stream, path or {uri, name, type}.',
    })
  }
  const name = nameOfStream(source)
  const close = (): void => void Promise.resolve(chunks.return?.()).catch(() => {})
  return size === null
    ? { size, name, type: '', chunks, close }
    : { size, name, type: '', identity: async () => null, ...streamSlices(chunks, size) }
}

/** Bytes in memory. */
export function bytesSource(bytes: Uint8Array, type = ''): Source {
  return {
    size: bytes.byteLength,
    name: null,
    type,
    identity: () => digestOf(bytes),
    slice: async (start, end) => sliceOf(bytes.subarray(start, end)),
    close: () => {},
  }
}

/** SHA-256, hex; null where the platform has none (pages that came without TLS). */
export async function digestOf(bytes: Uint8Array): Promise<string | null> {
  const subtle = (globalThis.crypto as Partial<typeof globalThis.crypto> | undefined)?.subtle
  if (subtle === undefined) return null
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>))
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** A Blob or File, read part by part. */
export function blobSource(
  blob: BlobLike & { readonly name?: unknown; readonly lastModified?: unknown },
  host: Host,
): Source {
  const name = typeof blob.name === 'string' && blob.name !== '' ? blob.name : null
  const changed = typeof blob.lastModified === 'number' ? blob.lastModified : null
  return {
    size: blob.size,
    name,
    type: bareType(blob.type),
    identity: async () =>
      name === null || changed === null ? null : JSON.stringify(['file', name, blob.size, blob.type, changed]),
    async slice(start, end) {
      const part = blob.slice(start, end)
      if (!host.bytesOnly) return part as Slice
      const bytes = await part.arrayBuffer().catch((error: unknown) => {
        throw new AlyxError('source_unreadable', 'the file cannot be read', { cause: error })
      })
      return sliceOf(new Uint8Array(bytes))
    },
    close: () => {},
  }
}

async function fetched(file: { readonly uri: string; readonly name?: unknown; readonly type?: unknown }, host: Host) {
  const blob = await globalThis
    .fetch(file.uri)
    .then((answer) => {
      if (!answer.ok) throw new AlyxError('source_unreadable', `${file.uri} answered ${answer.status}`)
      return answer.blob()
    })
    .catch((error: unknown) => {
      if (error instanceof AlyxError) throw error
      throw new AlyxError('source_unreadable', 'the uri cannot be read', { cause: error })
    })
  const name = typeof file.name === 'string' ? file.name : null
  const type = typeof file.type === 'string' ? bareType(file.type) : bareType(blob.type)
  return {
    ...blobSource(blob as BlobLike, host),
    name,
    type,
    identity: async () => JSON.stringify(['uri', file.uri, blob.size]),
  }
}

/** `Image/PNG; q=1` → `image/png`. */
export function bareType(type: string): string {
  return type.replace(/;.*/s, '').trim().toLowerCase()
}

/** Also of another realm, such as the window of an iframe. */
function isBytes(value: unknown, kind: { readonly name: string }): boolean {
  return Object.prototype.toString.call(value) === `[object ${kind.name}]`
}

function isBlob(value: unknown): value is BlobLike {
  const blob = value as Partial<BlobLike> | null
  return typeof blob?.slice === 'function' && typeof blob.arrayBuffer === 'function' && typeof blob.size === 'number'
}

function hasText(value: unknown, key: string): boolean {
  return typeof (value as Record<string, unknown> | null)?.[key] === 'string'
}

/** A Node stream of a file knows its path. */
function nameOfStream(source: unknown): string | null {
  const path = (source as { readonly path?: unknown }).path
  return typeof path === 'string' ? (path.split(/[/\\]/).at(-1) ?? null) || null : null
}
