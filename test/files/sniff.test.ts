// Types come from bytes, whatever a client says.
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { allows, inlineType, servedType, sniff } from '../../src/files/sniff.ts'
import { createChance, seededBytes } from '../support/random.ts'
import {
  BINARY,
  CSV,
  EML,
  GIF,
  HTML,
  JPEG,
  JS,
  JSON_TEXT,
  MAGIC_HEADS,
  MHT,
  PDF,
  PNG,
  SVG,
  SVGZ,
  SWF,
  TEXT,
  UTF16_HTML,
  WAV,
  XHTML,
  XML_SVG,
  XSLT,
  zipOf,
} from '../support/samples.ts'

const typeOf = (content: Buffer | string): Promise<string> => {
  const bytes = Buffer.from(content as string)
  return sniff(bytes.subarray(0, 4100), bytes.length)
}
const expectTypes = async (cases: Readonly<Record<string, readonly (Buffer | string)[]>>): Promise<void> => {
  for (const [type, contents] of Object.entries(cases)) {
    for (const content of contents)
      expect([await typeOf(content), String(content).slice(0, 60)]).toEqual([type, String(content).slice(0, 60)])
  }
}
/** A text in every encoding a browser may read it in, with and without a byte order mark. */
const encodings = (text: string): Buffer[] => {
  const little = Buffer.from(text, 'utf16le')
  const big = Buffer.from(little).swap16()
  const wide = Buffer.concat([...text].map((c) => Buffer.from([0, 0, 0, c.codePointAt(0)!])))
  const mark = (...bytes: number[]): Buffer => Buffer.from(bytes)
  return [
    Buffer.from(text),
    Buffer.concat([mark(0xef, 0xbb, 0xbf), Buffer.from(text)]),
    Buffer.concat([mark(0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf), Buffer.from(text)]),
    little,
    big,
    Buffer.concat([mark(0xff, 0xfe), little]),
    Buffer.concat([mark(0xfe, 0xff), big]),
    wide,
    Buffer.from(wide).swap32(),
    Buffer.concat([mark(0, 0, 0xfe, 0xff), wide]),
    Buffer.concat([mark(0xff, 0xfe, 0, 0), Buffer.from(wide).swap32()]),
  ]
}

