// One field of a collection: the options every type has, and those of its own type.

import { type Keys, optional, type RecordOptions, record, required } from '../core/mapping.ts'
import { didYouMean } from '../core/problem.ts'
import { describe, inspect, mapped, report, type Shape, under, word } from '../core/shape.ts'
import { flag } from '../core/values.ts'
import { FIELD_TYPES, type FieldDefault, type FieldNames, type FieldType, isRenewed } from './fields.ts'
import type { Field } from './model.ts'

export type FieldWithoutName = Omit<Field, 'name' | 'target'>

const everyField = { nullable: optional(flag, false), internal: optional(flag, false) }
const comparableField = { unique: optional(flag, false), index: optional(flag, false) }
const primaryField = { primary: optional(flag, false) }
const COMMON = new Set(['type', 'default', ...Object.keys({ ...everyField, ...comparableField, ...primaryField })])

/** A field as it stands under `fields:`. Names that it points at must be among those given. */
export function fieldShape(names: FieldNames): Shape<FieldWithoutName> {
  const options = new Map([...FIELD_TYPES].map(([name, entry]) => [name, entry.options(names)]))
  const everywhere = new Set([...COMMON, ...[...options.values()].flatMap((keys) => Object.keys(keys))])
  const shapes = new Map(
    [...FIELD_TYPES].map(([name, entry]) => {
      const unknown = (key: string) => (everywhere.has(key) ? `a field of type ${name} has no such option` : null)
      return [name, oneType(name, entry, options.get(name)!, { camelCase: true, unknown })]
    }),
  )
  return {
    below: null,
    read(node, reading) {
      const given = node.kind === 'map' ? node.entries.get('type') : undefined
      const name = given?.node.kind === 'scalar' ? given.node.text : ''
      const shape = shapes.get(name)
      if (shape !== undefined) return shape.read(node, reading)
      const types = [...shapes.keys()]
      if (node.kind !== 'map')
        report(reading, `expected a mapping such as {type: string}, got ${describe(node)}`, node.at)
      else if (given === undefined) report(under(reading, 'type', reading.at), `required: one of ${types.join(', ')}`)
      else {
        const hint = didYouMean(name, types) || `; there are ${types.join(', ')}`
        report(under(reading, 'type', given.at), `unknown field type ${describe(given.node)}${hint}`, given.node.at)
      }
      return {
        type: '',
        primary: false,
        unique: false,
        nullable: false,
        index: false,
        internal: false,
        default: null,
        options: {},
        at: reading.at,
      }
    },
  }
}

function oneType(name: string, entry: FieldType, options: Keys, forms: RecordOptions): Shape<FieldWithoutName> {
  const keys = {
    type: required(word([name])),
    ...everyField,
    ...(entry.comparable ? comparableField : {}),
    ...(entry.primary ? primaryField : {}),
    default: optional(defaultShape(entry), null),
  }
  const whole = inspect(record({ ...options, ...keys }, forms), (read, reading) => {
    const fault = entry.fault?.(read, { nullable: read.nullable, default: read.default }) ?? null
    if (fault !== null) report(reading, fault)
  })
  const made = mapped(whole, (read, reading): FieldWithoutName => {
    const field = {
      type: name,
      primary: read.primary === true,
      unique: read.unique === true,
      nullable: read.nullable,
      index: read.index === true,
      internal: read.internal,
      default: read.default,
      options: Object.fromEntries(
        Object.keys(options).map((key) => [camelCase(key), (read as Record<string, unknown>)[key]]),
      ),
      at: reading.at,
    }
    return { ...field, default: wrapped(read.default, entry, alone(field)) }
  })
  return inspect(made, (read, reading, node) => {
    const field = alone(read)
    const fault = placeFault(entry, field)
    if (fault !== null) report(reading, fault)
    const checked = field.default?.kind === 'literal' ? entry.check(field.default.value, field) : null
    const written = node.kind === 'map' ? node.entries.get('default') : undefined
    if (checked?.ok === false && written !== undefined)
      report(under(reading, 'default', written.at), checked.fault, written.node.at)
  })
}

/** As its type sees it: names and targets are not known yet, and no default needs them. */
function alone(field: FieldWithoutName): Field {
  return { ...field, name: '', target: null }
}

/** The default of a list may be written as its only value. */
function wrapped(value: FieldDefault | null, entry: FieldType, field: Field): FieldDefault | null {
  if (value?.kind !== 'literal' || Array.isArray(value.value) || entry.isList?.(field) !== true) return value
  return { kind: 'literal', value: [value.value] }
}

function placeFault(entry: FieldType, field: Field): string | null {
  if (field.primary && field.nullable) return 'a primary field cannot be nullable'
  if (field.primary && field.internal) return 'a primary field cannot be internal'
  if ((field.unique || field.index) && entry.isList?.(field) === true) return 'a list cannot be unique or indexed'
  const hasValue =
    field.nullable || field.default !== null || entry.serverOnly || entry.empty !== undefined || isRenewed(field)
  return field.internal && !hasValue ? 'an internal field needs nullable: true or a default: nobody can set it' : null
}

function defaultShape(entry: FieldType): Shape<FieldDefault> {
  const words = [...(entry.auto ? ['auto'] : []), ...(entry.now ? ['now'] : [])]
  return {
    below: null,
    read(node, reading) {
      if (node.kind === 'scalar' && node.text === 'auto' && entry.auto) return { kind: 'auto' }
      if (node.kind === 'scalar' && node.text === 'now' && entry.now) return { kind: 'now' }
      if (entry.literal !== null) return { kind: 'literal', value: entry.literal.read(node, reading) }
      const hint =
        words.length === 0
          ? 'a field of this type has no default'
          : `expected ${words.join(' or ')}, got ${describe(node)}`
      report(reading, hint, node.at)
      return { kind: 'auto' }
    },
  }
}

function camelCase(key: string): string {
  return key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
