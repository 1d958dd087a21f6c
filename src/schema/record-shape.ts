// JSON Schemas of a collection's records, for the OpenAPI document: what is shown, what may be sent.
import type { JsonSchema } from './field-type.ts'
import { isList, isRequired, isSettable, typeOf } from './fields.ts'
import type { Collection, Field } from './model.ts'

const FILE = '#/components/schemas/File'

/** Name of the component that `recordSchema` is: `blog_posts` → `BlogPostsRecord`. No two collections share one. */
export function schemaName(collection: Pick<Collection, 'name'>): string {
  const words = collection.name.replace(/(^|_)([a-z])/g, (_, _before, letter: string) => letter.toUpperCase())
  return `${words}Record`
}

/** A record as GET shows it. What names a file or a record may be that itself, after `expand`. */
export function recordSchema(collection: Collection): JsonSchema {
  const shown = [...collection.fields.values()].filter((field) => !field.internal)
  return {
    type: 'object',
    properties: Object.fromEntries(shown.map((field) => [field.name, orNull(expandable(field), field)])),
    required: shown.map(({ name }) => name),
  }
}

/** The body that creates a record. */
export function createSchema(collection: Collection): JsonSchema {
  const settable = [...collection.fields.values()].filter(isSettable)
  const required = settable.filter(isRequired).map(({ name }) => name)
  return {
    type: 'object',
    properties: Object.fromEntries(settable.map((field) => [field.name, { ...sent(field), ...defaultOf(field) }])),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  }
}

/** The body that changes a record; lists of files can also be changed by `name+` (append), `+name` (prepend), `name-` (remove). */
export function updateSchema(collection: Collection): JsonSchema {
  const settable = [...collection.fields.values()].filter((field) => isSettable(field) && !field.primary)
  const properties = settable.flatMap((field): [string, JsonSchema][] => {
    const whole: [string, JsonSchema] = [field.name, sent(field)]
    if (!hasParts(field)) return [whole]
    const list = typeOf(field).json(field)
    const parts = { anyOf: [list.items, list] }
    return [whole, [`${field.name}+`, parts], [`+${field.name}`, parts], [`${field.name}-`, parts]]
  })
  return { type: 'object', properties: Object.fromEntries(properties), additionalProperties: false }
}

/** Whether PATCH takes `name+`, `+name` and `name-` for the field. */
function hasParts(field: Field): boolean {
  return isList(field) && typeOf(field).reference?.(field).kind === 'file'
}

function sent(field: Field): JsonSchema {
  return orNull(typeOf(field).json(field), field)
}

function expandable(field: Field): JsonSchema {
  const type = typeOf(field)
  const plain = type.json(field)
  const reference = type.reference?.(field)
  if (reference === undefined) return plain
  const component =
    reference.kind === 'file' ? FILE : `#/components/schemas/${schemaName({ name: reference.collection })}`
  const either = (id: unknown) => ({ anyOf: [id, { $ref: component }] })
  // two ids of one list differ, and so do the files they stand for
  return isList(field) ? { ...plain, items: either(plain.items) } : either(plain)
}

function orNull(schema: JsonSchema, field: Field): JsonSchema {
  if (!field.nullable) return schema
  if (Array.isArray(schema.anyOf)) return { ...schema, anyOf: [...schema.anyOf, { type: 'null' }] }
  // without a type everything fits, also null
  if (typeof schema.type !== 'string') return schema
  const values = Array.isArray(schema.enum) ? { enum: [...schema.enum, null] } : {}
  return { ...schema, type: [schema.type, 'null'], ...values }
}

function defaultOf(field: Field): JsonSchema {
  return field.default?.kind === 'literal' ? { default: field.default.value } : {}
}
