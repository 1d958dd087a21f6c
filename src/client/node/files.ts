// Staging for programs that attach files: kept in a folder, sent in a bounded pool, named by a record.
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { AlyxError, isAlyxError } from '../errors.ts'
import type { AlyxFile, SchemaFacts } from '../model.ts'
import type { UploadSource } from '../platform.ts'
import { createDelivery, type StagedUpload, type StagingClient } from './delivery.ts'
import { createPool } from './pool.ts'
import { livesFor } from './safe-name.ts'
import { openStaging, type Staged, type StageOptions, type Staging } from './staging.ts'
import { type StagingEvents, tell } from './telling.ts'
import type { TemporaryFile } from './temporary.ts'

/** `F` is the constant of the generated module: with it only the names of the schema compile. */
export interface FilesOptions<F extends SchemaFacts = SchemaFacts> {
  readonly client: StagingClient
  /** Default `~/.local/state/alyx/staging`. Several processes may share one. */
  readonly dir?: string
  /** Where uploads go that do not say it. */
  readonly bucket?: NoInfer<BucketIn<F>>
  /** The constant of the generated module: then `attach` knows the bucket of each field. */
  readonly schema?: F
  /** How long copies stay by default: seconds, or `7d`. Default `24h`. */
  readonly ttl?: string | number
  /** Between clean-ups: seconds, or `10m`, which is the default; null = only when asked and at the start. */
  readonly cleanEvery?: string | number | null
  /** Uploads at a time; default 4. */
  readonly concurrency?: number
  /** Milliseconds of one try of an upload; default 600,000. */
  readonly timeout?: number
  /** Further tries after those of the client; default 2. */
  readonly retries?: number
  /** Milliseconds since 1970. */
  readonly clock?: () => number
}

type BucketIn<F extends SchemaFacts> = keyof F['buckets'] & string
type CollectionIn<F extends SchemaFacts> = keyof F['collections'] & string

/** The fields of a collection that name files; every name where the schema is not known. */
type FileFieldIn<F extends SchemaFacts, C extends CollectionIn<F>> =
  string extends CollectionIn<F>
    ? string
    : F['collections'][C] extends { readonly files: infer Fields }
      ? keyof Fields & string
      : never

export interface UploadStaged<Bucket extends string = string> extends StagedUpload {
  readonly bucket?: Bucket
}

export interface RecordReference<Collection extends string = string> {
  readonly collection: Collection
  readonly id: string | number
}

/** What `openFiles` gives. Every verb fails with AlyxError. */
export interface Files extends AsyncDisposable, Omit<Staging, 'hold' | 'temporary'> {
  /** Copies a source into the folder, once for each content. */
  stage(source: UploadSource, options?: StageOptions): Promise<Staged>
  /** A file of the caller's own at `path` until it is released: `await using file = await files.temporary('draft.pdf')`. */
  temporary(name?: string): Promise<TemporaryFile>
  /** Sends what is staged; it stays staged. */
  upload(staged: Staged, options?: UploadStaged): Promise<AlyxFile>
  /** Sends it and names it in a field of a record: lists get it at their end. What the record refuses is deleted again. */
  attach(record: RecordReference, field: string, staged: Staged, options?: UploadStaged): Promise<AlyxFile>
  /** Waits for the uploads that were begun, and ends the periodic clean-up. */
  close(): Promise<void>
}

/** The same with the names of a schema: others do not compile. */
export interface SchemaFiles<F extends SchemaFacts> extends Omit<Files, 'upload' | 'attach'> {
  upload(staged: Staged, options?: UploadStaged<BucketIn<F>>): Promise<AlyxFile>
  attach<C extends CollectionIn<F>>(
    record: RecordReference<C>,
    field: FileFieldIn<F, NoInfer<C>>,
    staged: Staged,
    options?: UploadStaged<BucketIn<F>>,
  ): Promise<AlyxFile>
}

