// The types a field can have: one entry per type. Nothing else asks for a type by its name.
import { type Fields, type Keys, optional, required } from '../core/mapping.ts'
import { list, refine, type Shape, scalar, word } from '../core/shape.ts'
import { flag, mediaType, number, reference, size, text, whole } from '../core/values.ts'
import { plainValue } from '../core/yaml.ts'

/** Names that a field may point at. */
export interface FieldNames {
  readonly buckets: readonly string[]
  readonly collections: readonly string[]
}

/** `Field.default`, where there is one: made by the server, the current time, or the value itself. */
export type FieldDefault =
  | { readonly kind: 'auto' }
  | { readonly kind: 'now' }
  | { readonly kind: 'literal'; readonly value: unknown }

/** One field type. */
export interface FieldType<K extends Keys = Keys> {
  /** The options of this type, beside those of every field. */
  readonly options: (names: FieldNames) => K
  /** What `default:` may be besides auto and now; null when it may be nothing. */
  readonly literal: Shape<unknown> | null
  readonly auto?: true
  readonly now?: true
  /** May be the primary field. */
  readonly primary?: true
  /** Has an order and an equality, so it can be unique or indexed. */
  readonly comparable: boolean
  /** What is wrong with options that are each right, or null. */
  fault?(options: Fields<K>, field: FieldFacts): string | null
}

/** What an entry's `fault` may want to know of the field. */
export interface FieldFacts {
  readonly nullable: boolean
  readonly default: FieldDefault | null
}

const lengths = { min_length: optional(whole(0), null), max_length: optional(whole(1), null) }
const pattern = refine(text, (source) => (isPattern(source) ? null : 'is not a regular expression'))
const lengthFault = (o: { min_length: number | null; max_length: number | null }, field: FieldFacts) => {
  if ((o.min_length ?? 0) > (o.max_length ?? Number.MAX_SAFE_INTEGER)) return 'min_length is above max_length'
  if (field.default?.kind !== 'literal' || typeof field.default.value !== 'string') return null
  const length = [...field.default.value].length
  return length < (o.min_length ?? 0) || length > (o.max_length ?? length)
    ? 'the default does not fit its length limits'
    : null
}
const rangeFault = (o: { min: number | null; max: number | null }, field: FieldFacts) => {
  if ((o.min ?? -Infinity) > (o.max ?? Infinity)) return 'min is above max'
  const value = field.default?.kind === 'literal' ? Number(field.default.value) : null
  return value !== null && (value < (o.min ?? value) || value > (o.max ?? value))
    ? 'the default does not fit min and max'
    : null
}
const enumFault = (values: readonly unknown[] | null, field: FieldFacts) =>
  values !== null && field.default?.kind === 'literal' && !values.includes(field.default.value)
    ? 'the default is not among enum'
    : null
const integer = whole(Number.MIN_SAFE_INTEGER)
const date = matching('a date such as 2026-11-30', /^\d{4}-\d{2}-\d{2}$/)
const time = matching(
  'a time such as 2026-11-30T12:00:00Z',
  /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?(Z|[+-]\d{2}:\d{2})$/,
)
const uuid = matching('a UUID', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i)
const onUpdate = { on_update: optional(word(['now']), null) }
const setNullFault = (action: string | null, name: string, field: FieldFacts) =>
  action === 'set_null' && !field.nullable ? `${name}: set_null needs nullable: true` : null

const long = type({
  options: () => ({ ...lengths, pattern: optional(pattern, null) }),
  literal: text,
  comparable: false,
  fault: lengthFault,
})
const address = (literal: Shape<string>) =>
  type({
    options: () => ({ ...lengths, pattern: optional(pattern, null) }),
    literal,
    comparable: true,
    fault: lengthFault,
  })
const fileOptions = (names: FieldNames) => ({
  bucket: required(reference('bucket', names.buckets)),
  max_size: optional(size(), null),
  allowed_types: optional(distinct(mediaType), null),
  on_delete: optional(word(['cascade', 'keep']), 'keep'),
  on_file_delete: optional(word(['restrict', 'set_null']), 'set_null'),
})

