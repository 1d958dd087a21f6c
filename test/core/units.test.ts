// Sizes, durations and rates.
import { describe, expect, it } from 'vitest'
import { formatDuration, formatSize, parseDuration, parseRate, parseSize } from '../../src/core/units.ts'

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['1024', 1024],
    [7, 7],
    ['5MB', 5_242_880],
    ['5 MB', 5_242_880],
    ['1KiB', 1024],
    ['1KB', 1024],
    ['2GB', 2 ** 31],
    ['1TB', 2 ** 40],
    ['1TiB', 2 ** 40],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('reads %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  it.each([
    '',
    '10 MB x',
    '1_000',
    '-1',
    '.inf',
    '.nan',
    '1e30',
    '0x10',
    '010',
    '1.5GB',
    '5mb',
    '5 B',
    'MB',
    ' 5MB',
    '5MB\n',
    '٥MB',
  ])('refuses %j', (text) => {
    expect(parseSize(text)).toBeNull()
  })

  it('refuses what a number cannot hold exactly', () => {
    expect(parseSize('9007199254740992')).toBeNull()
    expect(parseSize('9007199254740993')).toBeNull()
    expect(parseSize('8191TB')).toBe(8191 * 2 ** 40)
    expect(parseSize('8192TB')).toBeNull()
    expect(parseSize(Number.POSITIVE_INFINITY)).toBeNull()
    expect(parseSize(1.5)).toBeNull()
  })

  it('writes them as they are read', () => {
    expect([1, 512, 1024, 5_242_880, 1536, 2 ** 31, 2 ** 40].map(formatSize)).toEqual([
      '1 byte',
      '512 bytes',
      '1KB',
      '5MB',
      '1.5KB',
      '2GB',
      '1TB',
    ])
  })
})

describe('durations', () => {
  it.each([
    ['90s', 90_000],
    ['15m', 900_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['0s', 0],
    ['36500d', 36_500 * 86_400_000],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each([
    '',
    '15',
    '15 m',
    '-1s',
    '1.5h',
    '1h30m',
    '100y',
    '15m;x',
    'NaN',
    '36501d',
    '99999999999999d',
    '1e9s',
    '7D',
  ])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeNull()
  })

  it('writes them as they are read', () => {
    for (const text of ['90s', '15m', '24h', '7d', '0s'].filter((t) => t !== '24h'))
      expect(formatDuration(parseDuration(text)!)).toBe(text)
    expect(formatDuration(86_400_000)).toBe('1d')
    expect(formatDuration(1500)).toBe('1.5s')
  })
})

describe('rates', () => {
  it('are a count in a window', () => {
    expect(parseRate('60/1m')).toEqual({ count: 60, window: 60_000 })
    expect(parseRate('1/7d')).toEqual({ count: 1, window: 604_800_000 })
  })

  it.each(['60', '60/m', '0/1m', '60/0s', '-1/1m', '60 / 1m', '1e3/1m', '60/1m/1m'])('refuses %j', (text) => {
    expect(parseRate(text)).toBeNull()
  })
})
