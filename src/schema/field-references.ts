// Field types that point at something: relation at a record, file and file[] at files.
import { isId } from '../core/ids.ts'
import { optional, required } from '../core/mapping.ts'
import { word } from '../core/shape.ts'
import { mediaType, reference, size, whole } from '../core/values.ts'
import { distinct, fieldType, fits, IDENTITY_OPERATORS, LIST_OPERATORS, optionsOf, unfit } from './field-entry.ts'
import type { Checked, FieldFacts, FieldNames, FieldType, Reference } from './field-type.ts'
import type { Field } from './model.ts'

const setNullFault = (action: string | null, name: string, field: FieldFacts) =>
  action === 'set_null' && !field.nullable ? `${name}: set_null needs nullable: true` : null

/** The primary value of a record of another collection; `typeOf` finds the type of that. */
export function relationType(typeOf: (name: string) => FieldType): FieldType {
  // the target is filled in once the whole schema has been read
  const pointed = ({ target }: Field): [FieldType, Field] => [typeOf(target!.type), target!]
  return fieldType({
    options: (names) => ({
      collection: required(reference('collection', names.collections)),
      on_delete: optional(word(['restrict', 'cascade', 'set_null']), 'restrict'),
    }),
    literal: null,
    comparable: true,
    fault: (o, field) => setNullFault(o.on_delete, 'on_delete', field),
    // of a target of another type it is that type's: tables.ts
    column: 'TEXT',
    check: (value, field) => {
      const [type, target] = pointed(field)
      return type.check(value, target)
    },
    show: (value, field) => {
      const [type, target] = pointed(field)
      return type.show(value, target)
    },
    rule: (value, field) => {
      const [type, target] = pointed(field)
      return type.rule === undefined ? type.show(value, target) : type.rule(value, target)
    },
    operand: (text, field) => {
      const [type, target] = pointed(field)
      return type.operand(text, target)
    },
    operators: () => IDENTITY_OPERATORS,
    json: (field) => {
      const [type, target] = pointed(field)
      return type.json(target)
    },
    typescript: (field) => {
      const [type, target] = pointed(field)
      return type.typescript(target)
    },
    reference: (field): Reference => {
      const { collection, onDelete } = optionsOf<Omit<Reference & { kind: 'record' }, 'kind'>>(field)
      return { kind: 'record', collection, onDelete }
    },
  })
}

interface FileOptions {
  readonly bucket: string
  readonly onDelete: 'cascade' | 'keep'
  readonly onFileDelete: 'restrict' | 'set_null' | null
  readonly maxFiles?: number | null
}

/** More than this is a collection of its own. */
const MAX_FILES = 1000

const fileKeys = (names: FieldNames) => ({
  bucket: required(reference('bucket', names.buckets)),
  max_size: optional(size(), null),
  allowed_types: optional(distinct(mediaType), null),
  on_delete: optional(word(['cascade', 'keep']), 'keep'),
  on_file_delete: optional(word(['restrict', 'set_null']), null),
})

const checkFile = (value: unknown): Checked =>
  typeof value === 'string' && isId(value) ? fits(value) : unfit('must be the id of a file')

function fileReference(field: Field, otherwise: 'restrict' | 'set_null'): Reference {
  const { bucket, onDelete, onFileDelete } = optionsOf<FileOptions>(field)
  return { kind: 'file', bucket, onDelete, onFileDelete: onFileDelete ?? otherwise }
}

/** The id of a file. */
export const file = fieldType({
  options: fileKeys,
  literal: null,
  comparable: true,
  fault: (o, field) => setNullFault(o.on_file_delete, 'on_file_delete', field),
  column: 'TEXT',
  check: checkFile,
  show: (value) => value,
  operand: checkFile,
  operators: () => IDENTITY_OPERATORS,
  json: () => ({ type: 'string', format: 'uuid' }),
  typescript: () => 'string',
  // null cannot stand in a field that must have a value
  reference: (field) => fileReference(field, field.nullable ? 'set_null' : 'restrict'),
})

function checkFiles(value: unknown, field: Field): Checked {
  const most = optionsOf<FileOptions>(field).maxFiles ?? MAX_FILES
  if (!Array.isArray(value)) return unfit('must be a list of ids of files')
  if (value.length > most) return unfit(`must name at most ${most.toLocaleString('en')} file${most === 1 ? '' : 's'}`)
  if (!value.every((each) => typeof each === 'string' && isId(each))) return unfit('must be a list of ids of files')
  return new Set(value).size < value.length ? unfit('holds a file twice') : fits(JSON.stringify(value))
}

/** Ids of files, in order. */
export const files = fieldType({
  options: (names) => ({
    ...fileKeys(names),
    max_files: optional(whole(1, MAX_FILES), null),
    max_total_size: optional(size(), null),
  }),
  literal: null,
  comparable: false,
  column: 'TEXT',
  isList: () => true,
  empty: () => '[]',
  check: checkFiles,
  show: (value) => JSON.parse(value as string),
  operand: checkFile,
  operators: () => LIST_OPERATORS,
  json: (field) => ({
    type: 'array',
    items: { type: 'string', format: 'uuid' },
    uniqueItems: true,
    maxItems: optionsOf<FileOptions>(field).maxFiles ?? MAX_FILES,
  }),
  typescript: () => 'string[]',
  reference: (field) => fileReference(field, 'set_null'),
})
