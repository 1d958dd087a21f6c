// Upload-Metadata (tus 1.0 creation): `key base64,key base64`, turned into the fields of an upload.
import { fail } from '../../core/errors.ts'
import type { UploadFields } from '../../files/model.ts'

const MAX_LENGTH = 16 * 1024
const KEY = /^[!-+\--~]+$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
/** Understood as what they say, or ignored because the bytes and the server say it better. */
const NOT_METADATA = new Set([
  ...['filename', 'name', 'path', 'expires_in', 'checksum', 'alyx_metadata', 'alyx_rules'],
  ...['filetype', 'type', 'relativePath'],
])

/** The pairs of the header in their order; a key without a value is ''. Keys are ASCII without space and comma, values strict
 *  base64 of UTF-8. Fails: invalid_metadata. */
export function parsePairs(header: string): ReadonlyMap<string, string> {
  if (header.length > MAX_LENGTH) {
    throw fail('invalid_metadata', `Upload-Metadata has ${header.length} bytes`, {
      details: { limit: MAX_LENGTH, size: header.length },
    })
  }
  const pairs = new Map<string, string>()
  if (header.trim() === '') return pairs
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  for (const element of header.split(',')) {
    const [key = '', value = '', ...rest] = element.trim().split(' ')
    if (!KEY.test(key) || rest.length > 0) throw malformed('has an element that is not "key base64"')
    if (pairs.has(key)) throw malformed(`names ${key} twice`)
    if (!BASE64.test(value)) throw malformed(`has a value for ${key} that is not base64`)
    pairs.set(key, decode(decoder, key, value))
  }
  return pairs
}

/** `filename` (or `name`), `path`, `expires_in` and `checksum` become fields, `alyx_rules` the file's own rules, the JSON object
 *  `alyx_metadata` all metadata; without that every further key becomes metadata, whatever it is called. Fails: invalid_metadata, invalid_filename. */
export function parseUploadMetadata(header: string | undefined): UploadFields {
  const pairs = parsePairs(header ?? '')
  const name = pairs.get('filename') ?? pairs.get('name')
  if (name === undefined) {
    throw fail('invalid_filename', 'Upload-Metadata has no filename', {
      hint: 'Send Upload-Metadata: filename <base64 of the name>.',
    })
  }
  const rules = pairs.get('alyx_rules')
  const own = [...pairs].filter(([key]) => !NOT_METADATA.has(key))
  return {
    name,
    path: pairs.get('path'),
    expires_in: pairs.get('expires_in'),
    checksum: pairs.get('checksum'),
    metadata: metadataText(pairs.get('alyx_metadata'), own),
    ...(rules === undefined ? {} : { rules }),
  }
}

/** Text, because a key such as __proto__ survives JSON and would not survive an assignment. Fails: invalid_metadata. */
function metadataText(whole: string | undefined, own: readonly (readonly [string, string])[]): string | undefined {
  if (own.length === 0) return whole
  if (whole !== undefined) throw malformed(`has alyx_metadata, which is all metadata, and ${own[0]![0]} beside it`)
  return JSON.stringify(Object.fromEntries(own))
}

function decode(decoder: { decode(bytes: Uint8Array): string }, key: string, value: string): string {
  const bytes = Buffer.from(value, 'base64')
  // Unused bits must be zero, else two headers would mean one value.
  if (bytes.toString('base64') !== value) throw malformed(`has a value for ${key} that is not base64`)
  try {
    return decoder.decode(bytes)
  } catch {
    throw malformed(`has a value for ${key} that is not UTF-8`)
  }
}

function malformed(fault: string): Error {
  return fail('invalid_metadata', `Upload-Metadata ${fault}`, {
    hint: 'Send comma-separated pairs: a key, one space, and the base64 of its value in UTF-8.',
  })
}
