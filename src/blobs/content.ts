// The content of a stored file behind the codecs it went through. Plain files have none: their stored bytes are the content.
import type { Readable } from 'node:stream'
import { fail, isFailure } from '../core/errors.ts'
import type { CodecUse, FileRow } from '../core/model.ts'
import type { Backend, BlobReader, GetOptions } from './backend.ts'
import type { BlobPlace, ByteSource } from './codec.ts'
import { createCodecs, decodeThrough, type Encoding, encodeThrough } from './codecs.ts'
import { codedPart } from './compress.ts'
import { openFrames } from './encrypt.ts'
import { openedReader } from './encrypt-reader.ts'
import { GZIP } from './gzip.ts'
import type { Keyring } from './keyring.ts'
import { sealedRange } from './sealed-frames.ts'
import { readerOf } from './stream-reader.ts'
import { ZSTD } from './zstd.ts'

/** What reading a file's bytes needs to know of its row. */
export type StoredFile = Pick<
  FileRow,
  'id' | 'bucket' | 'backend' | 'key' | 'size' | 'storedSize' | 'storedCrc32' | 'codecs'
> & {
  /** More bytes follow in the backend, which are none of this file's. */
  readonly isBeginning?: boolean
}

/** A content coding of HTTP that is a codec, too. */
export type ContentCoding = 'gzip' | 'zstd'

/** What is stored of a file, as a client can decode it that knows the coding. */
export interface CodedContent {
  readonly coding: ContentCoding
  /** To be read whole: its bytes are checked like those of any plain file. */
  readonly file: StoredFile
}

export interface ContentCodecs {
  /** See encodeThrough. */
  encode(names: readonly CodecUse['name'][], body: Readable, place: BlobPlace): Encoding
  /** The content, verified by the codecs. Fails file_corrupt, decrypt_failed, and as the backend does. */
  open(backend: Backend, file: StoredFile): Promise<ByteSource>
  /** The same for callers that bring their own buffers; null where only `open` will do. */
  openReader(backend: Backend, file: StoredFile, options: GetOptions): Promise<BlobReader | null>
}

/** The codecs with the keys of a server; without keys encrypted files fail decrypt_failed, and only they. */
export function createContentCodecs(keyring: Keyring | null): ContentCodecs {
  const codecs = createCodecs(keyring)
  const open: ContentCodecs['open'] = (backend, file) => {
    const stored: ByteSource = {
      size: file.storedSize,
      read: (range, signal) => backend.get(file.key, { range, signal }),
    }
    return decodeThrough(codecs, file.codecs, stored, placeOf(file), file.size)
  }
  return {
    encode: (names, body, place) => encodeThrough(codecs, names, body, place),

    open,

    async openReader(backend, file, { range, signal }) {
      const [use] = file.codecs
      if (use?.name !== 'aes-256-gcm') return readerOf(await (await open(backend, file)).read(range, signal))
      if (backend.openReader === undefined) return null
      const cipher = openFrames(keyring, use, placeOf(file), file.size, file.storedSize)
      const reader = await backend.openReader(file.key, { range: sealedRange(file.size, range), signal })
      return openedReader(reader, cipher, file.size, range)
    },
  }
}

/** The file as its backend sees it: a read of it gives the stored bytes, whatever they are, checked by their CRC-32. */
export function storedAsIs(file: StoredFile): StoredFile {
  return { ...file, size: file.storedSize, codecs: [] }
}

/** The stored bytes that are the file's content in a content coding; null where there are none, and where they are not fewer than the
 *  content itself. */
export function codedContent(file: StoredFile): CodedContent | null {
  const [use] = file.codecs
  if (use === undefined || file.codecs.length > 1) return null
  const format = use.name === 'gzip' ? GZIP : use.name === 'zstd' ? ZSTD : null
  if (format === null) return null
  try {
    const part = codedPart(format, use, file.storedSize)
    if (part === null || part.size >= file.size) return null
    const { id, bucket, backend, key } = file
    const facts = { size: part.size, storedSize: part.size, storedCrc32: part.crc32, codecs: [] }
    return {
      coding: format === GZIP ? 'gzip' : 'zstd',
      file: { id, bucket, backend, key, ...facts, isBeginning: true },
    }
  } catch (error) {
    // Reading the file says what is wrong with it.
    if (isFailure(error)) return null
    throw error
  }
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
