// Prepared statements by their text. Callers choose the shapes of filters, so only the latest are kept.
import type { Database, Statement } from 'better-sqlite3'
import { createRecent } from '../../core/recent.ts'
import type { Bound } from './record-table.ts'

/** Rows come as arrays of values. */
export type RecordStatement = Statement<Bound[], unknown[]>

/** The statement of this text, prepared when it is first asked for or has been dropped since. */
export type Statements = (sql: string) => RecordStatement

const MOST = 200

/** Keeps the `most` statements that were used last. */
export function createStatements(db: Database, most: number = MOST): Statements {
  const kept = createRecent<string, RecordStatement>(most)
  return (sql) => {
    const known = kept.get(sql)
    if (known !== undefined) return known
    const statement = db.prepare<Bound[], unknown[]>(sql)
    if (statement.reader) statement.raw()
    kept.set(sql, statement)
    return statement
  }
}
