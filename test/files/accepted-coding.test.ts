// Accept-Encoding as clients send it, and as they might.
import { describe, expect, test } from 'vitest'
import { takesCoding } from '../../src/files/accepted-coding.ts'

describe('gzip is sent to those who ask for it', () => {
  test.each<[string | undefined, boolean]>([
    [undefined, false],
    ['', false],
    ['gzip', true],
    ['x-gzip', true],
    ['GZip', true],
    ['br, gzip, deflate', true],
    ['gzip, deflate, br, zstd', true],
    ['deflate,gzip', true],
    [' gzip ;q=0.5 , br', true],
    ['gzip;q=1.000', true],
    ['gzip;q=0.001', true],
    ['gzip;Q=0.5', true],
    ['zstd, br', false],
    ['gzip;q=0', false],
    ['gzip;q=0.000', false],
    ['gzip, gzip;q=0', false],
    ['gzipped', false],
    // As it is, is as welcome or more.
    ['identity', false],
    ['gzip, identity', true],
    ['gzip;q=0.5, identity;q=0.5', true],
    ['gzip;q=0.5, identity', false],
    ['gzip;q=0.5, *', false],
    ['identity;q=1, *;q=0', false],
    // Not listed: only for those who refuse everything else.
    ['*', false],
    ['br, *;q=0.5', false],
    ['*;q=0', false],
    ['identity;q=0', false],
    ['identity;q=0, *', true],
    ['identity;q=0, *;q=0', false],
    ['identity;q=0, *, gzip;q=0', false],
    ['*;q=0, gzip', true],
    // What makes no sense is not there.
    ['gzip;q=2', false],
    ['gzip;q=1.5', false],
    ['gzip;q=-1', false],
    ['gzip;q=', false],
    ['gzip;q=0.1234', false],
    ['gzip;level=9', false],
    ['gzip;q=0.5;q=1', false],
    ['gzip br', false],
    [',,gzip,,', true],
    ['"gzip"', false],
  ])('%j → %s', (header, taken) => {
    expect(takesCoding(header, 'gzip')).toBe(taken)
  })
})

test('each coding is asked for by its own name', () => {
  expect(takesCoding('gzip, zstd;q=0', 'zstd')).toBe(false)
  expect(takesCoding('gzip;q=0, zstd', 'zstd')).toBe(true)
  expect(takesCoding('x-zstd', 'zstd')).toBe(false)
})
