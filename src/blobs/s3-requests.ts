// The requests of the S3 protocol that are used, on the SDK's client. The only place that knows the SDK.
import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { unavailable } from './s3-faults.ts'
import type { S3Times } from './s3-limits.ts'

export interface S3Account {
  /** The S3 bucket. */
  readonly bucket: string
  readonly region: string
  /** Null = Amazon's own. */
  readonly endpoint: string | null
  readonly forcePathStyle: boolean
  /** Null = from where the SDK looks: its environment variables, its files, the machine's role. */
  readonly accessKeyId: string | null
  readonly secretAccessKey: string | null
}

export interface HeldObject {
  readonly size: number
  /** What `put` or `begin` wrote beside the bytes; null when there is none. */
  readonly mark: string | null
}

export interface SentObject {
  readonly body: Readable
  /** Bytes to come; null when the server did not say. */
  readonly length: number | null
  /** `bytes a-b/c` (RFC 9110 §14.4); null when the whole is sent. */
  readonly contentRange: string | null
  readonly etag: string | null
}

/** Options of a write: `fresh` asks the server to refuse it (412) where there is an object. */
export interface WriteOptions {
  readonly fresh: boolean
  readonly signal: AbortSignal
}

/** One try each; faults come as the SDK raises them. */
export interface S3Requests {
  put(name: string, bytes: Buffer, mark: string, options: WriteOptions): Promise<void>
  /** `range` as in the Range header; `etag` refuses (412) another object than that one. */
  get(name: string, range: string | null, etag: string | null, signal: AbortSignal): Promise<SentObject>
  /** Null for 404, which says no more: the S3 bucket may be missing too. */
  head(name: string, signal: AbortSignal): Promise<HeldObject | null>
  remove(name: string, signal: AbortSignal): Promise<void>
  /** Begins a multipart upload; its id. */
  begin(name: string, mark: string, signal: AbortSignal): Promise<string>
  /** Ids of the multipart uploads that were begun under exactly this name, and neither completed nor aborted. */
  begun(name: string, signal: AbortSignal): Promise<readonly string[]>
  part(name: string, uploadId: string, number: number, bytes: Buffer, signal: AbortSignal): Promise<CompletedPart>
  complete(name: string, uploadId: string, parts: readonly CompletedPart[], options: WriteOptions): Promise<void>
  abort(name: string, uploadId: string, signal: AbortSignal): Promise<void>
  /** Rejects unless the S3 bucket is there. */
  bucket(signal: AbortSignal): Promise<void>
  /** Closes idle and busy connections. */
  close(): void
}

export type { CompletedPart }

/** Connections at once: downloads have their own, so that slow ones never keep uploads waiting. */
const SOCKETS = { reading: 256, writing: 128 }
/** The key under which an object's mark is kept beside it. */
const MARK = 'alyx-put'

