// Names of objects in an S3 bucket, made by one function.
import type { BlobKey } from '../core/model.ts'
import { parseKey } from './keys.ts'

/** `{prefix}/{bucket}/{id}`; without a prefix `{bucket}/{id}`. Fails `internal` for what blobKey did not make. */
export function objectName(prefix: string, key: BlobKey): string {
  const { bucket, id } = parseKey(key)
  return prefix === '' ? `${bucket}/${id}` : `${prefix}/${bucket}/${id}`
}