describe('the type of content', () => {
  it('is told for the kinds of file people store', async () => {
    await expectTypes({
      'image/png': [PNG],
      'image/jpeg': [JPEG],
      'image/gif': [GIF],
      'application/pdf': [PDF],
      'audio/wav': [WAV],
      'application/gzip': [SVGZ, gzipSync('x')],
      'application/zip': [zipOf(1)],
      'application/x-shockwave-flash': [SWF],
      'application/x-empty': [''],
      'application/octet-stream': [
        BINARY,
        seededBytes(1, 5000),
        Buffer.from('latin1 \xe9\xe8', 'latin1'),
        'nul\0',
        'bell\x07',
      ],
      'text/plain': [
        TEXT,
        ' ',
        '\n',
        'é',
        '漢字',
        'ansi \x1b[1m',
        '# heading',
        'a < b > c',
        '<3',
        '<-- arrow',
        'Dear John,\nthank you, and\n',
      ],
      'application/json': [JSON_TEXT, '{}', '[]', ' \n[1, 2]\n', '\ufeff{"a":1}'],
      'text/csv': [CSV, 'a;b;c\n1;2;3\n', 'a,b\r\n"x, y",2\r\n"q""q",3\r\n'],
      'text/javascript': [JS],
      'message/rfc822': [EML, MHT],
    })
  })

  it('is markup for everything a browser may run, in every encoding', async () => {
    const pages = [
      HTML.toString(),
      '<html><script>alert(1)</script></html>',
      ' \n\t<!-- a comment --><script>alert(1)</script>',
      '<!DOCTYPE html SYSTEM "about:legacy-compat"><p>',
      '<SCRIPT/src=x></SCRIPT>',
      '<iframe src=javascript:alert(1)>',
      '<?php echo 1 ?><body onload=alert(1)>',
      '<!-- never ends',
      '<img src=x onerror=alert(1)>',
      '<a href=x>',
    ]
    for (const page of pages) {
      for (const bytes of encodings(page)) expect([page, await typeOf(bytes)]).toEqual([page, 'text/html'])
    }
    for (const bytes of encodings(SVG.toString())) expect(await typeOf(bytes)).toBe('image/svg+xml')
    for (const bytes of encodings(XML_SVG.toString())) expect(await typeOf(bytes)).toBe('image/svg+xml')
    for (const bytes of encodings(XHTML.toString())) expect(await typeOf(bytes)).toBe('application/xhtml+xml')
    for (const bytes of encodings(XSLT.toString())) expect(await typeOf(bytes)).toBe('application/xml')
    expect(await typeOf(UTF16_HTML)).toBe('text/html')
  })

  it('tells SVG and XML behind all that may stand before the first element', async () => {
    const doctype = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    const subset = '<!DOCTYPE x [ <!ENTITY a "<svg>"> ]>'
    await expectTypes({
      'image/svg+xml': [
        '<svg/onload=alert(1)>',
        '<s:svg xmlns:s="http://www.w3.org/2000/svg"/>',
        `<?xml version="1.0"?><!-- c --><?pi?>${doctype}<svg></svg>`,
        `${doctype}`,
        `<?xml version='1.0'?>${subset}<svg/>`,
        `<!--${'-'.repeat(4000)}--><svg/>`,
      ],
      'application/xml': [
        '<?xml version="1.0"?><note/>',
        `${subset}<x/>`,
        '<rss version="2.0"><channel></channel></rss>',
        `<?xml version="1.0"?><!--${'-'.repeat(5000)}--><svg/>`,
        `<?xml ${' '.repeat(5000)}?><svg/>`,
      ],
      'application/xhtml+xml': [
        '<html xmlns="http://www.w3.org/1999/xhtml"></html>',
        '<?xml version="1.0"?><!DOCTYPE html><html/>',
      ],
    })
  })

  it('is not changed by what follows the head of an image, and markup by nothing that follows it', async () => {
    expect(await typeOf(Buffer.concat([PNG, HTML]))).toBe('image/png')
    expect(await typeOf(Buffer.concat([JPEG, HTML]))).toBe('image/jpeg')
    expect(await typeOf('GIF89a/*<svg onload=alert(1)>*/=1;alert(1)')).toBe('image/gif')
    expect(await typeOf(Buffer.concat([HTML, PDF]))).toBe('text/html')
    expect(await typeOf(Buffer.concat([HTML, PNG, BINARY]))).toBe('text/html')
  })

  it('is not guessed from two letters at the start of a text', async () => {
    for (const text of [
      'BMW is a car',
      'MZ is a code',
      'ID3 is a tag',
      'FWS, CWS and ZWS',
      '8BPS!',
      'BZh',
      'regf',
      'solid ground',
    ]) {
      expect(await typeOf(text)).toBe('text/plain')
    }
  })

  it('takes no UTF-16 text for music', async () => {
    for (const bytes of encodings('some words').slice(5, 7))
      expect(await typeOf(bytes)).toBe('application/octet-stream')
    expect(await typeOf(Buffer.from([0xff, 0xfe]))).toBe('application/octet-stream')
  })

  it('is told from a sample that cuts a character in two', async () => {
    for (const character of ['é', '漢', '😀']) {
      for (let shift = 0; shift < 4; shift++) {
        const text = Buffer.from('a'.repeat(shift) + character.repeat(3000))
        expect(await sniff(text.subarray(0, 4100), text.length)).toBe('text/plain')
        expect(await sniff(text.subarray(0, 4100), null)).toBe('text/plain')
      }
    }
    // The same bytes are no text when nothing follows them.
    expect(await typeOf(Buffer.from('é').subarray(0, 1))).toBe('application/octet-stream')
    expect(await sniff(Buffer.from('abcé').subarray(0, 4), null)).toBe('application/octet-stream')
  })

  it('is JSON or CSV for a large file too, and only then', async () => {
    const rows = Array.from({ length: 2000 }, (_, i) => ({
      id: i,
      name: `n "${i}" é`,
      ok: i % 2 === 0,
      x: -1.5e-7 * i,
      no: null,
    }))
    const json = JSON.stringify(rows)
    for (let length = 4090; length <= 4100; length++)
      expect(await sniff(Buffer.from(json).subarray(0, length), 90_000)).toBe('application/json')
    expect(await typeOf(JSON.stringify(rows, null, 2))).toBe('application/json')
    expect(await typeOf(JSON.stringify({ text: 'x'.repeat(9000) }))).toBe('application/json')
    expect(await typeOf(`a,b,c\n${'1,2,3\n'.repeat(3000)}`)).toBe('text/csv')
    await expectTypes({
      'text/plain': [
        '{"a":1}\n{"b":2}\n'.repeat(1000),
        '[section]\nkey = value\n'.repeat(500),
        '[link](https://example.test) and so on. '.repeat(200),
        '{not json',
        '[1, 2',
        `${'some prose, with commas\n'.repeat(400)}`,
        '"a string"',
        '42',
      ],
    })
  })

  it('is a program’s where text is a program or a style sheet', async () => {
    await expectTypes({
      'text/javascript': [
        '"use strict";\nx()',
        '/* (c) */ // more\nimport x from "y"',
        'import { a } from "b"',
        'export default {}',
        '(function () {})()',
        '(() => { alert(1) })()',
        'const x = 1',
        'let {a} = b',
        'var a, b;',
        'window.location = "x"',
        'module.exports = {}',
        'async function go() {}',
        'class A extends B {}',
        '#!/usr/bin/env node\nrequire("x")',
      ],
      'text/css': [
        'body { color: red; }',
        '@import "x";',
        '/* c */ .a > b, #c:hover {\n  --x: 1;\n}',
        '@media print { a { b: c } }',
      ],
      'text/plain': [
        'import duties are high',
        'let me tell you, friend',
        'function of time',
        'class struggle',
        'export of goods',
        'process. Then wait',
        'The window. It is open',
        'name: value',
        'From here on\nit is downhill',
        'Subject: x\nNote: y',
      ],
    })
  })

  it('is found without reading past 4,100 bytes, and fast, whatever the archive claims', async () => {
    const zip = zipOf(100_000)
    expect(await sniff(zip, zip.length)).toBe(await sniff(zip.subarray(0, 4100), zip.length))
    expect(await sniff(zip, zip.length)).toBe('application/zip')
    const hidden = Buffer.concat([Buffer.alloc(4100, 'a'), Buffer.from([0])])
    expect(await sniff(hidden, hidden.length)).toBe('text/plain')
    const bomb = gzipSync(Buffer.alloc(20_000_000))
    expect(await typeOf(bomb)).toBe('application/gzip')
    const asf = Buffer.concat([Buffer.from('3026b2758e66cf11a6d900aa0062ce6c', 'hex'), Buffer.alloc(4084)])
    expect(typeof (await typeOf(asf))).toBe('string')
    const id3 = Buffer.concat([Buffer.from('494433030000ffffffff', 'hex'), Buffer.alloc(4090)])
    expect(typeof (await typeOf(id3))).toBe('string')
    expect(await typeOf(Buffer.concat([Buffer.from('efbbbf'.repeat(1366), 'hex')]))).toBe('text/plain')
  })

  it('takes no time for text made to be slow to read', async () => {
    const nasty = [
      '<!--',
      '<?',
      '<!doctype [',
      '{"',
      '[[',
      '"\\',
      'a,',
      ';(',
      '(',
      '/*',
      '//\n',
      '<a ',
      '.a{',
      'a:b\n',
      '<!---->',
      'var a,',
      '"",',
    ]
    const started = process.cpuUsage()
    for (const piece of nasty) {
      await typeOf(piece.repeat(Math.floor(4100 / piece.length)))
      await sniff(Buffer.from(piece.repeat(4100)).subarray(0, 4100), null)
    }
    // A tenth of a second each would be a hundred times too long.
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(nasty.length * 100)
  })

  it('is told of three thousand random contents without a throw', async () => {
    const chance = createChance(139)
    for (let round = 0; round < 3000; round++) {
      const head = chance.pick(MAGIC_HEADS)
      const content = Buffer.concat([head, seededBytes(round, chance.below(600))])
      const type = await sniff(content, chance.chance(0.5) ? null : content.length + chance.below(2) * 10_000)
      expect(type).toMatch(/^[a-z]+\/[a-z0-9.+-]+$/)
      expect(type).not.toBe('text/html')
    }
  })
})

