// How /view gives another image than the stored one: charged before it is made, refunded when it comes to nothing.
import { Readable } from 'node:stream'
import { timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { Call, FileRow } from '../core/model.ts'
import type { Bucket } from '../schema/model.ts'
import { decideDelivery } from './deliver.ts'
import { tellQuota } from './limits.ts'
import type { FileDeps } from './lookup.ts'
import type { Delivery, OpenInput } from './model.ts'
import { servingHeaders } from './serving-headers.ts'
import { sniff } from './sniff.ts'
import type { Transformer, TransformRequest } from './transformer.ts'

/** What is sent was made for one request and is held whole. */
const MOST_BYTES = 16 * 1024 * 1024
/** Milliseconds after which a transform counts as failed. */
const MOST_TIME = 60_000

/** Delivers a transformed file to a caller who may download it. HEAD and what the client has already cost nothing.
 *  Fails: not_implemented, unsupported_media_type, quota_exceeded, what the transformer fails with, storage_*, blob_missing. */
export type Transforming = (
  call: Call,
  bucket: Bucket,
  file: FileRow,
  input: OpenInput,
  request: TransformRequest,
) => Promise<Delivery>

/** Wires it. Without a transformer every request fails not_implemented. */
export function createTransforming(deps: FileDeps): Transforming {
  const { meta, blobs, leases, clock, nextId, observer } = deps
  const transformer = deps.transformer ?? null

  async function make(made: Transformer, call: Call, file: FileRow, request: TransformRequest): Promise<Buffer> {
    const { signal, until } = bounded(call.signal)
    const body = file.size === 0 ? Readable.from([]) : await blobs.read(file, null, signal)
    const broken = new Promise<never>((_, reject) => body.on('error', reject))
    broken.catch(() => {})
    try {
      const { mimeType, size } = file
      const bytes = await Promise.race([made.transform({ body, mimeType, size, signal }, request), broken, until])
      if (!(bytes instanceof Uint8Array) || bytes.length === 0 || bytes.length > MOST_BYTES)
        throw fail('internal', `the transformer did not give 1 to ${MOST_BYTES} bytes`)
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    } catch (error) {
      if (isFailure(error)) throw error
      throw fail('internal', 'the transform failed', { cause: error })
    } finally {
      body.destroy()
    }
  }

  /** One that is neither settled nor refunded, because this process dies, is refunded once its lease has run out. */
  async function charged(bucket: Bucket, file: FileRow, work: () => Promise<Buffer>): Promise<Buffer> {
    const id = nextId()
    const release = leases.keep()
    try {
      await meta
        .chargeTransform(id, file.ownerId, leases.holder, leases.until(), timestamp(clock.now()))
        .catch(tellQuota(observer, bucket))
      observer.event('step', { point: 'transform.charged', id })
      const bytes = await work().catch(async (error: unknown) => {
        await meta
          .refundTransform(id)
          .catch((fault: unknown) =>
            observer.event('storage_error', { backend: 'database', operation: 'refund', id, error: fault }),
          )
        throw error
      })
      await meta.settleTransform(id)
      return bytes
    } finally {
      release()
    }
  }

  return async (call, bucket, file, input, request) => {
    if (transformer === null) throw notOffered()
    if (!transformer.accepts(file.mimeType)) {
      throw fail('unsupported_media_type', `${file.mimeType} cannot be transformed`, {
        hint: 'Ask without width, height, fit, format and quality: then the file is served as it is.',
      })
    }
    const { method } = input
    const tag = `"${file.checksum}-${nameOf(request)}"`
    const { range: _, 'if-range': __, ...headers } = input.headers
    const { status } = decideDelivery({ method, size: 0, etag: tag, lastModified: file.updatedAt, headers })
    const serving = (mimeType: string): Record<string, string> => ({
      ...servingHeaders(
        { ...file, mimeType },
        { operation: 'view', cache: bucket.cache, inlinePdf: bucket.inlinePdf, status },
      ),
      // Weak: another version of the transformer may make other bytes of the same.
      etag: `W/${tag}`,
      'accept-ranges': 'none',
    })
    if (status !== 200) return { status, headers: serving(file.mimeType), body: null }
    if (method === 'HEAD') {
      const { 'content-type': _type, 'content-disposition': _disposition, ...known } = serving(file.mimeType)
      return { status, headers: known, body: null }
    }
    const result = await charged(bucket, file, () => make(transformer, call, file, request)).then(
      (bytes) => {
        observer.event('transform', { bucket: bucket.name, result: 'made', bytes: bytes.length, id: file.id })
        return bytes
      },
      (error: unknown) => {
        const code = isFailure(error) ? error.code : 'internal'
        observer.event('transform', { bucket: bucket.name, result: code, bytes: 0, id: file.id })
        throw error
      },
    )
    const mimeType = await sniff(result, result.length)
    return {
      status,
      headers: { ...serving(mimeType), 'content-length': String(result.length) },
      body: {
        length: result.length,
        stream: async () => Readable.from([result]),
        bytes: async () => result,
      },
    }
  }
}

function notOffered(): Error {
  return fail('not_implemented', 'this server has no transformer', {
    hint: 'Ask without width, height, fit, format and quality for the file as it is, or give createAlyx a transformer.',
  })
}

/** The client's patience, or that of the server; `until` rejects when either ends. */
function bounded(client: AbortSignal): { readonly signal: AbortSignal; readonly until: Promise<never> } {
  const signal = AbortSignal.any([client, AbortSignal.timeout(MOST_TIME)])
  const until = new Promise<never>((_, reject) => {
    const end = (): void =>
      reject(fail('internal', 'nobody waits for the transform any more', { cause: signal.reason }))
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
  until.catch(() => {})
  return { signal, until }
}

/** Two requests for the same have the same name. */
function nameOf({ width, height, fit, format, quality }: TransformRequest): string {
  return [`${width ?? ''}x${height ?? ''}`, fit ?? '', format ?? '', quality ?? ''].join('-')
}
