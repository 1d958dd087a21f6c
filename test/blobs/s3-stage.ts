// The S3 backend in front of a pretended server, new for each test, with patience that a slow machine does not exhaust.
import { afterEach, beforeEach, expect } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { openS3 } from '../../src/blobs/s3.ts'
import type { S3Times } from '../../src/blobs/s3-limits.ts'
import type { BlobKey } from '../../src/core/model.ts'
import { bodyOf, bytesOf, never } from '../contract/backend.ts'
import { seededBytes } from '../support/random.ts'
import { type Fault, type Operation, type S3Stub, startS3Stub } from '../support/s3-stub.ts'

export const MIB = 1024 * 1024
export const SMALL = seededBytes(1, 1000)
export const LARGE = seededBytes(2, 9 * MIB)
export const UNAVAILABLE = { code: 'storage_unavailable' }

/** Only what is made to hang on purpose may run out of time: a test shortens what it waits for, and nothing else. */
const PATIENT: S3Times = {
  connect: 30_000,
  idle: 30_000,
  answer: 30_000,
  assemble: 30_000,
  window: 60_000,
  settle: 30_000,
  ready: 30_000,
  pause: 5,
}

export interface S3Stage {
  readonly stub: S3Stub
  readonly backend: Backend
  /** Steps by their points, other events by their names. */
  readonly events: string[]
  /** Multipart uploads the journal still names; see UNNAMED. */
  readonly open: Map<string, { readonly key: BlobKey; readonly uploadId: string }>
  /** From now on these times hold instead of generous ones. */
  hurry(times: Partial<S3Times>): Promise<void>
  /** The same where the fault is one that is noticed by waiting. */
  hurryIfHanging(fault: Fault, times: Partial<S3Times>): Promise<void>
  /** Fails the first `times` requests of one kind. */
  failing(operation: Operation, fault: Fault, times?: number): void
  put(key: BlobKey, bytes: Buffer, size?: number | null): Promise<{ size: number }>
  get(key: BlobKey, range?: { start: number; end: number } | null): Promise<Buffer>
  /** What the server holds. */
  held(key: BlobKey): Buffer | undefined
  /** Requests of one kind so far. */
  count(operation: Operation): number
}

/** Sets the stage before each test of the file; after it no connection and no rejection may be left. */
export function s3Stage(): S3Stage {
  let stub: S3Stub
  let backend: Backend
  let events: string[]
  let open: Map<string, { readonly key: BlobKey; readonly uploadId: string }>
  const unhandled: unknown[] = []
  const notice = (reason: unknown): void => void unhandled.push(reason)
  const begin = async (times: Partial<S3Times>): Promise<void> => {
    backend = await openS3({
      name: 's3',
      endpoint: stub.endpoint,
      bucket: 'stub',
      bucketPrefix: 'alyx',
      region: 'us-east-1',
      forcePathStyle: true,
      accessKeyId: 'a',
      secretAccessKey: 'b',
      times: { ...PATIENT, ...times },
      observer: { event: (name, { point }) => void events.push(name === 'step' ? String(point) : name) },
      journal: {
        opened: async (key, uploadId) => void open.set(`${key} ${uploadId}`, { key, uploadId }),
        closed: async (key, uploadId) => void open.delete(`${key} ${uploadId}`),
      },
    })
  }
  const hurry: S3Stage['hurry'] = async (times) => {
    await backend.close!()
    await begin(times)
  }

  beforeEach(async () => {
    process.on('unhandledRejection', notice)
    stub = await startS3Stub()
    events = []
    open = new Map()
    await begin({})
  })
  afterEach(async () => {
    await backend.close!()
    // What is open after the end has been leaked.
    await expect.poll(() => stub.connections(), { interval: 5, timeout: 30_000 }).toBe(0)
    await stub.stop()
    process.off('unhandledRejection', notice)
    expect(unhandled.splice(0)).toEqual([])
  })

  return {
    get stub() {
      return stub
    },
    get backend() {
      return backend
    },
    get events() {
      return events
    },
    get open() {
      return open
    },
    hurry,
    hurryIfHanging: async ({ how }, times) => (how === 'hang' || how === 'stall' ? hurry(times) : undefined),
    failing(operation, fault, times = Number.POSITIVE_INFINITY) {
      let left = times
      stub.script((asked) => (asked === operation && left-- > 0 ? fault : null))
    },
    put: (key, bytes, size = bytes.length) => backend.put(key, bodyOf(bytes), { size, signal: never }),
    get: async (key, range = null) => bytesOf(await backend.get(key, { range, signal: never })),
    held: (key) => stub.objects.get(`alyx/${key}`)?.bytes,
    count: (operation) => stub.asked.filter((asked) => asked === operation).length,
  }
}

/** This status and S3 error code; `acts`: what was asked is done all the same. */
export function answer(status: number, code: string, acts = false): Fault {
  return { how: 'answer', status, code, acts }
}
