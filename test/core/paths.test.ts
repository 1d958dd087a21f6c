// Names, paths, templates and the header a name travels in.
import { describe, expect, it } from 'vitest'
import { checkName, checkPath, contentDisposition, extensionOf, fillPathTemplate } from '../../src/core/paths.ts'

const point = (...codes: readonly number[]): string => String.fromCodePoint(...codes)
const UNSEEN = [
  0, 9, 10, 13, 0x1b, 0x1f, 0x7f, 0x80, 0x85, 0x9f, 0x061c, 0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069,
]
const refused = (code: string): unknown => expect.objectContaining({ code })

describe('file names', () => {
  it('may be anything a person would write, in any script', () => {
    const names = [
      'a',
      'CON',
      'a.',
      'a ',
      ' a',
      '...',
      '.profile',
      '€漢😀é.txt',
      'a\u200db',
      'a:b*c?"<>|',
      "it's",
      '%2e%2e',
      'a'.repeat(255),
    ]
    for (const name of names) expect(checkName(name)).toBe(name.normalize('NFC'))
  })

  it('are composed, so that one name is one name', () => {
    expect(checkName('e\u0301.txt')).toBe('é.txt')
  })

  it('are refused when empty, relative, blank or too long', () => {
    for (const name of ['', '.', '..', ' ', '   ', '\u3000', 'a'.repeat(256), 'é'.repeat(128), 'x'.repeat(1e6)]) {
      expect(() => checkName(name)).toThrow(refused('invalid_filename'))
    }
    expect(checkName(`${'é'.repeat(127)}a`)).toHaveLength(128)
    expect(checkName('e\u0301'.repeat(127))).toHaveLength(127)
  })

  it('are refused with separators, control and bidi characters, and broken Unicode', () => {
    for (const name of ['../../x', '/etc/x', 'C:\\x', '\\\\srv\\x', 'a/../b', 'a/', '\\']) {
      expect(() => checkName(name)).toThrow(refused('invalid_filename'))
    }
    for (const code of UNSEEN) expect(() => checkName(`a${point(code)}b`)).toThrow(refused('invalid_filename'))
    for (const name of ['a\ud800', '\udc00a', 'a\ud83db'])
      expect(() => checkName(name)).toThrow(refused('invalid_filename'))
  })
})

describe('paths', () => {
  it('are segments joined by slashes, composed', () => {
    for (const path of ['a', 'a/b/c.txt', 'a./b ', '...', 'a/.b', 'x'.repeat(1024)]) expect(checkPath(path)).toBe(path)
    expect(checkPath('e\u0301/e\u0301')).toBe('é/é')
  })

  it('are refused when empty, absolute, relative or too long', () => {
    const paths = [
      '',
      ' ',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      './a',
      'a/..',
      'a/../b',
      'a/./b',
      'x'.repeat(1025),
      'é'.repeat(513),
    ]
    for (const path of paths) expect(() => checkPath(path)).toThrow(refused('invalid_path'))
  })

  it('are refused with backslashes, control and bidi characters, and broken Unicode', () => {
    for (const code of [0x5c, ...UNSEEN]) expect(() => checkPath(`a/${point(code)}b`)).toThrow(refused('invalid_path'))
    expect(() => checkPath('a/\ud800')).toThrow(refused('invalid_path'))
  })
})

describe('path templates', () => {
  const facts = { owner: 'u1', name: 'photo.JPG', id: '0190', bucket: 'avatars', ext: 'jpg' }

  it('are filled with what they name', () => {
    expect(fillPathTemplate('{owner}/{name}', facts)).toBe('u1/photo.JPG')
    expect(fillPathTemplate('{bucket}/{id}.{ext}', facts)).toBe('avatars/0190.jpg')
    expect(fillPathTemplate('{name}', { ...facts, name: '{id}' })).toBe('{id}')
    expect(fillPathTemplate('{name}', { ...facts, name: '50%.txt' })).toBe('50%.txt')
    expect(fillPathTemplate('{owner}/{name}', { ...facts, owner: null })).toBe('anonymous/photo.JPG')
    expect(fillPathTemplate('{id}.{ext}', { ...facts, ext: '' })).toBe('0190')
  })

  it('keep an owner in a segment of its own, whatever the issuer calls it', () => {
    for (const owner of ['..', '.', '../u2', 'a/b', 'a\\b', `a${point(0x202e)}b`, 'auth0|1']) {
      const path = fillPathTemplate('{owner}/{name}', { ...facts, owner })
      expect(path.split('/')).toHaveLength(2)
      expect(path.split('/')[0]).not.toBe('..')
    }
    expect(fillPathTemplate('{owner}/x', { ...facts, owner: 'auth0|1' })).toBe('auth0|1/x')
    expect(fillPathTemplate('{owner}/x', { ...facts, owner: 'a/b' })).not.toBe(
      fillPathTemplate('{owner}/x', { ...facts, owner: 'a%2Fb' }),
    )
  })

  it('are refused when what they make is no path', () => {
    expect(() => fillPathTemplate('{owner}/{name}', { ...facts, owner: '' })).toThrow(refused('invalid_path'))
    expect(() => fillPathTemplate('{owner}/{name}', { ...facts, owner: 'x'.repeat(1024) })).toThrow(
      refused('invalid_path'),
    )
  })

  it('know an extension when they see one', () => {
    expect(['a.TXT', 'a.tar.gz', 'a', '.profile', 'a.', '漢.é'].map(extensionOf)).toEqual([
      'txt',
      'gz',
      '',
      '',
      '',
      'é',
    ])
  })
})

describe('Content-Disposition', () => {
  it('carries a plain name twice', () => {
    expect(contentDisposition('attachment', 'a b.txt')).toBe(
      `attachment; filename="a b.txt"; filename*=UTF-8''a%20b.txt`,
    )
    expect(contentDisposition('inline', 'x.png')).toBe(`inline; filename="x.png"; filename*=UTF-8''x.png`)
  })

  it('carries any name as ASCII, and exactly', () => {
    for (const name of [
      '€漢😀é.txt',
      '"; filename="x',
      'a\\"b',
      `a'b(c)*!`,
      '50%41',
      'a;b=c,d',
      '%',
      'x'.repeat(255),
      '\ud800',
      'a\r\nb',
    ]) {
      const header = contentDisposition('attachment', name)
      expect(header).toMatch(/^attachment; filename="(?:[^"\\]|\\["\\])*"; filename\*=UTF-8''[\w.!#$&+^`|~%-]+$/)
      expect(header).toMatch(/^[\x20-\x7e]+$/)
      expect(decodeURIComponent(header.slice(header.indexOf("''") + 2))).toBe(name.toWellFormed())
    }
    expect(contentDisposition('attachment', '漢😀.txt')).toContain('filename="__.txt"')
    expect(contentDisposition('attachment', 'a%41b%zz')).toContain('filename="a_41b%zz"')
  })

  it('drops what some systems would drop from the end of a name', () => {
    expect(contentDisposition('attachment', 'a. .')).toBe(`attachment; filename="a"; filename*=UTF-8''a`)
    expect(contentDisposition('attachment', '...')).toBe(`attachment; filename="download"; filename*=UTF-8''download`)
  })
})
