// What a browser and a cache are told about file bytes.
import { describe, expect, test } from 'vitest'
import { type ServedFile, type ServingOptions, servingHeaders } from '../../src/files/serving-headers.ts'

const FILE: ServedFile = {
  name: 'a.png',
  mimeType: 'image/png',
  checksum: 'ab'.repeat(32),
  updatedAt: '2026-03-01T12:00:00.789Z',
  expiresAt: null,
  stagedUntil: null,
  rules: null,
}

function headers(options: Partial<ServingOptions> = {}, file: Partial<ServedFile> = {}): Record<string, string> {
  return servingHeaders(
    { ...FILE, ...file },
    { operation: 'download', cache: { mode: 'no-store' }, inlinePdf: false, ...options },
  )
}

test('a download carries every serving header of the contract', () => {
  expect(headers()).toEqual({
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
    'content-security-policy':
      "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'private, no-store, max-age=0',
    vary: 'Authorization, Cookie, X-File-Access-Token',
    etag: `"${'ab'.repeat(32)}"`,
    'last-modified': 'Sun, 01 Mar 2026 12:00:00 GMT',
    'content-type': 'image/png',
    'content-disposition': expect.stringMatching(/^attachment; filename="a\.png"/),
  })
})

describe('only view shows safe types in the browser', () => {
  test.each<[ServingOptions['operation'], string, boolean, string]>([
    ['view', 'image/png', false, 'inline'],
    ['download', 'image/png', false, 'attachment'],
    ['view', 'text/html', false, 'attachment'],
    ['view', 'image/svg+xml', false, 'attachment'],
    ['view', 'application/pdf', false, 'attachment'],
    ['view', 'application/pdf', true, 'inline'],
    ['download', 'application/pdf', true, 'attachment'],
  ])('%s of %s (inline_pdf %s) is %s', (operation, mimeType, inlinePdf, disposition) => {
    expect(headers({ operation, inlinePdf }, { mimeType })['content-disposition']).toMatch(
      new RegExp(`^${disposition};`),
    )
  })
})

test('no name, however strange, puts anything but printable ASCII into a header', () => {
  for (const name of ['€漢😀é.txt', 'a"b\\c.txt', 'x\u202ey', `${'漢'.repeat(85)}`, "'; drop", '\u00ff']) {
    for (const value of Object.values(headers({ operation: 'view' }, { name }))) expect(value).toMatch(/^[\x20-\x7e]*$/)
  }
})

describe('answers without bytes', () => {
  test('304 has the caching and the validators of 200, and says nothing about a body', () => {
    const { 'content-type': _type, 'content-disposition': _disposition, ...same } = headers()
    expect(headers({ status: 304 })).toEqual(same)
  })

  test.each([412, 416] as const)('%d leaves type and disposition to the error body', (status) => {
    expect(headers({ status })).not.toHaveProperty('content-type')
    expect(headers({ status })).not.toHaveProperty('content-disposition')
  })

  test('206 says what the bytes are', () => {
    expect(headers({ status: 206 })).toEqual(headers())
  })
})

describe('caches', () => {
  const cache = { mode: 'public', maxAge: 3_600_000 } as const

  test('revalidate lets the browser keep the bytes and ask each time', () => {
    expect(headers({ cache: { mode: 'revalidate' } })).toMatchObject({
      'cache-control': 'private, no-cache',
      vary: 'Authorization, Cookie, X-File-Access-Token',
    })
  })

  test('public lets every cache keep the bytes for the configured time', () => {
    expect(headers({ cache })['cache-control']).toBe('public, max-age=3600')
    expect(headers({ cache })).not.toHaveProperty('vary')
  })

  test('no shared cache keeps a file that expires, is staged or has a download rule of its own, nor an error', () => {
    expect(headers({ cache }, { expiresAt: '2026-03-01T13:00:30.500Z' })['cache-control']).toBe('private, no-cache')
    expect(headers({ cache }, { stagedUntil: '2026-03-01T13:00:30.500Z' })['cache-control']).toBe('private, no-cache')
    expect(headers({ cache }, { rules: { download: 'auth.id == "x"' } })['cache-control']).toBe('private, no-cache')
    expect(headers({ cache }, { rules: { read: 'auth.id == "x"' } })['cache-control']).toBe('public, max-age=3600')
    expect(headers({ cache, status: 416 })['cache-control']).toBe('private, no-store, max-age=0')
  })
})

describe('a file that some get in a content coding', () => {
  test('says so in Vary of every answer, whichever form it is about', () => {
    for (const status of [200, 206, 304, 412, 416] as const) {
      expect(headers({ hasForms: true, status }).vary).toBe(
        'Authorization, Cookie, X-File-Access-Token, Accept-Encoding',
      )
    }
    const cache = { mode: 'public', maxAge: 3_600_000 } as const
    expect(headers({ hasForms: true, cache })).toMatchObject({
      vary: 'Accept-Encoding',
      'cache-control': 'public, max-age=3600',
    })
  })

  test('has a tag and a Content-Encoding of the coding in that form only', () => {
    const coded = headers({ hasForms: true, coding: 'zstd' })
    expect(coded).toMatchObject({ etag: `"${'ab'.repeat(32)}-zstd"`, 'content-encoding': 'zstd' })
    const { etag: _etag, 'content-encoding': _coding, ...rest } = coded
    const { etag, ...plain } = headers({ hasForms: true })
    expect(etag).toBe(`"${'ab'.repeat(32)}"`)
    expect(rest).toEqual(plain)
    const unchanged = headers({ hasForms: true, coding: 'zstd', status: 304 })
    expect(unchanged.etag).toBe(coded.etag)
    expect(unchanged).not.toHaveProperty('content-encoding')
  })
})
