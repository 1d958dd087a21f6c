import { describe, expect, it } from 'vitest'
import { parseFilters, parseSearch } from '../../src/records/filters.ts'
import { failureOf, formOf } from './collections.ts'

const ID = '01932f00-0000-7000-8000-000000000001'

describe('a filter', () => {
  it.each([
    ['posts', 'title:eq:Hello', { field: 'title', op: 'eq', value: 'Hello' }],
    ['posts', 'title:eq:', { field: 'title', op: 'eq', value: '' }],
    ['posts', 'title:like:a:b%', { field: 'title', op: 'like', value: 'a:b%' }],
    ['posts', `title:eq:'; DROP TABLE posts --`, { field: 'title', op: 'eq', value: `'; DROP TABLE posts --` }],
    ['posts', 'rank:gte:-3', { field: 'rank', op: 'gte', value: -3 }],
    ['posts', 'rank:in:1,2,3', { field: 'rank', op: 'in', value: [1, 2, 3] }],
    ['posts', 'author:is_null', { field: 'author', op: 'is_null', value: null }],
    ['posts', 'cover:not_null', { field: 'cover', op: 'not_null', value: null }],
    ['posts', `gallery:contains:${ID}`, { field: 'gallery', op: 'contains', value: ID }],
    ['posts', `cover:eq:${ID}`, { field: 'cover', op: 'eq', value: ID }],
    ['posts', 'created:lt:2026-11-30', { field: 'created', op: 'lt', value: '2026-11-30T00:00:00.000Z' }],
    [
      'posts',
      'created:lt:2026-11-30T12:00:00+01:00',
      { field: 'created', op: 'lt', value: '2026-11-30T11:00:00.000Z' },
    ],
    ['users', 'hidden:eq:true', { field: 'hidden', op: 'eq', value: 1 }],
    ['kinds', 'selects:contains:red', { field: 'selects', op: 'contains', value: 'red' }],
    ['kinds', 'relation:eq:7', { field: 'relation', op: 'eq', value: 7 }],
    ['kinds', 'email:like:%@example.com', { field: 'email', op: 'like', value: '%@example.com' }],
  ])('of %s that reads %s is understood', (collection, text, compared) => {
    expect(parseFilters(formOf(collection), [text])).toEqual([{ kind: 'compare', ...compared }])
  })

  it.each([
    ['posts', 'titel:eq:x', 'names "titel", which is not a field of posts, did you mean "title"?'],
    ['posts', 'secret:eq:s3cret', 'names "secret", which is not a field of posts; there are'],
    ['posts', 'cover.checksum:eq:x', 'names "cover.checksum", which is not a field'],
    ['posts', 'editor.name:eq:x', 'names "editor.name", which is not a field'],
    ['posts', '__proto__:eq:x', 'names "__proto__", which is not a field'],
    ['posts', '_version:eq:1', 'names "_version", which is not a field'],
    ['posts', 'id" OR 1=1 --:eq:1', 'which is not a field'],
    ['posts', 'title', 'must read field:op:value'],
    ['posts', '', 'must read field:op:value'],
    ['posts', 'title:eq', '"title:eq" needs a value'],
    ['posts', 'title:is_null:', '"title:is_null" takes no value'],
    ['posts', 'title:not_null:x', '"title:not_null" takes no value'],
    ['posts', 'title:matches:x', '"title" has no operator "matches"; there are eq, ne'],
    ['posts', 'rank:like:1%', '"rank" has no operator "like"'],
    ['posts', 'rank:eq:one', '"rank" must be a whole number'],
    ['posts', 'rank:in:1,,2', '"rank" must be a whole number'],
    ['posts', 'title:in:', '"title:in" takes 1 to 100 values'],
    ['posts', `title:in:${'x,'.repeat(100)}x`, '"title:in" takes 1 to 100 values'],
    ['posts', `title:like:${'%'.repeat(256)}`, 'is longer than 255 characters'],
    ['posts', 'title:eq:a\0b', '"title" must be well-formed text'],
    ['kinds', 'json:eq:1', '"json" has no operator "eq"; there are is_null, not_null'],
    ['kinds', 'blob:eq:AA==', '"blob" has no operator "eq"'],
    ['kinds', 'bool:eq:1', '"bool" must be true or false'],
    ['kinds', 'relation:eq:x', '"relation" must be a whole number'],
  ])('of %s that reads %j is refused', (collection, text, message) => {
    const failure = failureOf(() => parseFilters(formOf(collection), [text]))
    expect(failure.code).toBe('invalid_query')
    expect(failure.message).toContain(message)
    expect(failure.message).not.toContain('s3cret')
    expect(failure.message).not.toMatch(/there are .*(secret|proof)/)
    expect(failure.details).toEqual({ parameter: 'filter' })
  })

  it('is one of at most twenty', () => {
    const filters = Array.from({ length: 20 }, () => 'title:eq:x')
    expect(parseFilters(formOf('posts'), filters)).toHaveLength(20)
    expect(failureOf(() => parseFilters(formOf('posts'), [...filters, 'title:eq:x'])).message).toBe(
      'filter holds more than 20 conditions',
    )
  })
})

describe('a search', () => {
  it('looks into every text that clients know of', () => {
    const found = parseSearch(formOf('posts'), 'hello')
    expect(found).toEqual({
      kind: 'or',
      of: ['title', 'author'].map((field) => ({ kind: 'compare', field, op: 'contains', value: 'hello' })),
    })
  })

  it.each([
    ['sealed', 'x', 'search is not offered: sealed has no field of text'],
    ['posts', '', 'search must not be empty'],
    ['posts', 'a\0', 'search must be well-formed text without NUL'],
    ['posts', 'x'.repeat(256), 'search is longer than 255 characters'],
  ])('of %s for %j is refused', (collection, text, message) => {
    const failure = failureOf(() => parseSearch(formOf(collection), text))
    expect(failure).toEqual({ code: 'invalid_query', message, details: { parameter: 'search' } })
  })
})
