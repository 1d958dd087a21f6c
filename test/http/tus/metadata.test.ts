// The grammar of Upload-Metadata, and what becomes of each key.
import { describe, expect, test } from 'vitest'
import { parsePairs, parseUploadMetadata } from '../../../src/http/tus/metadata.ts'

const b64 = (text: string): string => Buffer.from(text).toString('base64')
const header = (pairs: Readonly<Record<string, string>>): string =>
  Object.entries(pairs)
    .map(([key, value]) => `${key} ${b64(value)}`)
    .join(',')

describe('names', () => {
  test('filename is the name of the file, in any script', () => {
    expect(parseUploadMetadata(header({ filename: '€漢😀é.txt' })).name).toBe('€漢😀é.txt')
  })

  test('name stands in for filename, and gives way to it', () => {
    expect(parseUploadMetadata(header({ name: 'a.txt' })).name).toBe('a.txt')
    expect(parseUploadMetadata(header({ name: 'a.txt', filename: 'b.txt' })).name).toBe('b.txt')
  })

  test.each([[undefined], [''], [header({ path: 'a' })], [header({ Filename: 'a' })]])(
    '%j has none and is refused',
    (text) => {
      expect(() => parseUploadMetadata(text)).toThrow(expect.objectContaining({ code: 'invalid_filename' }))
    },
  )
})

describe('fields and metadata', () => {
  test('path, expires_in and checksum are fields', () => {
    expect(parseUploadMetadata(header({ filename: 'a', path: 'b/a', expires_in: '7d', checksum: 'ff' }))).toEqual({
      name: 'a',
      path: 'b/a',
      expires_in: '7d',
      checksum: 'ff',
      metadata: undefined,
    })
  })

  test('hints about the type are neither believed nor kept', () => {
    const fields = parseUploadMetadata(
      header({ filename: 'a', filetype: 'text/html', type: 'text/html', relativePath: '../x' }),
    )
    expect(fields).toEqual({
      name: 'a',
      path: undefined,
      expires_in: undefined,
      checksum: undefined,
      metadata: undefined,
    })
  })

  test('alyx_metadata is all metadata as JSON, alyx_rules the rules of the file', () => {
    const metadata = JSON.stringify({ name: 'x', width: 3, tags: ['a'], __proto__: null })
    const fields = parseUploadMetadata(
      header({ filename: 'a', alyx_metadata: metadata, alyx_rules: '{"read":"true"}' }),
    )
    expect(fields).toMatchObject({ metadata, rules: '{"read":"true"}' })
    expect(() => parseUploadMetadata(header({ filename: 'a', alyx_metadata: '{}', colour: 'blue' }))).toThrow(
      expect.objectContaining({ code: 'invalid_metadata' }),
    )
  })

  test('every other key is file metadata and nothing more', () => {
    const other = {
      contentType: 'text/html',
      cacheControl: '1',
      bucket: 'pub',
      owner: 'B',
      id: 'x',
      rules: '{}',
      metadata: '{}',
      name_: 'n',
    }
    const fields = parseUploadMetadata(header({ filename: 'a', ...other }))
    expect(JSON.parse(fields.metadata ?? '')).toEqual(other)
    expect(Object.keys(fields).sort()).toEqual(['checksum', 'expires_in', 'metadata', 'name', 'path'])
    expect(fields.rules).toBeUndefined()
  })

  test('a key called __proto__ is a key like others', () => {
    expect(parseUploadMetadata(`filename ${b64('a')},__proto__ ${b64('{"admin":true}')}`).metadata).toBe(
      '{"__proto__":"{\\"admin\\":true}"}',
    )
  })
})

describe('grammar', () => {
  test.each<[string, readonly (readonly [string, string])[]]>([
    [`a ${b64('1')}`, [['a', '1']]],
    [
      `a ${b64('1')},b ${b64('2')}`,
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      `a ${b64('1')}, b ${b64('2')}`,
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      'a,b',
      [
        ['a', ''],
        ['b', ''],
      ],
    ],
    [
      'a ,b ',
      [
        ['a', ''],
        ['b', ''],
      ],
    ],
    [`!#$%&'*+-.^_\`|~/:;<=>?@[]{}()" ${b64('1')}`, [[`!#$%&'*+-.^_\`|~/:;<=>?@[]{}()"`, '1']]],
    [`a ${b64('\u0000\n')}`, [['a', '\u0000\n']]],
    [`a ${b64('\ufeffx')}`, [['a', '\ufeffx']]],
    ['', []],
    ['  ', []],
  ])('%j is read', (text, pairs) => {
    expect([...parsePairs(text)]).toEqual(pairs)
  })

  test.each<[string, string]>([
    ['two values', `a ${b64('1')} ${b64('2')}`],
    ['two spaces', `a  ${b64('1')}`],
    ['a tab', `a\t${b64('1')}`],
    ['an empty element', `a ${b64('1')},,b ${b64('2')}`],
    ['a comma at the end', `a ${b64('1')},`],
    ['a comma alone', ','],
    ['a key twice', `a ${b64('1')},a ${b64('1')}`],
    ['a key beyond ASCII', `ä ${b64('1')}`],
    ['a key with a control character', `a\u0001 ${b64('1')}`],
    ['base64 without padding', 'a YQ'],
    ['base64 with too much padding', 'a YWI==='],
    ['base64 with padding inside', 'a YQ==YQ=='],
    ['base64 with bits that are not used', 'a YR=='],
    ['base64 of the other alphabet', 'a _-8='],
    ['base64 with a line break', 'a YWJj\nYWJj'],
    ['no base64 at all', 'filename a.txt'],
    ['a value that is not UTF-8', `a ${Buffer.from([0xc3, 0x28]).toString('base64')}`],
    ['a value that is half a surrogate pair', `a ${Buffer.from([0xed, 0xa0, 0x80]).toString('base64')}`],
    ['more than 16 KiB', `a ${b64('x'.repeat(13_000))}`],
  ])('%s is refused', (_, text) => {
    expect(() => parsePairs(text)).toThrow(expect.objectContaining({ code: 'invalid_metadata', status: 400 }))
  })
})
