// A spool in a backend that all servers reach: every upload is a row of parts, which are written once and known to the database.
import { pipeline, Readable } from 'node:stream'
import { gather } from '../blobs/gather.ts'
import type { Keyring } from '../blobs/keyring.ts'
import { createSpoolCipher, openSpoolCipher, type SpoolCipher, spoolKeyId } from '../blobs/spool-cipher.ts'
import { fail } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { SpoolPart } from '../meta/spool-parts.ts'
import { type AppendOptions, type Spool, type SpoolOwner, unsealed } from './spool.ts'
import { beginPart, type KeptPart, PART, type PartDeps, type PartWriter, partsUpTo, sealOf } from './spool-part.ts'

export interface PartsOptions extends PartDeps {
  /** Seals the uploads of encrypted buckets; null when there is none. */
  readonly keyring: Keyring | null
}

const PAGE = 500
/** Parts that are removed at a time. */
const AT_ONCE = 8
const missing = () => fail('blob_missing', 'bytes of the upload that had arrived are missing')

/** Wires the spool; nothing is asked of the backend yet. Closing it closes `blobs`. */
export function createPartsSpool(options: PartsOptions): Spool {
  const { meta, blobs, backend, keyring } = options

  const partsOf = (id: string): Promise<readonly SpoolPart[]> => {
    if (!isId(id)) throw fail('internal', 'the spool knows uploads by their ids only')
    return meta.spoolParts(id)
  }
  const removeParts = async (id: string, parts: readonly SpoolPart[]): Promise<void> => {
    for (let at = 0; at < parts.length; at += AT_ONCE) {
      await Promise.all(
        parts.slice(at, at + AT_ONCE).map(async ({ key }) => {
          await blobs.remove(backend, key)
          await meta.forgetPart(id, key)
        }),
      )
    }
  }
  /** Whether an upload that goes on is encrypted. What should be and is not must not go on in the clear. */
  const isSealed = ([first]: readonly KeptPart[], { encrypted }: SpoolOwner): boolean => {
    const sealed = first !== undefined && first.sealed !== null
    if (encrypted && !sealed) throw unsealed()
    return sealed
  }
  const requireKeyring = (): Keyring => {
    if (keyring === null) throw fail('decrypt_failed', 'the upload is encrypted and no encryption key is configured')
    return keyring
  }
  const openSeal = (id: string, bucket: string, part: KeptPart, sealed: string) => {
    const { header, segment } = sealOf(part, sealed)
    return { cipher: openSpoolCipher(requireKeyring(), { fileId: id, bucket }, header), segment }
  }
  /** For the bytes behind `kept`: a key of its own for each append, that no part needs another's. */
  const cipherFor = (id: string, kept: readonly KeptPart[], owner: SpoolOwner): SpoolCipher | null => {
    if (kept.length === 0 ? !owner.encrypted : !isSealed(kept, owner)) return null
    const keys = requireKeyring()
    // What cannot be read back at the end is better told before more is sent.
    for (const keyId of keyIdsOf(kept)) {
      if (keys.get(keyId) === null) throw fail('decrypt_failed', `the encryption key ${keyId} is not configured`)
    }
    return createSpoolCipher(keys, { fileId: id, bucket: owner.bucket })
  }

  async function append(
    id: string,
    offset: number,
    body: Readable,
    { owner, holder, max, signal, tap, checkpoint }: AppendOptions,
  ) {
    const { kept, others, end } = partsUpTo(await partsOf(id), offset)
    if (end !== offset) throw missing()
    const cipher = cipherFor(id, kept, owner)
    if (others.length > 0) await removeParts(id, await meta.cutParts(id, offset, holder))
    let durable = offset
    let told = offset
    let part: PartWriter | null = null
    const keep = async (): Promise<void> => {
      const whole = part
      part = null
      await whole?.keep()
      durable = whole?.end ?? durable
    }
    const take = async (chunk: Buffer): Promise<void> => {
      for (let at = 0; at < chunk.length; ) {
        const start = durable
        part ??= await beginPart(options, { uploadId: id, bucket: owner.bucket, holder, start, cipher })
        const some = chunk.subarray(at, at + PART - (part.end - start))
        await part.write(some)
        at += some.length
        if (part.end - start < PART) continue
        await keep()
        if (checkpoint === undefined || durable - told < checkpoint.every) continue
        told = durable
        await checkpoint.reached(durable)
      }
    }
    let { error } = await gather(body, {
      limit: max,
      excess: () => fail('body_too_large', `more than the ${max} missing bytes arrived`, { details: { limit: max } }),
      signal,
      write: async (batch) => {
        for (const chunk of batch) {
          // Hashing and sending take their time side by side.
          const seen = tap?.(chunk)
          seen?.catch(() => {})
          await take(chunk)
          await seen
        }
      },
    })
    await keep().catch((fault: unknown) => {
      error ??= fault
    })
    return { offset: durable, complete: error === null, error }
  }

  async function* contentOf(id: string, bucket: string, parts: readonly KeptPart[]): AsyncGenerator<Buffer> {
    for (const part of parts) {
      const size = part.end - part.start
      const { key, storedCrc32 } = part
      const file = { id, bucket, backend, key, size, storedSize: size, storedCrc32, codecs: [] }
      const seal = part.sealed === null ? null : openSeal(id, bucket, part, part.sealed)
      const stored = await blobs.read(file, null, new AbortController().signal)
      // Whoever reads hears of the error.
      const content = seal === null ? stored : pipeline(stored, seal.cipher.open([seal.segment]), () => {})
      yield* content as AsyncIterable<Buffer>
    }
  }

  return {
    append,

    async read(id, owner) {
      const { kept } = partsUpTo(await partsOf(id), null)
      if (kept.length === 0) throw missing()
      isSealed(kept, owner)
      return Readable.from(contentOf(id, owner.bucket, kept), { objectMode: false, highWaterMark: 256 * 1024 })
    },

    // Parts are never written again, and whoever has lost the upload adds none that counts.
    renew: async () => {},

    plainFile: async () => null,

    async size(id) {
      const parts = await partsOf(id)
      if (parts.length === 0) return null
      let size = 0
      for (const part of partsUpTo(parts, null).kept) {
        const held = await blobs.stat(backend, part.key)
        if (held === null || (held.size !== null && held.size !== part.end - part.start)) break
        size = part.end
      }
      return size
    },

    async keysOf(id) {
      return keyIdsOf(await partsOf(id))
    },

    async remove(id) {
      await removeParts(id, await partsOf(id))
    },

    async *ids() {
      for (let after = ''; ; ) {
        const ids = await meta.spooledUploads(after, PAGE)
        yield* ids
        if (ids.length < PAGE) return
        after = ids.at(-1)!
      }
    },

    close: () => blobs.close(),
  }
}

function keyIdsOf(parts: readonly SpoolPart[]): readonly string[] {
  const found = new Set<string>()
  for (const { sealed } of parts) {
    const keyId = sealed === null ? null : spoolKeyId(Buffer.from(sealed, 'base64'))
    if (keyId !== null) found.add(keyId)
  }
  return [...found]
}
