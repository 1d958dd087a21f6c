// Field types whose values the database does not look into: json and blob.
import { plainValue } from '../core/yaml.ts'
import { fieldType, fits, lengthFault, lengthKeys, limitsFault, optionsOf, unfit } from './field-entry.ts'

/** SQLite reads 1,000 levels, programs often fewer. */
const MAX_DEPTH = 100
const notFiltered = () => unfit('cannot be compared')

/** Whether a value survives being written as JSON and read again. */
function isJson(value: unknown, depth: number): boolean {
  if (depth > MAX_DEPTH) return false
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null)
    return typeof value === 'string' || typeof value === 'boolean' || value === null
  if (Array.isArray(value)) return value.every((each) => isJson(each, depth + 1))
  // No list of the values: a body may hold hundreds of thousands of objects.
  for (const key in value) if (Object.hasOwn(value, key) && !isJson(Reflect.get(value, key), depth + 1)) return false
  return true
}

/** Any JSON value. A key such as `__proto__` is a key like others. */
export const json = fieldType({
  options: () => ({}),
  literal: { below: null, read: plainValue },
  comparable: false,
  column: 'TEXT',
  check: (value) =>
    isJson(value, 0) ? fits(JSON.stringify(value)) : unfit(`must be a JSON value of at most ${MAX_DEPTH} levels`),
  shownAs: 'document',
  show: (value) => JSON.parse(value as string),
  operand: notFiltered,
  operators: () => [],
  json: () => ({}),
  typescript: () => 'unknown',
})

interface BlobOptions {
  readonly minLength: number | null
  readonly maxLength: number | null
}

/** Bytes, as base64 (RFC 4648 §4, with padding). */
export const blob = fieldType({
  options: () => lengthKeys,
  literal: null,
  comparable: false,
  fault: (o) => limitsFault(o.min_length, o.max_length, ['min_length', 'max_length']),
  column: 'BLOB',
  check: (value, field) => {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : null
    // the decoder takes much that is not base64; what it made says whether this was
    if (bytes === null || bytes.toString('base64') !== value) return unfit('must be base64 with padding')
    const { minLength, maxLength } = optionsOf<BlobOptions>(field)
    const fault = lengthFault(bytes.length, minLength, maxLength, 'byte')
    return fault === null ? fits(value) : unfit(fault)
  },
  shownAs: 'bytes',
  show: (value) => value,
  operand: notFiltered,
  operators: () => [],
  json: () => ({ type: 'string', contentEncoding: 'base64' }),
  typescript: () => 'string',
})
