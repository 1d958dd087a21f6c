// Small files of many kinds, built in code.
import { gzipSync } from 'node:zlib'

const PIXEL_PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

/** A 1×1 PNG. */
export const PNG = Buffer.from(PIXEL_PNG, 'base64')

/** The frame of a JPEG: SOI, JFIF header, EOI. */
export const JPEG = Buffer.concat([
  Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'),
  Buffer.from(`ffdb004300${'10'.repeat(64)}`, 'hex'),
  Buffer.from('ffc0000b080001000101011100ffc40014000100000000000000000000000000000009', 'hex'),
  Buffer.from('ffda0008010100003f0054ffd9', 'hex'),
])

/** A 1×1 GIF. */
export const GIF = Buffer.from('R0lGODlhAQABAIAAAP///wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64')

export const PDF = Buffer.from('%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n')

export const HTML = Buffer.from('<!doctype html><html><body><script>alert(document.domain)</script></body></html>')

export const XHTML = Buffer.from(
  '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><script>alert(1)</script></body></html>',
)

export const SVG = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>',
)

export const XML_SVG = Buffer.concat([Buffer.from('<?xml version="1.0" encoding="UTF-8"?>\n'), SVG])

export const SVGZ = gzipSync(SVG)

export const XSLT = Buffer.from(
  '<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#x"?><xsl:stylesheet id="x" version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>',
)

export const MHT = Buffer.from(
  'MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n',
)

export const SWF = Buffer.from('FWS\x06\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00', 'latin1')

export const JS = Buffer.from('alert(document.domain);\nfetch("/api/files/priv");\n')

export const EML = Buffer.from(
  'From: a@example.test\r\nTo: b@example.test\r\nSubject: hello\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n',
)

/** UTF-16LE with its BOM, which some sniffers take for MPEG audio. */
export const UTF16_HTML = Buffer.concat([
  Buffer.from([0xff, 0xfe]),
  Buffer.from('<html><script>alert(1)</script></html>', 'utf16le'),
])

/** 44 bytes of header and a little silence. */
export const WAV = Buffer.concat([
  Buffer.from('524946462c00000057415645666d742010000000010001004000000080000000020010006461746108000000', 'hex'),
  Buffer.alloc(8),
])

export const TEXT = Buffer.from('plain words\nand a second line\n')
export const CSV = Buffer.from('name,count\nalpha,1\nbeta,2\n')
export const JSON_TEXT = Buffer.from('{"name":"alpha","count":1}\n')
/** Neither text nor any known format. */
export const BINARY = Buffer.from([0x00, 0x01, 0x02, 0x80, 0x81, 0xfe, 0x00, 0x13, 0x37, 0x00])

/** A ZIP whose central directory claims `entries` empty files. */
export function zipOf(entries: number): Buffer {
  const local: Buffer[] = []
  const central: Buffer[] = []
  let at = 0
  for (let i = 0; i < entries; i++) {
    const name = Buffer.from(`f${i}`)
    const head = Buffer.alloc(30)
    head.writeUInt32LE(0x04034b50, 0)
    head.writeUInt16LE(20, 4)
    head.writeUInt16LE(name.length, 26)
    local.push(head, name)
    const entry = Buffer.alloc(46)
    entry.writeUInt32LE(0x02014b50, 0)
    entry.writeUInt16LE(20, 4)
    entry.writeUInt16LE(20, 6)
    entry.writeUInt16LE(name.length, 28)
    entry.writeUInt32LE(at, 42)
    central.push(entry, name)
    at += 30 + name.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries & 0xffff, 8)
  end.writeUInt16LE(entries & 0xffff, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...local, directory, end])
}

/** Heads of formats that parsers like to read deeply into. */
export const MAGIC_HEADS: readonly Buffer[] = [
  PNG.subarray(0, 16),
  JPEG.subarray(0, 20),
  GIF.subarray(0, 13),
  PDF.subarray(0, 9),
  WAV.subarray(0, 16),
  Buffer.from('504b030414000000', 'hex'),
  Buffer.from('1f8b0800', 'hex'),
  Buffer.from('28b52ffd', 'hex'),
  Buffer.from('377abcaf271c', 'hex'),
  Buffer.from('3026b2758e66cf11a6d900aa0062ce6c', 'hex'),
  Buffer.from('494433040000ffffffff', 'hex'),
  Buffer.from('1a45dfa3', 'hex'),
  Buffer.from('4f67675300020000', 'hex'),
  Buffer.from('664c6143', 'hex'),
  Buffer.from('000000206674797069736f6d', 'hex'),
  Buffer.from('49492a00', 'hex'),
  Buffer.from('4d4d002a', 'hex'),
  Buffer.from('425a68', 'hex'),
  Buffer.from('fd377a585a00', 'hex'),
  Buffer.from('7f454c46', 'hex'),
  Buffer.from('efbbbfefbbbfefbbbf', 'hex'),
]
