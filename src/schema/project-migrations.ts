// A migration file of a project, `migrations/NNNN_name.yml`: what cannot be told from schema.yaml alone, step by step.
import { optional, record, required } from '../core/mapping.ts'
import type { Position, Problem } from '../core/problem.ts'
import { inspect, list, mapped, refine, report, type Shape, scalar, under } from '../core/shape.ts'
import { addressNameFault, text } from '../core/values.ts'
import { parseYaml } from '../core/yaml.ts'
import { sqlFault } from './migration-sql.ts'

export type MigrationAction =
  | { readonly kind: 'rename_field'; readonly collection: string; readonly from: string; readonly to: string }
  | { readonly kind: 'drop_field'; readonly collection: string; readonly field: string }
  | { readonly kind: 'rename_collection'; readonly from: string; readonly to: string }
  | { readonly kind: 'drop_collection'; readonly collection: string }
  | { readonly kind: 'sql'; readonly sql: string }

export interface MigrationStep {
  readonly action: MigrationAction
  readonly at: Position
  /** `steps.0.rename_field` */
  readonly path: string
}

export interface MigrationFile {
  readonly steps: readonly MigrationStep[]
  /** The steps hold only when there are none. */
  readonly problems: readonly Problem[]
}

const name = refine(text, addressNameFault)
const version = scalar('version 1, the only one there is', 1 as const, ({ value }) => (value === 1 ? value : undefined))

const sql = refine(
  scalar('SQL as text', '', (node) => (typeof node.value === 'string' ? node.value : undefined)),
  sqlFault,
)

const another = <T extends { readonly from: string; readonly to: string }>(shape: Shape<T>): Shape<T> =>
  inspect(shape, ({ from, to }, reading) => {
    if (from === to) report(reading, `"${to}" is its name already`)
  })

const ACTIONS = {
  rename_field: optional(
    another(record({ collection: required(name), from: required(name), to: required(name) })),
    null,
  ),
  drop_field: optional(record({ collection: required(name), field: required(name) }), null),
  rename_collection: optional(another(record({ from: required(name), to: required(name) })), null),
  drop_collection: optional(record({ collection: required(name) }), null),
  sql: optional(sql, null),
}

const step: Shape<MigrationStep> = mapped(
  inspect(record(ACTIONS), (value, reading, node) => {
    const given = Object.values(value).filter((one) => one !== null).length
    if (given !== 1)
      report(reading, `expected exactly one of ${Object.keys(ACTIONS).join(', ')}, got ${given}`, node.at)
  }),
  (value, reading, node) => {
    const [kind, entry] = (node.kind === 'map' ? [...node.entries] : [])[0] ?? ['sql', node]
    const place = under(reading, kind, entry.at)
    return { action: actionOf(value), at: place.at, path: place.path }
  },
)

type Read = ReturnType<ReturnType<typeof record<typeof ACTIONS>>['read']>

function actionOf({ rename_field, drop_field, rename_collection, drop_collection, sql }: Read): MigrationAction {
  if (rename_field !== null) return { kind: 'rename_field', ...rename_field }
  if (drop_field !== null) return { kind: 'drop_field', ...drop_field }
  if (rename_collection !== null) return { kind: 'rename_collection', ...rename_collection }
  if (drop_collection !== null) return { kind: 'drop_collection', ...drop_collection }
  return { kind: 'sql', sql: sql ?? '' }
}

const file = record({
  version: required(version),
  steps: required(refine(list(step), (steps) => (steps.length === 0 ? 'must not be empty' : null))),
})

/** Reads the text of one file; `source` is its name in problems. Whether its names exist is for the database to say. */
export function parseMigration(text: string, source: string): MigrationFile {
  const { root, problems: syntax } = parseYaml(text, source)
  if (root === null) return { steps: [], problems: syntax }
  const problems: Problem[] = []
  const { steps } = file.read(root, { path: '', at: { file: source, line: 1, column: 1 }, problems })
  return { steps, problems }
}
