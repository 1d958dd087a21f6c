// From a file to a socket at the client's pace. What errs or ends short breaks the connection: a part must never pass for the whole.
import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { fail, isFailure } from '../core/errors.ts'
import type { BodyReader } from '../files/model.ts'

export interface Pumped {
  /** Bytes handed to the connection. */
  readonly bytes: number
  /** Set when the server's side failed; null when all was sent or the client went away. */
  readonly error: unknown
}

/** Bytes of one buffer; a download holds two while it runs. */
const SMALL = 128 * 1024
/** Buffers of a client that has shown that it reads: fewer, larger reads cost less. One that does not read must not cost much memory. */
const LARGE = 512 * 1024
const SHOWN = 8 * 1024 * 1024
/** Large buffers kept for the next download. */
const KEPT = 16
const idle: Buffer[] = []

/** One of the two buffers of a download, and whether what it held is on the wire. */
interface Slot {
  buffer: Buffer
  sent: Promise<boolean>
}

/** Reads into one buffer while the other is on its way: no garbage, whatever the size. Closes the reader. */
export async function pull(reader: BodyReader, outgoing: ServerResponse, length: number): Promise<Pumped> {
  const slot = (): Slot => ({ buffer: Buffer.allocUnsafeSlow(Math.min(SMALL, length)), sent: Promise.resolve(true) })
  const slots = [slot(), slot()]
  let bytes = 0
  let error: unknown = null
  let clear = true
  try {
    for (let turn = 0; ; turn ^= 1) {
      const current = slots[turn]!
      clear = await current.sent
      if (!clear) break
      if (bytes >= SHOWN && current.buffer.length < LARGE) current.buffer = idle.pop() ?? Buffer.allocUnsafeSlow(LARGE)
      const count = await reader.read(current.buffer)
      if (count === 0) break
      bytes += count
      current.sent = written(outgoing, current.buffer.subarray(0, count))
    }
    if (clear && bytes !== length) error = fail('file_corrupt', `the body ended after ${bytes} of ${length} bytes`)
  } catch (fault) {
    // A client that went away ends the reading with it.
    clear = false
    error = outgoing.destroyed ? null : fault
  }
  if (error === null && clear) outgoing.end()
  const sent = await Promise.all(slots.map((each) => each.sent))
  if (error === null && clear && sent.every(Boolean)) {
    for (const { buffer } of slots) if (buffer.length === LARGE && idle.length < KEPT) idle.push(buffer)
  } else outgoing.destroy()
  await reader.close().catch(() => {})
  return { bytes, error }
}

/** True once the bytes have left this process; false when the connection is gone. */
function written(outgoing: ServerResponse, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    if (outgoing.destroyed) return resolve(false)
    const onClose = (): void => resolve(false)
    outgoing.once('close', onClose)
    outgoing.write(bytes, (error) => {
      outgoing.off('close', onClose)
      resolve(error === null || error === undefined)
    })
  })
}

/** Moves a stream into the response. */
export function pump(source: Readable, outgoing: ServerResponse, length: number): Promise<Pumped> {
  return new Promise((resolve) => {
    let bytes = 0
    let settled = false
    const settle = (error: unknown): void => {
      if (settled) return
      settled = true
      outgoing.off('drain', onDrain).off('close', onClose)
      if (bytes !== length || error !== null) {
        source.destroy()
        outgoing.destroy()
      }
      resolve({ bytes, error })
    }
    const onDrain = (): void => {
      source.resume()
    }
    const onClose = (): void => settle(null)
    if (outgoing.destroyed) return settle(null)
    outgoing.on('drain', onDrain).on('close', onClose)
    outgoing.on('error', onClose)
    source.on('error', (error) => settle(outgoing.destroyed || isFailure(error, 'invalid_request') ? null : error))
    source.on('end', () => {
      if (bytes === length) outgoing.end()
      settle(bytes === length ? null : fail('file_corrupt', `the body ended after ${bytes} of ${length} bytes`))
    })
    source.on('close', () => settle(null))
    source.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (!outgoing.write(chunk)) source.pause()
    })
  })
}
