// The S3 backend on a server that fails: every fault has an end, a right code, and leaves nothing.
import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { openS3 } from '../../src/blobs/s3.ts'
import { fail } from '../../src/core/errors.ts'
import type { BlobKey } from '../../src/core/model.ts'
import { bodyOf, bytesOf, freshKey, never } from '../contract/backend.ts'
import { createChance, seededBytes } from '../support/random.ts'
import { type Fault, type Operation, type S3Stub, startS3Stub } from '../support/s3-stub.ts'

const MIB = 1024 * 1024
const TIMES = { connect: 600, idle: 600, answer: 600, assemble: 600, window: 3_000, settle: 600, ready: 600, pause: 5 }
const UNAVAILABLE = { code: 'storage_unavailable' }

let stub: S3Stub
let backend: Backend
let events: string[]
/** Multipart uploads the journal still names. */
let open: Map<string, BlobKey>
const unhandled: unknown[] = []
const notice = (reason: unknown): void => void unhandled.push(reason)

beforeEach(async () => {
  process.on('unhandledRejection', notice)
  stub = await startS3Stub()
  events = []
  open = new Map()
  backend = await openS3({
    name: 's3',
    endpoint: stub.endpoint,
    bucket: 'stub',
    bucketPrefix: 'alyx',
    region: 'us-east-1',
    forcePathStyle: true,
    accessKeyId: 'a',
    secretAccessKey: 'b',
    times: TIMES,
    observer: { event: (name, { point }) => void events.push(name === 'step' ? String(point) : name) },
    journal: {
      opened: async (key, uploadId) => void open.set(uploadId, key),
      closed: async (_, uploadId) => void open.delete(uploadId),
    },
  })
})
afterEach(async () => {
  await backend.close!()
  // What is open after the end has been leaked.
  await expect.poll(() => stub.connections()).toBe(0)
  await stub.stop()
  process.off('unhandledRejection', notice)
  expect(unhandled.splice(0)).toEqual([])
})

const answer = (status: number, code: string, acts = false): Fault => ({ how: 'answer', status, code, acts })
/** Fails the first `times` requests of one kind. */
const failing = (operation: Operation, fault: Fault, times = Number.POSITIVE_INFINITY): void => {
  let left = times
  stub.script((asked) => (asked === operation && left-- > 0 ? fault : null))
}
const put = (key: BlobKey, bytes: Buffer, size: number | null = bytes.length): Promise<{ size: number }> =>
  backend.put(key, bodyOf(bytes), { size, signal: never })
const get = async (key: BlobKey, range: { start: number; end: number } | null = null): Promise<Buffer> =>
  bytesOf(await backend.get(key, { range, signal: never }))
const held = (key: BlobKey): Buffer | undefined => stub.objects.get(`alyx/${key}`)?.bytes
const count = (operation: Operation): number => stub.asked.filter((asked) => asked === operation).length

const SMALL = seededBytes(1, 1000)
const LARGE = seededBytes(2, 9 * MIB)

