// The S3 backend writes in parts to a server that fails: every fault has an end, a right code, and leaves nothing.

import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { UNNAMED } from '../../src/blobs/backend.ts'
import { fail } from '../../src/core/errors.ts'
import type { BlobKey } from '../../src/core/model.ts'
import { freshKey } from '../contract/backend.ts'
import type { Fault, Operation } from '../support/s3-stub.ts'
import { answer, LARGE, s3Stage, UNAVAILABLE } from './s3-stage.ts'

const stage = s3Stage()
/** Whether one was begun is not known where no answer said no. */
const doubtful = (operation: Operation, fault: Fault): boolean =>
  operation === 'begin' && !(fault.how === 'answer' && fault.status === 403)
const unnamed = (key: BlobKey) => ({ key, uploadId: expect.stringContaining(UNNAMED) as string })

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
      await stage.hurryIfHanging(
        fault,
        { begin: { answer: 400 }, part: { idle: 500 }, complete: { assemble: 500 } }[operation],
      )
      stage.failing(operation, fault, 1)
      const key = freshKey()
      expect(await stage.put(key, LARGE, null)).toEqual({ size: LARGE.length })
      expect(stage.held(key)?.equals(LARGE)).toBe(true)
      expect([...stage.open.values()]).toEqual(doubtful(operation, fault) ? [unnamed(key)] : [])
    })

    it.each([answer(500, 'InternalError'), answer(403, 'AccessDenied'), { how: 'drop' }, { how: 'hang' }] as const)(
      `leaves nothing when a fault of ${operation} does not pass: %o`,
      async (fault) => {
        await stage.hurryIfHanging(
          fault,
          { begin: { answer: 200 }, part: { idle: 400 }, complete: { assemble: 200 } }[operation],
        )
        stage.failing(operation, fault)
        const key = freshKey()
        await expect(stage.put(key, LARGE)).rejects.toMatchObject(UNAVAILABLE)
        expect(stage.held(key)).toBeUndefined()
        expect([...stage.stub.uploads]).toEqual([])
        expect([...stage.open.values()]).toEqual(doubtful(operation, fault) ? [unnamed(key)] : [])
        expect(stage.count(operation)).toBeLessThanOrEqual(6)
      },
    )
  }

  it.each([
    answer(500, 'InternalError', true),
    answer(200, 'InternalError', true),
    { how: 'drop', acts: true },
    { how: 'hang', acts: true },
  ] as const)('is found to be complete when every answer is lost to %o', async (fault) => {
    await stage.hurryIfHanging(fault, { assemble: 200 })
    stage.failing('complete', fault)
    const key = freshKey()
    await stage.put(key, LARGE)
    expect(stage.held(key)?.equals(LARGE)).toBe(true)
    expect(stage.events.at(-1)).toBe('s3.completed')
    expect(stage.open.size).toBe(0)
  })

  it('is waited for while the server is silent about it and answers other questions', async () => {
    await stage.hurry({ idle: 400 })
    stage.failing('complete', { how: 'hang' }, 4)
    const key = freshKey()
    await stage.put(key, LARGE)
    expect(stage.held(key)?.equals(LARGE)).toBe(true)
    expect(stage.count('complete')).toBeGreaterThan(3)
    expect(stage.open.size).toBe(0)
  })

  it('is not complete because the server says so with status 200', async () => {
    stage.failing('complete', answer(200, 'InternalError'))
    const key = freshKey()
    await expect(stage.put(key, LARGE)).rejects.toMatchObject(UNAVAILABLE)
    expect(stage.held(key)).toBeUndefined()
    expect([...stage.stub.uploads]).toEqual([])
  })

  it('is sent again where the server knows no condition for putting it together', async () => {
    stage.failing('complete', answer(501, 'NotImplemented'), 1)
    const key = freshKey()
    await stage.put(key, LARGE)
    expect(stage.held(key)?.equals(LARGE)).toBe(true)
  })

  it('is not taken for stored when another came first', async () => {
    const key = freshKey()
    const other = { bytes: Buffer.alloc(LARGE.length), mark: 'other', etag: '"other"' }
    stage.stub.script((asked, name) => {
      if (asked === 'complete') stage.stub.objects.set(name, other)
      return asked === 'complete' ? { how: 'drop' } : null
    })
    await expect(stage.put(key, LARGE)).rejects.toMatchObject({ code: 'internal' })
    expect(stage.held(key)).toBe(other.bytes)
    expect([...stage.stub.uploads]).toEqual([])
  })

  it('is removed when the server made something of another size of it', async () => {
    const key = freshKey()
    stage.stub.script((asked) => {
      if (asked === 'complete') for (const { parts } of stage.stub.uploads.values()) parts.set(1, Buffer.from('cut'))
      return null
    })
    await expect(stage.put(key, LARGE)).rejects.toMatchObject(UNAVAILABLE)
    expect(stage.held(key)).toBeUndefined()
  })

  it('stays in the journal when it cannot be aborted, and can be aborted later', async () => {
    stage.stub.script((asked) =>
      asked === 'part' ? answer(403, 'AccessDenied') : asked === 'abort' ? { how: 'drop' } : null,
    )
    await expect(stage.put(freshKey(), LARGE)).rejects.toMatchObject(UNAVAILABLE)
    expect(stage.events).toContain('storage_error')
    expect([...stage.open.values()].map(({ uploadId }) => uploadId)).toEqual([...stage.stub.uploads.keys()])
    const [{ uploadId, key }] = [...stage.open.values()] as [{ uploadId: string; key: BlobKey }]
    await expect(stage.backend.abortLeftover!(key, uploadId)).rejects.toMatchObject(UNAVAILABLE)
    stage.stub.script(() => null)
    await stage.backend.abortLeftover!(key, uploadId)
    await stage.backend.abortLeftover!(key, uploadId)
    expect([...stage.stub.uploads]).toEqual([])
  })

  it('stops with the reason it was given while the server hangs', async () => {
    stage.failing('part', { how: 'hang' })
    const abort = new AbortController()
    const reason = fail('storage_unavailable', 'the server stops')
    const body = new Readable({ read() {} })
    body.push(LARGE)
    const putting = stage.backend.put(freshKey(), body, { size: null, signal: abort.signal })
    await expect.poll(() => stage.count('part')).toBeGreaterThan(0)
    abort.abort(reason)
    await expect(putting).rejects.toBe(reason)
    expect([...stage.stub.uploads]).toEqual([])
  })
})
