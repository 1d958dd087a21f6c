// Prepared statements are kept while they are used, and never too many of them.
import Database from 'better-sqlite3'
import { expect, it } from 'vitest'
import { createStatements } from '../../../src/meta/sqlite/record-statements.ts'

it('the statements that were used last are kept, the others are prepared again', () => {
  const db = new Database(':memory:')
  let prepared = 0
  const statement = createStatements(
    Object.assign(Object.create(db), {
      prepare(sql: string) {
        prepared++
        return db.prepare(sql)
      },
    }) as Database.Database,
    2,
  )
  for (const n of [1, 2, 1, 3, 1, 2]) expect(statement(`SELECT ${n}`).get()).toEqual([n])
  expect(prepared).toBe(4)
  db.close()
})
