// The contract of the place where the bytes of resumable uploads gather until the last one is there. test/contract/spool.ts is its
// executable form.
import type { Readable } from 'node:stream'
import { type AppError, fail } from '../core/errors.ts'

/** Whose bytes they are, and whether an upload that begins is encrypted. One that goes on stays what it was. */
export interface SpoolOwner {
  readonly bucket: string
  readonly encrypted: boolean
}

export interface AppendOptions {
  /** The process that appends: where several share a spool, whoever has lost the upload to another keeps nothing more. */
  readonly holder: string
  readonly owner: SpoolOwner
  /** Most bytes to take from this body: what is still missing of the upload. */
  readonly max: number
  readonly signal: AbortSignal
  /** Sees every chunk in order while it is being written; what it promises is waited for. After a failure it may have seen more than was kept: compare with `offset`. */
  readonly tap?: ((chunk: Buffer) => Promise<void> | undefined) | undefined
  /** Every so many bytes what has arrived is made durable, and `reached` is told how far that is; nothing is written meanwhile.
   *  When it rejects, the append ends with that error. */
  readonly checkpoint?: { readonly every: number; readonly reached: (durable: number) => Promise<void> } | undefined
}

export interface Appended {
  /** Bytes of the upload that are durable now; never less than the offset the append began at or the last checkpoint. */
  readonly offset: number
  /** The body ended cleanly. */
  readonly complete: boolean
  /** Why it did not: the body's own error, the signal's reason, body_too_large, storage_full or storage_unavailable, what `reached`
   *  rejected with; null when it did. */
  readonly error: unknown
}

/** One writer per upload at a time: the caller holds its lock. Fails storage_full, storage_unavailable, blob_missing; internal for what is no id;
 *  decrypt_failed for an encrypted upload whose key is not there; upload_expired for one that should be encrypted and is not. */
export interface Spool {
  /** Cuts what is kept back to `offset` (the database's, which is the truth), and keeps what arrives behind it, durably. What arrived before
   *  the body broke is kept. The body is left paused, not destroyed. Rejects, with nothing read, when the bytes cannot be opened or cut,
   *  and with blob_missing when there are fewer than `offset`. */
  append(id: string, offset: number, body: Readable, options: AppendOptions): Promise<Appended>
  /** All bytes as they arrived. Fails blob_missing too when there are none; errors with file_corrupt when they are others. Consume or
   *  destroy the stream. */
  read(id: string, owner: SpoolOwner): Promise<Readable>
  /** After the upload was taken from a process that may only be standing still: what that one writes when it wakes goes nowhere. */
  renew(id: string): Promise<void>
  /** The file of all bytes, for a backend that takes it over; null when there is none, or its bytes are encrypted. */
  plainFile(id: string): Promise<string | null>
  /** Bytes that are there and can be read back, should their key be there; null when nothing is kept. */
  size(id: string): Promise<number | null>
  /** Ids of the keys that the upload's bytes are encrypted under; none where they are not. */
  keysOf(id: string): Promise<readonly string[]>
  /** Removing what is not there is success. */
  remove(id: string): Promise<void>
  /** Every upload of which something is kept. */
  ids(): AsyncIterable<string>
  /** Lets go of connections; nothing may be asked afterwards. */
  close(): Promise<void>
}

/** The failure for an upload to an encrypted bucket whose bytes lie there in the clear, or without their keys: it has to begin again. */
export function unsealed(): AppError {
  return fail('upload_expired', 'the upload was begun before its bucket was encrypted, or its keys are lost')
}
