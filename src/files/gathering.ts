// What this process remembers of an upload's bytes while they gather: running digests and the head that tells the type.
// It is an economy, never the truth: whatever is not remembered is read back from the spool.
import { createDigest, type Digest, HEAD_BYTES } from './ingest.ts'

/** The remembered state of one upload, in step with the offset `digest.count`. */
export interface Gathered {
  readonly digest: Digest
  /** The first bytes, at most 4,100. */
  readonly head: Buffer
  /** Type told from the head, once it was complete. */
  readonly mimeType: string | null
}

export interface Gathering {
  /** What is remembered at exactly this offset; an empty start at offset 0; null when it must be read back. */
  at(id: string, offset: number): Gathered | null
  keep(id: string, gathered: Gathered): void
  drop(id: string): void
}

const REMEMBERED = 2000

/** The state at offset 0. */
export const NOTHING_GATHERED: () => Gathered = () => ({
  digest: createDigest(),
  head: Buffer.alloc(0),
  mimeType: null,
})

/** An empty memory of at most 2,000 uploads. */
export function createGathering(): Gathering {
  const known = new Map<string, Gathered>()
  return {
    at(id, offset) {
      if (offset === 0) return NOTHING_GATHERED()
      const gathered = known.get(id)
      return gathered !== undefined && gathered.digest.count === offset
        ? { ...gathered, digest: gathered.digest.copy() }
        : null
    },
    keep(id, gathered) {
      known.delete(id)
      known.set(id, gathered)
      if (known.size > REMEMBERED) known.delete(known.keys().next().value!)
    },
    drop: (id) => void known.delete(id),
  }
}

/** The head after more bytes have come. */
export function extendHead(head: Buffer, chunk: Buffer): Buffer {
  return head.length >= HEAD_BYTES ? head : Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)])
}
