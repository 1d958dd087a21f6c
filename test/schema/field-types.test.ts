// Every field type: what it takes, how that is stored and shown, what it refuses and in which words.
import { describe, expect, it } from 'vitest'
import type { StoredValue } from '../../src/core/predicate.ts'
import { FIELD_TYPES, isComparable, isRequired, isSearchable, isSettable, typeOf } from '../../src/schema/fields.ts'
import { cpuMilliseconds } from '../support/cpu.ts'
import { collectionOf, fieldOf } from './fields-of.ts'

const V7 = '0198f0a0-0000-7000-8000-000000000001'
const W7 = '0198f0a0-0000-7000-8000-000000000002'
const V4 = 'F47AC10B-58CC-4372-A567-0E02B2C3D479'
const SMILE = '\u{1f600}'

/** Options, what a client sends, what is stored, and what is shown where that differs from what was sent. */
const GOOD: readonly (readonly [options: string, sent: unknown, stored: StoredValue, shown?: unknown])[] = [
  ['{type: id}', V7, V7],
  ['{type: uuid}', V4, V4.toLowerCase(), V4.toLowerCase()],
  ['{type: uuid}', '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000'],
  ['{type: string}', '', ''],
  ['{type: string, max_length: 2, min_length: 2}', `a${SMILE}`, `a${SMILE}`],
  ['{type: string, pattern: "^a+$"}', 'aaa', 'aaa'],
  ['{type: string, pattern: "^.$"}', SMILE, SMILE],
  ['{type: string, enum: [a, b]}', 'b', 'b'],
  ['{type: string, format: email}', 'A@b.example', 'A@b.example'],
  ['{type: string, format: uuid}', V4, V4],
  ['{type: string, format: timestamp}', '2026-01-01T00:00:00+01:00', '2026-01-01T00:00:00+01:00'],
  ['{type: text}', 'a\nb\t\u0001', 'a\nb\t\u0001'],
  ['{type: richtext}', '<p onclick="x">a</p>', '<p>a</p>', '<p>a</p>'],
  ['{type: richtext, max_length: 2}', '<script>long</script>ab', 'ab', 'ab'],
  ['{type: int}', 2 ** 53 - 1, 2 ** 53 - 1],
  ['{type: int, min: -3, max: 3}', -3, -3],
  ['{type: int, enum: [1, 5]}', 5, 5],
  ['{type: float}', 1.5e300, 1.5e300],
  ['{type: float, min: 0.5}', 0.5, 0.5],
  ['{type: bool}', true, 1],
  ['{type: bool}', false, 0],
  ['{type: timestamp}', '2026-11-30T12:00:00Z', '2026-11-30T12:00:00.000Z', '2026-11-30T12:00:00.000Z'],
  ['{type: timestamp}', '2026-11-30t01:30:00.1239+02:30', '2026-11-29T23:00:00.123Z', '2026-11-29T23:00:00.123Z'],
  ['{type: timestamp}', '2024-02-29T23:59:59.5-01:00', '2024-03-01T00:59:59.500Z', '2024-03-01T00:59:59.500Z'],
  ['{type: timestamp}', '0000-01-01T00:00:00.000Z', '0000-01-01T00:00:00.000Z'],
  ['{type: date}', '2024-02-29', '2024-02-29'],
  ['{type: date}', '2000-02-29', '2000-02-29'],
  ['{type: json}', { a: [1, 'x', null, true, { b: 2.5 }] }, '{"a":[1,"x",null,true,{"b":2.5}]}'],
  ['{type: json}', 'text', '"text"'],
  ['{type: json}', false, 'false'],
  ['{type: blob}', 'AAEC/+8=', 'AAEC/+8='],
  ['{type: blob, max_length: 2, min_length: 2}', 'AAE=', 'AAE='],
  ['{type: blob}', '', ''],
  ['{type: email}', "o'hara+x@sub.b-c.example", "o'hara+x@sub.b-c.example"],
  ['{type: email}', 'jürgen@bücher.example', 'jürgen@bücher.example'],
  ['{type: url}', 'HTTPS://a.example:8443/x?y=1#z', 'HTTPS://a.example:8443/x?y=1#z'],
  ['{type: select, values: [a, b]}', 'a', 'a'],
  ['{type: select, values: [a, b, c], max_select: 2}', ['c', 'a'], '["c","a"]'],
  ['{type: select, values: [a, b], max_select: 2}', [], '[]'],
  ['{type: relation, collection: posts}', V4, V4.toLowerCase(), V4.toLowerCase()],
  ['{type: relation, collection: users}', 7, 7],
  ['{type: relation, collection: tags}', 'red', 'red'],
  ['{type: relation, collection: teams}', V7, V7],
  ['{type: file, bucket: images}', V7, V7],
  ['{type: "file[]", bucket: images}', [W7, V7], `["${W7}","${V7}"]`],
  ['{type: "file[]", bucket: images, max_files: 1}', [V7], `["${V7}"]`],
]

