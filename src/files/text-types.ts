// Tells kinds of text apart: what is certain by its first bytes, what programs would run, and data.
import { isUtf8 } from 'node:buffer'

/** Formats written in text whose first bytes name them. */
const MAGIC: readonly (readonly [string, string])[] = [
  ['%PDF-', 'application/pdf'],
  ['%!PS', 'application/postscript'],
  ['{\\rtf', 'application/rtf'],
  ['GIF87a', 'image/gif'],
  ['GIF89a', 'image/gif'],
  ['WEBVTT', 'text/vtt'],
  ['BEGIN:VCARD', 'text/vcard'],
  ['BEGIN:VCALENDAR', 'text/calendar'],
]

const SCRIPT = new RegExp(
  [
    '[\'"]use (?:strict|client|server)[\'"]',
    'import\\s*(?:[\'"({*]|[\\w$]+\\s+from\\s+[\'"]|[\\w$]+\\s*,\\s*[{*])',
    'export\\s+(?:default|const|let|var|function|class|async)\\s+[\\w$({[]|export\\s*[{*]',
    '[!+~;(-]{0,3}\\s?(?:async\\s+)?function\\b\\s*\\*?\\s*[\\w$]*\\s*\\(',
    '[!+~;(-]{0,3}\\s?(?:async\\s*)?\\([\\w$,\\s]{0,200}\\)\\s*=>',
    '(?:var|let|const)\\s+(?:[\\w$]+\\s*[=;]|[\\w$]+\\s*,\\s*[\\w$]+\\s*[=,;]|[[{])',
    'class\\s+[\\w$]+\\s*(?:\\{|extends\\s)',
    '(?:window|document|globalThis|self|top|parent|location|console|module|exports|process|navigator|Object|Promise)\\s*(?:\\.\\w|\\[|=[^=])',
    '(?:alert|confirm|eval|require|fetch|setTimeout|setInterval|importScripts|define|jQuery|\\$)\\(',
  ].join('|'),
  'y',
)
const STYLE =
  /(?:@(?:charset|import|font-face|media|keyframes|namespace|layer|supports|property)\b|[\w.#:*[][^{};<]{0,200}\{\s*(?:--)?[a-z-]+\s*:[^{}]{1,500}[;}])/iy
const JSON_TOKEN =
  /\s*(?:[{}[\],:]|"(?:[^"\\\n\r]|\\["\\/bfnrtu])*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|true\b|false\b|null\b)/y
/** Header fields that make a text with a header a message. */
const MAIL = /^(?:from|received|return-path|delivered-to|message-id|mime-version|content-type|dkim-signature):/im

/** Bytes no text has. */
const BINARY = new RegExp(
  `[${[
    [0, 8],
    [11, 11],
    [14, 26],
    [28, 31],
  ]
    .map(([a, z]) => `${String.fromCharCode(a!)}-${String.fromCharCode(z!)}`)
    .join('')}]`,
)

/** Whether a sample is UTF-8 text: valid, and without the bytes no text has (WHATWG MIME Sniffing, "binary data byte").
 *  `cut` = more follows, so that a character may be cut at the end. */
export function isText(sample: Buffer, cut: boolean): boolean {
  if (BINARY.test(sample.toString('latin1'))) return false
  return isUtf8(cut ? withoutCutCharacter(sample) : sample)
}

/** The type of text. Never `text/html` or XML: markup is told before (markup.ts). */
export function textType(sample: Buffer, cut: boolean): string {
  const text = sample.toString('utf8').replace(/^\ufeff/, '')
  for (const [magic, type] of MAGIC) if (text.startsWith(magic)) return type
  const body = text.trimStart()
  if ((body.startsWith('{') || body.startsWith('[')) && isJson(body, cut)) return 'application/json'
  if (isMessage(text)) return 'message/rfc822'
  const code = withoutComments(body)
  if (matchesAt(SCRIPT, code)) return 'text/javascript'
  if (matchesAt(STYLE, code)) return 'text/css'
  return isCsv(text, cut) ? 'text/csv' : 'text/plain'
}

function withoutCutCharacter(sample: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, sample.length); back++) {
    const byte = sample[sample.length - back]!
    if ((byte & 0xc0) === 0x80) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back ? sample.subarray(0, sample.length - back) : sample
  }
  return sample
}

function matchesAt(pattern: RegExp, text: string): boolean {
  pattern.lastIndex = 0
  return pattern.test(text)
}

function withoutComments(text: string): string {
  let rest = text
  for (;;) {
    let end: number
    if (rest.startsWith('//') || rest.startsWith('#!')) end = rest.indexOf('\n')
    else if (rest.startsWith('/*')) end = rest.indexOf('*/') + 1
    else return rest
    if (end <= 0) return ''
    rest = rest.slice(end + 1).trimStart()
  }
}

/** A whole text must parse. Of a longer one every token but the last must be JSON's, and its outermost value must not have ended. */
function isJson(text: string, cut: boolean): boolean {
  if (!cut) {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }
  let depth = 0
  let at = 0
  JSON_TOKEN.lastIndex = 0
  for (let token = JSON_TOKEN.exec(text); token !== null; token = JSON_TOKEN.exec(text)) {
    at = JSON_TOKEN.lastIndex
    const mark = text[at - 1]
    if (mark === '{' || mark === '[') depth++
    else if ((mark === '}' || mark === ']') && --depth === 0) return false
  }
  const rest = text.slice(at).trimStart()
  // What no token matches is the one that was cut: a string without its end, or a few characters of a number or word.
  return rest === '' || /^(?:"(?:[^"\\\n\r]|\\.)*\\?$|[\w.+-]{1,5}$)/.test(rest) || /^-?\d[\d.eE+-]*$/.test(rest)
}

/** A message begins with two header fields or more, one of them a message's. */
function isMessage(text: string): boolean {
  const head = text.slice(0, 2000).split(/\r?\n\r?\n/, 1)[0]!
  if (!MAIL.test(head)) return false
  const lines = head.split(/\r?\n/)
  if (text.length > 2000) lines.pop()
  return lines.length >= 2 && lines.every((line, at) => /^[\w-]{1,76}:/.test(line) || (at > 0 && /^[ \t]/.test(line)))
}

/** Clearly a table: every line has as many commas (or semicolons) outside quotes as the first, which names its columns without blanks at
 *  their ends and no name twice; and there are three lines, or two of three columns. Prose has `, ` and lines of its own making. */
function isCsv(text: string, cut: boolean): boolean {
  const lines = text.split(/\r?\n/)
  if (cut) lines.pop()
  while (lines.at(-1) === '') lines.pop()
  const header = lines[0] ?? ''
  const delimiter = header.includes(',') ? ',' : ';'
  const names = header.split(delimiter).map((name) => name.replace(/^"(.*)"$/, '$1'))
  const columns = names.length
  if (columns < 2 || lines.length < 2 || (lines.length < 3 && columns < 3)) return false
  if (new Set(names).size !== columns) return false
  if (names.some((name) => name === '' || name.length > 64 || name !== name.trim() || name.includes('"'))) return false
  return lines.every((line) => line.replace(/"(?:[^"]|"")*"/g, '').split(delimiter).length === columns)
}
