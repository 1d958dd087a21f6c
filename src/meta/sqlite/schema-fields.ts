// The fields of a collection that was applied before: new ones, changed ones, and those that are no longer declared.
import { printable } from '../../core/problem.ts'
import { FIELD_TYPES } from '../../schema/fields.ts'
import type { Collection } from '../../schema/model.ts'
import { type ColumnSpec, tableOf } from '../../schema/tables.ts'
import { checkChange, checkReference, checkValues, describeChange } from './schema-changes.ts'
import { columnsOf, indexesOf, type RealColumn } from './schema-columns.ts'
import { type Definition, definitionOf, fieldText } from './schema-definition.ts'
import { defaultSql, fillNulls, fillOf } from './schema-fill.ts'
import { type Findings, type Look, migrationHint, verb } from './schema-findings.ts'
import { forgetReferences, readReferences } from './schema-references.ts'
import { countNulls, countRows, countValues } from './schema-values.ts'
import { columnSql, quote } from './table-sql.ts'

/** Fields that were applied and are not declared any more. */
export function compareOldFields(look: Look, collection: Collection, before: Definition, findings: Findings): void {
  const columns = columnsOf(look.db, collection.name)
  for (const [name, field] of Object.entries(before.fields)) {
    if (collection.fields.has(name) || !columns.has(name)) continue
    const path = `${collection.name}.${name}`
    const place = { collection: collection.name, field: name }
    const count = countValues(look.db, collection.name, { name, list: field.list })
    const foreign = indexesOf(look.db, collection.name).filter((index) => !index.ours && index.columns.includes(name))
    if (count > 0) {
      findings.refusals.push({
        ...place,
        message: `${path} is no longer declared, and ${verb(count, 'have a value', 'has a value')}`,
        hint: wayOut(look, collection, before, name),
      })
    } else if (foreign.length > 0) {
      findings.refusals.push({
        ...place,
        message: `${path} is no longer declared, and index ${foreign[0]!.name} uses it`,
        hint: migrationHint(look, 'To drop the index', `drop_index`, `sql: DROP INDEX ${quote(foreign[0]!.name)}`),
      })
    } else {
      findings.steps.push({
        ...place,
        kind: 'drop_field',
        sql: `ALTER TABLE ${quote(collection.name)} DROP COLUMN ${quote(name)}`,
        description: `drop ${path}, which no record has a value in`,
        also: (db) => forgetReferences(db, collection.name, name),
      })
    }
  }
}

/** Fields that are declared. Returns those that have no column yet. */
export function compareFields(
  look: Look,
  collection: Collection,
  before: Definition,
  findings: Findings,
): ReadonlySet<string> {
  const columns = columnsOf(look.db, collection.name)
  const missing = new Set<string>()
  const after = definitionOf(collection)
  for (const column of tableOf(collection).columns) {
    const { name } = column
    const [old, real] = [before.fields[name], columns.get(name)]
    if (real === undefined) {
      missing.add(name)
      if (old === undefined) addField(look, collection, column, findings)
      else findings.refusals.push(goneColumn(collection.name, name))
    } else if (old === undefined) takeOver(look, collection, column, real, findings)
    else if (fieldText(old) !== fieldText(after.fields[name]!)) {
      const refusals = checkChange(look, collection, column, old)
      findings.refusals.push(...refusals)
      const isSame = old.type === after.fields[name]!.type && old.list === column.list
      const files = [old.reference, column.reference].some((reference) => reference?.kind === 'file')
      findings.steps.push({
        kind: 'change_field',
        collection: collection.name,
        field: name,
        sql: null,
        description: `change ${collection.name}.${name} (${describeChange(old, after.fields[name]!)})`,
        ...(files && !isSame && { also: (db) => readReferences(db, tableOf(collection), column) }),
      })
    }
  }
  return missing
}

function addField(look: Look, collection: Collection, column: ColumnSpec, findings: Findings): void {
  const field = collection.fields.get(column.name)!
  const path = `${collection.name}.${column.name}`
  const place = { collection: collection.name, field: column.name }
  const fill = fillOf(field, look.now)
  const rows = fill === null || fill.kind === 'id' ? countRows(look.db, collection.name) : 0
  if (fill === null && rows > 0) {
    findings.refusals.push({
      ...place,
      message: `${path} is new and required, and ${verb(rows, 'have no value for it', 'has no value for it')}`,
      hint: `Give ${path} a default or nullable: true in schema.yaml. Or ${lowerFirst(
        migrationHint(
          look,
          'To give each record a value of its own',
          `fill_${column.name}`,
          `sql: ALTER TABLE ${quote(collection.name)} ADD COLUMN ${columnSql(column)}`,
          `sql: UPDATE ${quote(collection.name)} SET ${quote(column.name)} = …`,
        ),
      )}`,
    })
  }
  findings.steps.push({
    ...place,
    kind: 'add_field',
    sql: `ALTER TABLE ${quote(collection.name)} ADD COLUMN ${columnSql(column)}${defaultSql(fill)}`,
    description: printable(`add ${path} (${column.type}${defaultSql(fill)})`),
    ...(fill?.kind === 'id' && {
      also: (db) => fillNulls(db, collection.name, column.name, fill, look.nextId),
    }),
  })
}

/** A column that a migration's SQL has made becomes the field, once its values are those of the field. */
function takeOver(
  look: Look,
  collection: Collection,
  column: ColumnSpec,
  real: RealColumn,
  { steps, refusals }: Findings,
): void {
  const path = `${collection.name}.${column.name}`
  const place = { collection: collection.name, field: column.name }
  if (real.name !== column.name || real.type !== column.type) {
    refusals.push({
      ...place,
      message: `${path} needs a column of type ${column.type}, and the table has ${real.name} of type ${real.type}`,
      hint: `Rename or drop that column by a migration with sql, or give the field another name.`,
    })
    return
  }
  const field = collection.fields.get(column.name)!
  const fill = fillOf(field, look.now)
  const nulls = countNulls(look.db, collection.name, column.name)
  if (nulls > 0 && fill === null) {
    refusals.push({
      ...place,
      message: `${path} is required, and ${verb(nulls, 'have null', 'has null')} in its column`,
      hint: `Give ${path} a default or nullable: true in schema.yaml, or set the values by a migration with sql.`,
    })
  }
  refusals.push(
    ...checkValues(look, collection, column, FIELD_TYPES.get(field.type)!),
    ...checkReference(look, collection, column),
  )
  steps.push({
    ...place,
    kind: 'change_field',
    sql: null,
    description: `take over ${path} (${column.type}), a column that is there`,
    also: (db) => {
      if (!field.nullable) fillNulls(db, collection.name, column.name, fill, look.nextId)
      readReferences(db, tableOf(collection), column)
    },
  })
}

function wayOut(look: Look, collection: Collection, before: Definition, name: string): string {
  const added = tableOf(collection).columns.filter(
    (column) => before.fields[column.name] === undefined && column.type === before.fields[name]!.column,
  )
  const drop = migrationHint(
    look,
    'To give the values up',
    `drop_${name}`,
    `drop_field: {collection: ${collection.name}, field: ${name}}`,
  )
  if (added.length !== 1) return drop
  const to = added[0]!.name
  return `${drop}\n${migrationHint(
    look,
    `If ${to} is its new name`,
    `rename_${name}`,
    `rename_field: {collection: ${collection.name}, from: ${name}, to: ${to}}`,
  )}`
}

function goneColumn(collection: string, field: string) {
  return {
    collection,
    field,
    message: `${collection}.${field} was applied, and its column is gone from the table`,
    hint: 'Restore the backup of the database, or put the column back with the type it had.',
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
