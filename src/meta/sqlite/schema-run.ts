// Runs the steps of a project migration on a database, inside the transaction that its caller has begun.
import type { Database } from 'better-sqlite3'
import { type AppError, fail, systemCode } from '../../core/errors.ts'
import { formatProblem } from '../../core/problem.ts'
import { statementsOf } from '../../schema/migration-sql.ts'
import type { MigrationAction, MigrationStep } from '../../schema/project-migrations.ts'
import { columnsOf, dropIndexes, kindOf } from './schema-columns.ts'
import {
  type Definition,
  type Definitions,
  type FieldDefinition,
  readDefinitions,
  tableOfDefinition,
  writeDefinition,
} from './schema-definition.ts'
import { forgetReferences, moveCollection, moveField, readReferences } from './schema-references.ts'
import { quote, VERSION_COLUMN } from './table-sql.ts'

type Action<Kind extends MigrationAction['kind']> = Extract<MigrationAction, { kind: Kind }>

/** `now` dates the definitions that change. Fails config_invalid with the place of the step in its file. */
export function runMigrationStep(db: Database, { action, at, path }: MigrationStep, now: string): void {
  const refuse: Refuse = (message, hint) => fail('config_invalid', formatProblem({ at, path, message }), { hint })
  try {
    run(db, action, now, refuse)
  } catch (error) {
    // SQLITE_ERROR and constraint failures are the step's; a full or busy disk is not.
    if (!/^SQLITE_(ERROR|CONSTRAINT|MISMATCH)/.test(systemCode(error) ?? '')) throw error
    throw refuse(`does not run: ${error instanceof Error ? error.message : error}`, UNDONE)
  }
}

type Refuse = (message: string, hint: string) => AppError

const UNDONE = 'Nothing of this migration was done. Correct the file and run alyx migrate apply again.'

function run(db: Database, action: MigrationAction, now: string, refuse: Refuse): void {
  const definitions = readDefinitions(db)
  if (action.kind === 'rename_field') renameField(db, definitions, action, now, refuse)
  else if (action.kind === 'drop_field') dropField(db, definitions, action, now, refuse)
  else if (action.kind === 'rename_collection') renameCollection(db, definitions, action, now, refuse)
  else if (action.kind === 'drop_collection') dropCollection(db, definitions, action, now, refuse)
  else runSql(db, definitions, action, now, refuse)
}

function renameField(
  db: Database,
  definitions: Definitions,
  { collection, from, to }: Action<'rename_field'>,
  now: string,
  refuse: Refuse,
): void {
  const definition = requireCollection(definitions, collection, refuse)
  const field = requireField(definition, collection, from, refuse)
  if (columnsOf(db, collection).has(to)) throw refuse(`${collection} has a column ${to} already`, UNDONE)
  dropIndexes(db, collection, from)
  db.exec(`ALTER TABLE ${quote(collection)} RENAME COLUMN ${quote(from)} TO ${quote(to)}`)
  moveField(db, collection, from, to)
  const { [from]: _, ...fields } = definition.fields
  const indexes = definition.indexes.filter(({ columns }) => !columns.includes(from))
  const primary = definition.primary === from ? to : definition.primary
  writeDefinition(db, collection, { primary, fields: { ...fields, [to]: field }, indexes }, now)
}

function dropField(
  db: Database,
  definitions: Definitions,
  { collection, field }: Action<'drop_field'>,
  now: string,
  refuse: Refuse,
): void {
  const definition = requireCollection(definitions, collection, refuse)
  requireField(definition, collection, field, refuse)
  if (definition.primary === field) throw refuse(`${collection}.${field} is the primary field, which stays`, UNDONE)
  dropIndexes(db, collection, field)
  db.exec(`ALTER TABLE ${quote(collection)} DROP COLUMN ${quote(field)}`)
  forgetReferences(db, collection, field)
  writeDefinition(db, collection, without(definition, [field]), now)
}

