import { describe, expect, it } from 'vitest'
import { readEdits } from '../../src/records/body.ts'
import { ruleDoc, showGiven, showRecord } from '../../src/records/view.ts'
import { formOf } from './collections.ts'

const A = '01932f00-0000-7000-8000-00000000000a'
const kinds = {
  id: A,
  uuid: A,
  string: 'a short one',
  text: 'a long one',
  richtext: '<p>one</p>',
  int: 7,
  float: 1.5,
  bool: 1,
  timestamp: '2026-11-30T12:00:00.000Z',
  date: '2026-11-30',
  today: '2026-11-21',
  json: '{"a":[1]}',
  blob: 'AAE=',
  email: 'a@example.com',
  url: 'https://example.com/',
  select: 'red',
  selects: '["red","blue"]',
  relation: 7,
  file: A,
  files: `["${A}"]`,
}

describe('a stored record', () => {
  it('is shown as JSON has it, in the order of the schema', () => {
    const shown = showRecord(formOf('kinds'), kinds)
    expect(shown).toEqual({ ...kinds, bool: true, json: { a: [1] }, selects: ['red', 'blue'], files: [A] })
    expect(Object.keys(shown)).toEqual(Object.keys(kinds))
  })

  it('shows null as null, whatever the type', () => {
    const none = Object.fromEntries(Object.keys(kinds).map((name) => [name, null]))
    expect(showRecord(formOf('kinds'), none)).toEqual(none)
    expect(ruleDoc(formOf('kinds'), none)).toEqual(none)
  })

  it('keeps internal fields from clients and not from rules', () => {
    const values = { id: A, title: 'x', secret: 's3cret', proof: null, gallery: '[]', album: '[]' }
    expect(Object.keys(showRecord(formOf('posts'), values))).not.toContain('secret')
    expect(ruleDoc(formOf('posts'), values)).toMatchObject({ secret: 's3cret', gallery: [] })
  })

  it('gives rules whole numbers, floats and moments as what they are', () => {
    const doc = ruleDoc(formOf('kinds'), kinds)
    expect(doc).toMatchObject({ int: 7n, relation: 7n, float: 1.5, bool: true, timestamp: new Date(kinds.timestamp) })
  })

  it('shows who may not read it its primary field and what they gave, not what they added to', () => {
    const posts = formOf('posts')
    const values = { id: A, title: 'new', author: 'bob', gallery: `["${A}"]`, album: '[]', secret: 's3cret' }
    const edits = readEdits(posts, A, { title: 'new', 'gallery+': A })
    expect(showGiven(posts, showRecord(posts, values), edits)).toEqual({ id: A, title: 'new' })
  })
})
