// The contract of a place that holds bytes. test/contract/backend.ts is its executable form.
import type { Readable } from 'node:stream'
import type { BlobKey, ByteRange } from '../core/model.ts'

export interface PutOptions {
  /** Exact number of bytes to come; null when unknown. A different count fails the put. */
  readonly size: number | null
  readonly signal: AbortSignal
}

export interface GetOptions {
  /** Inclusive; null = everything. Must lie inside the blob. */
  readonly range: ByteRange | null
  readonly signal: AbortSignal
}

export interface BlobEntry {
  readonly key: BlobKey
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number
}

/** Bytes in order, pulled into the caller's buffers. One read at a time; `close` exactly once, after the last read has settled. */
export interface BlobReader {
  /** Fills the buffer from its start, all of it unless the end comes first; resolves with the count, 0 at the end. */
  read(into: Buffer): Promise<number>
  close(): Promise<void>
}

/** Fails with storage_full, storage_unavailable or blob_missing; foreign errors never pass, but for the body's own error,
 *  which a put hands back as it came. */
export interface Backend {
  /** Resolves once the bytes survive a power cut (durability full). A key is never overwritten. A failed put leaves nothing, unless a remote
   *  backend could not even be asked (storage_unavailable): then `delete` the key. The body is read to its end or destroyed. */
  put(key: BlobKey, body: Readable, options: PutOptions): Promise<{ size: number }>
  /** Rejects with blob_missing before any byte flows, never half way. The stream must be consumed or destroyed. */
  get(key: BlobKey, options: GetOptions): Promise<Readable>
  /** Deleting what is not there is success. Resolves once the bytes cannot come back after a power cut. */
  delete(key: BlobKey): Promise<void>
  exists(key: BlobKey): Promise<boolean>

  /** Optional: what is stored under a key, without reading it; null when nothing is. How doctor checks a backend without `entries`. */
  stat?(key: BlobKey): Promise<{ readonly size: number } | null>
  /** Optional: a small blob, or a range of one, in one buffer; for at most `limit` bytes. Fails as `get` does, and file_corrupt when short. */
  read?(key: BlobKey, range: ByteRange | null, limit: number): Promise<Buffer>
  /** Optional: `get` for callers that bring their own buffers. Rejects as `get` does, and so do its reads once the signal aborts. */
  openReader?(key: BlobKey, options: GetOptions): Promise<BlobReader>
  /** Optional: takes over a finished, synced local file without copying it; false when it cannot (then `put` it). Twice is once.
   *  The file stays where it was too: its owner removes it once the takeover is committed. */
  adopt?(key: BlobKey, file: string): Promise<boolean>
  /** Optional, for doctor only: everything the backend holds, unfinished temporary files included (key starts with `.tmp/`). */
  entries?(): AsyncIterable<BlobEntry>
  /** Optional, for doctor only: removes what `entries` reported, whatever its name. Removing what is not there is success. */
  removeEntry?(entry: BlobEntry): Promise<void>
  /** Optional, for doctor only: a blob that belongs to nothing goes where nobody looks for it, and nothing of it is lost. Twice is once. */
  setAside?(key: BlobKey): Promise<void>
  /** Optional: removes (but for a dry run) unfinished temporary files last modified before `olderThan`, milliseconds since the epoch; how many. */
  sweep?(olderThan: number, dryRun: boolean): Promise<number>
  /** Optional: takes back the parts of an upload that its journal still names. Only for uploads that nobody is writing any more.
   *  Twice is once; a blob that was completed stays. */
  abortLeftover?(key: BlobKey, uploadId: string): Promise<void>
  /** Optional: rejects with storage_unavailable when the backend cannot serve. */
  ready?(): Promise<void>
  /** Optional: lets go of connections. Nothing may be asked afterwards. */
  close?(): Promise<void>
}

/** Begins what stands for an upload in parts until its id has arrived, which it may never do. */
export const UNNAMED = 'unnamed:'

/** Remembers uploads in parts for as long as they are under way, so that those of a killed process can be aborted. */
export interface MultipartJournal {
  /** Durable when it resolves. Before it has, nothing is begun (UNNAMED), and no part is sent under an id; when it rejects, the put
   *  fails with what it rejected with. */
  opened(key: BlobKey, uploadId: string): Promise<void>
  /** The upload was completed or aborted. Forgetting what is not known is success. */
  closed(key: BlobKey, uploadId: string): Promise<void>
}
