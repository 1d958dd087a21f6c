// A body of any size on its way to S3: gathered into pieces that can be sent again, few of them at a time.
import type { Readable } from 'node:stream'
import { fail } from '../core/errors.ts'
import type { BlobKey } from '../core/model.ts'
import type { PutOptions } from './backend.ts'
import { gather } from './gather.ts'
import { partSize, WHOLE } from './s3-limits.ts'
import { type Multipart, type MultipartDeps, openMultipart } from './s3-multipart.ts'
import { putSingle, type SingleDeps } from './s3-single.ts'

/** Stores a body; resolves with its size. Fails as Backend.put does. The body is left paused when it fails. */
export async function putBody(
  deps: MultipartDeps & SingleDeps,
  key: BlobKey,
  name: string,
  body: Readable,
  { size, signal: outer }: PutOptions,
): Promise<number> {
  const stop = new AbortController()
  const signal = AbortSignal.any([outer, stop.signal])
  const spare: Buffer[] = []
  let number = 1
  // Without a size it may still be one request.
  let room = size === null ? WHOLE : Math.min(partSize(size, number), size)
  let piece: Buffer = Buffer.allocUnsafe(Math.min(room, FIRST))
  let filled = 0
  const open: { multipart: Multipart | null } = { multipart: null }

  const take = (length: number): Buffer => {
    const at = spare.findIndex((buffer) => buffer.length === length)
    return at < 0 ? Buffer.allocUnsafeSlow(length) : spare.splice(at, 1)[0]!
  }
  const send = async (length: number): Promise<void> => {
    open.multipart ??= await openMultipart(deps, { key, name, signal, broke: (error) => stop.abort(error) })
    const sent = piece
    await open.multipart.add(sent.subarray(0, length), () => {
      if (sent.length === room) spare.push(sent)
    })
  }
  const put = async (chunk: Buffer): Promise<void> => {
    for (let at = 0; at < chunk.length; ) {
      if (filled === room) {
        const length = Math.min(filled, partSize(size, number))
        const rest = piece.subarray(length, filled)
        await send(length)
        room = partSize(size, ++number)
        piece = take(room)
        filled = rest.copy(piece)
      } else if (filled === piece.length) {
        const larger = take(Math.min(room, piece.length * 4))
        piece.copy(larger, 0, 0, filled)
        piece = larger
      }
      const count = chunk.copy(piece, filled, at)
      filled += count
      at += count
    }
  }

  try {
    const { written, error } = await gather(body, {
      limit: size,
      excess: () => fail('invalid_request', `more than the announced ${size} bytes arrived`, { details: { size } }),
      signal,
      write: async (batch) => {
        for (const chunk of batch) await put(chunk)
      },
    })
    if (error !== null) throw error
    if (size !== null && written !== size) {
      throw fail('invalid_request', `${written} of the announced ${size} bytes arrived`, { details: { size, written } })
    }
    if (open.multipart === null) {
      await putSingle(deps, name, piece.subarray(0, filled))
      return written
    }
    await send(filled)
    await open.multipart.complete(written)
    return written
  } catch (error) {
    stop.abort(error)
    await open.multipart?.abort()
    throw error
  }
}

/** Bytes of the first buffer: most files are small. */
const FIRST = 64 * 1024
