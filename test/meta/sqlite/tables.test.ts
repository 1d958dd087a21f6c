// tables.ts and the migrations say the same.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { getTableConfig, SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../../src/meta/sqlite/connection.ts'
import { applyMigrations } from '../../../src/meta/sqlite/open.ts'
import { FILE_COLUMNS, UPLOAD_COLUMNS } from '../../../src/meta/sqlite/rows.ts'
import * as tables from '../../../src/meta/sqlite/tables.ts'

const all = Object.values(tables).map((table) => ({ name: getTableConfig(table).name, config: getTableConfig(table) }))

describe('the migrated database', () => {
  const directory = mkdtempSync(join(tmpdir(), 'alyx-tables-'))
  const file = join(directory, 'alyx.db')
  let db: Database

  beforeAll(async () => {
    await applyMigrations({ file })
    db = connect({ file, durability: 'full', busyTimeout: 100, cache: 1024, readOnly: true })
  })

  afterAll(() => {
    db.close()
    rmSync(directory, { recursive: true })
  })

  it('has exactly the declared tables, all of them STRICT', () => {
    const found = db
      .prepare<[], { name: string; strict: number }>(
        "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite%'",
      )
      .all()
    expect(found.map(({ name }) => name).sort()).toEqual(all.map(({ name }) => name).sort())
    expect(found.filter(({ strict }) => strict !== 1)).toEqual([])
  })

  it.each(all)('$name has exactly the declared columns', ({ name, config }) => {
    const found = db.pragma(`table_info(${name})`) as {
      name: string
      type: string
      notnull: number
      pk: number
      dflt_value: unknown
    }[]
    const key = config.primaryKeys[0]?.columns.map((column) => column.name) ?? []
    const declared = config.columns.map((column) => ({
      name: column.name,
      type: column.getSQLType().toUpperCase(),
      notnull: column.notNull ? 1 : 0,
      pk: column.primary ? 1 : key.indexOf(column.name) + 1,
    }))
    expect(found.map(({ name, type, notnull, pk }) => ({ name, type: type.toUpperCase(), notnull, pk }))).toEqual(
      declared,
    )
    const defaults = config.columns.filter((column) => column.default !== undefined).map(({ name }) => name)
    expect(found.filter(({ dflt_value }) => dflt_value !== null).map((column) => column.name)).toEqual(defaults)
  })

  it.each(all)('$name has exactly the declared indexes', ({ name, config }) => {
    const found = db
      .prepare<[string], { name: string; unique: number; sql: string }>(
        'SELECT l.name, l."unique", s.sql FROM pragma_index_list(?) l JOIN sqlite_schema s ON s.name = l.name WHERE l.origin = \'c\'',
      )
      .all(name)
      .map((index) => ({
        name: index.name,
        unique: index.unique === 1,
        columns: (db.pragma(`index_info(${index.name})`) as { name: string }[]).map((column) => column.name),
        where: / WHERE (.*)$/.exec(index.sql)?.[1] ?? null,
      }))
    const declared = config.indexes.map(({ config: index }) => ({
      name: index.name,
      unique: index.unique,
      columns: index.columns.map((column) => ('name' in column ? column.name : 'expression')),
      where: index.where ? new SQLiteSyncDialect().sqlToQuery(index.where).sql : null,
    }))
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
    expect(found.sort(byName)).toEqual(declared.sort(byName))
  })

  it('has the columns that rows are read and written with', () => {
    expect(FILE_COLUMNS).toEqual(getTableConfig(tables.files).columns.map(({ name }) => name))
    expect(UPLOAD_COLUMNS).toEqual(getTableConfig(tables.uploads).columns.map(({ name }) => name))
  })
})