/** Opens the folder, removes what has expired and what killed processes left. Fails: storage_unavailable, invalid_request,
 *  invalid_expiry. */
export async function openFiles<F extends SchemaFacts = SchemaFacts>(
  options: FilesOptions<F>,
): Promise<SchemaFiles<F>> {
  const schema: SchemaFacts | undefined = options.schema
  const { client, clock = Date.now, concurrency = 4, timeout = 600_000, retries = 2 } = options
  const positive = [concurrency, timeout].every((count) => Number.isSafeInteger(count) && count > 0)
  if (!positive || !(retries >= 0)) {
    throw new AlyxError('invalid_request', 'concurrency, timeout and retries must be numbers above zero')
  }
  const dir = resolve(options.dir ?? join(homedir(), '.local', 'state', 'alyx', 'staging'))
  const every = options.cleanEvery === null ? null : livesFor(options.cleanEvery ?? '10m')
  const { hold, ...staging } = await openStaging(dir, livesFor(options.ttl ?? '24h'), clock)
  const pool = createPool(concurrency)
  const deliver = createDelivery(client, hold, { timeout, retries })

  async function told<T>(step: StagingEvents['failed']['step'], work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      tell('failed', { dir, step, error })
      throw error
    }
  }

  const upload = (staged: Staged, { bucket = options.bucket, ...rest }: UploadStaged = {}): Promise<AlyxFile> =>
    pool.run(async () => {
      if (bucket === undefined) {
        throw new AlyxError('invalid_request', 'the upload names no bucket', {
          hint: 'Give { bucket }, here or to openFiles; for attach also the schema of the generated module.',
        })
      }
      const file = await deliver(bucket, staged, rest)
      tell('uploaded', { dir, id: staged.id, bucket, file: file.id })
      return file
    })

  async function attach(record: RecordReference, field: string, staged: Staged, given: UploadStaged = {}) {
    const fact = schema?.collections[record.collection]?.files?.[field]
    const bucket = given.bucket ?? fact?.bucket ?? options.bucket
    const { signal } = given
    const cancel = signal === undefined ? {} : { signal }
    const id = String(record.id)
    const records = client.collection(record.collection)
    // Before anything is sent: a record that is not there costs no upload.
    const now = (await records.get(id, cancel)) as Readonly<Record<string, unknown>>
    if (fact === undefined && !Object.hasOwn(now, field)) {
      throw new AlyxError('validation_failed', `records of ${record.collection} have no field ${field}`)
    }
    const list = fact?.list ?? Array.isArray(now[field])
    const file = await upload(staged, { ...given, ...(bucket === undefined ? {} : { bucket }) })
    try {
      await records.update(id, { [list ? `${field}+` : field]: file.id }, cancel)
    } catch (error) {
      // Only a refusal says for sure that no record names it.
      if (isAlyxError(error) && error.status >= 400 && error.status < 500) {
        await client.storage
          .bucket(file.bucket)
          .delete(file.id)
          .catch(() => {})
      }
      throw error
    }
    tell('attached', { dir, id: staged.id, collection: record.collection, record: id, field, file: file.id })
    return file
  }

  await staging.cleanUp()
  const clean = (): void => void told('clean', staging.cleanUp).catch(() => {})
  // More than 2^31 ms would run at once.
  const timer = every === null ? null : setInterval(clean, Math.min(every, 2 ** 31 - 1)).unref()
  const close = async (): Promise<void> => {
    if (timer !== null) clearInterval(timer)
    await pool.idle()
  }

  return {
    ...staging,
    stage: (source, rest) => told('stage', () => staging.stage(source, rest)),
    temporary: (name = 'file') => staging.temporary(name),
    upload: (staged, rest) => told('upload', () => upload(staged, rest)),
    attach: (record, field, staged, rest) => told('attach', () => attach(record, field, staged, rest)),
    close,
    [Symbol.asyncDispose]: close,
  }
}