describe('a value that fits is stored, and shown as', () => {
  const cases = GOOD.map(([options, sent, stored, shown = sent]) => [options, sent, stored, shown] as const)
  it.each(cases)('%s %j', (options, sent, stored, shown) => {
    const field = fieldOf(options)
    expect(typeOf(field).check(sent, field)).toEqual({ ok: true, value: stored })
    expect(typeOf(field).show(stored, field)).toEqual(shown)
    // what was shown can be sent back
    expect(typeOf(field).check(shown, field)).toEqual({ ok: true, value: stored })
  })

  it('zero has no sign', () => {
    for (const type of ['int', 'float']) {
      const field = fieldOf(`{type: ${type}}`)
      expect(typeOf(field).check(-0, field)).toEqual({ ok: true, value: 0 })
      expect(typeOf(field).operand('-0', field)).toEqual({ ok: true, value: 0 })
    }
  })

  it('a key __proto__ of a json field stays a key', () => {
    const field = fieldOf('{type: json}')
    const text = '{"__proto__":{"admin":true},"constructor":1}'
    expect(typeOf(field).check(JSON.parse(text), field)).toEqual({ ok: true, value: text })
    const shown = typeOf(field).show(text, field) as object
    expect(JSON.stringify(shown)).toBe(text)
    expect(Object.getPrototypeOf(shown)).toBe(Object.prototype)
    expect('admin' in shown).toBe(false)
  })

  it('every type is among these', () => {
    expect(new Set(GOOD.map(([options]) => fieldOf(options).type))).toEqual(new Set(FIELD_TYPES.keys()))
  })
})

const BROKEN = 'must be well-formed text without NUL'
const WHOLE = 'must be a whole number between -(2^53 - 1) and 2^53 - 1'
const TIME = 'must be a time such as 2026-11-30T12:00:00Z'
const DAY = 'must be a date such as 2026-11-30'
const MAIL = 'must be an email address'
const WEB = 'must be an http or https URL'
const FILES = 'must be a list of ids of files'
const ids = (count: number) => Array.from({ length: count }, (_, i) => V7.slice(0, -4) + String(i).padStart(4, '0'))
const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)])

