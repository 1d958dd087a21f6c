// A small body in one piece.
import type { Readable } from 'node:stream'
import { fail } from '../core/errors.ts'
import { gather } from './gather.ts'

/** All of a body that must have exactly `size` bytes. Fails: invalid_request, the body's own error, the signal's reason. */
export async function collectExactly(body: Readable, size: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = []
  const { written, error } = await gather(body, {
    limit: size,
    excess: () => fail('invalid_request', `more than the announced ${size} bytes arrived`, { details: { size } }),
    signal,
    write: async (batch) => void chunks.push(...batch),
  })
  if (error !== null) throw error
  if (written !== size) {
    throw fail('invalid_request', `${written} of the announced ${size} bytes arrived`, { details: { size, written } })
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, written)
}
