// How long an S3 server may take, and how large the pieces of an object are.
import { fail } from '../core/errors.ts'

/** Milliseconds. Against a server that is silent every verb ends after two of them: `idle` or `answer`, then `settle`. */
export interface S3Times {
  /** To connect, waiting for a free connection included. */
  readonly connect: number
  /** Between two signs of life while bytes are moving. The client looks at a new request three seconds late when this is six or more. */
  readonly idle: number
  /** To answer a request that carries no bytes. */
  readonly answer: number
  /** To put the parts of a large object together, while the server answers other questions. */
  readonly assemble: number
  /** After this long no request is tried again. */
  readonly window: number
  /** The same for asking what became of a request, for going on with a download, and for clearing up. */
  readonly settle: number
  /** For readiness. */
  readonly ready: number
  /** Before the second try, at least; twice that before the third. */
  readonly pause: number
}

export const S3_TIMES: S3Times = {
  connect: 5_000,
  idle: 8_000,
  answer: 10_000,
  assemble: 60_000,
  window: 10_000,
  settle: 4_000,
  ready: 3_000,
  pause: 100,
}

const MIB = 1024 * 1024
/** Bodies up to this are one request. */
export const WHOLE = 8 * MIB
/** Others go in parts of at least this: the least that S3 takes, so that many small ones keep the line busy while the server digests some. */
export const PART = 5 * MIB
/** Parts that may be on their way while the next one is being filled. */
export const PARTS_AT_ONCE = 2
/** What Amazon S3 and those like it allow of one object. */
const MOST_PARTS = 10_000
const MOST_BYTES = 5 * 1024 * 1024 * MIB
/** A body of unknown size gets larger parts late, so that hardly any pays for it: 39 GiB in small ones, 250 more in large ones. */
const LATE = 8_000
const LATE_PART = 128 * MIB

/** Bytes of the part with this number (from 1) of an object of `size` bytes (null = unknown). Fails file_too_large where no plan fits. */
export function partSize(size: number | null, number: number): number {
  if (size !== null && size > MOST_BYTES) {
    throw fail('file_too_large', 'the storage backend holds no file of this size', {
      details: { limit: MOST_BYTES, size },
    })
  }
  if (number > MOST_PARTS) {
    const limit = LATE * PART + (MOST_PARTS - LATE) * LATE_PART
    throw fail('file_too_large', 'the storage backend takes no more bytes without being told how many', {
      details: { limit },
      hint: 'Announce the size of the file.',
    })
  }
  if (size === null) return number <= LATE ? PART : LATE_PART
  return size <= WHOLE ? WHOLE : Math.max(PART, Math.ceil(size / MOST_PARTS))
}
