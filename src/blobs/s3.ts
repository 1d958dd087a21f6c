// Blobs as objects of one S3 bucket, which must exist: Amazon S3 and all that speak its protocol.
import type { Readable } from 'node:stream'
import { type AppError, fail } from '../core/errors.ts'
import type { BlobKey, ByteRange } from '../core/model.ts'
import type { Observer } from '../observe/observer.ts'
import { type Backend, type MultipartJournal, UNNAMED } from './backend.ts'
import { ask, type Patience, patience } from './s3-ask.ts'
import { objectStream, type Part } from './s3-body.ts'
import { faultStatus, isMissing, isUnmet, s3Failure, unavailable } from './s3-faults.ts'
import { objectName } from './s3-keys.ts'
import { S3_TIMES, type S3Times } from './s3-limits.ts'
import { abortBegun, abortMultipart, type MultipartDeps } from './s3-multipart.ts'
import { putBody } from './s3-put.ts'
import { createS3Requests, type HeldObject, type S3Account, type SentObject } from './s3-requests.ts'
import { createOnceWriter, type SingleDeps } from './s3-single.ts'
import { readerOf } from './stream-reader.ts'

export interface S3Options extends S3Account {
  /** What all names of objects begin with, without a slash at its end; may be empty. */
  readonly bucketPrefix: string
  /** The backend's name in alyx.yml, for events. */
  readonly name: string
  readonly journal: MultipartJournal
  readonly observer: Observer
  /** Other times than S3_TIMES. */
  readonly times?: Partial<S3Times>
}

/** Opens a backend without asking the server anything: an outage is no reason not to start, and `ready` tells of it. */
export async function openS3(options: S3Options): Promise<Backend> {
  const { bucketPrefix, name: backend, journal, observer } = options
  const times = { ...S3_TIMES, ...options.times }
  const requests = createS3Requests(options, times)
  const deps: MultipartDeps & SingleDeps = {
    requests,
    once: createOnceWriter(requests),
    times,
    journal,
    step: (point) => observer.event('step', { point }),
    left: (error) => observer.event('storage_error', { backend, operation: 'multipart', error }),
  }
  const usual = patience(times, 'answer')
  const quick = patience(times, 'settle')
  const nameOf = (key: BlobKey): string => objectName(bucketPrefix, key)

  /** A 404 to HEAD does not say whether the object or the whole S3 bucket is missing, and that is a great difference. */
  const head = async (key: BlobKey, limits: Patience): Promise<HeldObject | null> => {
    const name = nameOf(key)
    try {
      const held = await ask((signal) => requests.head(name, signal), limits)
      if (held === null) await ask(requests.bucket, limits).catch(unlessForbidden)
      return held
    } catch (fault) {
      throw s3Failure(fault, 'look up a file')
    }
  }
  const fetch = async (
    name: string,
    part: Part,
    etag: string | null,
    outer: AbortSignal | undefined,
    limits = usual,
  ): Promise<SentObject> => {
    const range = part.start === 0 && part.end === null ? null : `bytes=${part.start}-${part.end ?? ''}`
    const sent = await ask((signal) => requests.get(name, range, etag, signal), {
      ...limits,
      ...(outer && { signal: outer }),
    })
    const fault = range === null ? null : partFault(sent, part)
    if (fault === null) return sent
    sent.body.destroy()
    throw fault
  }
  const open = async (name: string, part: Part, signal?: AbortSignal): Promise<SentObject> => {
    try {
      return await fetch(name, part, null, signal)
    } catch (fault) {
      if (signal?.aborted) throw signal.reason
      if (isMissing(fault)) throw fail('blob_missing', 'the stored bytes are missing', { cause: fault })
      throw faultStatus(fault) === 416 ? tooShort(fault) : s3Failure(fault, 'read')
    }
  }
  const stream = async (key: BlobKey, range: ByteRange | null, signal?: AbortSignal): Promise<Readable> => {
    const name = nameOf(key)
    const first = await open(name, range ?? { start: 0, end: null }, signal)
    return objectStream(first, {
      range,
      idle: times.idle,
      ...(signal && { signal }),
      reopen: (rest, etag) =>
        fetch(name, rest, etag, signal, quick).catch((fault: unknown) => {
          // Missing is said before the first byte or not at all.
          throw isUnmet(fault) || isMissing(fault) ? changed(fault) : s3Failure(fault, 'read')
        }),
    })
  }

  return {
    async put(key, body, putOptions) {
      try {
        return { size: await putBody(deps, key, nameOf(key), body, putOptions) }
      } catch (error) {
        body.destroy()
        throw error
      }
    },

    get: (key, { range, signal }) => stream(key, range, signal),

    openReader: async (key, { range, signal }) => readerOf(await stream(key, range, signal)),

    async read(key, range, limit) {
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of await stream(key, range)) {
        size += (chunk as Buffer).length
        // Leaving the loop destroys the stream.
        if (size > limit) throw fail('internal', 'the blob is too large to be read at once')
        chunks.push(chunk as Buffer)
      }
      return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)
    },

    async delete(key) {
      const name = nameOf(key)
      try {
        await ask((signal) => requests.remove(name, signal), usual)
      } catch (fault) {
        if (!isMissing(fault)) throw s3Failure(fault, 'delete')
      }
      deps.step('s3.deleted')
    },

    // Asked after a request that failed, or before one that will tell.
    async exists(key) {
      return (await head(key, quick)) !== null
    },

    async stat(key) {
      const held = await head(key, usual)
      return held && { size: held.size }
    },

    abortLeftover: async (key, uploadId) =>
      uploadId.startsWith(UNNAMED)
        ? abortBegun(requests, nameOf(key), times)
        : abortMultipart(requests, nameOf(key), uploadId, times),

    async ready() {
      try {
        await ask(requests.bucket, patience(times, 'ready'))
      } catch (fault) {
        throw s3Failure(fault, 'answer')
      }
    },

    async close() {
      requests.close()
    },
  }
}

/** What is wrong with an answer to a Range request. */
function partFault({ length, contentRange }: SentObject, { start, end }: Part): AppError | null {
  const wanted = end === null ? null : end - start + 1
  const isWhole = start === 0 && contentRange === null && length === wanted
  if (contentRange?.startsWith(`bytes ${start}-`) !== true && !isWhole) {
    return unavailable('the storage backend sent another part than it was asked for')
  }
  if (wanted === null || length === null || length === wanted) return null
  return length < wanted ? tooShort() : unavailable('the storage backend sent more than it was asked for')
}

function tooShort(cause?: unknown): AppError {
  return fail('file_corrupt', 'fewer bytes are stored than should be', { cause })
}

function changed(cause: unknown): AppError {
  return fail('file_corrupt', 'the stored bytes changed while they were read', { cause })
}

/** For who may not ask about the S3 bucket, a 404 about an object has to do. */
function unlessForbidden(fault: unknown): void {
  if (faultStatus(fault) !== 403) throw fault
}
