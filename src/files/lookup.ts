// What the verbs of files stand on, and how they find a bucket and a file.
import type { Access } from '../access/decide.ts'
import type { Links } from '../access/links.ts'
import type { BlobStore } from '../blobs/store.ts'
import { type Clock, timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import { isId, type NextId } from '../core/ids.ts'
import type { Call, FileRow, Operation } from '../core/model.ts'
import type { MetaStore } from '../meta/store.ts'
import type { Observer } from '../observe/observer.ts'
import type { Bucket, Schema } from '../schema/model.ts'
import type { Leases } from './leases.ts'

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
}

/** The declared bucket. Fails bucket_not_found. */
export function requireBucket(schema: Schema, name: string): Bucket {
  const bucket = schema.buckets.get(name)
  if (bucket === undefined) throw fail('bucket_not_found', 'there is no such bucket')
  return bucket
}

/** Whether a file can be seen at all: committed, not being deleted, not expired. */
export function isVisible(file: FileRow, clock: Clock): boolean {
  return file.state === 'ready' && (file.expiresAt === null || file.expiresAt > timestamp(clock.now()))
}

/** Fails: bucket_not_found, file_not_found. */
export async function findFile(
  deps: Pick<FileDeps, 'schema' | 'meta' | 'clock'>,
  bucket: string,
  id: string,
): Promise<FileRow> {
  requireBucket(deps.schema, bucket)
  const file = isId(id) ? await deps.meta.file(bucket, id) : null
  if (file === null || !isVisible(file, deps.clock)) throw fail('file_not_found', 'there is no such file')
  return file
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
