// Lists of records on a connection: pages and counts, on the event loop where an index answers, else on the scanner thread.
import type { Database } from 'better-sqlite3'
import type { RecordQuery, RecordRow } from '../records.ts'
import { countStatement, pageStatements } from './record-pages.ts'
import { createStatements } from './record-statements.ts'
import { type RecordTables, requireTable } from './record-table.ts'

export interface RecordLists {
  list(query: RecordQuery): readonly RecordRow[]
  count(query: RecordQuery): number
}

/** Statements are prepared when their shape is first asked for. */
export function createRecordLists(db: Database, tables: RecordTables): RecordLists {
  const statement = createStatements(db)
  // One snapshot for all statements of a page, or a row that changes meanwhile might be in two of them.
  const together = db.transaction((work: () => readonly RecordRow[]) => work())
  return {
    list(query) {
      const table = requireTable(tables, query.collection)
      const statements = pageStatements(query, table)
      const collect = (): readonly RecordRow[] => {
        const rows: RecordRow[] = []
        for (const { sql, values } of statements) {
          if (rows.length >= query.limit) break
          const found = statement(sql).all([...values, query.limit - rows.length, query.offset] as never)
          for (const raw of found) rows.push(table.row(raw))
        }
        return rows
      }
      return statements.length > 1 ? together(collect) : collect()
    },
    count(query) {
      const { sql, values } = countStatement(query, requireTable(tables, query.collection))
      return statement(sql).get(...values)![0] as number
    },
  }
}
