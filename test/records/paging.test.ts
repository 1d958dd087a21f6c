import { describe, expect, it } from 'vitest'
import { parseExpand } from '../../src/records/expand.ts'
import { parsePlace, parseSort, writeCursor } from '../../src/records/paging.ts'
import { failureOf, formOf } from './collections.ts'

const posts = formOf('posts')
const cursorOf = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('the order of a list', () => {
  it.each([
    [null, 'id'],
    ['title', 'title,id'],
    ['-created', '-created,-id'],
    ['title,-rank', 'title,-rank,-id'],
    ['-id', '-id'],
    ['rank,id,title', 'rank,id'],
  ])('%s means %s', (text, order) => {
    const sort = parseSort(posts, text)
    expect(sort.map(({ field, descending }) => (descending ? `-${field}` : field)).join()).toBe(order)
  })

  it.each([
    ['nope', 'names "nope", which is not a field of posts'],
    ['', 'names "", which is not a field of posts'],
    ['-', 'names "", which is not a field of posts'],
    ['title,', 'names "", which is not a field of posts'],
    ['--title', 'names "-title", which is not a field of posts'],
    ['secret', 'names "secret", which is not a field of posts'],
    ['cover.size', 'names "cover.size", which is not a field of posts'],
    ['id desc, (select 1)', 'which is not a field of posts'],
    ['gallery', 'names "gallery", which has no order'],
    ['title,-title', 'names "title" twice'],
    ['title,author,rank,cover,scan,created', 'names more than 5 fields'],
  ])('%s is refused', (text, message) => {
    const failure = failureOf(() => parseSort(posts, text))
    expect(failure).toMatchObject({ code: 'invalid_query', details: { parameter: 'sort' } })
    expect(failure.message).toContain(message)
  })

  it('is refused of fields whose values have none', () => {
    for (const field of ['json', 'blob', 'text', 'selects', 'files'])
      expect(failureOf(() => parseSort(formOf('kinds'), field)).message).toBe(
        `sort names "${field}", which has no order`,
      )
  })
})

describe('the place in a list', () => {
  const sort = parseSort(posts, 'author,-rank')

  it('comes back from the cursor it was written to', () => {
    const cursor = writeCursor(sort, { id: 'p1', author: null, rank: 7, title: 'x' })
    expect(parsePlace(posts, sort, { cursor, offset: null })).toEqual({ offset: 0, after: [null, 7, 'p1'] })
    expect(cursor).toMatch(/^[\w-]+$/)
  })

  it('that is too long to carry is that of a record', () => {
    const values = { id: 'p1', author: 'x'.repeat(3000), rank: 7 }
    const cursor = writeCursor(sort, values)
    expect(cursor.length).toBeLessThan(100)
    expect(parsePlace(posts, sort, { cursor, offset: null })).toEqual({ offset: 0, after: null, behind: 'p1' })
    for (const length of [1400, 1500, 1600])
      expect(writeCursor(sort, { ...values, author: 'x'.repeat(length) }).length).toBeLessThanOrEqual(2048)
  })

  it('is the beginning when nothing is said, and as far as an offset says', () => {
    expect(parsePlace(posts, sort, { cursor: null, offset: null })).toEqual({ offset: 0, after: null })
    expect(parsePlace(posts, sort, { cursor: null, offset: 1_000_000 })).toEqual({ offset: 1_000_000, after: null })
  })

  it.each([
    ['not base64', '***'],
    ['not JSON', 'AAAA'],
    ['no list', cursorOf({ author: 1 })],
    ['of another order', cursorOf(['author,rank,id', ['a', 1, 'p']])],
    ['of another length', cursorOf(['author,-rank,-id', ['a', 1]])],
    ['with text for a number', cursorOf(['author,-rank,-id', ['a', '1', 'p']])],
    ['with a number for text', cursorOf(['author,-rank,-id', [1, 1, 'p']])],
    ['without a primary value', cursorOf(['author,-rank,-id', ['a', 1, null]])],
    ['with an object', cursorOf(['author,-rank,-id', ['a', { a: 1 }, 'p']])],
    ['longer by one', cursorOf(['author,-rank,-id', ['a', 1, 'p'], 1])],
    ['behind a record without a primary value', cursorOf(['author,-rank,-id', null])],
    ['behind a record of another kind of id', cursorOf(['author,-rank,-id', 7])],
  ])('is refused from a cursor %s', (_, cursor) => {
    expect(failureOf(() => parsePlace(posts, sort, { cursor, offset: null }))).toEqual({
      code: 'invalid_query',
      message: 'cursor is not one that this list gave out',
      details: { parameter: 'cursor' },
    })
  })

  it('is said once, and within bounds', () => {
    const cursor = writeCursor(sort, { id: 'p1', author: 'a', rank: 7 })
    expect(failureOf(() => parsePlace(posts, sort, { cursor, offset: 0 })).details).toEqual({ parameter: 'cursor' })
    expect(failureOf(() => parsePlace(posts, sort, { cursor: null, offset: 1_000_001 })).details).toEqual({
      parameter: 'offset',
    })
  })
})

describe('what to expand', () => {
  it('is files and relations, by name', () => {
    expect(parseExpand(posts, 'cover,gallery,editor').map(({ name }) => name)).toEqual(['cover', 'gallery', 'editor'])
    expect(parseExpand(posts, null)).toEqual([])
  })

  it.each([
    ['nope', 'names "nope", which is not a field'],
    ['__proto__', 'names "__proto__", which is not a field'],
    ['cover.owner.secret', 'names "cover.owner.secret", which is not a field'],
    ['proof', 'names "proof", which is not a field'],
    ['', 'names "", which is not a field'],
    ['title', 'names "title", which points at nothing'],
    ['cover,cover', 'names "cover" twice'],
    [Array.from({ length: 1000 }, () => 'cover').join(), 'names more than 10 fields'],
  ])('is refused for %.40s', (text, message) => {
    const failure = failureOf(() => parseExpand(posts, text))
    expect(failure).toMatchObject({ code: 'invalid_query', details: { parameter: 'expand' } })
    expect(failure.message).toContain(message)
  })
})
