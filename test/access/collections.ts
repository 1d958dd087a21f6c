// A collection with a field of every kind, for the tests of rules of records.
import { createAccess } from '../../src/access/decide.ts'
import type { RecordAccess, RuleDoc } from '../../src/access/record-access.ts'
import { AppError } from '../../src/core/errors.ts'
import type { StoredValue } from '../../src/core/predicate.ts'
import type { Problem } from '../../src/core/problem.ts'
import { type Observer, silent } from '../../src/observe/observer.ts'
import { FIELD_TYPES } from '../../src/schema/fields.ts'
import { parseSchema } from '../../src/schema/load.ts'
import type { Collection, RecordOperation, Schema } from '../../src/schema/model.ts'

export type Rules = Partial<Record<RecordOperation, string>>

const FIELDS = `
      id: {type: uuid, primary: true, default: auto}
      author: {type: string, nullable: true}
      title: {type: string, nullable: true}
      level: {type: int, nullable: true}
      price: {type: float, nullable: true}
      open: {type: bool, nullable: true}
      members: {type: select, values: [alice, bob, t1, a, b], max_select: 5, nullable: true}
      files: {type: "file[]", bucket: pics}
      kind: {type: select, values: [alice, bob, a, b], nullable: true}
      day: {type: date, nullable: true}
      made: {type: timestamp, nullable: true}
      extra: {type: json, nullable: true}
      bytes: {type: blob, nullable: true}
      group: {type: relation, collection: groups, nullable: true, on_delete: set_null}`

/** A schema whose collections all have the same fields. */
export function schemaWith(collections: Readonly<Record<string, Rules>>): Schema {
  const text = `
version: 1
buckets:
  pics: {backend: local, max_file_size: 1MB}
collections:
  groups:
    fields:
      id: {type: int, primary: true}
${Object.entries(collections)
  .map(([name, rules]) => `  ${name}:\n    fields:${FIELDS}\n    rules: ${JSON.stringify(rules)}\n`)
  .join('')}`
  const context = { backends: ['local'], hasMaxFileSize: false, hasEncryptionKeys: false }
  const { schema, problems } = parseSchema(text, 'schema.yaml', context)
  if (schema === null) throw new AppError('internal', JSON.stringify(problems))
  return schema
}

/** The collection `posts` with these rules. */
export function posts(rules: Rules): Collection {
  return schemaWith({ posts: rules }).collections.get('posts')!
}

/** What is wrong with the rules, or the way to records. */
export function judgeOf(
  collections: Readonly<Record<string, Rules>>,
  observer: Observer = silent,
): { readonly records: RecordAccess | null; readonly problems: readonly Problem[] } {
  return createAccess({ ...schemaWith(collections), observer })
}

/** The way to records of rules that compile. */
export function recordAccess(collections: Readonly<Record<string, Rules>>, observer?: Observer): RecordAccess {
  const { records, problems } = judgeOf(collections, observer)
  if (records === null) throw new AppError('internal', JSON.stringify(problems))
  return records
}

/** A stored row of `posts` as rules see it; what is not given is null. */
export function docOf(collection: Collection, values: Readonly<Record<string, StoredValue>>): RuleDoc {
  const shown = [...collection.fields.values()].map((field): [string, unknown] => {
    const type = FIELD_TYPES.get(field.type)!
    const value = values[field.name] ?? null
    return [field.name, value === null ? null : (type.rule ?? type.show)(value, field)]
  })
  return Object.fromEntries(shown)
}
