// Bodies reach the disk in few large writes, and not a byte too many.
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { gather } from '../../src/blobs/gather.ts'
import { fail } from '../../src/core/errors.ts'
import { bodyOf, never } from '../contract/backend.ts'
import { seededBytes } from '../support/random.ts'

const MIB = 1024 * 1024
const excess = () => fail('body_too_large', 'too much')

function recorder(options: { failAt?: number; slow?: boolean } = {}) {
  const batches: Buffer[] = []
  let running = 0
  return {
    batches,
    write: async (batch: readonly Buffer[], bytes: number) => {
      expect(++running).toBe(1)
      if (options.slow) await new Promise((resolve) => setTimeout(resolve, 2))
      running--
      if (batches.length === options.failAt) throw fail('storage_full', 'full')
      batches.push(Buffer.concat(batch as Buffer[]))
      expect(batches.at(-1)?.length).toBe(bytes)
    },
  }
}

describe('gathering a body', () => {
  it('writes a small body at once and a large one in batches of about a MiB, in order', async () => {
    for (const [size, most] of [
      [0, 0],
      [64 * 1024, 1],
      [900 * 1024, 1],
      [10 * MIB, 10],
    ] as const) {
      const bytes = seededBytes(size, size)
      const { batches, write } = recorder({ slow: true })
      const result = await gather(bodyOf(bytes), { limit: null, excess, signal: never, write })
      expect(result).toEqual({ written: size, error: null })
      expect(Buffer.concat(batches).equals(bytes)).toBe(true)
      expect(batches.length).toBeLessThanOrEqual(most)
    }
  })

  it('stops a fast source while the disk is busy', async () => {
    let produced = 0
    const body = new Readable({
      highWaterMark: 64 * 1024,
      read() {
        produced += 64 * 1024
        this.push(produced > 50 * MIB ? null : Buffer.alloc(64 * 1024))
      },
    })
    let written = 0
    let ahead = 0
    await gather(body, {
      limit: null,
      excess,
      signal: never,
      write: async (_batch, bytes) => {
        await new Promise((resolve) => setTimeout(resolve, 1))
        written += bytes
        ahead = Math.max(ahead, produced - written)
      },
    })
    expect(written).toBe(50 * MIB)
    expect(ahead).toBeLessThan(3 * MIB)
  })

  it('does not keep what a slow source sent waiting for more', async () => {
    const body = new Readable({ read() {} })
    const { promise, resolve } = Promise.withResolvers<number>()
    const done = gather(body, { limit: null, excess, signal: never, write: async (_batch, bytes) => resolve(bytes) })
    body.push(Buffer.alloc(100))
    expect(await promise).toBe(100)
    body.push(null)
    expect(await done).toEqual({ written: 100, error: null })
  })

  it('takes a body of exactly the limit, and not a byte more', async () => {
    const bytes = seededBytes(1, 3 * MIB)
    const exact = recorder()
    const options = { excess, signal: never }
    expect(await gather(bodyOf(bytes), { ...options, ...exact, limit: bytes.length })).toEqual({
      written: bytes.length,
      error: null,
    })
    for (const limit of [0, 1, MIB, bytes.length - 1]) {
      const { batches, write } = recorder()
      const body = bodyOf(bytes)
      const result = await gather(body, { ...options, write, limit })
      expect(result).toMatchObject({ written: limit, error: { code: 'body_too_large' } })
      expect(Buffer.concat(batches).equals(bytes.subarray(0, limit))).toBe(true)
      expect(body.destroyed).toBe(body.readableEnded) // not by us
    }
  })

  it('counts only what was written when the disk fails, and leaves the body to its owner', async () => {
    const body = bodyOf(seededBytes(1, 5 * MIB))
    const { batches, write } = recorder({ failAt: 2 })
    const result = await gather(body, { limit: null, excess, signal: never, write })
    expect(result).toMatchObject({ written: Buffer.concat(batches).length, error: { code: 'storage_full' } })
    expect(body.destroyed).toBe(false)
    // Breaking now must not end the process.
    body.destroy(fail('internal', 'later'))
    await new Promise((resolve) => body.once('close', resolve))
  })

  it('writes what arrived before the body broke or the signal aborted', async () => {
    for (const end of ['error', 'close', 'abort'] as const) {
      const { batches, write } = recorder()
      const body = new Readable({ read() {} })
      const abort = new AbortController()
      const reason = fail('internal', end)
      const done = gather(body, { limit: null, excess, signal: abort.signal, write })
      body.push(Buffer.from('what arrived'))
      await new Promise((resolve) => setImmediate(resolve))
      if (end === 'abort') abort.abort(reason)
      else body.destroy(end === 'error' ? reason : undefined)
      const { written, error } = await done
      expect(written).toBe(12)
      expect(Buffer.concat(batches).toString()).toBe('what arrived')
      if (end === 'close') expect(error).toMatchObject({ code: 'invalid_request' })
      else expect(error).toBe(reason)
    }
  })

  it('takes tiny pieces together instead of holding thousands', async () => {
    const { batches, write } = recorder()
    const body = bodyOf(seededBytes(1, 2000), 1)
    expect(await gather(body, { limit: null, excess, signal: never, write })).toEqual({ written: 2000, error: null })
    expect(batches.length).toBeGreaterThan(2)
    expect(batches.length).toBeLessThan(20)
  })
})
