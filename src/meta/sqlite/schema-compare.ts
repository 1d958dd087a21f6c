// What must be done for the tables to be what the schema says. Only reads; looks at rows only where something changes.
import type { Collection } from '../../schema/model.ts'
import { tableOf } from '../../schema/tables.ts'
import { kindOf } from './schema-columns.ts'
import { type Definition, definitionOf } from './schema-definition.ts'
import { compareFields, compareOldFields } from './schema-fields.ts'
import { type Findings, type Look, migrationHint, records } from './schema-findings.ts'
import { compareNewIndexes, compareOldIndexes, createIndexStep } from './schema-indexes.ts'
import { forgetReferences } from './schema-references.ts'
import { countRows } from './schema-values.ts'
import { createTableSql, quote } from './table-sql.ts'

/** The steps, in the order in which they are done, and what is refused. Needs the shipped migrations where a collection was applied. */
export function compareSchema(look: Look): Findings {
  const findings: Findings = { steps: [], refusals: [] }
  for (const [name, before] of look.recorded) {
    if (!look.schema.collections.has(name)) dropTable(look, name, before, findings)
  }
  for (const collection of look.schema.collections.values()) {
    const before = look.recorded.get(collection.name)
    if (before === undefined) createTable(look, collection, findings)
    else compareTable(look, collection, before, findings)
  }
  return findings
}

function compareTable(look: Look, collection: Collection, before: Definition, findings: Findings): void {
  const { name } = collection
  const { primary } = definitionOf(collection)
  if (kindOf(look.db, name) !== 'table') {
    findings.refusals.push({
      collection: name,
      field: null,
      message: `${name} was applied, and its table is gone`,
      hint: `Restore the backup of the database. ${migrationHint(look, 'To begin with an empty one', `drop_${name}`, `drop_collection: {collection: ${name}}`)}`,
    })
  } else if (primary !== before.primary) {
    findings.refusals.push({
      collection: name,
      field: primary,
      message: `the primary field of ${name} cannot change from ${before.primary} to ${primary}`,
      hint: `Make ${before.primary} the primary field again. ${migrationHint(look, `If ${primary} is its new name`, `rename_${before.primary}`, `rename_field: {collection: ${name}, from: ${before.primary}, to: ${primary}}`)}`,
    })
  } else {
    compareOldIndexes(look, collection, findings)
    compareOldFields(look, collection, before, findings)
    const missing = compareFields(look, collection, before, findings)
    compareNewIndexes(look, collection, missing, findings)
  }
}

function createTable(look: Look, collection: Collection, findings: Findings): void {
  const table = tableOf(collection)
  const { name } = table
  const kind = kindOf(look.db, name)
  if (kind !== null) {
    findings.refusals.push({
      collection: name,
      field: null,
      message: `${name} is new, and the database has a ${kind} of this name that Alyx did not make`,
      hint: `Give the collection another name, or give the ${kind} one.`,
    })
    return
  }
  const columns = table.columns.map((column) => `${column.name} ${column.type}`).join(', ')
  findings.steps.push({
    kind: 'create_table',
    collection: name,
    field: null,
    sql: createTableSql(table),
    description: `create table ${name} (${columns})`,
  })
  for (const index of table.indexes) findings.steps.push(createIndexStep(table, index))
}

function dropTable(look: Look, name: string, before: Definition, { steps, refusals }: Findings): void {
  const place = { collection: name, field: null }
  const isThere = kindOf(look.db, name) === 'table'
  const count = isThere ? countRows(look.db, name) : 0
  if (count > 0) {
    refusals.push({
      ...place,
      message: `${name} is no longer declared, and it has ${records(count)}`,
      hint: wayOut(look, name, before),
    })
    return
  }
  steps.push({
    ...place,
    kind: 'drop_table',
    sql: isThere ? `DROP TABLE ${quote(name)}` : null,
    description: isThere ? `drop table ${name}, which is empty` : `forget ${name}, whose table is gone`,
    also: (db) => forgetReferences(db, name, null),
  })
}

function wayOut(look: Look, name: string, before: Definition): string {
  const drop = migrationHint(look, 'To give its records up', `drop_${name}`, `drop_collection: {collection: ${name}}`)
  const added = [...look.schema.collections.values()].filter(
    (collection) => !look.recorded.has(collection.name) && definitionOf(collection).primary === before.primary,
  )
  if (added.length !== 1) return drop
  const to = added[0]!.name
  return `${drop}\n${migrationHint(
    look,
    `If ${to} is its new name`,
    `rename_${name}`,
    `rename_collection: {from: ${name}, to: ${to}}`,
  )}`
}
