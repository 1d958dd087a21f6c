// The end of a record: which records go along, which lose their relation, which hold it back, and which files go too.
import type { Database } from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { FileRow } from '../../core/model.ts'
import type { StoredValue } from '../../core/predicate.ts'
import type { RecordFiles } from './record-files.ts'
import { createStatements } from './record-statements.ts'
import { type Bound, type RecordTable, type RecordTables, type RelationColumn, requireTable } from './record-table.ts'
import { findRecord, requireVersion } from './record-verbs.ts'
import type { References } from './references.ts'
import { quote, VERSION_COLUMN } from './table-sql.ts'

/** A relation that may point at a record. */
interface Pointer {
  readonly table: RecordTable
  readonly column: RelationColumn
}

interface Going {
  readonly table: RecordTable
  readonly id: Bound
}

/** Records that go: a list to walk while it grows, and a look-up. No recursion, so a long chain needs no stack. */
interface Leaving {
  readonly list: Going[]
  add(table: RecordTable, id: Bound): void
  has(table: RecordTable, id: Bound): boolean
}

/** The verb `remove` of RecordStore. It must run inside a transaction, behind a savepoint. */
export function removalVerbs(db: Database, tables: RecordTables, references: References, files: RecordFiles) {
  const statement = createStatements(db)
  const pointers = pointersByTarget(tables)
  const pointing = (target: RecordTable, onDelete: RelationColumn['reference']['onDelete']): readonly Pointer[] =>
    (pointers.get(target.name) ?? []).filter(({ column }) => column.reference.onDelete === onDelete)

  const collect = (first: Going): Leaving => {
    const leaving = createLeaving()
    leaving.add(first.table, first.id)
    // A record that was found while walking is walked to in its turn.
    for (const { table, id } of leaving.list)
      for (const pointer of pointing(table, 'cascade'))
        for (const [found] of statement(pointingSql(pointer)).all(id)) leaving.add(pointer.table, found as Bound)
    return leaving
  }

  const requireFree = (leaving: Leaving): void => {
    for (const { table, id } of leaving.list)
      for (const pointer of pointing(table, 'restrict'))
        for (const [found] of statement(pointingSql(pointer)).iterate(id))
          if (!leaving.has(pointer.table, found as Bound)) throw held(pointer, found as Bound)
  }

  const erase = ({ table, id }: Going): readonly string[] => {
    statement(`DELETE FROM ${table.sql} WHERE ${table.primarySql} = ?`).run(id)
    const cascading = new Set(
      table.files.filter(({ reference }) => reference.onDelete === 'cascade').map(({ name }) => name),
    )
    const dropped = references.dropRecord(table.name, String(id))
    return dropped.filter(({ field }) => cascading.has(field)).map(({ fileId }) => fileId)
  }

  /** Those that go too are gone by now, so this changes the ones that stay. */
  const detach = ({ table, id }: Going): void => {
    for (const pointer of pointing(table, 'set_null')) statement(detachSql(pointer)).run(id)
  }

  return {
    removeRecord(collection: string, id: StoredValue, ifVersion: number, now: string): readonly FileRow[] {
      const table = requireTable(tables, collection)
      const { values } = requireVersion(table, findRecord(table, id, statement), ifVersion)
      const leaving = collect({ table, id: values[table.spec.primary]! })
      requireFree(leaving)
      const released: string[] = []
      for (const going of leaving.list) for (const fileId of erase(going)) released.push(fileId)
      for (const going of leaving.list) detach(going)
      return files.condemn(released, now)
    },
  }
}

/** Records of a table that point at one record, in their order. */
export function pointingSql({ table, column }: Pointer): string {
  return `SELECT ${table.primarySql} FROM ${table.sql} WHERE ${quote(column.name)} = ? ORDER BY ${table.primarySql}`
}

/** Ends the relation of all records of a table that point at one record. */
export function detachSql({ table, column }: Pointer): string {
  const name = quote(column.name)
  const version = quote(VERSION_COLUMN)
  return `UPDATE ${table.sql} SET ${name} = NULL, ${version} = ${version} + 1 WHERE ${name} = ?`
}

function pointersByTarget(tables: RecordTables): ReadonlyMap<string, readonly Pointer[]> {
  const all = [...tables.values()].flatMap((table) => table.relations.map((column): Pointer => ({ table, column })))
  return Map.groupBy(all, ({ column }) => column.reference.collection)
}

function createLeaving(): Leaving {
  const list: Going[] = []
  const ids = new Map<RecordTable, Set<Bound>>()
  return {
    list,
    has: (table, id) => ids.get(table)?.has(id) === true,
    add(table, id) {
      const known = ids.get(table) ?? new Set()
      ids.set(table, known)
      if (known.has(id)) return
      known.add(id)
      list.push({ table, id })
    },
  }
}

function held({ table, column }: Pointer, id: Bound) {
  return fail('record_in_use', `${table.name}.${column.name} of a record points at it`, {
    details: { collection: table.name, record_id: String(id), field: column.name },
  })
}
