// How a file is read: the link or the rule says yes, the conditions say what, the backend is opened only if bytes are due.
import { type CodedContent, codedContent } from '../blobs/content.ts'
import type { StoredFile } from '../blobs/store.ts'
import { fail } from '../core/errors.ts'
import type { ByteRange, FileRow } from '../core/model.ts'
import type { Bucket } from '../schema/model.ts'
import { takesCoding } from './accepted-coding.ts'
import { type CodedForm, decideDelivery } from './deliver.ts'
import { absent, type FileDeps, findFile, findRow, requireBucket, requireFile } from './lookup.ts'
import type { Delivery, DeliveryBody, FileService, OpenInput } from './model.ts'
import { entityTag, servingHeaders } from './serving-headers.ts'
import { createTransforming } from './transforming.ts'
import { isLive } from './visibility.ts'

/** Bodies up to this size are read in one piece. */
const ONE_PIECE = 256 * 1024

/** The answer to a request for a file's bytes, from somebody who has the right to them; `bucket` says how they may be kept and shown. */
export type Serve = (
  file: FileRow,
  bucket: Pick<Bucket, 'cache' | 'inlinePdf'>,
  input: Pick<OpenInput, 'operation' | 'method' | 'headers'>,
  signal: AbortSignal,
) => Delivery

/** The verb `open`; see FileService. */
export function createDeliveries(deps: FileDeps): FileService['open'] {
  const { schema, access, links, clock } = deps
  const serve = createServing(deps)
  const transforming = createTransforming(deps)

  async function byLink(input: OpenInput, token: string): Promise<FileRow> {
    const grant = links.verify(token, clock.now())
    const fits = grant.fileId === input.id && grant.bucket === input.bucket && grant.operation === input.operation
    if (!fits) throw fail('invalid_token', 'the link is for another file or operation')
    const file = await findRow(deps, input.bucket, input.id)
    // A link shows a staged file, too: its owner has made it.
    if (!isLive(file, clock)) throw absent()
    if (grant.epoch !== file.linkEpoch) throw fail('invalid_token', 'the link was revoked')
    return file
  }

  return async (call, input) => {
    const bucket = requireBucket(schema, input.bucket)
    const file =
      input.token === null ? await findFile(deps, call, input.bucket, input.id) : await byLink(input, input.token)
    if (input.token === null) requireFile(access, call, 'download', file)
    if (input.transform) return transforming(call, bucket, file, input, input.transform)
    return serve(file, bucket, input, call.signal)
  }
}

/** Weighs conditions and range, and opens nothing. No right is asked. */
export function createServing({ blobs }: Pick<FileDeps, 'blobs'>): Serve {
  return (file, bucket, { method, operation, headers: asked }, signal) => {
    const inCoding = codedContent(file)
    const decision = decideDelivery({
      method,
      size: file.size,
      etag: entityTag(file.checksum),
      lastModified: file.updatedAt,
      headers: asked,
      coded: inCoding && formOf(file, inCoding, asked['accept-encoding']),
    })
    const sent = decision.coded ? inCoding : null
    const headers = servingHeaders(file, {
      operation,
      cache: bucket.cache,
      inlinePdf: bucket.inlinePdf,
      status: decision.status,
      coding: sent?.coding ?? null,
      hasForms: inCoding !== null,
    })
    if (decision.contentRange !== null) headers['content-range'] = decision.contentRange
    if (decision.status === 200 || decision.status === 206) headers['content-length'] = String(decision.length)
    const sends = method === 'GET' && decision.length > 0
    return {
      status: decision.status,
      headers,
      body: sends ? body(sent?.file ?? file, decision.range, decision.length, signal) : null,
    }
  }

  function body(file: StoredFile, range: ByteRange | null, length: number, signal: AbortSignal): DeliveryBody {
    return {
      length,
      stream: () => blobs.read(file, range, signal),
      reader: () => blobs.openReader(file, range, signal),
      bytes: length <= ONE_PIECE ? () => blobs.readBytes(file, range, ONE_PIECE) : null,
    }
  }
}

function formOf({ checksum }: FileRow, { coding, file }: CodedContent, accepted: string | undefined): CodedForm {
  return { size: file.size, etag: entityTag(checksum, coding), taken: takesCoding(accepted, coding) }
}
