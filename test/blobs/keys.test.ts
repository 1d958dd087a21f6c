// Blob keys hold nothing a user wrote.
import { describe, expect, it } from 'vitest'
import { blobKey, parseKey } from '../../src/blobs/keys.ts'
import { createIds } from '../../src/core/ids.ts'

const id = createIds({ now: () => 1_764_000_000_000 })()

describe('blob keys', () => {
  it('are a bucket and an id, and come apart again', () => {
    expect(blobKey('avatars', id)).toBe(`avatars/${id}`)
    expect(parseKey(`avatars/${id}`)).toEqual({ bucket: 'avatars', id })
  })

  it('refuse everything else, in either direction', () => {
    const buckets = ['', 'A', '1a', 'a-b', '../a', 'a/b', '.tmp', '__proto__', 'a\n', 'a'.repeat(64)]
    for (const bucket of buckets) {
      expect(() => blobKey(bucket, id)).toThrow(expect.objectContaining({ code: 'internal' }))
      expect(() => parseKey(`${bucket}/${id}`)).toThrow(expect.objectContaining({ code: 'internal' }))
    }
    const uuid4 = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
    for (const other of ['', '..', uuid4, id.toUpperCase(), `${id}\n`, `${id}/..`, `../${id}`, id.slice(1)]) {
      expect(() => blobKey('avatars', other)).toThrow(expect.objectContaining({ code: 'internal' }))
      expect(() => parseKey(`avatars/${other}`)).toThrow(expect.objectContaining({ code: 'internal' }))
    }
    expect(() => parseKey(id)).toThrow(expect.objectContaining({ code: 'internal' }))
  })
})
