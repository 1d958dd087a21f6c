// Conditions × range × size: which part of a file a GET or HEAD gets (RFC 9110 §13, §14). Pure; knows no file and no caller.
import type { ByteRange } from '../core/model.ts'
import { parseHttpDate } from './http-date.ts'
import type { OpenInput } from './model.ts'

export interface DeliveryQuestion {
  readonly method: 'GET' | 'HEAD'
  /** Bytes of the whole file. */
  readonly size: number
  /** Strong entity tag as it stands in the header: `"<sha256>"`. */
  readonly etag: string
  /** RFC 3339 text or milliseconds. */
  readonly lastModified: string | number
  readonly headers: OpenInput['headers']
  /** The same content in a content coding, for files that have it so; null or left out for others. */
  readonly coded?: CodedForm | null
}

/** A second representation of a file. Ranges are never of it. */
export interface CodedForm {
  readonly size: number
  /** Strong, and another than that of the file as it is. */
  readonly etag: string
  /** Whether the client takes it. */
  readonly taken: boolean
}

export interface DeliveryDecision {
  readonly status: 200 | 206 | 304 | 412 | 416
  /** Whether it is the coded form that is sent, or that has not changed. */
  readonly coded: boolean
  /** Of 206 only. */
  readonly range: ByteRange | null
  /** Content-Length of the part or of the whole; 0 where the answer carries no part of the file. */
  readonly length: number
  /** Content-Range: `bytes a-b/size` of 206, `bytes *\/size` of 416. */
  readonly contentRange: string | null
}

const RANGE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i

/** Weighs the conditions in the order of RFC 9110 §13.2.2, then the range. HEAD answers what GET would. Several ranges, and
 *  ranges that make no sense, are answered with the whole file. Linear in the length of the headers. */
export function decideDelivery(question: DeliveryQuestion): DeliveryDecision {
  const { size, headers } = question
  const coded = codedFormMeant(question)
  const refused = unmetCondition(question, coded)
  if (refused !== null) return { ...refused, range: null, length: 0, contentRange: null }
  if (coded !== null) return { status: 200, coded: true, range: null, length: coded.size, contentRange: null }
  const range = headers.range === undefined || !rangeStillMeant(question) ? null : parseRange(headers.range, size)
  if (range === null) return { status: 200, coded: false, range: null, length: size, contentRange: null }
  if (range === 'unsatisfiable') {
    return { status: 416, coded: false, range: null, length: 0, contentRange: `bytes */${size}` }
  }
  const contentRange = `bytes ${range.start}-${range.end}/${size}`
  return { status: 206, coded: false, range, length: range.end - range.start + 1, contentRange }
}

/** The coded form when it is what the request is for: all of the file, in a coding the client takes, and not the plain form by its tag. */
function codedFormMeant({ headers, coded }: DeliveryQuestion): CodedForm | null {
  if (!coded?.taken || headers.range !== undefined) return null
  const match = headers['if-match']
  return match === undefined || listed(match, coded.etag, false) ? coded : null
}

/** One `bytes` range against a size (RFC 9110 §14.1.2), clamped. Null: no single valid range, so the header is ignored. */
function parseRange(header: string, size: number): ByteRange | 'unsatisfiable' | null {
  const match = RANGE.exec(header)
  if (match === null) return null
  const [first, last] = [match[1]!, match[2]!]
  if (first === '') {
    if (last === '') return null
    const suffix = Number(last)
    if (suffix === 0) return 'unsatisfiable'
    // The last n bytes of nothing are satisfiable (§14.1.2) but have no position to state: the whole, empty file.
    return size === 0 ? null : { start: Math.max(0, size - suffix), end: size - 1 }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return null
  if (start >= size) return 'unsatisfiable'
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}

/** 412 or 304 when a precondition says so, else null. `meant` is the coded form when it would be sent. */
function unmetCondition(
  { etag, lastModified, headers, coded }: DeliveryQuestion,
  meant: CodedForm | null,
): Pick<DeliveryDecision, 'status' | 'coded'> | null {
  const match = headers['if-match']
  if (match !== undefined) {
    if (meant === null && !listed(match, etag, false)) return { status: 412, coded: false }
  } else if (headers['if-unmodified-since'] !== undefined) {
    const since = parseHttpDate(headers['if-unmodified-since'])
    if (since !== null && wholeSeconds(lastModified) > since) return { status: 412, coded: false }
  }
  const noneMatch = headers['if-none-match']
  if (noneMatch !== undefined) {
    // A copy in either form is current. One that this client could not read is no copy of its own.
    const hasPlain = listed(noneMatch, etag, true)
    const hasCoded = coded?.taken === true && listed(noneMatch, coded.etag, true)
    if (!hasPlain && !hasCoded) return null
    return { status: 304, coded: hasCoded && (meant !== null || !hasPlain) }
  }
  if (headers['if-modified-since'] === undefined) return null
  const since = parseHttpDate(headers['if-modified-since'])
  return since !== null && wholeSeconds(lastModified) <= since ? { status: 304, coded: meant !== null } : null
}

/** If-Range (RFC 9110 §13.1.5): the same strong tag, or exactly the same date. Where there are two forms, a date does not say which of
 *  them the client has a part of. */
function rangeStillMeant({ etag, lastModified, headers, coded }: DeliveryQuestion): boolean {
  const validator = headers['if-range']
  if (validator === undefined || validator === etag) return true
  return !coded && parseHttpDate(validator) === wholeSeconds(lastModified)
}

function wholeSeconds(at: string | number): number {
  return Math.floor(new Date(at).getTime() / 1000)
}

/** Whether a list of entity tags (RFC 9110 §8.8.3, empty elements allowed) is `*` or names `etag`; weak tags count only when `weak`. */
function listed(header: string, etag: string, weak: boolean): boolean {
  if (header.trim() === '*') return true
  let at = 0
  while (at < header.length) {
    const isWeak = header.startsWith('W/"', at)
    const open = isWeak ? at + 2 : at
    if (header[open] !== '"') {
      // Between tags stand commas and blanks only; behind anything else nothing can be trusted.
      if (header[at] !== ',' && header[at] !== ' ' && header[at] !== '\t') return false
      at += 1
      continue
    }
    const close = header.indexOf('"', open + 1)
    if (close === -1) return false
    if ((weak || !isWeak) && close + 1 - open === etag.length && header.startsWith(etag, open)) return true
    at = close + 1
  }
  return false
}
