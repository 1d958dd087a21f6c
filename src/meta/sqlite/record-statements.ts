// Prepared statements by their text. Callers choose the shapes of filters, so only the latest are kept.
import type { Database, Statement } from 'better-sqlite3'
import type { Bound } from './record-table.ts'

/** Rows come as arrays of values. */
export type RecordStatement = Statement<Bound[], unknown[]>

/** The statement of this text, prepared when it is first asked for or has been dropped since. */
export type Statements = (sql: string) => RecordStatement

const MOST = 200

/** Keeps the `most` statements that were used last. */
export function createStatements(db: Database, most: number = MOST): Statements {
  const kept = new Map<string, RecordStatement>()
  return (sql) => {
    const known = kept.get(sql)
    const statement = known ?? db.prepare<Bound[], unknown[]>(sql)
    if (known) kept.delete(sql)
    else if (statement.reader) statement.raw()
    kept.set(sql, statement)
    if (kept.size > most) kept.delete(kept.keys().next().value!)
    return statement
  }
}
