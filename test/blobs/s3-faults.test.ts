import { describe, expect, it } from 'vitest'
import { UNNAMED } from '../../src/blobs/backend.ts'
import { S3_TIMES } from '../../src/blobs/s3-limits.ts'
import type { BlobKey } from '../../src/core/model.ts'
import { bodyOf, freshKey, never } from '../contract/backend.ts'
import { seededBytes } from '../support/random.ts'
import { answer, LARGE, SMALL, s3Stage, UNAVAILABLE } from './s3-stage.ts'

const stage = s3Stage()

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
    stage.failing('put', fault)
    const body = bodyOf(SMALL)
    await expect(stage.backend.put(freshKey(), body, { size: null, signal: never })).rejects.toMatchObject({ code })
    expect(body.destroyed).toBe(true)
    expect(stage.stub.asked).toEqual(['put'])
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
    await stage.hurryIfHanging(fault, { idle: 400 })
    stage.failing('put', fault, 1)
    const key = freshKey()
    expect(await stage.put(key, SMALL)).toEqual({ size: SMALL.length })
    expect(stage.held(key)).toEqual(SMALL)
    expect(stage.events).toEqual(['s3.put'])
  })

  it.each([answer(500, 'InternalError'), answer(503, 'SlowDown'), { how: 'drop' }, { how: 'hang' }] as const)(
    'fails after three tries when %o does not pass',
    async (fault) => {
      await stage.hurryIfHanging(fault, { idle: 200 })
      stage.failing('put', fault)
      const key = freshKey()
      await expect(stage.put(key, SMALL)).rejects.toMatchObject({ ...UNAVAILABLE, retryAfter: 5 })
      expect(stage.count('put')).toBe(3)
      expect(stage.held(key)).toBeUndefined()
    },
  )

  it.each([answer(500, 'InternalError', true), { how: 'drop', acts: true }, { how: 'hang', acts: true }] as const)(
    'is found to be stored when every answer is lost to %o',
    async (fault) => {
      await stage.hurryIfHanging(fault, { idle: 200 })
      stage.failing('put', fault)
      const key = freshKey()
      await stage.put(key, SMALL)
      expect(stage.held(key)).toEqual(SMALL)
      expect(stage.stub.asked.at(-1)).toBe('head')
    },
  )

  it('fails when nobody can say what became of it', async () => {
    stage.stub.script((asked) => (asked === 'put' ? { how: 'drop', acts: true } : answer(500, 'InternalError')))
    await expect(stage.put(freshKey(), SMALL)).rejects.toMatchObject(UNAVAILABLE)
  })

  it('takes nobody else’s object for its own', async () => {
    const key = freshKey()
    await stage.put(key, SMALL)
    stage.failing('put', { how: 'drop' })
    await expect(stage.put(key, SMALL)).rejects.toMatchObject({ code: 'internal' })
  })

  it('looks first where the server knows no conditions, and never overwrites there either', async () => {
    let conditional = 0
    const refuse = stage.stub.script
    refuse((asked) => (asked === 'put' && conditional++ === 0 ? answer(501, 'NotImplemented') : null))
    const key = freshKey()
    await stage.put(key, SMALL)
    expect(stage.stub.asked).toEqual(['put', 'head', 'put'])
    const other = stage.put(key, seededBytes(9, 1000))
    await expect(other).rejects.toMatchObject({ code: 'internal' })
    expect(stage.held(key)).toEqual(SMALL)
    expect(stage.stub.asked.slice(3)).toEqual(['head'])
  })
})

