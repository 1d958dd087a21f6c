// Forms that a text can have: one test and one phrase each, used by types and by `format:` of strings.
import { isDate, toUtc } from './times.ts'

export interface TextForm {
  /** For "must be …" and "expected …". */
  readonly noun: string
  /** Its name in JSON Schema (2020-12, §7.3). */
  readonly json: string
  test(text: string): boolean
}

/** RFC 9562 §4, in either case: every version and variant, also nil and max. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** What mail programs take, not all of RFC 5322: no quotes, no comments, no address literals; letters of any script. */
const EMAIL =
  /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*@[\p{L}\p{N}][\p{L}\p{M}\p{N}-]*(\.[\p{L}\p{N}][\p{L}\p{M}\p{N}-]*)*$/u
/** RFC 5321 §4.5.3.1.3, without the angle brackets. */
const MAX_EMAIL = 254

/** By the name that `format:` gives them. */
export const FORMS = {
  email: { noun: 'an email address', json: 'email', test: isEmail },
  url: { noun: 'an http or https URL', json: 'uri', test: isWebAddress },
  uuid: { noun: 'a UUID', json: 'uuid', test: (text) => UUID.test(text) },
  date: { noun: 'a date such as 2026-11-30', json: 'date', test: isDate },
  timestamp: { noun: 'a time such as 2026-11-30T12:00:00Z', json: 'date-time', test: (text) => toUtc(text) !== null },
} as const satisfies Readonly<Record<string, TextForm>>

function isEmail(text: string): boolean {
  return text.length <= MAX_EMAIL && EMAIL.test(text) && !/-(\.|$)/.test(text.slice(text.lastIndexOf('@')))
}

/** The parser of the URL standard drops white space and turns backslashes: what is stored must be what was meant. */
function isWebAddress(text: string): boolean {
  return /^https?:\/\/[^\\\s\p{Cc}]+$/iu.test(text) && URL.canParse(text)
}
