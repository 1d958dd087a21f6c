// What kind of content bytes are, whatever anyone says about them, and what follows from the kind.
import { markupType } from './markup.ts'
import { isText, textType } from './text-types.ts'

/** Bytes looked at, from the first on. */
const SAMPLE = 4100
const UNKNOWN = 'application/octet-stream'

/** The MIME type of content by its first bytes (4,100 are looked at; give all when there are fewer); `total` = its length, null when unknown.
 *  Lower case, without parameters. Markup and text are told by rules of our own, before any magic number: a page that also looks like
 *  music is a page. Empty is `application/x-empty`; what is nothing known is `application/octet-stream`. Never rejects on account of the bytes. */
export async function sniff(head: Buffer, total: number | null): Promise<string> {
  if (head.length === 0) return 'application/x-empty'
  const sample = head.length > SAMPLE ? head.subarray(0, SAMPLE) : head
  const markup = markupType(sample)
  if (markup !== null) return markup
  // UTF-16: not the UTF-8 we serve text as, and to a magic number it looks like MPEG audio.
  if ((sample[0] === 0xff && sample[1] === 0xfe) || (sample[0] === 0xfe && sample[1] === 0xff)) return UNKNOWN
  const cut = total === null ? head.length >= SAMPLE : total > sample.length
  if (isText(sample, cut)) return textType(sample, cut)
  return binaryType(sample)
}

/** Loaded with the first binary upload: it would take a good part of the start of the server. */
let fileType: Promise<typeof import('file-type')> | null = null

async function binaryType(sample: Buffer): Promise<string> {
  fileType ??= import('file-type')
  const { fileTypeFromBuffer } = await fileType
  try {
    const found = await fileTypeFromBuffer(sample)
    return found?.mime.replace(/;.*/, '').toLowerCase() ?? UNKNOWN
  } catch {
    return UNKNOWN // bytes that confuse a parser are no known type
  }
}

/** Never covered by a group: SVG is a program in an image's clothes, and an empty file is none of the things a group stands for. */
const BY_NAME: ReadonlySet<string> = new Set(['image/svg+xml', 'application/x-empty'])

/** Whether a bucket's or field's `allowed_types` (lower case; `type/subtype`, `type/*` or `*\/*`) admit a sniffed type. `text/*` admits JSON too,
 *  and HTML, which it never makes inline. */
export function allows(allowed: readonly string[], mime: string): boolean {
  return allowed.some((pattern) => {
    if (pattern === mime || pattern === '*/*') return true
    if (!pattern.endsWith('/*') || BY_NAME.has(mime)) return false
    return mime.startsWith(pattern.slice(0, -1)) || (pattern === 'text/*' && mime === 'application/json')
  })
}

const INLINE: ReadonlySet<string> = new Set([
  ...['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/bmp'],
  ...['video/mp4', 'video/webm', 'video/ogg'],
  ...['audio/mpeg', 'audio/ogg', 'audio/wav', 'audio/webm', 'audio/flac'],
  'text/plain',
])

/** Whether `/view` may show a type inside a browser (API.md §3): a short list, and PDF where the bucket says so. */
export function inlineType(mime: string, { inlinePdf }: { readonly inlinePdf: boolean }): boolean {
  return INLINE.has(mime) || (inlinePdf && mime === 'application/pdf')
}

/** What a browser would run as a page of this server, were it ever to look past the disposition. */
const PAGES: ReadonlySet<string> = new Set(['text/html', 'application/xhtml+xml'])

/** The Content-Type a file is served with: text is known to be UTF-8, and no answer of ours ever calls itself a page. */
export function servedType(mime: string): string {
  if (PAGES.has(mime)) return 'application/octet-stream'
  return mime === 'text/plain' ? 'text/plain; charset=utf-8' : mime
}
