import { describe, expect, it } from 'vitest'
import { readEdits, readNew } from '../../src/records/body.ts'
import { failureOf, formOf } from './collections.ts'

const A = '01932f00-0000-7000-8000-00000000000a'
const B = '01932f00-0000-7000-8000-00000000000b'
const posts = formOf('posts')

const named = (values: ReadonlyMap<{ readonly name: string }, unknown>): Record<string, unknown> =>
  Object.fromEntries([...values].map(([{ name }, value]) => [name, value]))

/** JSON as a request brings it, so that odd keys are keys. */
const faultsOf = (work: (body: unknown) => unknown, json: string): readonly string[] => {
  const failure = failureOf(() => work(JSON.parse(json)))
  expect(failure.code).toBe('validation_failed')
  const { fields } = failure.details as { fields: { path: string; message: string }[] }
  expect(failure.message).toContain(fields[0]!.message)
  return fields.map(({ path, message }) => `${path} ${message}`)
}

describe('the body of a new record', () => {
  const read = (body: unknown) => readNew(posts, body)

  it('becomes the values that are stored', () => {
    expect(named(read({ title: 'Hello', rank: 3, author: null, gallery: [A, B] }))).toEqual({
      title: 'Hello',
      rank: 3,
      author: null,
      gallery: JSON.stringify([A, B]),
    })
  })

  it.each([
    ['[]', ['must be a JSON object']],
    ['null', ['must be a JSON object']],
    ['"x"', ['must be a JSON object']],
    ['{}', ['title is required']],
    ['{"title":null}', ['title must not be null']],
    ['{"title":5}', ['title must be text']],
    ['{"title":"x","titel":1}', ['titel is not a field of posts, did you mean "title"?']],
    ['{"title":"x","changed":"2026-11-30T12:00:00Z"}', ['changed is set by the server']],
    ['{"title":"x","gallery":"no"}', ['gallery must be a list of ids of files']],
    ['{"title":"x","cover":""}', ['cover must be the id of a file']],
    ['{"title":"x","cover":5}', ['cover must be the id of a file']],
    [`{"title":"x","cover":["${A}"]}`, ['cover must be the id of a file']],
    [`{"title":"x","gallery":["${A}","${A}"]}`, ['gallery holds a file twice']],
    ['{"title":5,"rank":"x"}', ['title must be text', 'rank must be a whole number between -(2^53 - 1) and 2^53 - 1']],
  ])('%s is refused', (json, faults) => {
    expect(faultsOf(read, json).map((fault) => fault.trim())).toEqual(faults)
  })

  it.each(['__proto__', 'constructor', 'secret', 'proof', '_version', 'cover.owner.name'])(
    'has no field %s, whether it is internal or does not exist',
    (name) => {
      const [fault, ...others] = faultsOf(read, `{"title":"x","${name}":"x"}`)
      expect(fault).toContain(`${name} is not a field of posts; there are id, title`)
      expect(fault).not.toMatch(/there are .*(secret|proof)/)
      expect(others).toEqual([])
    },
  )

  it('has no lists to add to', () => {
    expect(faultsOf(read, `{"title":"x","gallery+":"${A}"}`)).toEqual([
      'gallery+ is for changes: a new record is given gallery',
    ])
  })

  it('is told of twenty faults at most, and of the number of all', () => {
    const body = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`no${i}`, 1]))
    const failure = failureOf(() => read({ title: 'x', ...body }))
    expect((failure.details as { fields: unknown[] }).fields).toHaveLength(20)
    expect(failure.message).toMatch(/, and 29 more faults$/)
  })

  it('cannot set what is the server’s', () => {
    expect(faultsOf((body) => readNew(formOf('kinds'), body), `{"id":"${A}"}`)).toEqual(['id is set by the server'])
  })
})

describe('the body of a change', () => {
  const read = (body: unknown) => readEdits(posts, A, body)

  it('needs nothing, and may name the record itself', () => {
    expect(read({})).toEqual(new Map())
    expect(read({ id: A })).toEqual(new Map())
    expect(read({ id: A.toUpperCase() })).toEqual(new Map())
  })

  it('adds to lists of files and takes away from them', () => {
    expect(named(read({ 'gallery+': A, '+gallery': [B], 'album-': [A, B] }))).toEqual({
      gallery: { kind: 'list', remove: [], prepend: [B], append: [A] },
      album: { kind: 'list', remove: [A, B], prepend: [], append: [] },
    })
  })

  it.each([
    [`{"id":"${B}"}`, 'id cannot be changed'],
    ['{"id":null}', 'id cannot be changed'],
    ['{"title":null}', 'title must not be null'],
    ['{"changed":null}', 'changed is set by the server'],
    ['{"title+":"x"}', 'title+ is not a change of a list: title is no file[]'],
    ['{"+cover":"x"}', '+cover is not a change of a list: cover is no file[]'],
    ['{"nope-":"x"}', 'nope- is not a field of posts'],
    ['{"gallery+":null}', 'gallery+ must be a list of ids of files'],
    ['{"gallery+":"x"}', 'gallery+ must be a list of ids of files'],
    ['{"gallery-":{"0":1}}', 'gallery- must be a list of ids of files'],
    [`{"gallery+":["${A}","${A}"]}`, 'gallery+ holds a file twice'],
    [`{"gallery":[],"gallery-":"${A}"}`, 'gallery is given together with gallery+, +gallery or gallery-'],
    [`{"++gallery":"${A}"}`, '++gallery is not a field of posts'],
  ])('%s is refused', (json, fault) => {
    const faults = faultsOf(read, json)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(fault)
  })
})
