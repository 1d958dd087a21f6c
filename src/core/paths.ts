// Names and paths as users see them: what is allowed, how templates are filled, how they travel in a header.
import { fail } from './errors.ts'

const MAX_NAME = 255
const MAX_PATH = 1024
/** Control characters (C0, DEL, C1) and the characters that turn the direction of text. */
const UNSEEN = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u

/** The name in NFC. Fails invalid_filename unless it has 1 to 255 UTF-8 bytes, holds no slash, backslash, control or bidi character or lone
 *  surrogate, and is not `.`, `..` or blank. Names some systems dislike (`CON`, `a.`) are fine: no file is ever called so. */
export function checkName(text: string): string {
  const reason = fault(text, MAX_NAME) ?? (text.includes('/') ? 'it holds a slash' : null)
  if (reason !== null) throw fail('invalid_filename', `the file name is not allowed: ${reason}`)
  const name = text.normalize('NFC')
  if (isDots(name)) throw fail('invalid_filename', 'the file name is not allowed: it is a relative path')
  if (Buffer.byteLength(name) > MAX_NAME)
    throw fail('invalid_filename', `the file name has more than ${MAX_NAME} bytes`)
  return name
}

/** The path in NFC. Fails invalid_path unless it has 1 to 1024 UTF-8 bytes in `/`-separated segments, none of them empty, `.` or `..`,
 *  and holds no backslash, control or bidi character or lone surrogate. */
export function checkPath(text: string): string {
  const reason = fault(text, MAX_PATH)
  if (reason !== null) throw fail('invalid_path', `the path is not allowed: ${reason}`)
  const path = text.normalize('NFC')
  if (Buffer.byteLength(path) > MAX_PATH) throw fail('invalid_path', `the path has more than ${MAX_PATH} bytes`)
  for (const segment of path.split('/')) {
    if (segment === '' || isDots(segment)) throw fail('invalid_path', 'the path has an empty or relative segment')
  }
  return path
}

function fault(text: string, max: number): string | null {
  if (text.trim() === '') return 'it is empty'
  // Composing never shortens text to less than a third: so much longer text needs no closer look.
  if (text.length > max * 3) return `it has more than ${max} bytes`
  if (!text.isWellFormed()) return 'it is not Unicode'
  if (text.includes('\\')) return 'it holds a backslash'
  if (UNSEEN.test(text)) return 'it holds a control or bidi character'
  return null
}

function isDots(segment: string): boolean {
  return segment === '.' || segment === '..'
}

/** What a path template may name. */
export interface PathFacts {
  /** Null = anonymous. */
  readonly owner: string | null
  readonly name: string
  readonly id: string
  readonly bucket: string
  /** Without the dot; may be empty. */
  readonly ext: string
}

/** Fills `{owner} {name} {id} {bucket} {ext}` and checks the outcome as a path. `name` is a checked name; the owner
 *  becomes one segment by percent-encoding what would not. `.{ext}` vanishes where there is no extension. Fails invalid_path. */
export function fillPathTemplate(template: string, facts: PathFacts): string {
  const values: Readonly<Record<string, string>> = {
    owner: asSegment(facts.owner ?? 'anonymous'),
    name: facts.name,
    id: facts.id,
    bucket: facts.bucket,
    ext: facts.ext,
  }
  const whole = facts.ext === '' ? template.replaceAll('.{ext}', '') : template
  // One pass: braces inside a value are text.
  return checkPath(whole.replace(/\{(owner|name|id|bucket|ext)\}/g, (_, key: string) => values[key]!))
}

/** The extension of a name, lower case, without the dot; empty when there is none (`a`, `.profile`, `a.`). */
export function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot <= 0 ? '' : name.slice(dot + 1).toLowerCase()
}

/** Owner ids are whatever the token's issuer chose. */
function asSegment(value: string): string {
  if (isDots(value)) return value.replaceAll('.', '%2E')
  // The percent sign too: different values must stay different.
  return value.replace(/[/\\%]|[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, encodeURIComponent)
}

/** A Content-Disposition value (RFC 6266 §4, RFC 8187 §3.2): ASCII for old clients, then UTF-8. Trailing dots and spaces, which some systems
 *  drop, are trimmed from the served name. Holds no character outside U+0020–U+007E, whatever the name. */
export function contentDisposition(type: 'attachment' | 'inline', name: string): string {
  const served = name.toWellFormed().replace(/[. ]+$/, '') || 'download'
  const ascii = served
    .replace(/[^\x20-\x7e]/gu, '_')
    .replace(/%(?=[0-9A-Fa-f]{2})/g, '_') // RFC 6266 appendix D: some clients would decode it
    .replace(/["\\]/g, '\\$&')
  const encoded = encodeURIComponent(served).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  return `${type}; filename="${ascii}"; filename*=UTF-8''${encoded}`
}
