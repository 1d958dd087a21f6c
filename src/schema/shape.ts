// The form of schema.yaml: every key, what it may hold, and what holds where it is left out.

import { type Keys, map, optional, record, required } from '../core/mapping.ts'
import { OPERATIONS } from '../core/model.ts'
import {
  inspect,
  list,
  located,
  mapped,
  type Reading,
  refine,
  report,
  type Shape,
  type ShapeValue,
  scalar,
  under,
  word,
} from '../core/shape.ts'
import { parseDuration } from '../core/units.ts'
import { addressNameFault, duration, flag, mediaType, reference, size } from '../core/values.ts'
import { namesAt, nodeAt, type YamlNode } from '../core/yaml.ts'
import { fieldShape } from './field.ts'
import { type FieldNames, isComparable } from './fields.ts'
import type { Bucket, RecordOperation, RuleSource } from './model.ts'
import { templateFault } from './template.ts'

/** What alyx.yml says that schema.yaml must agree with. */
export interface SchemaLimits {
  /** Names under storage.backends; null = not known, do not check. */
  readonly backends: readonly string[] | null
  /** Whether uploads.max_file_size stands in for a bucket's own. */
  readonly hasMaxFileSize: boolean
  readonly hasEncryptionKeys: boolean
}

const RECORD_OPERATIONS = ['create', 'read', 'update', 'delete'] as const satisfies readonly RecordOperation[]
const forms = { camelCase: true } as const

const rule: Shape<RuleSource> = {
  below: null,
  read(node, reading) {
    const source = node.kind === 'scalar' && typeof node.value === 'string' ? node.value : null
    const fault =
      source === null
        ? 'expected a rule in quotes, such as "true" or auth.id != null'
        : source.trim() === ''
          ? 'must not be empty'
          : null
    if (fault !== null) report(reading, fault, node.at)
    return { source: source ?? '', at: node.at, path: reading.path }
  },
}

function rules<N extends string>(operations: readonly N[]) {
  const keys = Object.fromEntries(operations.map((name) => [name, optional(rule, null)])) as Record<
    N,
    ReturnType<typeof optional<RuleSource, null>>
  >
  return record(keys satisfies Keys, forms)
}

const cache: Shape<Bucket['cache']> = scalar(
  'no-store, revalidate or "public, <duration>"',
  { mode: 'no-store' },
  ({ value }) => {
    if (value === 'no-store' || value === 'revalidate') return { mode: value }
    const maxAge = typeof value === 'string' && value.startsWith('public, ') ? parseDuration(value.slice(8)) : null
    return maxAge === null || maxAge === 0 ? undefined : { mode: 'public', maxAge }
  },
)

const retention = mapped(
  inspect(record({ default: optional(duration(), null), max: optional(duration(), null) }, forms), (value, reading) => {
    if (value.default === null && value.max === null) report(reading, 'expected default, max or both')
    else if (value.max !== null && (value.default ?? 0) > value.max) report(reading, 'default is longer than max')
  }),
  // a maximum that the default does not keep would not be one
  (value) => ({ default: value.default ?? value.max, max: value.max }),
)

const template = refine(
  scalar('a path such as "{owner}/{name}" in quotes', '', ({ value }) =>
    typeof value === 'string' ? value : undefined,
  ),
  templateFault,
)
const types = refine(list(mediaType), (values) =>
  values.length === 0 ? 'must not be empty: leave it out to allow everything' : null,
)

function bucketShape(limits: SchemaLimits) {
  const shape = record(
    {
      backend: required(reference('backend', limits.backends)),
      max_file_size: limits.hasMaxFileSize
        ? optional(size(), null)
        : required<number | null>(
            size(),
            'required here or as uploads.max_file_size in alyx.yml: nothing is unlimited',
          ),
      max_total_size: optional(size(), null),
      allowed_types: optional(types, null),
      compression: optional(word(['none', 'gzip', 'zstd']), 'none'),
      encryption: optional(
        refine(flag, (on) => (on && !limits.hasEncryptionKeys ? 'needs storage.encryption.keys in alyx.yml' : null)),
        false,
      ),
      path: optional(template, '{name}'),
      retention: optional(retention, null),
      file_security: optional(flag, false),
      cache: optional(cache, { mode: 'no-store' }),
      inline_pdf: optional(flag, false),
      staging: optional(duration(), null),
      trash: optional(duration(), null),
      rules: optional(rules(OPERATIONS), null),
    },
    forms,
  )
  return inspect(shape, (bucket, reading, node) => {
    if (bucket.cache.mode !== 'public' || bucket.rules?.download?.source.trim() === 'true') return
    const at = (node.kind === 'map' && node.entries.get('cache')?.at) || reading.at
    report(under(reading, 'cache', at), 'public needs the download rule to be exactly "true"')
  })
}

function collectionShape(names: FieldNames) {
  const declared = mapped(map(located(fieldShape(names)), addressNameFault), (all, reading) => {
    const primary = [...all].filter(([, field]) => field.value.primary)
    for (const [name, field] of primary.slice(1)) {
      report(under(reading, name, field.at), `a second primary field, after "${primary[0]![0]}"`)
    }
    return all
  })
  const fields = inspect(declared, (all, reading) => {
    if (![...all.values()].some((field) => field.value.primary)) report(reading, 'one field must have primary: true')
  })
  const shapeWith = (columnNames: readonly string[], lists: ReadonlySet<string>) => {
    const column = refine(reference('field', columnNames), (name) =>
      lists.has(name) ? 'has no order, so it cannot be indexed' : null,
    )
    const columns = refine(list(column), (columns) =>
      columns.length === 0
        ? 'must not be empty'
        : new Set(columns).size < columns.length
          ? 'names a field twice'
          : null,
    )
    const index = record({ fields: required(columns), unique: optional(flag, false) }, forms)
    return record(
      {
        fields: required(fields),
        indexes: optional(list(index), null),
        rules: optional(rules(RECORD_OPERATIONS), null),
      },
      forms,
    )
  }
  const shape: ReturnType<typeof shapeWith> = {
    below: null,
    read: (node, reading) => shapeWith(namesAt(node, ['fields']), unordered(node, reading)).read(node, reading),
  }
  /** Names of fields that an index cannot have; what is wrong with them otherwise is reported elsewhere. */
  function unordered(node: YamlNode, reading: Reading): ReadonlySet<string> {
    const at = nodeAt(node, ['fields'])
    const all = at === undefined ? [] : [...declared.read(at, { ...reading, problems: [] })]
    const found = all.filter(
      ([, { value }]) => value.type !== '' && !isComparable({ ...value, name: '', target: null }),
    )
    return new Set(found.map(([name]) => name))
  }
  return shape
}

function collectionNameFault(name: string): string | null {
  // sqlite.org/fileformat2.html §2.6: names of tables that the database keeps for itself
  return addressNameFault(name) ?? (name.startsWith('sqlite_') ? 'names that begin with sqlite_ are reserved' : null)
}

const version = scalar('version 1, the only one there is', 1 as const, ({ value }) => (value === 1 ? value : undefined))

/** The whole file. Names that must exist are looked for among those that the tree itself declares. */
export function schemaShape(root: YamlNode, limits: SchemaLimits) {
  const names = { buckets: namesAt(root, ['buckets']), collections: namesAt(root, ['collections']) }
  return record({
    version: required(version),
    buckets: optional(map(located(bucketShape(limits)), addressNameFault), null),
    collections: optional(map(located(collectionShape(names)), collectionNameFault), null),
  })
}

export type SchemaFile = ShapeValue<ReturnType<typeof schemaShape>>
