// The last bytes of a blob are let through only once all of them are known to be right.
import { setImmediate as turn } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { verifier, verifyBytes } from '../../src/blobs/verify.ts'
import { seededBytes } from '../support/random.ts'

const bytes = seededBytes(1, 1000)
const expected = { storedSize: bytes.length, storedCrc32: crc32(bytes) }

/** Feeds chunks and tells how many bytes came out before the end, how many in all, and how it ended. */
async function feed(chunks: readonly Buffer[]): Promise<{ early: number; all: number; error: unknown }> {
  const stream = verifier(expected)
  let all = 0
  let error: unknown = null
  stream.on('data', (chunk: Buffer) => {
    all += chunk.length
  })
  stream.on('error', (fault) => {
    error = fault
  })
  for (const chunk of chunks) stream.write(chunk)
  await turn()
  const early = all
  stream.end()
  await turn()
  return { early, all, error }
}

describe('verifying a blob', () => {
  it('holds the last chunk back until the end has shown that it is the last', async () => {
    expect(await feed([bytes])).toEqual({ early: 0, all: 1000, error: null })
    expect(await feed([bytes.subarray(0, 400), bytes.subarray(400)])).toEqual({ early: 400, all: 1000, error: null })
  })

  it('lets less than all through of what is wrong in any way', async () => {
    const corrupt = { error: expect.objectContaining({ code: 'file_corrupt' }) }
    const flipped = Buffer.from(bytes)
    flipped[0]! ^= 1
    expect(await feed([flipped])).toMatchObject({ all: 0, ...corrupt })
    expect(await feed([flipped.subarray(0, 400), flipped.subarray(400)])).toMatchObject({ all: 400, ...corrupt })
    expect(await feed([bytes.subarray(0, 999)])).toMatchObject({ all: 999, ...corrupt })
    expect(await feed([bytes, Buffer.from('x')])).toMatchObject({ all: 0, ...corrupt })
    expect(await feed([])).toMatchObject({ all: 0, ...corrupt })
  })

  it('is the same for bytes in one buffer', () => {
    const corrupt = expect.objectContaining({ code: 'file_corrupt' })
    expect(verifyBytes(bytes, expected)).toBe(bytes)
    expect(() => verifyBytes(bytes.subarray(1), expected)).toThrow(corrupt)
    expect(() => verifyBytes(Buffer.alloc(1000), expected)).toThrow(corrupt)
    expect(verifyBytes(Buffer.alloc(1000), { storedSize: 1000, storedCrc32: null })).toHaveLength(1000)
  })
})
