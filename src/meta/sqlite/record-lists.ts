// Lists of records on a connection: pages and counts, on the event loop where an index answers, else on the scanner thread.
import type { Database } from 'better-sqlite3'
import type { JsonField, RecordPage, RecordQuery, RecordRow } from '../records.ts'
import { type FoundRows, type JoinedRows, joinedRows, pageOf } from './record-json.ts'
import { countStatement, limitedSql, type PageStatement, pageStatements } from './record-pages.ts'
import { createStatements } from './record-statements.ts'
import { type Bound, type RecordTables, requireTable } from './record-table.ts'

export interface RecordLists {
  list(query: RecordQuery): readonly RecordRow[]
  page(query: RecordQuery, fields: readonly JsonField[]): RecordPage
  /** The statement of a page that takes one only, for another connection to run; null where it takes several. */
  single(query: RecordQuery, fields: readonly JsonField[]): SingleRead | null
  count(query: RecordQuery): number
}

export interface SingleRead {
  readonly sql: string
  readonly values: readonly Bound[]
  /** The page, of the statement's one row. */
  page(found: FoundRows): RecordPage
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
        for (const step of statements) {
          const wanted = query.limit - rows.length
          if (wanted <= 0) break
          const found = statement(limitedSql(step, wanted)).all(...step.values, query.offset)
          for (const raw of found) rows.push(table.row(raw))
        }
        return rows
      }
      return statements.length > 1 ? together(collect) : collect()
    },
    page(query, fields) {
      const table = requireTable(tables, query.collection)
      const joined = joinedRows(fields, table)
      const statements = pageStatements(query, table, joined.selection)
      const collect = (): RecordPage => {
        const parts: FoundRows[] = []
        let count = 0
        for (const step of statements) {
          // One more than is shown tells whether there are more.
          const wanted = query.limit + 1 - count
          if (wanted === 0) break
          const rows = statement(joinedSql(joined, step, wanted))
          const found = rows.get(...step.values, query.offset, ...joined.values) as unknown as FoundRows
          parts.push(found)
          count += found[0]
        }
        return pageOf(parts, query)
      }
      return statements.length > 1 ? together(collect) : collect()
    },
    single(query, fields) {
      const table = requireTable(tables, query.collection)
      const joined = joinedRows(fields, table)
      const [step, ...more] = pageStatements(query, table, joined.selection)
      if (step === undefined || more.length > 0) return null
      return {
        sql: joinedSql(joined, step, query.limit + 1),
        values: [...step.values, query.offset, ...joined.values],
        page: (found) => pageOf([found], query),
      }
    },
    count(query) {
      const { sql, values } = countStatement(query, requireTable(tables, query.collection))
      return statement(sql).get(...values)![0] as number
    },
  }
}

const texts = new WeakMap<
  PageStatement,
  { readonly joined: JoinedRows; readonly limit: number; readonly sql: string }
>()

/** The same text object for the same statement as long as it is asked for alike: finding what was prepared for it is then cheap. */
function joinedSql(joined: JoinedRows, step: PageStatement, limit: number): string {
  const known = texts.get(step)
  if (known?.joined === joined && known.limit === limit) return known.sql
  const sql = joined.around(limitedSql(step, limit))
  texts.set(step, { joined, limit, sql })
  return sql
}
