// Types that are compressed already are stored plain; all others, and what has no type, are tried.
import { describe, expect, it } from 'vitest'
import { isCompressible } from '../../src/blobs/compressible.ts'
import { seededText } from '../contract/codec.ts'
import { seededBytes } from '../support/random.ts'

describe('compressing by type', () => {
  it.each([
    'text/plain',
    'text/html; charset=utf-8',
    'TEXT/CSV',
    'application/json',
    'application/xml',
    'application/x-tar',
    'application/x-sqlite3',
    'application/wasm',
    'application/x-msdownload',
    'application/x-cfb',
    'application/octet-stream',
    'image/svg+xml',
    'image/bmp',
    'image/tiff',
    'image/vnd.adobe.photoshop',
    'audio/wav',
    'audio/aiff',
    'font/ttf',
    'model/stl',
    'message/rfc822',
    '',
  ])('%s is compressed', (type) => expect(isCompressible(type)).toBe(true))

  it.each([
    'image/jpeg',
    'image/png',
    'IMAGE/WEBP',
    'image/avif',
    'image/gif',
    'audio/mpeg',
    'audio/flac',
    'audio/ogg; codecs=opus',
    'video/mp4',
    'video/matroska',
    'application/zip',
    'application/gzip',
    'application/zstd',
    'application/x-xz',
    'application/x-7z-compressed',
    'application/x-rar-compressed',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/vnd.oasis.opendocument.text',
    'application/vnd.ms-excel.sheet.macroenabled.12',
    'application/epub+zip',
    'application/java-archive',
    'application/pdf',
    'application/vnd.apache.parquet',
    'application/pgp-encrypted',
    'font/woff2',
  ])('%s is stored plain', (type) => expect(isCompressible(type)).toBe(false))

  it('tries what has no type by its first bytes', () => {
    const type = 'application/octet-stream'
    expect(isCompressible(type, seededText(1, 4100))).toBe(true)
    expect(isCompressible(type, seededBytes(1, 4100))).toBe(false)
    expect(isCompressible(type, seededBytes(1, 10))).toBe(true)
    expect(isCompressible('text/plain', seededBytes(1, 4100))).toBe(true)
  })
})
