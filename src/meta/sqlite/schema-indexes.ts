// The indexes of a collection: declared ones that are missing are built, ours that are no longer declared go.
import type { Collection } from '../../schema/model.ts'
import { type IndexSpec, type TableSpec, tableOf } from '../../schema/tables.ts'
import type { PlanStep } from '../schema-plan.ts'
import { indexesOf } from './schema-columns.ts'
import { fillOf } from './schema-fill.ts'
import type { Findings, Look } from './schema-findings.ts'
import { countRows, findCollisions } from './schema-values.ts'
import { createIndexSql, indexName, quote } from './table-sql.ts'

/** Before any column goes: one that has an index cannot. */
export function compareOldIndexes(look: Look, collection: Collection, { steps }: Findings): void {
  const wanted = new Set(tableOf(collection).indexes.map((index) => indexName(collection.name, index)))
  for (const { name, ours } of indexesOf(look.db, collection.name)) {
    if (!ours || wanted.has(name)) continue
    steps.push({
      kind: 'drop_index',
      collection: collection.name,
      field: null,
      sql: `DROP INDEX ${quote(name)}`,
      description: `drop index ${name.replace(/^_alyx_/, '')}`,
    })
  }
}

/** After all columns are there. `missing` are fields that have no column yet. */
export function compareNewIndexes(
  look: Look,
  collection: Collection,
  missing: ReadonlySet<string>,
  { steps, refusals }: Findings,
): void {
  const table = tableOf(collection)
  const there = new Set(indexesOf(look.db, collection.name).map(({ name }) => name))
  for (const index of table.indexes) {
    if (there.has(indexName(collection.name, index))) continue
    const columns = index.columns.join(', ')
    const groups = index.unique ? collisionsOf(look, collection, missing, index) : []
    if (groups.length > 0) {
      refusals.push({
        collection: collection.name,
        field: index.columns.length === 1 ? index.columns[0]! : null,
        message: `${collection.name} (${columns}) is to be unique, and ${groups.join(', ')}`,
        hint: 'Change the records so that each has a value of its own, or take unique away.',
      })
    }
    steps.push(createIndexStep(table, index))
  }
}

/** The step that builds an index. */
export function createIndexStep(table: TableSpec, index: IndexSpec): PlanStep {
  return {
    kind: 'create_index',
    collection: table.name,
    field: index.columns.length === 1 ? index.columns[0]! : null,
    sql: createIndexSql(table, index),
    description: `create ${index.unique ? 'unique index' : 'index'} on ${table.name} (${index.columns.join(', ')})`,
  }
}

function collisionsOf(
  { db, now }: Look,
  collection: Collection,
  missing: ReadonlySet<string>,
  { columns }: IndexSpec,
): readonly string[] {
  const fills = columns.filter((name) => missing.has(name)).map((name) => fillOf(collection.fields.get(name)!, now))
  // Null equals nothing, and ids are all different. A fill of null means that the field itself is refused.
  if (fills.some((fill) => fill?.kind !== 'constant' || fill.value === null)) return []
  const rest = columns.filter((name) => !missing.has(name))
  if (rest.length === 0) {
    const rows = countRows(db, collection.name)
    return rows > 1 ? [`the default would give ${rows} records the same value`] : []
  }
  const { values, records } = findCollisions(db, collection.name, rest)
  if (values === 0) return []
  const more = values > records.length ? ', …' : ''
  return [
    `${values === 1 ? '1 value is' : `${values} values are`} held by more than one record (${records.join(', ')}${more})`,
  ]
}
