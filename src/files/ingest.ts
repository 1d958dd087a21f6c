// What happens to a byte on its way in: counted, sniffed, hashed, and passed on. One hop, nothing held but the first 4,100 bytes.
import { createHash } from 'node:crypto'
import { type Readable, Transform } from 'node:stream'
import { crc32 } from 'node:zlib'
import { fail } from '../core/errors.ts'

/** Bytes needed to tell a type (files/sniff.ts). */
export const HEAD_BYTES = 4100

/** Running digests of content, fed in order. */
export interface Digest {
  readonly count: number
  update(chunk: Buffer): void
  /** An independent digest in the same state. */
  copy(): Digest
  /** Ends the digest. */
  finish(): { readonly checksum: string; readonly crc32: number }
}

/** SHA-256 and CRC-32 side by side: one names the content, the other is fast enough to check on every read. */
export function createDigest(): Digest {
  return digestFrom(createHash('sha256'), 0, 0)
}

function digestFrom(sha: ReturnType<typeof createHash>, startCrc: number, startCount: number): Digest {
  let crc = startCrc
  let count = startCount
  return {
    get count() {
      return count
    },
    update(chunk) {
      sha.update(chunk)
      crc = crc32(chunk, crc)
      count += chunk.length
    },
    copy: () => digestFrom(sha.copy(), crc, count),
    finish: () => ({ checksum: sha.digest('hex'), crc32: crc }),
  }
}

export interface Checks {
  /** Called once with the first 4,100 bytes (or all, when there are fewer) before any byte passes; rejects to refuse. */
  head(head: Buffer): Promise<void>
  /** Called before `count` bytes in all are let through; throws or rejects to refuse. Returns nothing when there is no need to wait. */
  count(count: number): Promise<void> | undefined
}

export interface Ingest {
  readonly stream: Transform
  /** Valid once the stream has ended. */
  readonly digest: Digest
}

/** One pass-through that meters, sniffs and hashes. Fails with whatever the checks reject with. */
export function createIngest(checks: Checks): Ingest {
  const digest = createDigest()
  let held: Buffer[] | null = []
  let heldBytes = 0

  async function releaseHead(): Promise<void> {
    const chunks = held ?? []
    held = null
    const first = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    await checks.head(first.subarray(0, HEAD_BYTES))
    for (const chunk of chunks) stream.push(chunk)
  }

  const stream = new Transform({
    readableHighWaterMark: 1 << 20,
    writableHighWaterMark: 1 << 20,
    transform(chunk: Buffer, _encoding, done) {
      let wait: Promise<void> | undefined
      try {
        wait = checks.count(digest.count + chunk.length)
      } catch (error) {
        done(error as Error)
        return
      }
      if (wait === undefined && held === null) {
        digest.update(chunk)
        done(null, chunk)
        return
      }
      void (async () => {
        await wait
        digest.update(chunk)
        if (held === null) return void stream.push(chunk)
        held.push(chunk)
        heldBytes += chunk.length
        if (heldBytes >= HEAD_BYTES) await releaseHead()
      })().then(
        () => done(),
        (error: Error) => done(error),
      )
    },
    flush(done) {
      if (held === null) return void done()
      releaseHead().then(
        () => done(),
        (error: Error) => done(error),
      )
    },
  })
  return { stream, digest }
}

/** Pipes a request's body in. Unlike stream.pipeline it leaves the body alone when the ingest refuses: its connection still has to
 *  carry the answer. A body that breaks or closes early breaks the ingest. */
export function feed(body: Readable, ingest: Transform): void {
  ingest.on('error', () => body.unpipe(ingest))
  if (body.errored) return void ingest.destroy(body.errored)
  body.on('error', (error) => ingest.destroy(error))
  body.on('close', () => {
    if (!body.readableEnded) ingest.destroy(fail('invalid_request', 'the body broke off before its end'))
  })
  body.pipe(ingest)
}
