// Reading and writing the headers of tus.
import { describe, expect, test } from 'vitest'
import { parseOffset, parseUploadLength, tusHeaders } from '../../../src/http/tus/headers.ts'

describe('a number of bytes is plain digits', () => {
  test.each([
    ['0', 0],
    ['1', 1],
    ['104857600', 104_857_600],
    ['999999999999999', 999_999_999_999_999],
  ])('%s', (text, value) => {
    expect(parseUploadLength(text)).toBe(value)
    expect(parseOffset(text)).toBe(value)
  })

  test.each([
    ['-1'],
    ['+1'],
    ['1e21'],
    ['1e+21'],
    ['0x10'],
    ['1.0'],
    ['05'],
    ['00'],
    ['NaN'],
    ['Infinity'],
    ['10, 10'],
    ['10,10'],
    ['9007199254740993'],
    ['18446744073709551616'],
    ['1000000000000000'],
    [''],
    [' '],
    ['1 '],
    ['1_000'],
    ['١'],
    ['1\n'],
  ])('%j is refused', (text) => {
    expect(() => parseUploadLength(text)).toThrow(expect.objectContaining({ code: 'invalid_request', status: 400 }))
    expect(() => parseOffset(text)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
  })

  test('one that is missing is refused by its name', () => {
    expect(() => parseUploadLength(undefined)).toThrow('Upload-Length is missing')
    expect(() => parseOffset(undefined)).toThrow('Upload-Offset is missing')
  })
})

test('an upload states its offset and when it runs out, and is never cached', () => {
  expect(tusHeaders({ offset: 12, expiresAt: '2026-03-01T12:00:00.999Z' })).toEqual({
    'upload-offset': '12',
    'upload-expires': 'Sun, 01 Mar 2026 12:00:00 GMT',
    'cache-control': 'no-store',
  })
})

test('a finished upload does not run out', () => {
  expect(tusHeaders({ offset: 12, expiresAt: null })).not.toHaveProperty('upload-expires')
})
