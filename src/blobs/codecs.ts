// Codecs one after the other, as a bucket asks for them: compressed first, then encrypted.
import { pipeline, type Readable, Transform } from 'node:stream'
import { crc32 } from 'node:zlib'
import { fail } from '../core/errors.ts'
import type { CodecUse } from '../core/model.ts'
import type { BlobPlace, ByteSource, Codec } from './codec.ts'
import { createCompression } from './compress.ts'
import { createEncryption } from './encrypt.ts'
import { GZIP } from './gzip.ts'
import type { Keyring } from './keyring.ts'
import { ZSTD } from './zstd.ts'

export type Codecs = ReadonlyMap<CodecUse['name'], Codec>

/** All codecs by their names. Without a keyring encrypted files fail decrypt_failed, and only they. */
export function createCodecs(keyring: Keyring | null): Codecs {
  const codecs = [createCompression(GZIP), createCompression(ZSTD), createEncryption(keyring)]
  return new Map(codecs.map((codec) => [codec.name, codec]))
}

export interface Encoding {
  /** The stored bytes. Destroying it destroys the body. */
  readonly stream: Readable
  /** What is to be recorded; valid once the stream has ended. */
  facts(): { readonly codecs: readonly CodecUse[]; readonly storedCrc32: number }
}

/** The body through the named codecs, in this order. A body that breaks breaks the stream with its error. */
export function encodeThrough(
  codecs: Codecs,
  names: readonly CodecUse['name'][],
  body: Readable,
  place: BlobPlace,
): Encoding {
  const encoders = names.map((name) => requireCodec(codecs, name).encode(place))
  let crc = 0
  const stream = new Transform({
    readableHighWaterMark: 256 * 1024,
    writableHighWaterMark: 256 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      crc = crc32(chunk, crc)
      done(null, chunk)
    },
  })
  // Whoever reads the stream hears of the error; nobody else needs to.
  pipeline([body, ...encoders.map((encoder) => encoder.stream), stream], () => {})
  return {
    stream,
    facts: () => ({ codecs: encoders.map((encoder) => encoder.use()), storedCrc32: crc }),
  }
}

/** The content, `size` bytes, behind what went through the recorded uses. Fails file_corrupt, decrypt_failed. */
export async function decodeThrough(
  codecs: Codecs,
  uses: readonly CodecUse[],
  source: ByteSource,
  place: BlobPlace,
  size: number,
): Promise<ByteSource> {
  let inner = source
  for (const [at, use] of [...uses.entries()].reverse()) {
    // Every use records the bytes that went in; the first ones are the content, and its size is known from elsewhere.
    const went = at === 0 ? size : use.params.size
    if (typeof went !== 'number') throw fail('file_corrupt', `what was recorded of ${use.name} is damaged`)
    inner = await requireCodec(codecs, use.name).decode(inner, use, place, went)
  }
  return inner
}

function requireCodec(codecs: Codecs, name: CodecUse['name']): Codec {
  const codec = codecs.get(name)
  if (codec === undefined) throw fail('internal', `there is no codec ${name}`)
  return codec
}