describe('a small object', () => {
  it.each([
    [answer(403, 'AccessDenied'), 'storage_unavailable'],
    [answer(403, 'InvalidAccessKeyId'), 'storage_unavailable'],
    [answer(404, 'NoSuchBucket'), 'storage_unavailable'],
    [answer(400, 'InvalidRequest'), 'storage_unavailable'],
    [answer(403, 'QuotaExceeded'), 'storage_full'],
    [answer(507, 'XMinioStorageFull'), 'storage_full'],
    [answer(400, 'EntityTooLarge'), 'file_too_large'],
  ] as const)('is refused at once for %o', async (fault, code) => {
    failing('put', fault)
    const body = bodyOf(SMALL)
    await expect(backend.put(freshKey(), body, { size: null, signal: never })).rejects.toMatchObject({ code })
    expect(body.destroyed).toBe(true)
    expect(stub.asked).toEqual(['put'])
  })

  it.each([
    answer(500, 'InternalError'),
    answer(503, 'SlowDown'),
    answer(503, 'SlowDown', true),
    answer(400, 'RequestTimeout'),
    answer(409, 'ConditionalRequestConflict'),
    { how: 'drop' },
    { how: 'drop', acts: true },
    { how: 'hang' },
    { how: 'hang', acts: true },
  ] as const)('is stored all the same when %o passes', async (fault) => {
    failing('put', fault, 1)
    const key = freshKey()
    expect(await put(key, SMALL)).toEqual({ size: SMALL.length })
    expect(held(key)).toEqual(SMALL)
    expect(events).toEqual(['s3.put'])
  })

  it.each([answer(500, 'InternalError'), answer(503, 'SlowDown'), { how: 'drop' }, { how: 'hang' }] as const)(
    'fails in bounded time when %o does not pass',
    async (fault) => {
      failing('put', fault)
      const key = freshKey()
      const begun = performance.now()
      await expect(put(key, SMALL)).rejects.toMatchObject({ ...UNAVAILABLE, retryAfter: 5 })
      expect(performance.now() - begun).toBeLessThan(6_000)
      expect(count('put')).toBe(3)
      expect(held(key)).toBeUndefined()
    },
  )

  it.each([answer(500, 'InternalError', true), { how: 'drop', acts: true }, { how: 'hang', acts: true }] as const)(
    'is found to be stored when every answer is lost to %o',
    async (fault) => {
      failing('put', fault)
      const key = freshKey()
      await put(key, SMALL)
      expect(held(key)).toEqual(SMALL)
      expect(stub.asked.at(-1)).toBe('head')
    },
  )

  it('fails when nobody can say what became of it', async () => {
    stub.script((asked) => (asked === 'put' ? { how: 'drop', acts: true } : answer(500, 'InternalError')))
    await expect(put(freshKey(), SMALL)).rejects.toMatchObject(UNAVAILABLE)
  })

  it('takes nobody else’s object for its own', async () => {
    const key = freshKey()
    await put(key, SMALL)
    failing('put', { how: 'drop' })
    await expect(put(key, SMALL)).rejects.toMatchObject({ code: 'internal' })
  })

  it('looks first where the server knows no conditions, and never overwrites there either', async () => {
    let conditional = 0
    const refuse = stub.script
    refuse((asked) => (asked === 'put' && conditional++ === 0 ? answer(501, 'NotImplemented') : null))
    const key = freshKey()
    await put(key, SMALL)
    expect(stub.asked).toEqual(['put', 'head', 'put'])
    const other = put(key, seededBytes(9, 1000))
    await expect(other).rejects.toMatchObject({ code: 'internal' })
    expect(held(key)).toEqual(SMALL)
    expect(stub.asked.slice(3)).toEqual(['head'])
  })
})