/** Options, the fault, and values that have it. */
const BAD: readonly (readonly [string, string, readonly unknown[]])[] = [
  ['{type: id}', 'must be an id', [V4, V7.toUpperCase(), '', 5, [V7], {}]],
  ['{type: uuid}', 'must be a UUID', ['', 'x', `{${V4}}`, V4.replaceAll('-', ''), `${V4}\n`, 5, [V4]]],
  ['{type: string}', 'must be text', [5, true, [], {}, ['a']]],
  ['{type: string}', BROKEN, ['a\0', '\ud800', 'a\udc00b']],
  ['{type: text}', BROKEN, ['\0', '\ud83d']],
  ['{type: richtext}', BROKEN, ['<p>\0</p>', '\udfff']],
  ['{type: email}', BROKEN, ['a\0@b.example']],
  ['{type: url}', BROKEN, ['https://a.example/\ud800']],
  ['{type: string, max_length: 2}', 'must be at most 2 characters', ['abc', `${SMILE}${SMILE}${SMILE}`]],
  ['{type: string, min_length: 1}', 'must be at least 1 character', ['']],
  ['{type: text, max_length: 12000}', 'must be at most 12,000 characters', ['a'.repeat(12_001)]],
  ['{type: richtext, min_length: 3}', 'must be at least 3 characters', ['ab<script>xyz</script>']],
  ['{type: string, pattern: "^[a-z]+$"}', 'must match the pattern ^[a-z]+$', ['A', 'a\n', '']],
  ['{type: string, enum: [a, b]}', 'must be one of a, b', ['c', '', 'A']],
  ['{type: string, format: email}', MAIL, ['x', '']],
  ['{type: string, format: url}', WEB, ['ftp://a.example']],
  ['{type: string, format: uuid}', 'must be a UUID', ['x']],
  ['{type: string, format: date}', DAY, ['2026-02-30']],
  ['{type: string, format: timestamp}', TIME, ['2026-11-30']],
  ['{type: int}', WHOLE, [1.5, 2 ** 53, '1', Number.NaN, Number.POSITIVE_INFINITY, true, []]],
  ['{type: int, min: 1}', 'must be at least 1', [0, -5]],
  ['{type: int, max: 1}', 'must be at most 1', [2]],
  ['{type: int, enum: [1, 5]}', 'must be one of 1, 5', [2]],
  ['{type: float}', 'must be a number', ['1', Number.NaN, Number.POSITIVE_INFINITY, true, {}]],
  ['{type: float, max: 0.5}', 'must be at most 0.5', [0.6]],
  ['{type: bool}', 'must be true or false', [0, 1, 'true', []]],
  ['{type: timestamp}', TIME, ['2026-02-30T00:00:00Z', '2025-02-29T00:00:00Z', '1900-02-29T00:00:00Z', 5, '']],
  ['{type: timestamp}', TIME, ['2026-11-30', '2026-11-30T12:00:00', '2026-11-30 12:00:00Z', '2026-11-30T24:00:00Z']],
  ['{type: timestamp}', TIME, ['2026-11-30T12:60:00Z', '2026-06-30T23:59:60Z', '2026-11-30T12:00:00+24:00']],
  ['{type: timestamp}', TIME, ['0000-01-01T00:00:00+00:01', '9999-12-31T23:59:59-00:01', '+12026-01-01T00:00:00Z']],
  ['{type: date}', DAY, ['2026-02-30', '2026-13-01', '2026-00-01', '2026-01-00', '26-01-01', '2026-1-1', 5]],
  ['{type: json}', 'must be a JSON value of at most 100 levels', [deep(101), Number.NaN, undefined, [() => 1]]],
  ['{type: blob}', 'must be base64 with padding', ['AAE', 'AA_-', 'AAF=', 'AAE=\n', ' AAE=', 'AAE==', 5, []]],
  ['{type: blob, max_length: 2}', 'must be at most 2 bytes', ['AAEC']],
  ['{type: email}', MAIL, ['a', 'a@', '@b', 'a@b@c', 'a b@c.d', 'a@b..c', '.a@b.c', 'a.@b.c', 'a@-b.c', 'a@b-.c', '']],
  ['{type: email}', MAIL, [`${'a'.repeat(250)}@b.example`, 'a@b.c\n', '<a@b.c>', '"a"@b.c', 'a@[127.0.0.1]']],
  ['{type: email}', 'must be text', [5]],
  [
    '{type: url}',
    WEB,
    ['', '/x', '//a.example', 'ftp://a.example', 'mailto:a@b.example', 'https:a.example', 'https://'],
  ],
  ['{type: url}', WEB, [' https://a.example', 'https://a b', 'https://a\\b', 'https://a\n.b', 'https://a:99999']],
  ['{type: url}', WEB, ['javascript:alert(1)//https://a.example', 'data:text/html,x']],
  ['{type: url, max_length: 19}', 'must be at most 19 characters', ['https://a.example/xy']],
  ['{type: select, values: [a, b]}', 'must be one of a, b', ['c', '', ['a'], 5]],
  ['{type: select, values: [a, b], max_select: 2}', 'must be a list of a, b', ['a', ['c'], [['a']], {}, [null]]],
  ['{type: select, values: [a, b], max_select: 2}', 'holds a value twice', [['a', 'a']]],
  ['{type: select, values: [a, b, c], max_select: 2}', 'must have at most 2 values', [['a', 'b', 'c']]],
  ['{type: relation, collection: posts}', 'must be a UUID', ['x', 5, [V4]]],
  ['{type: relation, collection: users}', WHOLE, ['7', 1.5]],
  ['{type: relation, collection: users}', 'must be at least 1', [0]],
  ['{type: relation, collection: tags}', 'must not be empty, "." or "..": it stands in addresses', ['', '.', '..']],
  ['{type: relation, collection: tags}', 'must be at most 255 characters', ['a'.repeat(256)]],
  ['{type: file, bucket: images}', 'must be the id of a file', [V4, '', 5, [], [V7], { id: V7 }, `${V7}\n`]],
  ['{type: "file[]", bucket: images}', FILES, [V7, {}, 5, [5], [''], [V4], [[V7]], [null]]],
  ['{type: "file[]", bucket: images}', 'holds a file twice', [[V7, W7, V7]]],
  ['{type: "file[]", bucket: images}', 'must name at most 1,000 files', [ids(1001), ids(10_000)]],
  ['{type: "file[]", bucket: images, max_files: 1}', 'must name at most 1 file', [[V7, W7]]],
]