/** Opens no connection yet. */
export function createS3Requests(account: S3Account, times: S3Times): S3Requests {
  const Bucket = account.bucket
  // A slow reader leaves its connection idle for as long as it likes; the stream itself knows who is waiting for whom.
  const reader = clientOf(account, { sockets: SOCKETS.reading, connect: times.connect, idle: 0 })
  const writer = clientOf(account, { sockets: SOCKETS.writing, connect: times.connect, idle: times.idle })
  const ifNew = (fresh: boolean): { IfNoneMatch?: string } => (fresh ? { IfNoneMatch: '*' } : {})

  return {
    async put(Key, Body, mark, { fresh, signal }) {
      const command = new PutObjectCommand({ Bucket, Key, Body, Metadata: { [MARK]: mark }, ...ifNew(fresh) })
      if ((await writer.send(command, { abortSignal: signal })).ETag === undefined) throw strange()
    },

    async get(Key, range, etag, signal) {
      const only = { ...(range !== null && { Range: range }), ...(etag !== null && { IfMatch: etag }) }
      const got = await reader.send(new GetObjectCommand({ Bucket, Key, ...only }), { abortSignal: signal })
      if (!(got.Body instanceof Readable)) throw strange()
      const { ContentLength = null, ContentRange = null, ETag = null } = got
      return { body: got.Body, length: ContentLength, contentRange: ContentRange, etag: ETag }
    },

    async head(Key, signal) {
      try {
        const { ContentLength, Metadata } = await writer.send(new HeadObjectCommand({ Bucket, Key }), {
          abortSignal: signal,
        })
        if (ContentLength === undefined) throw strange()
        return { size: ContentLength, mark: Metadata?.[MARK] ?? null }
      } catch (error) {
        if (error instanceof Error && error.name === 'NotFound') return null
        throw error
      }
    },

    async remove(Key, signal) {
      await writer.send(new DeleteObjectCommand({ Bucket, Key }), { abortSignal: signal })
    },

    async begin(Key, mark, signal) {
      const command = new CreateMultipartUploadCommand({ Bucket, Key, Metadata: { [MARK]: mark } })
      const { UploadId } = await writer.send(command, { abortSignal: signal })
      if (UploadId === undefined) throw strange()
      return UploadId
    },

    async begun(Prefix, signal) {
      const { Uploads = [] } = await writer.send(new ListMultipartUploadsCommand({ Bucket, Prefix }), {
        abortSignal: signal,
      })
      return Uploads.flatMap(({ Key, UploadId }) => (Key === Prefix && UploadId !== undefined ? [UploadId] : []))
    },

    async part(Key, UploadId, PartNumber, Body, signal) {
      const command = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body })
      const { ETag, ChecksumCRC32 } = await writer.send(command, { abortSignal: signal })
      if (ETag === undefined) throw strange()
      return { PartNumber, ETag, ...(ChecksumCRC32 !== undefined && { ChecksumCRC32 }) }
    },

    async complete(Key, UploadId, parts, { fresh, signal }) {
      const MultipartUpload = { Parts: [...parts] }
      const command = new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload, ...ifNew(fresh) })
      await writer.send(command, { abortSignal: signal })
    },

    async abort(Key, UploadId, signal) {
      await writer.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }), { abortSignal: signal })
    },

    async bucket(signal) {
      await writer.send(new HeadBucketCommand({ Bucket }), { abortSignal: signal })
    },

    close() {
      reader.destroy()
      writer.destroy()
    },
  }
}

interface Connections {
  readonly sockets: number
  /** Milliseconds; 0 = no limit. */
  readonly connect: number
  readonly idle: number
}

function clientOf(account: S3Account, { sockets, connect, idle }: Connections): S3Client {
  const { endpoint, region, forcePathStyle, accessKeyId, secretAccessKey } = account
  const silent = (): void => {}
  const agent = { keepAlive: true, maxSockets: sockets, maxFreeSockets: 16 }
  const config: S3ClientConfig = {
    region,
    forcePathStyle,
    ...(endpoint !== null && { endpoint }),
    ...(accessKeyId !== null && secretAccessKey !== null && { credentials: { accessKeyId, secretAccessKey } }),
    maxAttempts: 1, // tried again where it is known what may be
    // Others than Amazon know no trailers and few checksums. Reads are verified against the file's own checksum.
    requestChecksumCalculation: isAmazon(endpoint) ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false, // servers that do not know it cost six seconds
    logger: { trace: silent, debug: silent, info: silent, warn: silent, error: silent },
    requestHandler: {
      connectionTimeout: connect,
      socketTimeout: idle,
      httpAgent: agent,
      httpsAgent: agent,
      logger: { debug: silent, info: silent, warn: silent, error: silent },
    },
  }
  const client = new S3Client(config)
  // Signing the bytes would hash each part once more, on the thread that serves everybody.
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers, body } = args.request as { headers: Record<string, string>; body?: unknown }
      if (Buffer.isBuffer(body)) headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
      return next(args)
    },
    { step: 'build', name: 'alyxUnsignedBody' },
  )
  return client
}

function isAmazon(endpoint: string | null): boolean {
  return endpoint === null || /(^|\.)amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname)
}

function strange(): Error {
  return unavailable('the storage backend gave an answer that is none')
}
