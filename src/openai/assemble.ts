// From the parts in the spool to one blob, in a single pass: counted, sniffed, hashed and encoded as every upload is.
import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { fail } from '../core/errors.ts'
import type { FileFacts } from '../core/model.ts'
import { createIngest, feed } from '../files/ingest.ts'
import { inspectedFile } from '../files/inspection.ts'
import { requireType } from '../files/limits.ts'
import { sniff } from '../files/sniff.ts'
import { type CodecNames, chooseCodecs, plainFacts, storeCoded, usesCodecs } from '../files/stored.ts'
import type { OpenAiPart, OpenAiUpload } from '../meta/openai.ts'
import type { Bucket } from '../schema/model.ts'
import type { OpenAiDeps } from './model.ts'
import { wrong } from './refusals.ts'

export interface Assembly {
  /** The bytes of `parts`, stored under the key of the upload's claim, which this process holds, and why they are to be in quarantine (null = they
   *  are not). `md5` in hex, or null. When it rejects nothing is stored. Fails: invalid_request (md5), file_type_not_allowed, file_refused,
   *  inspection_failed, upload_locked, storage_*. */
  assemble(
    upload: OpenAiUpload,
    parts: readonly OpenAiPart[],
    md5: string | null,
  ): Promise<{ readonly facts: FileFacts; readonly quarantine: string | null }>
}

/** Wires the assembly for the bucket of /v1. */
export function createAssembly(deps: OpenAiDeps, bucket: Bucket): Assembly {
  const { meta, blobs, spool, leases, observer } = deps
  const owner = { bucket: bucket.name, encrypted: bucket.encryption }

  async function* contentOf(parts: readonly OpenAiPart[], md5: Hash | null): AsyncGenerator<Buffer> {
    for (const { claimId, size } of parts) {
      if (size === 0) continue
      for await (const chunk of (await spool.read(claimId, owner)) as AsyncIterable<Buffer>) {
        md5?.update(chunk)
        yield chunk
      }
    }
  }

  async function store(upload: OpenAiUpload, body: Readable, backend: string, key: Parameters<typeof blobs.remove>[1]) {
    const { claimId: id, bytes: size, mimeType: declared } = upload
    const chosen = Promise.withResolvers<CodecNames>()
    if (!usesCodecs(bucket)) chosen.resolve([])
    let mimeType = 'application/octet-stream'
    const { stream, digest } = createIngest({
      async head(head) {
        mimeType = await sniff(head, size)
        requireType(bucket, mimeType, declared)
        chosen.resolve(chooseCodecs(bucket, mimeType, head))
      },
      count: () => undefined,
    })
    stream.on('error', chosen.reject)
    feed(body, stream)
    const names = await chosen.promise
    const place = { id, bucket: bucket.name, backend, key }
    const coded = names.length === 0 ? null : await storeCoded(blobs, place, stream, names, () => digest.count)
    if (coded === null) await blobs.write(backend, key, stream, size, new AbortController().signal)
    if (digest.count !== size) throw fail('file_corrupt', 'the parts in the spool are not those that arrived')
    const { checksum, crc32 } = await digest.finish()
    return { mimeType, checksum, ...(coded ?? plainFacts(size, crc32)) }
  }

  return {
    async assemble(upload, parts, announced) {
      const claim = await meta.upload(upload.claimId)
      // Whoever stood still for too long must not touch what another process has made of the upload.
      if (claim?.holder !== leases.holder) throw fail('upload_locked', 'another process has taken the upload over')
      const { backend, key } = claim
      // An attempt that was cut off may have left its blob: it was never visible, and a key is written once.
      await blobs.remove(backend, key)
      const md5 = announced === null ? null : createHash('md5')
      const body = Readable.from(contentOf(parts, md5), { objectMode: false, highWaterMark: 256 * 1024 })
      try {
        const facts = await store(upload, body, backend, key)
        const found = md5?.digest('hex') ?? null
        if (found !== announced) throw wrong('md5', `the bytes have the MD5 ${found}`)
        const stored = { ...claim, ...facts }
        const quarantine = await deps.inspect?.(inspectedFile(claim, facts), async (signal) =>
          facts.size === 0 ? Readable.from([]) : blobs.read(stored, null, signal),
        )
        return { facts, quarantine: quarantine ?? null }
      } catch (error) {
        body.destroy()
        await blobs
          .remove(backend, key)
          .catch((fault: unknown) =>
            observer.event('storage_error', { backend, operation: 'discard', id: upload.claimId, error: fault }),
          )
        throw error
      }
    },
  }
}