describe('allowed types', () => {
  it('are names, groups or everything', () => {
    expect(allows(['image/png'], 'image/png')).toBe(true)
    expect(allows(['image/png'], 'image/jpeg')).toBe(false)
    expect(allows(['image/*'], 'image/jpeg')).toBe(true)
    expect(allows(['image/*'], 'imagex/jpeg')).toBe(false)
    expect(allows(['video/*', 'image/*'], 'image/jpeg')).toBe(true)
    expect(allows(['*/*'], 'application/octet-stream')).toBe(true)
    expect(allows([], 'image/png')).toBe(false)
    expect(allows(['*'], 'image/png')).toBe(false)
  })

  it('cover SVG and empty files by name only', () => {
    expect(allows(['image/*'], 'image/svg+xml')).toBe(false)
    expect(allows(['image/*', 'image/svg+xml'], 'image/svg+xml')).toBe(true)
    expect(allows(['*/*'], 'image/svg+xml')).toBe(true)
    expect(allows(['application/*'], 'application/x-empty')).toBe(false)
    expect(allows(['application/x-empty'], 'application/x-empty')).toBe(true)
    expect(allows(['*/*'], 'application/x-empty')).toBe(true)
  })

  it('take every kind of text as text, JSON too, and nothing that is none', async () => {
    for (const content of [TEXT, CSV, JSON_TEXT, JS, HTML]) expect(allows(['text/*'], await typeOf(content))).toBe(true)
    for (const content of [BINARY, PNG, SVG, UTF16_HTML.subarray(0, 2)])
      expect(allows(['text/*'], await typeOf(content))).toBe(false)
    expect(allows(['image/png', 'image/jpeg'], await typeOf(UTF16_HTML))).toBe(false)
    expect(allows(['audio/*'], await typeOf(UTF16_HTML))).toBe(false)
  })
})

describe('serving', () => {
  it('shows only what cannot run', async () => {
    const shown = async (content: Buffer): Promise<boolean> => inlineType(await typeOf(content), { inlinePdf: false })
    for (const content of [PNG, JPEG, GIF, WAV, TEXT]) expect(await shown(content)).toBe(true)
    for (const content of [
      HTML,
      XHTML,
      SVG,
      XML_SVG,
      SVGZ,
      XSLT,
      MHT,
      SWF,
      JS,
      PDF,
      EML,
      UTF16_HTML,
      BINARY,
      CSV,
      JSON_TEXT,
    ]) {
      expect(await shown(content)).toBe(false)
    }
    expect(inlineType('application/pdf', { inlinePdf: true })).toBe(true)
    expect(inlineType('text/html', { inlinePdf: true })).toBe(false)
  })

  it('says in which encoding text is', () => {
    expect(servedType('text/plain')).toBe('text/plain; charset=utf-8')
    expect(servedType('image/png')).toBe('image/png')
  })
})
