// Content-Disposition of a form's part (RFC 7578 §4.2, RFC 8187): which field it is and what the file is called.
import { fail } from '../core/errors.ts'

export interface Disposition {
  readonly name: string
  /** As the client wrote it, path and all; null when the part has none. */
  readonly filename: string | null
}

const PARAMETER = /;[ \t]*([!#$%&'*+.^_`|~\w-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))[ \t]*/y
const EXTENDED = /^utf-8'[\w-]*'((?:[!#$&+.^_`|~\w-]|%[0-9a-f]{2})*)$/i

/** `header` holds raw bytes, one per character. Fails: invalid_request, and invalid_filename for a name that is not UTF-8. */
export function parseDisposition(header: string): Disposition {
  const values = new Map<string, string>()
  const type = /^form-data[ \t]*/i.exec(header)
  if (type === null) throw fail('invalid_request', 'a part of the form is not form-data')
  PARAMETER.lastIndex = type[0].length
  while (PARAMETER.lastIndex < header.length) {
    const match = PARAMETER.exec(header)
    if (match === null) throw fail('invalid_request', 'a part of the form has a malformed Content-Disposition')
    const key = match[1]!.toLowerCase()
    if (values.has(key))
      throw fail('invalid_request', 'a part of the form has a repeated Content-Disposition parameter')
    values.set(key, match[3] ?? match[2]!.replaceAll(/\\(["\\])/g, '$1'))
  }
  const name = values.get('name')
  if (name === undefined) throw fail('invalid_request', 'a part of the form has no name')
  const extended = values.get('filename*')
  const plain = values.get('filename')
  return {
    name: utf8(name) ?? '',
    filename: extended === undefined ? named(plain === undefined ? null : utf8(plain)) : named(fromExtended(extended)),
  }

  function named(filename: string | null | undefined): string | null {
    if (filename === undefined) throw fail('invalid_filename', 'the name of the file is not UTF-8')
    return filename
  }
}

function fromExtended(value: string): string | undefined {
  const match = EXTENDED.exec(value)
  if (match === null) return undefined
  try {
    return decodeURIComponent(match[1]!)
  } catch {
    return undefined
  }
}

function utf8(raw: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(raw, 'latin1'))
  } catch {
    return undefined
  }
}
