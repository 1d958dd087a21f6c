import { describe, expect, it } from 'vitest'
import { fail } from '../../src/core/errors.ts'
import { withoutInternal } from '../../src/records/taken.ts'
import { formOf } from './collections.ts'

const posts = formOf('posts')
const taken = (...fields: readonly string[]) =>
  fail('unique_violation', `posts has a record with this ${fields.join(' and ')} already`, { details: { fields } })

describe('a value that is taken', () => {
  it('is told as it is where clients know of all its fields', () => {
    const error = taken('title', 'author')
    expect(withoutInternal(posts, error)).toBe(error)
  })

  it.each([
    [['secret'], []],
    [['title', 'secret'], ['title']],
  ])('of the fields %j is told as one of %j', (fields, shown) => {
    const error = withoutInternal(posts, taken(...fields)) as Error
    expect(error).toMatchObject({ code: 'unique_violation', details: { fields: shown } })
    expect(`${error.message} ${JSON.stringify(error)}`).not.toContain('secret')
  })

  it('is the only failure that is looked into', () => {
    for (const error of [fail('file_in_use', 'secret'), new Error('secret'), null])
      expect(withoutInternal(posts, error)).toBe(error)
  })
})