describe('a value that does not fit is told so:', () => {
  it.each(BAD)('%s %s', (options, fault, values) => {
    const field = fieldOf(options)
    for (const value of values) expect(typeOf(field).check(value, field), String(value)).toEqual({ ok: false, fault })
  })

  it('as many files as a list may have are taken', () => {
    const field = fieldOf('{type: "file[]", bucket: images}')
    expect(typeOf(field).check(ids(1000), field).ok).toBe(true)
  })

  it('a pattern takes time in proportion to the text', () => {
    const field = fieldOf('{type: text, pattern: "^(a+)+$"}')
    const text = `${'a'.repeat(50_000)}!`
    expect(cpuMilliseconds(() => expect(typeOf(field).check(text, field).ok).toBe(false))).toBeLessThan(2000)
  })
})

/** Options, the text of a filter, and what it is compared as; null where it is refused. */
const OPERANDS: readonly (readonly [string, string, StoredValue])[] = [
  ['{type: id}', V7, V7],
  ['{type: id}', V4, null],
  ['{type: uuid}', V4, V4.toLowerCase()],
  ['{type: uuid}', 'x', null],
  ['{type: string, max_length: 1, enum: [a]}', 'longer%', 'longer%'],
  ['{type: string}', 'a\0', null],
  ['{type: richtext}', '<b>', '<b>'],
  ['{type: int, max: 1}', '-12', -12],
  ['{type: int}', '9007199254740993', null],
  ['{type: int}', '1.0', null],
  ['{type: int}', '0x10', null],
  ['{type: int}', '', null],
  ['{type: float}', '-1.5e3', -1500],
  ['{type: float}', '1e999', null],
  ['{type: float}', ' 1', null],
  ['{type: bool}', 'true', 1],
  ['{type: bool}', 'false', 0],
  ['{type: bool}', '1', null],
  ['{type: timestamp}', '2026-11-30', '2026-11-30T00:00:00.000Z'],
  ['{type: timestamp}', '2026-11-30T12:00:00+02:00', '2026-11-30T10:00:00.000Z'],
  ['{type: timestamp}', '2026-02-30', null],
  ['{type: date}', '2026-11-30', '2026-11-30'],
  ['{type: date}', '2026-11-30T12:00:00Z', null],
  ['{type: email}', '%@b.example', '%@b.example'],
  ['{type: url}', 'https://a%', 'https://a%'],
  ['{type: select, values: [a]}', 'a', 'a'],
  ['{type: select, values: [a, b], max_select: 2}', 'a', 'a'],
  ['{type: relation, collection: users}', '7', 7],
  ['{type: relation, collection: users}', 'x', null],
  ['{type: relation, collection: tags}', 'red', 'red'],
  ['{type: file, bucket: images}', V7, V7],
  ['{type: file, bucket: images}', 'x', null],
  ['{type: "file[]", bucket: images}', V7, V7],
  ['{type: json}', '1', null],
  ['{type: blob}', 'AAE=', null],
]

describe('the text of a filter is compared as', () => {
  it.each(OPERANDS)('%s %j', (options, text, value) => {
    const field = fieldOf(options)
    const checked = typeOf(field).operand(text, field)
    expect(checked.ok ? checked.value : null).toEqual(value)
  })
})

