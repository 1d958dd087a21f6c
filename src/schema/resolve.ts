// From what the file says to what it means: the Schema that the other rooms use, and what to warn about.
import type { Problem } from '../core/problem.ts'
import { FIELD_TYPES } from './fields.ts'
import type { Bucket, Collection, Field, RuleSource, RuleSources, Schema } from './model.ts'
import type { SchemaFile } from './shape.ts'

/** The schema of a file that was read without a problem. */
export function resolveSchema(file: SchemaFile): Schema {
  const buckets = [...(file.buckets ?? [])].map(([name, { value, at }]): Bucket => {
    return {
      name,
      backend: value.backend,
      maxFileSize: value.max_file_size,
      maxTotalSize: value.max_total_size,
      allowedTypes: [...new Set(value.allowed_types ?? ['*/*'])],
      compression: value.compression,
      encryption: value.encryption,
      path: value.path,
      retention: value.retention,
      fileSecurity: value.file_security,
      cache: value.cache,
      inlinePdf: value.inline_pdf,
      staging: value.staging,
      trash: value.trash,
      rules: present(value.rules ?? {}),
      at,
    }
  })
  const collections = [...(file.collections ?? [])].map(([name, { value, at }]): Collection => {
    const fields = [...value.fields].map(([field, found]): Field => ({ name: field, ...found.value, target: null }))
    return { name, fields: byName(fields), indexes: value.indexes ?? [], rules: present(value.rules ?? {}), at }
  })
  return { version: 1, buckets: byName(buckets), collections: withTargets(byName(collections)) }
}

/** Relations point at collections that may stand further down in the file, so they are tied together last. */
function withTargets(collections: ReadonlyMap<string, Collection>): ReadonlyMap<string, Collection> {
  const tied = [...collections.values()].map((collection): Collection => {
    const fields = [...collection.fields.values()].map((field): Field => {
      const reference = FIELD_TYPES.get(field.type)?.reference?.(field)
      return reference?.kind === 'record'
        ? { ...field, target: primaryOf(collections.get(reference.collection)!) }
        : field
    })
    return { ...collection, fields: byName(fields) }
  })
  return byName(tied)
}

/** The field that names a record. */
export function primaryOf(collection: Collection): Field {
  return [...collection.fields.values()].find((field) => field.primary)!
}

/** What is allowed but rarely meant. */
export function schemaWarnings(schema: Schema): Problem[] {
  const open = [...schema.buckets.values(), ...schema.collections.values()].flatMap(({ rules }) =>
    (['create', 'update', 'delete'] as const).flatMap((operation): Problem[] => {
      const rule = rules[operation]
      return rule?.source.trim() === 'true'
        ? [{ ...rule, message: `anyone may ${operation}, also without signing in` }]
        : []
    }),
  )
  const cramped = [...schema.buckets.values()].flatMap((bucket): Problem[] =>
    bucket.maxTotalSize !== null && (bucket.maxFileSize ?? 0) > bucket.maxTotalSize
      ? [
          {
            at: bucket.at,
            path: `buckets.${bucket.name}`,
            message: 'max_file_size is above max_total_size, so the latter decides',
          },
        ]
      : [],
  )
  return [...open.map(({ at, path, message }) => ({ at, path, message })), ...cramped]
}

function present<N extends string>(rules: Readonly<Partial<Record<N, RuleSource | null>>>): RuleSources<N> {
  return Object.fromEntries(Object.entries(rules).filter(([, rule]) => rule !== null)) as RuleSources<N>
}

function byName<T extends { readonly name: string }>(all: readonly T[]): ReadonlyMap<string, T> {
  return new Map(all.map((one) => [one.name, one]))
}
