// One upload of any size: looked at first, then sent the way that suits it.
import type { Wire } from './attempt.ts'
import { contentTypeOf, mayFit } from './content-type.ts'
import { AlyxError, isAlyxError } from './errors.ts'
import { type Steering, startUpload } from './handle.ts'
import type { AlyxFile, SchemaFacts, Upload, UploadOptions } from './model.ts'
import type { UploadSource } from './platform.ts'
import { randomName } from './random.ts'
import { forget } from './resumable.ts'
import type { ResumeStore } from './resume-store.ts'
import { unlessAborted } from './retry.ts'
import { sendEndless, sendLarge, sendSmall, type Trail } from './sending.ts'
import type { FileFields } from './single.ts'
import { bareType, blobSource, bytesSource, type EndlessSource, type Host, openSource, type Source } from './source.ts'
import { bytesOf, gathered, readStart, rejoined } from './stream.ts'
import { jsonOf, pathOf } from './transport.ts'

export interface UploadDeps extends Wire {
  readonly host: Host
  readonly store: ResumeStore
  /** Null where there is no generated schema: then only the server says what it takes. */
  readonly facts: SchemaFacts | null
  readonly retries: number
}

/** Sent in one step where the server does not say what it likes. */
const CHUNK = 5 * 1024 * 1024
/** Held in memory by one upload at most. */
const MOST_AT_ONCE = 16 * 1024 * 1024
/** Enough to know a format by. */
const HEAD = 16

/** The verb `upload`. */
export function createUpload(deps: UploadDeps) {
  const { transport, store, host, facts } = deps
  let chunkSize: Promise<number> | null = null

  /** Asked once for each client; of a server that did not say, again by the next upload. */
  function chunkSizeOf(bucket: string): Promise<number> {
    chunkSize ??= transport.send('OPTIONS', pathOf('files', bucket, 'tus'), { anonymous: true }).then(
      ({ headers }) => {
        const said = Number(headers.get('alyx-chunk-size'))
        return Number.isSafeInteger(said) && said > 0 ? Math.min(said, MOST_AT_ONCE) : CHUNK
      },
      (error: unknown) => {
        chunkSize = null
        if (isAlyxError(error) && error.code === 'bucket_not_found') throw error
        return CHUNK
      },
    )
    return chunkSize
  }

  /** The type to declare. Fails: file_too_large, file_type_not_allowed. */
  function requireFit(
    bucket: string,
    size: number | null,
    head: Uint8Array,
    declared: string,
    name: string | null,
  ): string {
    const content = contentTypeOf(head, declared, name)
    const limits = facts?.buckets[bucket]
    if (limits === undefined) return content.type
    const { maxFileSize, allowedTypes } = limits
    if (size !== null && size > maxFileSize) {
      throw new AlyxError('file_too_large', `${size} bytes exceed the ${maxFileSize} allowed in bucket ${bucket}`, {
        details: { limit: maxFileSize, size },
        hint: `Raise buckets.${bucket}.max_file_size in schema.yaml, or send a smaller file.`,
      })
    }
    if (!mayFit(allowedTypes, content)) {
      throw new AlyxError('file_type_not_allowed', `bucket ${bucket} does not take ${content.type}`, {
        details: { detected: content.certain ? content.type : null, declared, allowed: allowedTypes },
        hint: 'The bucket takes the types in details.',
      })
    }
    return content.type
  }

  return (bucket: string, given: UploadSource, options: UploadOptions<object> = {}): Upload<AlyxFile> => {
    const trail: Trail = { url: null, key: null }

    async function run(steering: Steering): Promise<AlyxFile> {
      if (facts !== null && !Object.hasOwn(facts.buckets, bucket)) {
        throw new AlyxError('bucket_not_found', `there is no bucket ${bucket} in the schema`)
      }
      const opened = await openSource(given, options.size ?? null, host)
      try {
        return await (opened.size === null
          ? sendUnmeasured(steering, opened)
          : sendMeasured(steering, opened, opened.name))
      } finally {
        opened.close()
      }
    }

    async function sendMeasured(steering: Steering, source: Source, sourceName: string | null): Promise<AlyxFile> {
      const name = options.name ?? sourceName
      const head = await bytesOf(await source.slice(0, Math.min(HEAD, source.size)))
      const type = requireFit(bucket, source.size, head, bareType(options.type ?? source.type), name)
      const step = await unlessAborted(steering.signal, chunkSizeOf(bucket))
      const parcel = { bucket, type, fields: fieldsOf(options, name ?? randomName()) }
      steering.progress(0, source.size)
      if (source.size <= step) return sendSmall(deps, steering, source, parcel)
      const identity = options.resumable === false ? null : (options.resumeKey ?? (await source.identity()))
      const place = [transport.url, bucket, options.name ?? null, options.path ?? null, source.size, identity]
      const key = identity === null ? null : `alyx:upload:${JSON.stringify(place)}`
      return sendLarge(deps, steering, source, { ...parcel, step, store, key, trail })
    }

    /** What fits into one request is sent as one; the rest as it comes, or gathered where requests must have a length. */
    async function sendUnmeasured(steering: Steering, source: EndlessSource): Promise<AlyxFile> {
      const step = await unlessAborted(steering.signal, chunkSizeOf(bucket))
      const { bytes, done } = await unlessAborted(steering.signal, readStart(source.chunks, step))
      if (done) return sendMeasured(steering, bytesSource(bytes, source.type), source.name)
      const { streamBody } = host
      const chunks = rejoined(bytes, source.chunks)
      if (streamBody === null) return sendMeasured(steering, blobSource(await gathered(chunks), host), source.name)
      const name = options.name ?? source.name
      const type = requireFit(
        bucket,
        bytes.length,
        bytes.subarray(0, HEAD),
        bareType(options.type ?? source.type),
        name,
      )
      const parcel = { bucket, type, fields: fieldsOf(options, name ?? randomName()) }
      return sendEndless(deps, steering, (fail) => streamBody(chunks, fail), parcel)
    }

    return startUpload<AlyxFile>({
      onProgress: options.onProgress,
      signal: options.signal,
      retries: deps.retries,
      renewable: transport.renewable,
      run,
      giveUp: async () => {
        if (trail.key !== null) await store.remove(trail.key)
        if (trail.url !== null) await forget(transport, bucket, trail.url)
      },
    })
  }
}

function fieldsOf(options: UploadOptions<object>, name: string): FileFields {
  const json = (value: object | undefined) => (value === undefined ? undefined : jsonOf(value, 'invalid_metadata'))
  return {
    name,
    path: options.path,
    metadata: json(options.metadata),
    expiresIn: options.expiresIn === undefined ? undefined : String(options.expiresIn),
    checksum: options.checksum,
    rules: json(options.rules),
  }
}