describe('an object in parts', () => {
  for (const operation of ['begin', 'part', 'complete'] as const) {
    it.each([
      answer(500, 'InternalError'),
      answer(503, 'SlowDown'),
      { how: 'drop' },
      { how: 'drop', acts: true },
      { how: 'hang' },
      { how: 'garbage' },
    ] as const)(`is stored all the same when a fault of ${operation} passes: %o`, async (fault) => {
      failing(operation, fault, 1)
      const key = freshKey()
      expect(await put(key, LARGE, null)).toEqual({ size: LARGE.length })
      expect(held(key)?.equals(LARGE)).toBe(true)
      expect(open.size).toBe(0)
    })

    it.each([answer(500, 'InternalError'), answer(403, 'AccessDenied'), { how: 'drop' }, { how: 'hang' }] as const)(
      `leaves nothing when a fault of ${operation} does not pass: %o`,
      async (fault) => {
        failing(operation, fault)
        const key = freshKey()
        const begun = performance.now()
        await expect(put(key, LARGE)).rejects.toMatchObject(UNAVAILABLE)
        expect(performance.now() - begun).toBeLessThan(8_000)
        expect(held(key)).toBeUndefined()
        expect([...stub.uploads]).toEqual([])
        expect(open.size).toBe(0)
      },
    )
  }

  it.each([
    answer(500, 'InternalError', true),
    answer(200, 'InternalError', true),
    { how: 'drop', acts: true },
    { how: 'hang', acts: true },
  ] as const)('is found to be complete when every answer is lost to %o', async (fault) => {
    failing('complete', fault)
    const key = freshKey()
    await put(key, LARGE)
    expect(held(key)?.equals(LARGE)).toBe(true)
    expect(events.at(-1)).toBe('s3.completed')
    expect(open.size).toBe(0)
  })

  it('is not complete because the server says so with status 200', async () => {
    failing('complete', answer(200, 'InternalError'))
    const key = freshKey()
    await expect(put(key, LARGE)).rejects.toMatchObject(UNAVAILABLE)
    expect(held(key)).toBeUndefined()
    expect([...stub.uploads]).toEqual([])
  })

  it('is sent again where the server knows no condition for putting it together', async () => {
    failing('complete', answer(501, 'NotImplemented'), 1)
    const key = freshKey()
    await put(key, LARGE)
    expect(held(key)?.equals(LARGE)).toBe(true)
  })

  it('is not taken for stored when another came first', async () => {
    const key = freshKey()
    const other = { bytes: Buffer.alloc(LARGE.length), mark: 'other', etag: '"other"' }
    stub.script((asked, name) => {
      if (asked === 'complete') stub.objects.set(name, other)
      return asked === 'complete' ? { how: 'drop' } : null
    })
    await expect(put(key, LARGE)).rejects.toMatchObject({ code: 'internal' })
    expect(held(key)).toBe(other.bytes)
    expect([...stub.uploads]).toEqual([])
  })

  it('is removed when the server made something of another size of it', async () => {
    const key = freshKey()
    stub.script((asked) => {
      if (asked === 'complete') for (const { parts } of stub.uploads.values()) parts.set(1, Buffer.from('cut'))
      return null
    })
    await expect(put(key, LARGE)).rejects.toMatchObject(UNAVAILABLE)
    expect(held(key)).toBeUndefined()
  })

  it('stays in the journal when it cannot be aborted, and can be aborted later', async () => {
    stub.script((asked) =>
      asked === 'part' ? answer(403, 'AccessDenied') : asked === 'abort' ? { how: 'drop' } : null,
    )
    await expect(put(freshKey(), LARGE)).rejects.toMatchObject(UNAVAILABLE)
    expect(events).toContain('storage_error')
    expect([...open.keys()]).toEqual([...stub.uploads.keys()])
    const [[uploadId, key]] = [...open] as [[string, BlobKey]]
    await expect(backend.abortLeftover!(key, uploadId)).rejects.toMatchObject(UNAVAILABLE)
    stub.script(() => null)
    await backend.abortLeftover!(key, uploadId)
    await backend.abortLeftover!(key, uploadId)
    expect([...stub.uploads]).toEqual([])
  })

  it('stops with the reason it was given while the server hangs', async () => {
    failing('part', { how: 'hang' })
    const abort = new AbortController()
    const reason = fail('storage_unavailable', 'the server stops')
    const body = new Readable({ read() {} })
    body.push(LARGE)
    const putting = backend.put(freshKey(), body, { size: null, signal: abort.signal })
    await expect.poll(() => count('part')).toBeGreaterThan(0)
    abort.abort(reason)
    await expect(putting).rejects.toBe(reason)
    expect([...stub.uploads]).toEqual([])
  })
})

