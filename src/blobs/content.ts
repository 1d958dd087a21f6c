// The content of a stored file behind the codecs it went through. Plain files have none: their stored bytes are the content.
import type { Readable } from 'node:stream'
import { fail } from '../core/errors.ts'
import type { ByteRange, CodecUse, FileRow } from '../core/model.ts'
import type { Backend, BlobReader } from './backend.ts'
import type { BlobPlace, ByteSource } from './codec.ts'
import { createCodecs, decodeThrough, type Encoding, encodeThrough } from './codecs.ts'
import { openFrames } from './encrypt.ts'
import { openedReader } from './encrypt-reader.ts'
import type { Keyring } from './keyring.ts'
import { sealedRange } from './sealed-frames.ts'

/** What reading a file's bytes needs to know of its row. */
export type StoredFile = Pick<
  FileRow,
  'id' | 'bucket' | 'backend' | 'key' | 'size' | 'storedSize' | 'storedCrc32' | 'codecs'
>

export interface ContentCodecs {
  /** See encodeThrough. */
  encode(names: readonly CodecUse['name'][], body: Readable, place: BlobPlace): Encoding
  /** The content, verified by the codecs. Fails file_corrupt, decrypt_failed, and as the backend does. */
  open(backend: Backend, file: StoredFile): Promise<ByteSource>
  /** The same for callers that bring their own buffers; null where only `open` will do. */
  openReader(backend: Backend, file: StoredFile, range: ByteRange | null): Promise<BlobReader | null>
}

/** The codecs with the keys of a server; without keys encrypted files fail decrypt_failed, and only they. */
export function createContentCodecs(keyring: Keyring | null): ContentCodecs {
  const codecs = createCodecs(keyring)
  return {
    encode: (names, body, place) => encodeThrough(codecs, names, body, place),

    open: (backend, file) => {
      const stored: ByteSource = {
        size: file.storedSize,
        read: (range, signal) => backend.get(file.key, { range, signal }),
      }
      return decodeThrough(codecs, file.codecs, stored, placeOf(file), file.size)
    },

    async openReader(backend, file, range) {
      const [use] = file.codecs
      if (use?.name !== 'aes-256-gcm' || file.codecs.length !== 1 || backend.openReader === undefined) return null
      const cipher = openFrames(keyring, use, placeOf(file), file.size, file.storedSize)
      const reader = await backend.openReader(file.key, sealedRange(file.size, range))
      return openedReader(reader, cipher, file.size, range)
    },
  }
}

/** The file as its backend sees it: a read of it gives the stored bytes, whatever they are, checked by their CRC-32. */
export function storedAsIs(file: StoredFile): StoredFile {
  return { ...file, size: file.storedSize, codecs: [] }
}

function placeOf({ id, bucket, key }: StoredFile): BlobPlace {
  return { fileId: id, bucket, key }
}

/** Collects a stream whose length is known to be small. */
export async function collect(source: Readable, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    size += chunk.length
    // Leaving the loop destroys the source.
    if (size > limit) throw fail('internal', 'the blob is too large to be read at once')
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)
}
