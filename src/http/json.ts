// JSON as RFC 8259 has it, minus what parsers disagree about: duplicate keys, bottomless nesting, numbers no double can hold.
import { fail } from '../core/errors.ts'

const MAX_DEPTH = 100
/** A number with fewer characters and no exponent is in a double's range (IEEE 754: 1.79e308). */
const LONG_NUMBER = 300
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Parses text. Fails invalid_json also for duplicate keys, nesting beyond 100 and numbers out of a double's range. */
export function parseJson(text: string): unknown {
  requireShallow(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw fail('invalid_json', 'the body is not one JSON value')
  }
  requireExact(text)
  return value
}

/** Before JSON.parse: it must not meet what could exhaust it. */
function requireShallow(text: string): void {
  let depth = 0
  let quoted = false
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (quoted) {
      if (code === BACKSLASH) i += 1
      else if (code === QUOTE) quoted = false
    } else if (code === QUOTE) quoted = true
    else if (code === 0x5b || code === 0x7b) {
      depth += 1
      if (depth > MAX_DEPTH) throw fail('invalid_json', `the body nests deeper than ${MAX_DEPTH} levels`)
    } else if (code === 0x5d || code === 0x7d) depth -= 1
  }
}

/** After JSON.parse: the text is well formed, so the characters that end a token are enough to find keys and numbers. A loop over characters,
 *  because a body of a megabyte has half a million tokens and everybody else waits meanwhile. */
function requireExact(text: string): void {
  // The keys of each open object; null until there is one, and in lists.
  const open: (Set<string> | null)[] = []
  let from = 0
  let to = 0
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code === QUOTE) {
      from = i
      to = i = closing(text, i)
    } else if (code === 0x7b || code === 0x5b) open.push(null)
    else if (code === 0x7d || code === 0x5d) open.pop()
    else if (code === 0x3a) {
      const keys = open[open.length - 1] ?? new Set()
      open[open.length - 1] = keys
      requireNew(keys, text.slice(from + 1, to))
    } else if (code === 0x2d || isDigit(code)) i = requireFinite(text, i)
  }
}

/** Where the string that begins at `from` ends. */
function closing(text: string, from: number): number {
  let i = from + 1
  for (let code = text.charCodeAt(i); code !== QUOTE; code = text.charCodeAt(i)) i += code === BACKSLASH ? 2 : 1
  return i
}

function requireNew(keys: Set<string>, written: string): void {
  const key = written.includes('\\') ? (JSON.parse(`"${written}"`) as string) : written
  if (keys.has(key))
    throw fail('invalid_json', `the key ${JSON.stringify(key.slice(0, 80))} occurs twice in one object`)
  keys.add(key)
}

/** Returns where the number's last character is. */
function requireFinite(text: string, from: number): number {
  let i = from + 1
  let exponent = false
  for (let code = text.charCodeAt(i); isOfNumber(code); code = text.charCodeAt(i)) {
    exponent ||= code === 0x45 || code === 0x65
    i += 1
  }
  if ((exponent || i - from > LONG_NUMBER) && !Number.isFinite(Number(text.slice(from, i))))
    throw fail('invalid_json', `the number ${text.slice(from, Math.min(i, from + 40))} is out of range`)
  return i - 1
}

/** A digit, or one of `.` `e` `E` `+` `-`. */
function isOfNumber(code: number): boolean {
  return isDigit(code) || code === 0x2e || code === 0x45 || code === 0x65 || code === 0x2b || code === 0x2d
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}
