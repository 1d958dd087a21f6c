// The contract of a codec: reversible, framed, seekable, and recorded per blob. test/contract/codec.ts is its executable form.
import type { Readable, Transform } from 'node:stream'
import type { BlobKey, ByteRange, CodecUse } from '../core/model.ts'

/** Bytes that can be read in parts: a stored blob, or what a codec makes of one. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number
  /** The bytes of `range` (null = all). Rejects before the first byte, or errors later; never ends early without an error.
   *  Consume or destroy the stream: it frees what it holds. */
  read(range: ByteRange | null, signal: AbortSignal): Promise<Readable>
}

/** What a blob is bound to: a blob moved to another place does not decode. */
export interface BlobPlace {
  readonly fileId: string
  readonly bucket: string
  readonly key: BlobKey
}

export interface Encoder {
  /** Content in, stored bytes out. Backpressure is kept; at most one frame is held. */
  readonly stream: Transform
  /** What decoding will need; valid once the stream has ended. */
  use(): CodecUse
}

export interface Codec {
  readonly name: CodecUse['name']
  encode(place: BlobPlace): Encoder
  /** The content behind `source`. `size` is the content's length in bytes as recorded: output beyond it is never produced.
   *  Fails file_corrupt or, for encryption, decrypt_failed: before the first byte where possible, else by an error of the stream in the place
   *  of the wrong byte. Reads only the frames that the range touches. */
  decode(source: ByteSource, use: CodecUse, place: BlobPlace, size: number): Promise<ByteSource>
}
