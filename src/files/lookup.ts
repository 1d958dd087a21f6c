// What the verbs of files stand on, and how they find a bucket and a file.
import type { Access } from '../access/decide.ts'
import type { Links } from '../access/links.ts'
import type { BlobStore } from '../blobs/store.ts'
import type { PoliciesConfig } from '../config/model.ts'
import type { Clock } from '../core/clock.ts'
import { type AppError, fail } from '../core/errors.ts'
import { isId, type NextId } from '../core/ids.ts'
import type { Call, FileRow, Operation } from '../core/model.ts'
import type { MetaStore } from '../meta/store.ts'
import type { Observer } from '../observe/observer.ts'
import type { Bucket, Schema } from '../schema/model.ts'
import type { Inspector } from './inspection.ts'
import type { Leases } from './leases.ts'
import type { Transformer } from './transformer.ts'
import { isVisible } from './visibility.ts'

/** All that the file service stands on. */
export interface FileDeps {
  readonly schema: Schema
  readonly meta: MetaStore
  readonly blobs: BlobStore
  readonly access: Access
  readonly links: Links
  readonly leases: Leases
  readonly clock: Clock
  readonly nextId: NextId
  readonly observer: Observer
  readonly uploads: { readonly maxFileSize: number | null; readonly expiry: number; readonly maxOpenPerOwner: number }
  readonly signedUrls: { readonly defaultExpiry: number; readonly maxExpiry: number }
  readonly publicUrl: string
  /** Looks into uploads before they are committed; without one nothing is looked into. */
  readonly inspect?: Inspector
  /** What owners may have; left out or null = no limits. */
  readonly policies?: PoliciesConfig | null
  /** Makes other images of files for /view; without one nobody does. */
  readonly transformer?: Transformer | null
}

/** The declared bucket. Fails bucket_not_found. */
export function requireBucket(schema: Schema, name: string): Bucket {
  const bucket = schema.buckets.get(name)
  if (bucket === undefined) throw fail('bucket_not_found', 'there is no such bucket')
  return bucket
}

/** In any state, whoever asks. Fails: bucket_not_found, file_not_found. */
export async function findRow(deps: Pick<FileDeps, 'schema' | 'meta'>, bucket: string, id: string): Promise<FileRow> {
  requireBucket(deps.schema, bucket)
  const file = isId(id) ? await deps.meta.file(bucket, id) : null
  if (file === null) throw absent()
  return file
}

/** A file that the caller can see. Fails: bucket_not_found, file_not_found. */
export async function findFile(
  deps: Pick<FileDeps, 'schema' | 'meta' | 'clock'>,
  call: Call,
  bucket: string,
  id: string,
): Promise<FileRow> {
  const file = await findRow(deps, bucket, id)
  if (!isVisible(file, deps.clock, call.caller)) throw absent()
  return file
}

/** What is not there and what is not the caller's to know of are told alike. */
export function absent(): AppError {
  return fail('file_not_found', 'there is no such file')
}

/** Asks the rules about an existing file. Fails: unauthenticated, forbidden. */
export function requireFile(access: Access, call: Call, operation: Operation, file: FileRow): void {
  access.require({
    caller: call.caller,
    operation,
    bucket: file.bucket,
    file,
    ownRules: file.rules,
    request: call.request,
  })
}
