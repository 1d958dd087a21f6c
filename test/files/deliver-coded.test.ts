// A file that has a second form, its bytes in a content coding: which form an answer is about, and that parts of the two never meet.
import { describe, expect, test } from 'vitest'
import { type DeliveryQuestion, decideDelivery } from '../../src/files/deliver.ts'

const PLAIN = `"${'ab'.repeat(32)}"`
const CODED = `"${'ab'.repeat(32)}-zstd"`
const STALE = `"${'cd'.repeat(32)}-zstd"`
const MODIFIED = '2026-03-01T12:00:00.789Z'
const AT = 'Sun, 01 Mar 2026 12:00:00 GMT'
const BEFORE = 'Sun, 01 Mar 2026 11:59:59 GMT'

type Headers = DeliveryQuestion['headers']

/** `200 coded`, `206 0-9`, `304`, …: the answer in a word, and the same for HEAD. */
function word(headers: Headers, taken = true): string {
  const coded = { size: 40, etag: CODED, taken }
  const question = { size: 100, etag: PLAIN, lastModified: MODIFIED, headers, coded }
  const decision = decideDelivery({ ...question, method: 'GET' })
  expect(decideDelivery({ ...question, method: 'HEAD' })).toEqual(decision)
  const { status, range, coded: isCoded, length } = decision
  if (status === 200) expect(length).toBe(isCoded ? 40 : 100)
  const part = range === null ? '' : ` ${range.start}-${range.end}`
  return `${status}${part}${isCoded ? ' coded' : ''}`
}

test('the coded form is for those who take it and want all of the file', () => {
  expect(word({})).toBe('200 coded')
  expect(word({}, false)).toBe('200')
  expect(word({ range: 'bytes=0-9' })).toBe('206 0-9')
  for (const range of ['bytes=0-', 'bytes=-100']) expect(word({ range })).toBe('206 0-99')
  for (const range of ['bytes=0-1,3-4', 'lines=1-2', '']) expect(word({ range })).toBe('200')
  expect(word({ range: 'bytes=100-' })).toBe('416')
})

describe('If-Range lets only parts of the file as it is go on', () => {
  test.each<[string, string]>([
    [PLAIN, '206 50-99'],
    [CODED, '200'],
    [`W/${PLAIN}`, '200'],
    // A date does not say which of the two forms the client has begun.
    [AT, '200'],
    [BEFORE, '200'],
    ['', '200'],
  ])('%s → %s', (validator, answer) => {
    for (const taken of [true, false]) {
      expect(word({ range: 'bytes=50-', 'if-range': validator }, taken)).toBe(answer)
    }
  })

  test('without a range it says nothing', () => {
    expect(word({ 'if-range': PLAIN })).toBe('200 coded')
  })
})

describe('If-None-Match tells that a copy is current, in whichever form the client can read', () => {
  test.each<[string, boolean, string]>([
    [CODED, true, '304 coded'],
    [`W/${CODED}`, true, '304 coded'],
    [PLAIN, true, '304'],
    [`${PLAIN}, ${CODED}`, true, '304 coded'],
    ['*', true, '304 coded'],
    [STALE, true, '200 coded'],
    [PLAIN, false, '304'],
    [`${PLAIN}, ${CODED}`, false, '304'],
    ['*', false, '304'],
    // A cache that holds only what this client cannot read has nothing for it.
    [CODED, false, '200'],
  ])('%s, taken %s → %s', (header, taken, answer) => {
    expect(word({ 'if-none-match': header }, taken)).toBe(answer)
  })

  test('the date speaks of the form that would be sent', () => {
    expect(word({ 'if-modified-since': AT })).toBe('304 coded')
    expect(word({ 'if-modified-since': AT }, false)).toBe('304')
    expect(word({ 'if-modified-since': BEFORE })).toBe('200 coded')
  })
})

describe('If-Match gets the form it names, or nothing', () => {
  test.each<[Headers, boolean, string]>([
    [{ 'if-match': CODED }, true, '200 coded'],
    [{ 'if-match': PLAIN }, true, '200'],
    [{ 'if-match': `${PLAIN}, ${CODED}` }, true, '200 coded'],
    [{ 'if-match': '*' }, true, '200 coded'],
    [{ 'if-match': `W/${CODED}` }, true, '412'],
    [{ 'if-match': STALE }, true, '412'],
    [{ 'if-match': PLAIN }, false, '200'],
    [{ 'if-match': '*' }, false, '200'],
    [{ 'if-match': CODED }, false, '412'],
    // A part of the coded form is never sent: whoever has begun it must not get a part of the other.
    [{ 'if-match': CODED, range: 'bytes=20-' }, true, '412'],
    [{ 'if-match': PLAIN, range: 'bytes=20-' }, true, '206 20-99'],
    [{ 'if-unmodified-since': AT }, true, '200 coded'],
    [{ 'if-unmodified-since': BEFORE }, true, '412'],
  ])('%j, taken %s → %s', (headers, taken, answer) => {
    expect(word(headers, taken)).toBe(answer)
  })
})
