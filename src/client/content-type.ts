// What kind of content a source seems to be, before it is sent: only what is certain, for the server judges by the bytes.

/** First bytes, in hex, that only one kind of content has. */
const CERTAIN: readonly (readonly [hex: string, type: string])[] = [
  ['89504e470d0a1a0a', 'image/png'],
  ['ffd8ffe0', 'image/jpeg'],
  ['ffd8ffe1', 'image/jpeg'],
  ['474946383761', 'image/gif'],
  ['474946383961', 'image/gif'],
]
/** First bytes that also belong to further kinds, which are written in the same format. */
const LIKELY: readonly (readonly [hex: string, type: string])[] = [
  ['255044462d', 'application/pdf'],
  ['1f8b08', 'application/gzip'],
]

/** Names that browsers and systems use beside the registered ones. */
const ALIASES: Readonly<Record<string, string>> = {
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/x-png': 'image/png',
  'application/x-pdf': 'application/pdf',
  'application/x-zip-compressed': 'application/zip',
  'application/x-gzip': 'application/gzip',
  'audio/mp3': 'audio/mpeg',
  'audio/x-wav': 'audio/wav',
  'audio/wave': 'audio/wav',
}

const BY_EXTENSION: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  pdf: 'application/pdf',
  txt: 'text/plain',
  csv: 'text/csv',
  html: 'text/html',
  json: 'application/json',
  zip: 'application/zip',
  gz: 'application/gzip',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  webm: 'video/webm',
}

/** Kinds that tell so little that a declaration of them refuses nothing. */
const VAGUE = new Set(['', 'application/octet-stream', 'binary/octet-stream', 'application/x-binary'])

export interface ContentType {
  /** Lower case, without parameters; '' = not known. */
  readonly type: string
  /** Told from the bytes, and the server will say the same. */
  readonly certain: boolean
}

/** What the source is by its first bytes (16 are enough), else by what it calls itself, else by its name. */
export function contentTypeOf(head: Uint8Array, declared: string, name: string | null): ContentType {
  if (head.length === 0) return { type: 'application/x-empty', certain: true }
  const hex = [...head.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  const found = (list: typeof CERTAIN) => list.find(([start]) => hex.startsWith(start))?.[1]
  const certain = found(CERTAIN)
  if (certain !== undefined) return { type: certain, certain: true }
  const likely = found(LIKELY)
  if (likely !== undefined) return { type: likely, certain: false }
  if (!VAGUE.has(declared)) return { type: ALIASES[declared] ?? declared, certain: false }
  const extension = /\.([a-z0-9]+)$/i.exec(name ?? '')?.[1]?.toLowerCase() ?? ''
  return { type: BY_EXTENSION[extension] ?? '', certain: false }
}

/** Whether the bucket may take such content. What is not certain is only refused where the bucket takes nothing of its group. */
export function mayFit(allowed: readonly string[], { type, certain }: ContentType): boolean {
  if (type === '' || allowed.includes('*/*') || allowed.includes(type)) return true
  if (type === 'application/x-empty') return false
  const group = `${type.split('/')[0]}/`
  // An animated PNG begins as every PNG does.
  if (certain) return allowed.includes(`${group}*`) || (type === 'image/png' && allowed.includes('image/apng'))
  // Text is told from text by its bytes, and documents call themselves by many names.
  const related = (pattern: string) => pattern.startsWith(group) || (TEXTUAL.test(type) && TEXTUAL.test(pattern))
  return allowed.some(related)
}

const TEXTUAL = /^text\/|[/+](json|xml|javascript|x-sh|rtf)$|^message\//
