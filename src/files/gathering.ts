// What this process remembers of an upload's bytes while they gather: running digests and the head that tells the type.
// It is an economy, never the truth: whatever is not remembered is read back from the spool.
import { createDigest, type Digest } from './digest.ts'
import { HEAD_BYTES } from './ingest.ts'
import type { CodecNames } from './stored.ts'

/** The remembered state of one upload, in step with the offset `digest.count`. */
export interface Gathered {
  readonly digest: Digest
  /** The first bytes, at most 4,100. */
  head: Buffer
  /** What the head told, once it was complete; it is let go then. */
  told: { readonly mimeType: string; readonly codecs: CodecNames } | null
}

export interface Gathering {
  /** Hands over what is remembered at exactly this offset (an empty start at offset 0); null when it must be read back. */
  take(id: string, offset: number): Gathered | null
  keep(id: string, gathered: Gathered): void
  drop(id: string): void
}

const REMEMBERED = 2000

/** The state at offset 0. */
export const NOTHING_GATHERED: () => Gathered = () => ({
  digest: createDigest(),
  head: Buffer.alloc(0),
  told: null,
})

/** An empty memory of at most 2,000 uploads. */
export function createGathering(): Gathering {
  const known = new Map<string, Gathered>()
  const drop = (id: string): void => {
    known.get(id)?.digest.drop()
    known.delete(id)
  }
  return {
    take(id, offset) {
      const gathered = known.get(id)
      known.delete(id)
      if (gathered !== undefined && gathered.digest.count === offset) return gathered
      gathered?.digest.drop()
      return offset === 0 ? NOTHING_GATHERED() : null
    },
    keep(id, gathered) {
      drop(id)
      known.set(id, gathered)
      if (known.size > REMEMBERED) drop(known.keys().next().value!)
    },
    drop,
  }
}

/** The head after more bytes have come. */
export function extendHead(head: Buffer, chunk: Buffer): Buffer {
  return head.length >= HEAD_BYTES ? head : Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)])
}