describe('a download', () => {
  const stored = async (bytes: Buffer): Promise<BlobKey> => {
    const key = freshKey()
    await put(key, bytes)
    stub.asked.length = 0
    return key
  }

  it.each([{ how: 'break' }, { how: 'stall' }] as const)(
    'goes on where it was when the server does this: %o',
    async (fault) => {
      const bytes = seededBytes(3, 3 * MIB)
      const key = await stored(bytes)
      failing('get', fault, 2)
      expect((await get(key)).equals(bytes)).toBe(true)
      expect(count('get')).toBe(3)
      failing('get', fault, 1)
      expect((await get(key, { start: 1000, end: 2 * MIB })).equals(bytes.subarray(1000, 2 * MIB + 1))).toBe(true)
      failing('get', fault, 1)
      expect((await backend.read!(key, null, 3 * MIB)).equals(bytes)).toBe(true)
    },
  )

  it.each([{ how: 'break' }, { how: 'stall' }] as const)('never ends cleanly before its end: %o', async (fault) => {
    const key = await stored(seededBytes(3, 3 * MIB))
    failing('get', fault)
    await expect(get(key)).rejects.toMatchObject(UNAVAILABLE)
    expect(count('get')).toBe(3)
    await expect(backend.read!(key, null, 3 * MIB)).rejects.toMatchObject(UNAVAILABLE)
  })

  it('does not go on with other bytes', async () => {
    const key = await stored(seededBytes(3, 3 * MIB))
    let asked = 0
    stub.script((operation) => {
      if (operation !== 'get' || asked++ > 0) return null
      setTimeout(
        () => stub.objects.set(`alyx/${key}`, { bytes: seededBytes(4, 3 * MIB), mark: '', etag: '"other"' }),
        10,
      )
      return { how: 'break' }
    })
    await expect(get(key)).rejects.toMatchObject({ code: 'file_corrupt' })
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
    const key = await stored(SMALL)
    failing('get', fault)
    await expect(backend.get(key, { range: null, signal: never })).rejects.toMatchObject({ code })
    expect(count('get')).toBe(tries)
    await expect(backend.read!(key, null, 2000)).rejects.toMatchObject({ code })
  })

  it('goes on or fails when a part ends before its end', async () => {
    const bytes = seededBytes(3, 3 * MIB)
    const key = await stored(bytes)
    const range = { start: 1000, end: 2 * MIB }
    failing('get', { how: 'short' }, 1)
    expect((await get(key, range)).equals(bytes.subarray(1000, 2 * MIB + 1))).toBe(true)
    failing('get', { how: 'short' })
    await expect(get(key, range)).rejects.toMatchObject({
      code: expect.stringMatching(/^storage_unavailable|file_corrupt$/),
    })
  })

  it('takes no whole for a part', async () => {
    const key = await stored(SMALL)
    failing('get', { how: 'whole' })
    await expect(get(key, { start: 5, end: 10 })).rejects.toMatchObject(UNAVAILABLE)
    await expect(get(key, { start: 0, end: 10 })).rejects.toMatchObject(UNAVAILABLE)
    expect(await get(key, { start: 0, end: 999 })).toEqual(SMALL)
  })

  it('waits for a slow reader as long as it takes', async () => {
    const bytes = seededBytes(3, 6 * MIB)
    const key = await stored(bytes)
    const stream = await backend.get(key, { range: null, signal: never })
    await wait(3 * TIMES.idle)
    expect((await bytesOf(stream)).equals(bytes)).toBe(true)
    expect(count('get')).toBe(1)
  })

  it('stops with the reason it was given while the server hangs', async () => {
    const key = await stored(SMALL)
    failing('get', { how: 'hang' })
    const abort = new AbortController()
    const reason = fail('storage_unavailable', 'the client went')
    const getting = backend.get(key, { range: null, signal: abort.signal })
    await expect.poll(() => count('get')).toBe(1)
    abort.abort(reason)
    await expect(getting).rejects.toBe(reason)
  })
})