describe('a server that is silent', () => {
  /** Together they end every verb within fifteen seconds; the client looks at a request three seconds late. */
  it('is given up after one long wait and a short one', () => {
    const { connect, idle, answer: answering, settle, window } = S3_TIMES
    const longest = Math.max(2 * connect, answering, idle + 3000)
    expect(longest + settle).toBeLessThanOrEqual(15_000)
    // No second try begins after the first long wait.
    expect(window).toBeLessThanOrEqual(Math.min(answering, idle + 3000, 2 * connect))
  })

  const HURRY = { idle: 200, answer: 200, window: 200, settle: 200, ready: 200 }

  it('is asked no more than that, whatever is wanted of it', async () => {
    await stage.hurry(HURRY)
    stage.stub.script(() => ({ how: 'hang' }))
    const key = freshKey()
    for (const [work, asked] of [
      [() => stage.put(key, SMALL), ['put', 'head']],
      [() => stage.put(key, LARGE), ['begin']],
      [() => stage.get(key), ['get']],
      [() => stage.backend.delete(key), ['delete']],
      [() => stage.backend.exists(key), ['head']],
      [() => stage.backend.ready!(), ['bucket']],
    ] as const) {
      stage.stub.asked.length = 0
      await expect(work()).rejects.toMatchObject(UNAVAILABLE)
      expect(stage.stub.asked).toEqual(asked)
    }
  })

  it('may have begun what it did not tell: the journal keeps that until it is aborted, whatever comes of the upload', async () => {
    const [key, failed] = [freshKey(), freshKey()]
    stage.failing('begin', { how: 'drop', acts: true }, 2)
    await stage.put(key, LARGE)
    expect(stage.stub.uploads.size).toBe(2)
    stage.failing('begin', { how: 'drop', acts: true })
    await expect(stage.put(failed, LARGE)).rejects.toMatchObject(UNAVAILABLE)
    expect(stage.stub.uploads.size).toBeGreaterThan(3)
    // A later try that goes well closes what it opened itself.
    stage.stub.script(() => null)
    await stage.put(failed, LARGE)
    expect([...stage.open.values()].map((row) => row.key)).toEqual([key, failed])
    for (const row of stage.open.values()) await stage.backend.abortLeftover!(row.key, row.uploadId)
    expect([...stage.stub.uploads]).toEqual([])
    for (const whole of [key, failed]) expect(stage.held(whole)?.equals(LARGE)).toBe(true)
  })

  it.each([403, 405, 501])('goes without the list of what was begun where it is refused with %i', async (status) => {
    stage.stub.script((asked) => (asked === 'list' ? answer(status, 'No') : null))
    await stage.backend.abortLeftover!(freshKey(), `${UNNAMED}1`)
    expect(stage.count('list')).toBe(1)
  })

  it('from a part on is asked only to take back what it has', async () => {
    await stage.hurry({ ...HURRY, answer: 30_000, idle: 400 })
    stage.stub.script((asked) => (asked === 'begin' ? null : { how: 'hang' }))
    await expect(stage.put(freshKey(), LARGE)).rejects.toMatchObject(UNAVAILABLE)
    expect(stage.count('part')).toBeLessThanOrEqual(2)
    expect(stage.stub.asked.filter((asked) => asked !== 'part')).toEqual(['begin', 'abort'])
    expect([...stage.open.values()].map(({ uploadId }) => uploadId)).toEqual([...stage.stub.uploads.keys()])
  })

  it('from the end of the parts on is asked what became of them, and the journal keeps the upload', async () => {
    await stage.hurry({ assemble: 200, window: 200, settle: 1000 })
    let silent = false
    stage.stub.script((asked) => {
      silent ||= asked === 'complete'
      return silent ? { how: 'hang' } : null
    })
    await expect(stage.put(freshKey(), LARGE)).rejects.toMatchObject(UNAVAILABLE)
    expect(stage.stub.asked.filter((asked) => asked !== 'part')).toEqual(['begin', 'head', 'complete', 'head'])
    const [{ uploadId, key }] = [...stage.open.values()] as [{ uploadId: string; key: BlobKey }]
    stage.stub.script(() => null)
    await stage.backend.abortLeftover!(key, uploadId)
    expect([...stage.stub.uploads]).toEqual([])
  })
})
