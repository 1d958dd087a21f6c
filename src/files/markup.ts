// Tells markup a browser would run from its first bytes, in any encoding a browser would read.

const HTML = 'text/html'
const XHTML = 'application/xhtml+xml'
const SVG = 'image/svg+xml'
const XML = 'application/xml'

/** Elements that make a browser, or a careless program, take text for HTML; those of the WHATWG MIME Sniffing standard and more. */
const ELEMENTS: ReadonlySet<string> = new Set(
  (
    'html head body title base link meta style script noscript template iframe frame frameset object embed applet ' +
    'a abbr address area article aside audio b big blink blockquote br button canvas center code details dialog div dl dt ' +
    'em fieldset font footer form h1 h2 h3 h4 h5 h6 header hr i img input isindex label li main map marquee math nav ol ' +
    'option p pre s section select small source span strong sub summary sup table tbody td textarea tfoot th thead tr u ' +
    'ul video'
  ).split(' '),
)

const LEAD = /^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff|[\t\n\v\f\r ])+/
const ELEMENT = /^<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)(?=[\s/>]|$)/

/** What was found before the first element. */
interface Prolog {
  readonly rest: string
  readonly xml: boolean
  readonly comment: boolean
  /** Name in the document type declaration, lower case; null when there is none. */
  readonly doctype: string | null
}

/** `text/html`, `application/xhtml+xml`, `image/svg+xml` or `application/xml` when a sample begins as such a document does: after byte order
 *  marks, space, comments, processing instructions and a document type. Null for everything else. What follows does not matter. */
export function markupType(sample: Buffer): string | null {
  if (!mayBeMarkup(sample)) return null
  // UTF-16 and UTF-32 are, to markup, ASCII with zeros in between.
  const text = sample.toString('latin1').replaceAll('\0', '').replace(LEAD, '')
  const { rest, xml, comment, doctype } = readProlog(text)
  const name = ELEMENT.exec(rest)?.[1]?.toLowerCase()
  if (doctype === 'html') return xml ? XHTML : HTML
  if (doctype === 'svg' || name === 'svg') return SVG
  if (name === 'html') return xml || /^[^>]{0,1000}http:\/\/www\.w3\.org\/1999\/xhtml/.test(rest) ? XHTML : HTML
  if (xml || doctype !== null) return XML
  if (comment || (name !== undefined && ELEMENTS.has(name))) return HTML
  // An unknown element may be text in angle brackets: only what closes or names its namespace is XML.
  return name !== undefined && /xmlns|\/>|<\//.test(rest) ? XML : null
}

/** Looks at a few bytes, so that images and archives cost nothing. */
function mayBeMarkup(sample: Buffer): boolean {
  for (const byte of sample) {
    if (byte === 0x3c) return true
    const skipped = byte === 0 || byte === 0x20 || (byte >= 9 && byte <= 13)
    const mark = byte === 0xef || byte === 0xbb || byte === 0xbf || byte === 0xff || byte === 0xfe
    if (!skipped && !mark) return false
  }
  return false
}

function readProlog(text: string): Prolog {
  let rest = text
  let xml = false
  let comment = false
  let doctype: string | null = null
  for (;;) {
    let end: number
    if (rest.startsWith('<?')) {
      xml ||= /^<\?xml[\s?-]/i.test(rest)
      end = after(rest, '?>')
    } else if (rest.startsWith('<!--')) {
      comment = true
      end = after(rest, '-->')
    } else if (/^<!doctype/i.test(rest)) {
      doctype ??= /^<!doctype\s*([^\s>[]*)/i.exec(rest)?.[1]?.toLowerCase() ?? ''
      const subset = /^[^>[]*\[/.test(rest)
      end = subset ? after(rest, ']', '>') : after(rest, '>')
    } else {
      return { rest, xml, comment, doctype }
    }
    rest = rest.slice(end).replace(LEAD, '')
  }
}

/** The position behind the given marks, one after the other; the end of the text where one is missing. */
function after(text: string, ...marks: readonly string[]): number {
  let at = 0
  for (const mark of marks) {
    const found = text.indexOf(mark, at)
    if (found < 0) return text.length
    at = found + mark.length
  }
  return at
}