describe('other questions', () => {
  it.each([answer(403, 'AccessDenied'), answer(500, 'InternalError'), { how: 'drop' }, { how: 'hang' }] as const)(
    'fail as storage_unavailable for %o, and never say no instead',
    async (fault) => {
      const key = freshKey()
      await put(key, SMALL)
      stub.script(() => fault)
      await expect(backend.exists(key)).rejects.toMatchObject(UNAVAILABLE)
      await expect(backend.stat!(key)).rejects.toMatchObject(UNAVAILABLE)
      await expect(backend.delete(key)).rejects.toMatchObject(UNAVAILABLE)
      await expect(backend.ready!()).rejects.toMatchObject(UNAVAILABLE)
    },
  )

  it('are answered when a fault passes', async () => {
    const key = freshKey()
    await put(key, SMALL)
    for (const fault of [answer(503, 'SlowDown'), { how: 'drop', acts: true }, { how: 'hang' }] as const) {
      let first = true
      stub.script(() => {
        const now = first
        first = false
        return now ? fault : null
      })
      expect(await backend.exists(key)).toBe(true)
      first = true
      await backend.delete(freshKey())
    }
  })
})

it('an outage ends without a restart', async () => {
  const key = freshKey()
  await put(key, SMALL)
  await stub.stop()
  const begun = performance.now()
  for (const work of [
    () => put(freshKey(), SMALL),
    () => put(freshKey(), LARGE),
    () => get(key),
    () => backend.delete(key),
    () => backend.ready!(),
  ]) {
    await expect(work()).rejects.toMatchObject(UNAVAILABLE)
  }
  expect(performance.now() - begun).toBeLessThan(6_000)
  await stub.start()
  await backend.ready!()
  expect(await get(key)).toEqual(SMALL)
})

it('two hundred faults at random lose nothing, leave nothing and tell no lie', { timeout: 180_000 }, async () => {
  const chance = createChance(Number(process.env.ALYX_TEST_SEED ?? 4))
  const kinds: readonly Fault[] = [
    answer(500, 'InternalError'),
    answer(500, 'InternalError', true),
    answer(503, 'SlowDown'),
    answer(403, 'AccessDenied'),
    answer(200, 'InternalError', true),
    { how: 'drop' },
    { how: 'drop', acts: true },
    { how: 'hang' },
    { how: 'break' },
    { how: 'stall' },
  ]
  let faults = 0
  stub.script((asked) => {
    if (!chance.chance(0.35)) return null
    const fault = chance.pick(kinds)
    if ((fault.how === 'break' || fault.how === 'stall') && asked !== 'get') return null
    if (fault.how === 'answer' && fault.status === 200 && asked !== 'complete') return null
    faults += 1
    return fault
  })
  const whole = async (seed: number): Promise<void> => {
    const bytes = seededBytes(seed, seed % 4 === 0 ? 9 * MIB : 100_000)
    const key = freshKey()
    const stored = await put(key, bytes, seed % 2 === 0 ? null : bytes.length).catch((error) => {
      expect(error).toMatchObject(UNAVAILABLE)
      return null
    })
    if (stored !== null) {
      expect(held(key)?.equals(bytes)).toBe(true)
      const got = await get(key).catch((error) => expect(error).toMatchObject(UNAVAILABLE))
      if (Buffer.isBuffer(got)) expect(got.equals(bytes)).toBe(true)
    }
    while (
      !(await backend.delete(key).then(
        () => true,
        () => false,
      ))
    );
    expect(held(key)).toBeUndefined()
  }
  for (let seed = 0; faults < 200; seed += 32) {
    await Promise.all(Array.from({ length: 32 }, (_, at) => whole(seed + at)))
  }
  stub.script(() => null)
  for (const [uploadId, key] of open) await backend.abortLeftover!(key, uploadId)
  // What a lost answer to the very first request leaves has no id and no parts.
  expect([...stub.uploads.values()].filter(({ parts }) => parts.size > 0)).toEqual([])
  expect([...stub.objects]).toEqual([])
})
