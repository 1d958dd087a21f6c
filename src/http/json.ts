// JSON as RFC 8259 has it, minus what parsers disagree about: duplicate keys, bottomless nesting, numbers no double can hold.
import { fail } from '../core/errors.ts'

const MAX_DEPTH = 100
/** Strings, numbers and the characters that give structure; everything else JSON.parse has already checked. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|[{}[\],:]/g

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
      if (code === 0x5c) i += 1
      else if (code === 0x22) quoted = false
    } else if (code === 0x22) quoted = true
    else if (code === 0x5b || code === 0x7b) {
      depth += 1
      if (depth > MAX_DEPTH) throw fail('invalid_json', `the body nests deeper than ${MAX_DEPTH} levels`)
    } else if (code === 0x5d || code === 0x7d) depth -= 1
  }
}

/** After JSON.parse: the text is well formed, so tokens are enough to find keys and numbers. */
function requireExact(text: string): void {
  const open: (Set<string> | null)[] = []
  let last = ''
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set())
    else if (token === '[') open.push(null)
    else if (token === '}' || token === ']') open.pop()
    else if (token === ':') {
      const key = JSON.parse(last) as string
      const keys = open.at(-1)
      if (keys?.has(key))
        throw fail('invalid_json', `the key ${JSON.stringify(key.slice(0, 80))} occurs twice in one object`)
      keys?.add(key)
    } else if (token !== ',' && !token.startsWith('"') && !Number.isFinite(Number(token))) {
      throw fail('invalid_json', `the number ${token.slice(0, 40)} is out of range`)
    }
    last = token
  }
}