it('rules see numbers, times and truth as what they are', () => {
  const seen = (options: string, stored: StoredValue) => {
    const field = fieldOf(options)
    const type = typeOf(field)
    return (type.rule ?? type.show)(stored, field)
  }
  expect(seen('{type: int}', 5)).toBe(5n)
  expect(seen('{type: float}', 5)).toBe(5)
  expect(seen('{type: bool}', 0)).toBe(false)
  expect(seen('{type: timestamp}', '2026-11-30T12:00:00.000Z')).toEqual(new Date('2026-11-30T12:00:00Z'))
  expect(seen('{type: date}', '2026-11-30')).toBe('2026-11-30')
  expect(seen('{type: json}', '{"a":1}')).toEqual({ a: 1 })
  expect(seen('{type: relation, collection: users}', 7)).toBe(7n)
  expect(seen('{type: relation, collection: tags}', 'red')).toBe('red')
  expect(seen('{type: "file[]", bucket: images}', `["${V7}"]`)).toEqual([V7])
})

it('each type has its operators, its order and its place in the search', () => {
  const all = collectionOf(`a: {type: string, internal: true, nullable: true}
b: {type: text}
c: {type: float}
d: {type: bool}
e: {type: relation, collection: users}
f: {type: "file[]", bucket: images}
g: {type: json}
h: {type: select, values: [a, b]}
i: {type: select, values: [a, b], max_select: 2}
j: {type: url}`).fields
  const told = [...all.values()].map((field) => {
    const operators = typeOf(field).operators(field).join(' ')
    return `${field.name}: ${operators}${isComparable(field) ? ', order' : ''}${isSearchable(field) ? ', search' : ''}`
  })
  expect(told).toEqual([
    'id: eq ne gt gte lt lte in, order',
    'a: eq ne gt gte lt lte like in contains, order',
    'b: eq ne like in contains, search',
    'c: eq ne gt gte lt lte in, order',
    'd: eq ne, order',
    'e: eq ne in, order',
    'f: contains',
    'g: ',
    'h: eq ne gt gte lt lte like in contains, order, search',
    'i: contains',
    'j: eq ne gt gte lt lte like in contains, order, search',
  ])
})

it('a field is required and settable as its options say', () => {
  const all = collectionOf(`plain: {type: string}
open: {type: string, nullable: true}
set: {type: string, default: x}
photos: {type: "file[]", bucket: images}
serial: {type: id}
made: {type: timestamp, default: now}
changed: {type: timestamp, on_update: now}
secret: {type: int, internal: true, default: 1}
hues: {type: select, values: [a, b], max_select: 2, default: b}`).fields
  expect(
    [...all.values()]
      .filter(isSettable)
      .map(({ name }) => name)
      .join(' '),
  ).toBe('id plain open set photos made hues')
  expect([...all.values()].filter(isRequired).map(({ name }) => name)).toEqual(['plain'])
  expect(typeOf(all.get('photos')!).empty?.(all.get('photos')!)).toBe('[]')
  expect(all.get('hues')!.default).toEqual({ kind: 'literal', value: ['b'] })
  expect(typeOf(all.get('made')!).now?.('2026-11-30T12:00:00.000Z')).toBe('2026-11-30T12:00:00.000Z')
  expect(FIELD_TYPES.get('date')!.now?.('2026-11-30T12:00:00.000Z')).toBe('2026-11-30')
})

describe('what a field points at', () => {
  const reference = (options: string) => {
    const field = fieldOf(options)
    return typeOf(field).reference?.(field)
  }

  it('is held by a file that must be there, and let go by one that need not', () => {
    const file = { kind: 'file', bucket: 'images', onDelete: 'keep' }
    expect(reference('{type: file, bucket: images}')).toEqual({ ...file, onFileDelete: 'restrict' })
    expect(reference('{type: file, bucket: images, nullable: true}')).toEqual({ ...file, onFileDelete: 'set_null' })
    expect(reference('{type: "file[]", bucket: images}')).toEqual({ ...file, onFileDelete: 'set_null' })
  })

  it('is what the schema says', () => {
    const options = 'on_delete: cascade, on_file_delete: restrict, nullable: true'
    const file = { kind: 'file', bucket: 'papers', onDelete: 'cascade', onFileDelete: 'restrict' }
    expect(reference(`{type: file, bucket: papers, ${options}}`)).toEqual(file)
    expect(reference(`{type: "file[]", bucket: papers, ${options}}`)).toEqual(file)
    expect(reference('{type: relation, collection: users, on_delete: cascade}')).toEqual({
      kind: 'record',
      collection: 'users',
      onDelete: 'cascade',
    })
    expect(reference('{type: uuid}')).toBeUndefined()
  })
})
