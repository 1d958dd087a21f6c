// What the client takes from whatever it runs in: the few shapes it names itself, so that its types need neither DOM nor Node.

/** An `AbortSignal`. */
export interface AbortSignalLike {
  readonly aborted: boolean
  readonly reason?: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** A `Blob` or `File`. */
export interface BlobLike {
  readonly size: number
  readonly type: string
  slice(start?: number, end?: number, type?: string): BlobLike
  arrayBuffer(): Promise<ArrayBuffer>
}

/** A `ReadableStream` of bytes. */
export interface ReadableStreamLike {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: unknown }>
    cancel(reason?: unknown): Promise<unknown>
  }
}

/** A file as React Native and its pickers name it. */
export interface NativeFile {
  readonly uri: string
  readonly name: string
  readonly type?: string | null
}

/** What can be uploaded. A text is the path of a file and, like `file:` URLs, for Node, Bun and Deno. */
export type UploadSource =
  | BlobLike
  | ArrayBuffer
  | ArrayBufferView
  | ReadableStreamLike
  | AsyncIterable<unknown>
  | NativeFile
  | { readonly href: string; readonly protocol: string }
  | string

/** The `Response` of the platform; where its types are unknown, what all of them have. */
export type DownloadResponse = typeof globalThis extends { Response: { prototype: infer R } } ? R : BareResponse

/** What every `Response` has. */
export interface BareResponse {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  readonly body: unknown
  arrayBuffer(): Promise<ArrayBuffer>
  text(): Promise<string>
  json(): Promise<unknown>
}

/** The `AbortSignal` of the platform. */
export type PlatformSignal = typeof globalThis extends { AbortSignal: { prototype: infer R } } ? R : AbortSignalLike

/** A `fetch` of the caller's own. */
export type Fetch = (
  url: string,
  init: {
    method: string
    headers: Record<string, string>
    body?: string
    signal: PlatformSignal
  },
) => Promise<BareResponse>
