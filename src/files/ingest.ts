// What happens to a byte on its way in: counted, sniffed, hashed, and passed on. One hop, nothing held but the first 4,100 bytes.
import { type Readable, Transform } from 'node:stream'
import { fail } from '../core/errors.ts'
import { createDigest, type Digest } from './digest.ts'

/** Bytes needed to tell a type (files/sniff.ts). */
export const HEAD_BYTES = 4100

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

  /** Lets a chunk through; what it returns must be waited for before the next one. */
  function pass(chunk: Buffer): Promise<void> | undefined {
    if (held === null) {
      stream.push(chunk)
      return digest.update(chunk)
    }
    held.push(chunk)
    heldBytes += chunk.length
    const hashed = digest.update(chunk)
    if (heldBytes < HEAD_BYTES) return hashed
    return hashed === undefined ? releaseHead() : hashed.then(releaseHead)
  }

  const stream = new Transform({
    readableHighWaterMark: 1 << 18,
    writableHighWaterMark: 1 << 18,
    transform(chunk: Buffer, _encoding, done) {
      let wait: Promise<void> | undefined
      try {
        const counted = checks.count(digest.count + chunk.length)
        wait = counted === undefined ? pass(chunk) : counted.then(() => pass(chunk))
      } catch (error) {
        done(error as Error)
        return
      }
      if (wait === undefined) done()
      else wait.then(() => done(), done)
    },
    flush(done) {
      if (held === null) done()
      else releaseHead().then(() => done(), done)
    },
    destroy(error, done) {
      if (error !== null) digest.drop()
      done(error)
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
