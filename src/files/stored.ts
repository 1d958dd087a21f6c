// How a file's bytes are stored: through which codecs, as its bucket asks, and what its row says of the result.
import type { Readable } from 'node:stream'
import { isCompressible } from '../blobs/compressible.ts'
import type { BlobStore } from '../blobs/store.ts'
import { isFailure } from '../core/errors.ts'
import type { CodecUse, FileFacts, UploadRow } from '../core/model.ts'
import type { Bucket } from '../schema/model.ts'

/** In the order of encoding; none for a file that is stored plain. */
export type CodecNames = readonly CodecUse['name'][]

/** What a row says of how its content is stored. */
export type StoredFacts = Pick<FileFacts, 'size' | 'originalSize' | 'storedSize' | 'storedCrc32' | 'codecs'>

/** Whether files of the bucket may be stored otherwise than they are. */
export function usesCodecs({ compression, encryption }: Bucket): boolean {
  return compression !== 'none' || encryption
}

/** What content of a sniffed type is stored through; `head` is its first few thousand bytes. */
export function chooseCodecs({ compression, encryption }: Bucket, mimeType: string, head: Buffer): CodecNames {
  return [
    ...(compression !== 'none' && isCompressible(mimeType, head) ? [compression] : []),
    ...(encryption ? (['aes-256-gcm'] as const) : []),
  ]
}

/** The facts of content that is stored as it is. */
export function plainFacts(size: number, crc32: number): StoredFacts {
  return { size, originalSize: null, storedSize: size, storedCrc32: crc32, codecs: [] }
}

/** Writes the body through codecs, of which there is at least one; `size` tells the bytes of the body once it has ended. Fails as
 *  BlobStore.write does: the body is destroyed then. */
export async function storeCoded(
  blobs: Pick<BlobStore, 'encode' | 'write'>,
  { id, bucket, backend, key }: Pick<UploadRow, 'id' | 'bucket' | 'backend' | 'key'>,
  body: Readable,
  names: CodecNames,
  size: () => number,
): Promise<StoredFacts> {
  const encoding = encodeOrDestroy(blobs, names, body, { fileId: id, bucket, key })
  const { storedSize } = await blobs.write(backend, key, encoding.stream, null, new AbortController().signal)
  return { size: size(), originalSize: size(), storedSize, ...encoding.facts() }
}

function encodeOrDestroy(
  blobs: Pick<BlobStore, 'encode'>,
  names: CodecNames,
  body: Readable,
  place: Parameters<BlobStore['encode']>[2],
) {
  try {
    return blobs.encode(names, body, place)
  } catch (error) {
    body.destroy(isFailure(error) ? error : undefined)
    throw error
  }
}
