// Blob keys: the only names a backend ever sees, made of a bucket's name and an id and nothing a user wrote.
import { fail } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { BlobKey } from '../core/model.ts'

const BUCKET = /^[a-z][a-z0-9_]{0,62}$/

/** Whether text is a bucket's name. */
export function isBucketName(text: string): boolean {
  return BUCKET.test(text)
}

export interface KeyParts {
  readonly bucket: string
  readonly id: string
}

/** `{bucket}/{id}`. Fails `internal` unless bucket is a bucket's name and id is a UUIDv7: anything else is a fault of ours. */
export function blobKey(bucket: string, id: string): BlobKey {
  if (!isBucketName(bucket) || !isId(id)) throw fail('internal', 'a blob key is made of a bucket name and an id')
  return `${bucket}/${id}` as BlobKey
}

/** Where a backend of files keeps a blob, below its root. Ids begin with their time, so uploads of the same minute share a directory and its
 *  fsync. */
export function fileOfKey(key: string): { readonly directory: string; readonly name: string } {
  const { bucket, id } = parseKey(key)
  return { directory: `${bucket}/${id.slice(0, 6)}/${id.slice(6, 8)}`, name: id }
}

/** The parts of a key, checked as strictly as when it was made. Fails `internal`. */
export function parseKey(key: string): KeyParts {
  const slash = key.indexOf('/')
  const bucket = key.slice(0, Math.max(slash, 0))
  const id = key.slice(slash + 1)
  if (!isBucketName(bucket) || !isId(id)) throw fail('internal', 'this is not a blob key')
  return { bucket, id }
}
