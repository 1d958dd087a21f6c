// Migration files: what they may say, and what is said about their faults.
import { describe, expect, it } from 'vitest'
import { formatProblem } from '../../src/core/problem.ts'
import { sqlFault, statementsOf } from '../../src/schema/migration-sql.ts'
import { parseMigration } from '../../src/schema/project-migrations.ts'

const parse = (text: string) => {
  const { steps, problems } = parseMigration(text, 'm.yml')
  return { steps, problems: problems.map(formatProblem) }
}

describe('a migration file', () => {
  it('says each step with its place', () => {
    const { steps, problems } = parse(`version: 1
steps:
  - rename_field: {collection: posts, from: a, to: b}
  - drop_field: {collection: posts, field: c}
  - rename_collection: {from: posts, to: articles}
  - drop_collection: {collection: notes}
  - sql: |
      UPDATE articles SET b = 1;
      DELETE FROM articles WHERE b IS NULL
`)
    expect(problems).toEqual([])
    expect(steps.map(({ action }) => action)).toEqual([
      { kind: 'rename_field', collection: 'posts', from: 'a', to: 'b' },
      { kind: 'drop_field', collection: 'posts', field: 'c' },
      { kind: 'rename_collection', from: 'posts', to: 'articles' },
      { kind: 'drop_collection', collection: 'notes' },
      { kind: 'sql', sql: 'UPDATE articles SET b = 1;\nDELETE FROM articles WHERE b IS NULL\n' },
    ])
    expect(steps[4]).toMatchObject({ at: { file: 'm.yml', line: 7, column: 5 }, path: 'steps.4.sql' })
  })

  it.each([
    ['steps: [{sql: SELECT 1}]', 'm.yml:1:1 version: required'],
    ['version: 2\nsteps: [{sql: SELECT 1}]', 'm.yml:1:10 version: expected version 1, the only one there is, got 2'],
    ['version: 1', 'm.yml:1:1 steps: required'],
    ['version: 1\nsteps: []', 'm.yml:2:8 steps: must not be empty'],
    ['version: 1\nsteps: [{drop: 1}]', 'm.yml:2:10 steps.0.drop: unknown key'],
    [
      'version: 1\nsteps: [{}]',
      'm.yml:2:9 steps.0: expected exactly one of rename_field, drop_field, rename_collection, drop_collection, sql, got 0',
    ],
    [
      'version: 1\nsteps: [{sql: SELECT 1, drop_collection: {collection: a}}]',
      'm.yml:2:9 steps.0: expected exactly one of rename_field, drop_field, rename_collection, drop_collection, sql, got 2',
    ],
    [
      'version: 1\nsteps: [{rename_field: {collection: a, from: b, to: b}}]',
      'm.yml:2:10 steps.0.rename_field: "b" is its name already',
    ],
    [
      'version: 1\nsteps: [{drop_collection: {collection: _alyx_files}}]',
      'm.yml:2:40 steps.0.drop_collection.collection: names that begin with _alyx are reserved',
    ],
  ])('%j is refused', (text, problem) => {
    expect(parse(text).problems).toEqual([problem])
  })
})

describe('the SQL of a migration', () => {
  it('is cut where a statement ends, and nowhere else', () => {
    expect(
      statementsOf(`UPDATE a SET b = ';' ; -- one; two
      /* three; */ DELETE FROM "x;y" WHERE [z;] = 'it''s;';; SELECT \`q;\` FROM t /* open ; `),
    ).toEqual([`UPDATE a SET b = ';'`, `DELETE FROM "x;y" WHERE [z;] = 'it''s;'`, 'SELECT `q;` FROM t'])
  })

  it.each([
    'UPDATE posts SET a = 1',
    'with x as (select 1) insert into posts select * from x',
    'CREATE TABLE mine (a); CREATE INDEX i ON mine (a); DROP TABLE mine',
    'DROP INDEX "_alyx_index.posts.a"',
    "-- COMMIT\nSELECT 'BEGIN; _begin'",
  ])('may be %j', (sql) => {
    expect(sqlFault(sql)).toBeNull()
  })

  it.each([
    ['', 'holds no statement'],
    ['-- nothing', 'holds no statement'],
    ['COMMIT', 'begins with COMMIT'],
    ['SELECT 1; ROLLBACK', 'begins with ROLLBACK'],
    ['/* x */ begin', 'begins with BEGIN'],
    ['END', 'begins with END'],
    ['SAVEPOINT a', 'begins with SAVEPOINT'],
    ["ATTACH 'other.db' AS o", 'begins with ATTACH'],
    ['DETACH o', 'begins with DETACH'],
    ['PRAGMA writable_schema = ON', 'begins with PRAGMA'],
    ['VACUUM', 'begins with VACUUM'],
    ['EXPLAIN SELECT 1', 'begins with EXPLAIN'],
    ['CREATE TRIGGER t AFTER INSERT ON posts BEGIN SELECT 1; END', 'CREATE TRIGGER is not allowed'],
    ['create temp trigger t AFTER INSERT ON posts BEGIN SELECT 1; END', 'CREATE TRIGGER is not allowed'],
    ['DELETE FROM _alyx_files', '_alyx_'],
    [`DELETE FROM '_ALYX_files'`, '_alyx_'],
    ['UPDATE posts SET a = (SELECT id FROM "_alyx_api_keys")', '_alyx_'],
  ])('may not be %j', (sql, message) => {
    expect(sqlFault(sql)).toContain(message)
  })
})
