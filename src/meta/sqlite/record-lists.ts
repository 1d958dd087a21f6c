// Lists of records on a connection: pages and counts, on the event loop where an index answers, else on the scanner thread.
import type { Database } from 'better-sqlite3'
import type { StoredValue } from '../../core/predicate.ts'
import type { JsonField, RecordPage, RecordQuery, RecordRow } from '../records.ts'
import { jsonObject, selectionOf } from './record-json.ts'
import { countStatement, pageStatements } from './record-pages.ts'
import { createStatements } from './record-statements.ts'
import { type RecordTables, requireTable } from './record-table.ts'

export interface RecordLists {
  list(query: RecordQuery): readonly RecordRow[]
  /** Null where the page takes more than one statement. */
  page(query: RecordQuery, fields: readonly JsonField[]): RecordPage | null
  count(query: RecordQuery): number
}

/** Statements are prepared when their shape is first asked for. */
export function createRecordLists(db: Database, tables: RecordTables): RecordLists {
  const statement = createStatements(db)
  // One snapshot for all statements of a page, or a row that changes meanwhile might be in two of them.
  const together = db.transaction((work: () => unknown) => work()) as <T>(work: () => T) => T
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
    page(query, fields) {
      const table = requireTable(tables, query.collection)
      const [page, ...more] = pageStatements(query, table, jsonObject(fields, table))
      const [end] = pageStatements(query, table, selectionOf(query.sort))
      if (page === undefined || end === undefined || more.length > 0) return null
      const bounds = [...page.values, query.limit, query.offset]
      const place = [...end.values, 2, query.offset + query.limit - 1]
      return together(() => {
        const json = statement(`SELECT '[' || coalesce(group_concat(doc, ','), '') || ']' FROM (${page.sql})`).get(
          ...bounds,
        )
        const [last, next] = statement(end.sql).all(...place)
        const values = query.sort.map(({ field }, at) => [field, last?.[at] as StoredValue] as const)
        return { json: json![0] as string, last: next === undefined ? null : Object.fromEntries(values) }
      })
    },
    count(query) {
      const { sql, values } = countStatement(query, requireTable(tables, query.collection))
      return statement(sql).get(...values)![0] as number
    },
  }
}