function renameCollection(
  db: Database,
  definitions: Definitions,
  { from, to }: Action<'rename_collection'>,
  now: string,
  refuse: Refuse,
): void {
  const definition = requireCollection(definitions, from, refuse)
  const kind = kindOf(db, to)
  if (kind !== null) throw refuse(`the database has a ${kind} ${to} already`, UNDONE)
  dropIndexes(db, from, null)
  db.exec(`ALTER TABLE ${quote(from)} RENAME TO ${quote(to)}`)
  moveCollection(db, from, to)
  writeDefinition(db, from, null, now)
  const renamed = new Map([...definitions].filter(([name]) => name !== from))
  renamed.set(to, { ...definition, indexes: [] })
  for (const [name, other] of renamed) {
    const fields = Object.entries(other.fields).map(([field, its]) => [field, pointingAt(its, from, to)] as const)
    if (name === to || fields.some(([field, its]) => its !== other.fields[field]))
      writeDefinition(db, name, { ...other, fields: Object.fromEntries(fields) }, now)
  }
}

function dropCollection(
  db: Database,
  definitions: Definitions,
  { collection }: Action<'drop_collection'>,
  now: string,
  refuse: Refuse,
): void {
  requireCollection(definitions, collection, refuse)
  db.exec(`DROP TABLE IF EXISTS ${quote(collection)}`)
  forgetReferences(db, collection, null)
  writeDefinition(db, collection, null, now)
}

function runSql(db: Database, definitions: Definitions, { sql }: Action<'sql'>, now: string, refuse: Refuse): void {
  for (const source of statementsOf(sql)) {
    const statement = db.prepare(source)
    if (statement.reader) statement.all()
    else statement.run()
  }
  for (const [name, definition] of definitions) reconcile(db, name, definition, now, refuse)
}

/** SQL may have done anything: columns that are gone or of another type leave the definition, and files are named by what is there now. */
function reconcile(db: Database, name: string, definition: Definition, now: string, refuse: Refuse): void {
  if (kindOf(db, name) !== 'table')
    throw refuse(
      `leaves no table ${name}`,
      'Use drop_collection or rename_collection, which keep its references right.',
    )
  const columns = columnsOf(db, name)
  if (columns.get(definition.primary)?.primary !== true || columns.get(VERSION_COLUMN)?.type !== 'INTEGER')
    throw refuse(
      `leaves ${name} without its primary key ${definition.primary} or without ${VERSION_COLUMN} INTEGER NOT NULL`,
      'A table that is built anew needs both, as the old one had them.',
    )
  const gone = Object.entries(definition.fields).filter(([field, { column }]) => columns.get(field)?.type !== column)
  for (const [field] of gone) forgetReferences(db, name, field)
  const left = without(
    definition,
    gone.map(([field]) => field),
  )
  if (gone.length > 0) writeDefinition(db, name, left, now)
  const table = tableOfDefinition(name, left)
  for (const column of table.columns) if (column.reference?.kind === 'file') readReferences(db, table, column)
}

function without({ primary, fields, indexes }: Definition, gone: readonly string[]): Definition {
  return {
    primary,
    fields: Object.fromEntries(Object.entries(fields).filter(([name]) => !gone.includes(name))),
    indexes: indexes.filter(({ columns }) => !columns.some((column) => gone.includes(column))),
  }
}

function pointingAt(field: FieldDefinition, from: string, to: string): FieldDefinition {
  const { reference, options } = field
  if (reference?.kind !== 'record' || reference.collection !== from) return field
  return { ...field, reference: { ...reference, collection: to }, options: { ...options, collection: to } }
}

function requireCollection(definitions: Definitions, name: string, refuse: Refuse): Definition {
  const found = definitions.get(name)
  if (found !== undefined) return found
  const known = [...definitions.keys()].join(', ')
  throw refuse(`there is no collection ${name} in the database`, `It has ${known}. ${UNDONE}`)
}

function requireField(definition: Definition, collection: string, name: string, refuse: Refuse): FieldDefinition {
  const found = definition.fields[name]
  if (found !== undefined) return found
  throw refuse(
    `${collection} has no field ${name} in the database`,
    `It has ${Object.keys(definition.fields).join(', ')}. ${UNDONE}`,
  )
}
