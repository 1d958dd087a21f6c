// Changes of records: insert and update, with the files and records they name.
import type { Database } from 'better-sqlite3'
import { fail, systemCode } from '../../core/errors.ts'
import type { StoredValue } from '../../core/predicate.ts'
import type { RecordRow, RecordValues, RecordWrite } from '../records.ts'
import type { FieldQuotas } from './field-quotas.ts'
import type { RecordFiles } from './record-files.ts'
import { createStatements } from './record-statements.ts'
import {
  bound,
  fits,
  namedFiles,
  type RecordTable,
  type RecordTables,
  type RelationColumn,
  requireColumn,
  requireTable,
} from './record-table.ts'
import type { References } from './references.ts'
import { quote, VERSION_COLUMN } from './table-sql.ts'

/** The verbs of RecordStore that write one record. Each must run inside a transaction, behind a savepoint. */
export function recordVerbs(
  db: Database,
  tables: RecordTables,
  references: References,
  files: RecordFiles,
  quotas: FieldQuotas,
) {
  const statement = createStatements(db)

  /** Fails validation_failed naming every relation to nothing. The record itself is written already, so it may point at itself. */
  const requireTargets = (columns: readonly RelationColumn[], values: RecordValues): void => {
    const dangling = columns.filter((column) => {
      const value = values[column.name] ?? null
      const target = requireTable(tables, column.reference.collection)
      return value !== null && !statement(`SELECT 1 FROM ${target.sql} WHERE ${target.primarySql} = ?`).get(value)
    })
    if (dangling.length === 0) return
    throw fail('validation_failed', 'a relation points at no record', {
      details: {
        fields: dangling.map(({ name, reference }) => ({
          path: name,
          message: `names no record of ${reference.collection}`,
        })),
      },
    })
  }

  return {
    insertRecord(collection: string, values: RecordValues, now: string, by: string | null): RecordWrite {
      const table = requireTable(tables, collection)
      for (const field of Object.keys(values)) requireColumn(table, field)
      const stored = table.spec.columns.map((column) => bound(column, values[column.name] ?? null))
      const row = table.row(unlessTaken(table, () => statement(insertSql(table)).get(...stored, 1)!))
      requireTargets(table.relations, row.values)
      const recordId = idOf(table, row)
      for (const column of table.files) {
        const named = namedFiles(column, row.values[column.name])
        for (const fileId of named) {
          files.claim(fileId, column, now)
          references.add(fileId, collection, recordId, column.name)
        }
        if (named.size > 0) quotas.require(by, column, new Set(), named)
      }
      return { row, condemned: [] }
    },

    updateRecord(
      collection: string,
      id: StoredValue,
      ifVersion: number,
      changes: RecordValues,
      now: string,
      by: string | null,
    ): RecordWrite {
      const table = requireTable(tables, collection)
      for (const field of Object.keys(changes)) requireColumn(table, field)
      const old = requireVersion(table, findRecord(table, id, statement), ifVersion)
      const { primary } = table.spec
      if (primary in changes && changes[primary] !== old.values[primary])
        throw fail('internal', `the primary field of ${collection} does not change`)
      const columns = table.spec.columns.filter(({ name }) => name !== primary && name in changes)
      const stored = columns.map((column) => bound(column, changes[column.name] ?? null))
      const names = columns.map(({ name }) => name)
      const row = table.row(unlessTaken(table, () => statement(updateSql(table, names)).get(...stored, id)!))
      const isNew = ({ name }: { readonly name: string }): boolean => row.values[name] !== old.values[name]
      requireTargets(table.relations.filter(isNew), row.values)

      const recordId = idOf(table, row)
      const released: string[] = []
      for (const column of table.files.filter(isNew)) {
        const before = namedFiles(column, old.values[column.name])
        const after = namedFiles(column, row.values[column.name])
        for (const fileId of before) {
          if (after.has(fileId)) continue
          references.drop(fileId, collection, recordId, column.name)
          if (column.reference.onDelete === 'cascade') released.push(fileId)
        }
        for (const fileId of after) {
          if (before.has(fileId)) continue
          files.claim(fileId, column, now)
          references.add(fileId, collection, recordId, column.name)
        }
        quotas.require(by, column, before, after)
      }
      // Only now: a file may have moved from one field to another.
      return { row, condemned: files.condemn(released, now) }
    },
  }
}

/** The row of this primary value; a value of another type has none. */
export function findRecord(
  table: RecordTable,
  id: StoredValue,
  statement: ReturnType<typeof createStatements>,
): RecordRow | null {
  if (!fits(table.primary, id)) return null
  const raw = statement(`SELECT ${table.selection} FROM ${table.sql} WHERE ${table.primarySql} = ?`).get(
    bound(table.primary, id),
  )
  return raw ? table.row(raw) : null
}

/** Fails record_not_found, precondition_failed (details.version). */
export function requireVersion(table: RecordTable, row: RecordRow | null, ifVersion: number): RecordRow {
  if (row === null) throw fail('record_not_found', `${table.name} has no such record`)
  if (row.version !== ifVersion)
    throw fail('precondition_failed', `the record is at version ${row.version}`, { details: { version: row.version } })
  return row
}

function idOf(table: RecordTable, row: RecordRow): string {
  return String(row.values[table.spec.primary])
}

function insertSql(table: RecordTable): string {
  const places = ', ?'.repeat(table.spec.columns.length)
  return `INSERT INTO ${table.sql} (${table.selection}) VALUES (${places.slice(2)}, ?) RETURNING ${table.selection}`
}

function updateSql(table: RecordTable, names: readonly string[]): string {
  const version = quote(VERSION_COLUMN)
  const changes = [...names.map((name) => `${quote(name)} = ?`), `${version} = ${version} + 1`]
  return `UPDATE ${table.sql} SET ${changes.join(', ')} WHERE ${table.primarySql} = ? RETURNING ${table.selection}`
}

/** Runs the write; that a value is taken becomes unique_violation with the names of the fields. */
function unlessTaken<T>(table: RecordTable, write: () => T): T {
  try {
    return write()
  } catch (error) {
    if (!/^SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY|ROWID)$/.test(systemCode(error) ?? '') || !(error instanceof Error))
      throw error
    // "UNIQUE constraint failed: posts.author, posts.slug"
    const pairs = error.message.slice(error.message.indexOf(': ') + 2).split(', ')
    const fields = [...table.columns.keys()].filter((name) => pairs.includes(`${table.name}.${name}`))
    throw fail('unique_violation', `${table.name} has a record with this ${fields.join(' and ') || 'value'} already`, {
      details: { fields },
      cause: error,
    })
  }
}
