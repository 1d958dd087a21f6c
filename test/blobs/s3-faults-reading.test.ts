// The S3 backend asks a server that fails, is silent or goes away.
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { fail } from '../../src/core/errors.ts'
import type { BlobKey } from '../../src/core/model.ts'
import { bytesOf, freshKey, never } from '../contract/backend.ts'
import { seededBytes } from '../support/random.ts'
import { answer, LARGE, MIB, SMALL, s3Stage, UNAVAILABLE } from './s3-stage.ts'

const stage = s3Stage()

describe('a download', () => {
  const stored = async (bytes: Buffer): Promise<BlobKey> => {
    const key = freshKey()
    await stage.put(key, bytes)
    stage.stub.asked.length = 0
    return key
  }

  it.each([{ how: 'break' }, { how: 'stall' }] as const)(
    'goes on where it was when the server does this: %o',
    async (fault) => {
      await stage.hurryIfHanging(fault, { idle: 600 })
      const bytes = seededBytes(3, 3 * MIB)
      const key = await stored(bytes)
      stage.failing('get', fault, 2)
      expect((await stage.get(key)).equals(bytes)).toBe(true)
      // A machine that stands still for a moment looks like a server that does.
      if (fault.how === 'break') expect(stage.count('get')).toBe(3)
      else expect(stage.count('get')).toBeGreaterThanOrEqual(3)
      stage.failing('get', fault, 1)
      expect((await stage.get(key, { start: 1000, end: 2 * MIB })).equals(bytes.subarray(1000, 2 * MIB + 1))).toBe(true)
      stage.failing('get', fault, 1)
      expect((await stage.backend.read!(key, null, 3 * MIB)).equals(bytes)).toBe(true)
    },
  )

  it('goes on for as long as every connection brings it further, as that of a slow reader does', async () => {
    const bytes = seededBytes(3, 6 * MIB)
    const key = await stored(bytes)
    stage.failing('get', { how: 'break' }, 5)
    expect((await stage.get(key)).equals(bytes)).toBe(true)
    expect(stage.count('get')).toBe(6)
  })

  it.each([{ how: 'break' }, { how: 'stall' }] as const)('never ends cleanly before its end: %o', async (fault) => {
    await stage.hurryIfHanging(fault, { idle: 200 })
    const key = await stored(seededBytes(3, 100_000))
    stage.failing('get', fault)
    await expect(stage.get(key)).rejects.toMatchObject(UNAVAILABLE)
    expect(stage.count('get')).toBe(3)
    await expect(stage.backend.read!(key, null, 100_000)).rejects.toMatchObject(UNAVAILABLE)
  })

  it('does not go on with other bytes', async () => {
    const key = await stored(seededBytes(3, 3 * MIB))
    let asked = 0
    stage.stub.script((operation) => {
      if (operation !== 'get' || asked++ > 0) return null
      setTimeout(
        () => stage.stub.objects.set(`alyx/${key}`, { bytes: seededBytes(4, 3 * MIB), mark: '', etag: '"other"' }),
        10,
      )
      return { how: 'break' }
    })
    await expect(stage.get(key)).rejects.toMatchObject({ code: 'file_corrupt' })
  })

  it.each([
    [answer(404, 'NoSuchKey'), 'blob_missing', 1],
    [answer(404, 'NoSuchBucket'), 'storage_unavailable', 1],
    [answer(404, ''), 'storage_unavailable', 1],
    [answer(403, 'AccessDenied'), 'storage_unavailable', 1],
    [answer(500, 'InternalError'), 'storage_unavailable', 3],
    [answer(503, 'SlowDown'), 'storage_unavailable', 3],
    [{ how: 'drop' }, 'storage_unavailable', 3],
    [{ how: 'hang' }, 'storage_unavailable', 3],
  ] as const)('fails before its first byte for %o: %s', async (fault, code, tries) => {
    await stage.hurryIfHanging(fault, { answer: 100 })
    const key = await stored(SMALL)
    stage.failing('get', fault)
    await expect(stage.backend.get(key, { range: null, signal: never })).rejects.toMatchObject({ code })
    expect(stage.count('get')).toBe(tries)
    await expect(stage.backend.read!(key, null, 2000)).rejects.toMatchObject({ code })
  })

  it('goes on or fails when a part ends before its end', async () => {
    const bytes = seededBytes(3, 3 * MIB)
    const key = await stored(bytes)
    const range = { start: 1000, end: 2 * MIB }
    stage.failing('get', { how: 'short' }, 1)
    expect((await stage.get(key, range)).equals(bytes.subarray(1000, 2 * MIB + 1))).toBe(true)
    stage.failing('get', { how: 'short' })
    await expect(stage.get(key, range)).rejects.toMatchObject({
      code: expect.stringMatching(/^storage_unavailable|file_corrupt$/),
    })
  })

  it('takes no whole for a part', async () => {
    const key = await stored(SMALL)
    stage.failing('get', { how: 'whole' })
    await expect(stage.get(key, { start: 5, end: 10 })).rejects.toMatchObject(UNAVAILABLE)
    await expect(stage.get(key, { start: 0, end: 10 })).rejects.toMatchObject(UNAVAILABLE)
    expect(await stage.get(key, { start: 0, end: 999 })).toEqual(SMALL)
  })

  it('waits for a slow reader as long as it takes', async () => {
    const idle = 400
    await stage.hurry({ idle })
    const bytes = seededBytes(3, 6 * MIB)
    const key = await stored(bytes)
    const stream = await stage.backend.get(key, { range: null, signal: never })
    await wait(3 * idle)
    expect(stage.count('get')).toBe(1)
    expect((await bytesOf(stream)).equals(bytes)).toBe(true)
  })

  it('stops with the reason it was given while the server hangs', async () => {
    const key = await stored(SMALL)
    stage.failing('get', { how: 'hang' })
    const abort = new AbortController()
    const reason = fail('storage_unavailable', 'the client went')
    const getting = stage.backend.get(key, { range: null, signal: abort.signal })
    await expect.poll(() => stage.count('get')).toBe(1)
    abort.abort(reason)
    await expect(getting).rejects.toBe(reason)
  })
})

