// HTML of an editor without anything that could act: the tags and attributes of running text, and addresses that only lead somewhere.
import { createRequire } from 'node:module'
import type sanitizeHtml from 'sanitize-html'
import { fail, isFailure } from '../core/errors.ts'
import { fits, unfit } from './field-entry.ts'
import type { Checked } from './field-type.ts'

type Sanitize = typeof sanitizeHtml

/** What makes the parser slow: without these bounds a text of one megabyte could hold up the server for half a minute. */
const MAX_DEPTH = 100
const MOST = new Map([
  ['<', 5_000],
  ['&', 50_000],
])

const OPTIONS: sanitizeHtml.IOptions = {
  allowedTags: [
    ...[
      'h1',
      'h2',
      'h3',
      'h4',
      'h5',
      'h6',
      'p',
      'br',
      'hr',
      'div',
      'span',
      'blockquote',
      'pre',
      'figure',
      'figcaption',
    ],
    ...['ul', 'ol', 'li', 'dl', 'dt', 'dd', 'table', 'caption', 'thead', 'tbody', 'tfoot', 'tr', 'th', 'td'],
    ...['a', 'img', 'strong', 'b', 'em', 'i', 'u', 's', 'del', 'ins', 'mark', 'small', 'sub', 'sup'],
    ...['code', 'kbd', 'samp', 'var', 'abbr', 'cite', 'q'],
  ],
  allowedAttributes: {
    a: ['href', 'title'],
    abbr: ['title'],
    img: ['src', 'alt', 'title', 'width', 'height'],
    ol: ['start'],
    th: ['colspan', 'rowspan', 'scope'],
    td: ['colspan', 'rowspan'],
  },
  allowedSchemes: ['http', 'https', 'mailto'],
  allowedSchemesByTag: { img: ['http', 'https'] },
  allowedSchemesAppliedToAttributes: ['href', 'src'],
  allowProtocolRelative: false,
  disallowedTagsMode: 'discard',
}

/** The HTML with what is not allowed taken out; of scripts, styles and form fields also what is in them. */
export function cleanHtml(html: string): Checked {
  for (const [sign, most] of MOST) {
    if (html.split(sign, most + 2).length > most + 1)
      return unfit(`must hold "${sign}" at most ${most.toLocaleString('en')} times`)
  }
  let depth = 0
  const onOpenTag = () => {
    depth += 1
    if (depth > MAX_DEPTH) throw fail('validation_failed', 'nested too deeply')
  }
  const onCloseTag = () => {
    depth -= 1
  }
  try {
    return fits(sanitizer()(html, { ...OPTIONS, onOpenTag, onCloseTag }))
  } catch (error) {
    if (!isFailure(error)) throw error
    return unfit(`must not nest tags deeper than ${MAX_DEPTH} levels`)
  }
}

/** Loaded with the first text: it brings a parser of HTML and one of CSS. */
function sanitizer(): Sanitize {
  const load: (name: string) => unknown = createRequire(import.meta.url)
  return load('sanitize-html') as Sanitize
}
