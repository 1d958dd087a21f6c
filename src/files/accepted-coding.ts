// Whether a client takes a content coding: the header Accept-Encoding (RFC 9110 §12.5.3). Linear in its length.

const ELEMENT = /^([!#$%&'*+.^_`|~\w-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/i

/** Whether content in the coding may be sent, and is not less welcome than content as it is. What the header does not list is sent to
 *  nobody, but to those who refuse everything else. Elements that make no sense are ignored. */
export function takesCoding(header: string | undefined, coding: 'gzip' | 'zstd'): boolean {
  if (header === undefined) return false
  const weights = new Map<string, number>()
  for (const element of header.split(',')) {
    const match = ELEMENT.exec(element.trim())
    if (match === null) continue
    const name = match[1]!.toLowerCase().replace(/^x-gzip$/, 'gzip')
    // Named twice: the more careful reading.
    weights.set(name, Math.min(Number(match[2] ?? 1), weights.get(name) ?? 1))
  }
  const rest = weights.get('*')
  const plain = weights.get('identity') ?? rest
  const coded = weights.get(coding) ?? (plain === 0 && weights.has('identity') ? rest : undefined)
  return coded !== undefined && coded > 0 && coded >= (plain ?? 0)
}