describe('other questions', () => {
  it.each([answer(403, 'AccessDenied'), answer(500, 'InternalError'), { how: 'drop' }, { how: 'hang' }] as const)(
    'fail as storage_unavailable for %o, and never say no instead',
    async (fault) => {
      const key = freshKey()
      await stage.put(key, SMALL)
      await stage.hurryIfHanging(fault, { answer: 200, settle: 200, ready: 200 })
      stage.stub.script(() => fault)
      const { backend } = stage
      await Promise.all(
        [backend.exists(key), backend.stat!(key), backend.delete(key), backend.ready!()].map((work) =>
          expect(work).rejects.toMatchObject(UNAVAILABLE),
        ),
      )
    },
  )

  it('are answered when a fault passes', async () => {
    const key = freshKey()
    await stage.put(key, SMALL)
    for (const fault of [answer(503, 'SlowDown'), { how: 'drop', acts: true }, { how: 'hang' }] as const) {
      await stage.hurryIfHanging(fault, { answer: 500 })
      let first = true
      stage.stub.script(() => {
        const now = first
        first = false
        return now ? fault : null
      })
      expect(await stage.backend.stat!(key)).toEqual({ size: SMALL.length })
      first = true
      await stage.backend.delete(freshKey())
    }
  })
})

it('an outage ends without a restart', async () => {
  const key = freshKey()
  await stage.put(key, SMALL)
  await stage.stub.stop()
  for (const work of [
    () => stage.put(freshKey(), SMALL),
    () => stage.put(freshKey(), LARGE),
    () => stage.get(key),
    () => stage.backend.delete(key),
    () => stage.backend.ready!(),
  ]) {
    await expect(work()).rejects.toMatchObject(UNAVAILABLE)
  }
  await stage.stub.start()
  await stage.backend.ready!()
  expect(await stage.get(key)).toEqual(SMALL)
})