/** Every field type by its name in schema.yaml. */
export const FIELD_TYPES: ReadonlyMap<string, FieldType> = new Map<string, FieldType>([
  ['id', type({ options: () => ({}), literal: null, auto: true, primary: true, comparable: true })],
  ['uuid', type({ options: () => ({}), literal: uuid, auto: true, primary: true, comparable: true })],
  [
    'string',
    type({
      options: () => ({
        ...lengths,
        pattern: optional(pattern, null),
        enum: optional(distinct(text), null),
        format: optional(word(['email', 'url', 'uuid', 'date', 'timestamp']), null),
      }),
      literal: text,
      primary: true,
      comparable: true,
      fault: (o, field) => lengthFault(o, field) ?? enumFault(o.enum, field),
    }),
  ],
  ['text', long],
  ['richtext', long],
  [
    'int',
    type({
      options: () => ({
        min: optional(integer, null),
        max: optional(integer, null),
        enum: optional(distinct(integer), null),
      }),
      literal: integer,
      primary: true,
      comparable: true,
      fault: (o, field) => rangeFault(o, field) ?? enumFault(o.enum, field),
    }),
  ],
  [
    'float',
    type({
      options: () => ({ min: optional(number, null), max: optional(number, null) }),
      literal: number,
      comparable: true,
      fault: rangeFault,
    }),
  ],
  ['bool', type({ options: () => ({}), literal: flag, comparable: true })],
  ['timestamp', type({ options: () => onUpdate, literal: time, now: true, comparable: true })],
  ['json', type({ options: () => ({}), literal: { below: null, read: plainValue }, comparable: false })],
  ['blob', type({ options: () => lengths, literal: null, comparable: false, fault: lengthFault })],
  ['email', address(matching('an email address', /^[^\s@]+@[^\s@]+$/))],
  ['url', address(matching('an http or https URL', /^https?:\/\/[^\s/]+\S*$/))],
  ['date', type({ options: () => onUpdate, literal: date, now: true, comparable: true })],
  [
    'select',
    type({
      options: () => ({ values: required(distinct(text)), max_select: optional(whole(1), 1) }),
      literal: text,
      comparable: true,
      fault: (o, field) =>
        o.max_select > o.values.length
          ? `max_select is above the number of values (${o.values.length})`
          : field.default?.kind === 'literal' && !o.values.includes(String(field.default.value))
            ? 'the default is not among values'
            : null,
    }),
  ],
  [
    'relation',
    type({
      options: (names) => ({
        collection: required(reference('collection', names.collections)),
        on_delete: optional(word(['restrict', 'cascade', 'set_null']), 'restrict'),
      }),
      literal: null,
      comparable: true,
      fault: (o, field) => setNullFault(o.on_delete, 'on_delete', field),
    }),
  ],
  ['file', type({ options: fileOptions, literal: null, comparable: true })],
  [
    'file[]',
    type({
      options: (names) => ({
        ...fileOptions(names),
        max_files: optional(whole(1), null),
        max_total_size: optional(size(), null),
      }),
      literal: null,
      comparable: false,
    }),
  ],
])

/** Checks an entry against its own options; the map then forgets which they are. */
function type<K extends Keys>(entry: FieldType<K>): FieldType {
  return entry as FieldType
}

function matching(expected: string, form: RegExp): Shape<string> {
  return scalar(expected, '', (node) =>
    typeof node.value === 'string' && form.test(node.text) ? node.text : undefined,
  )
}

function distinct<T>(item: Shape<T>): Shape<readonly T[]> {
  return refine(list(item), (values) =>
    values.length === 0 ? 'must not be empty' : new Set(values).size < values.length ? 'holds a value twice' : null,
  )
}

function isPattern(source: string): boolean {
  try {
    return new RegExp(source, 'u') instanceof RegExp
  } catch {
    return false
  }
}
