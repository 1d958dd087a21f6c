// The scanner thread: reads that may have to look at every row, kept away from the event loop. Started when first asked for. The reader
// thread is another of its kind, for pages that are found at once when the event loop has no time even for these.
import { parentPort, workerData } from 'node:worker_threads'
import type { Database } from 'better-sqlite3'
import type { JsonField, RecordQuery } from '../records.ts'
import type { FileQuery } from '../store.ts'
import { Cloned, type Desk, perform, serve } from './calls.ts'
import { connect, readBack, settingFaults } from './connection.ts'
import { findDrift } from './counters.ts'
import { encodeFault } from './faults.ts'
import { createLists } from './lists.ts'
import { openAiLists } from './openai-rows.ts'
import { outboxReads } from './outbox.ts'
import { findReferenceFaults } from './record-faults.ts'
import type { FoundRows } from './record-json.ts'
import { createRecordLists } from './record-lists.ts'
import { createStatements } from './record-statements.ts'
import { type Bound, recordTables } from './record-table.ts'
import type { ThreadData } from './thread.ts'
import { wrappedKeyReads } from './wrapped-keys.ts'

export type ScannerVerbs = ReturnType<typeof scannerVerbs>

function scannerVerbs(db: Database, { settings, tables: specs }: ThreadData) {
  const lists = createLists(db)
  const tables = recordTables(specs)
  const records = createRecordLists(db, tables)
  const statement = createStatements(db)
  return {
    list: (query: FileQuery) => lists.list(query),
    count: (query: FileQuery) => lists.count(query),
    listRecords: (query: RecordQuery) => records.list(query),
    pageRecords: (query: RecordQuery, fields: readonly JsonField[]) => records.page(query, fields),
    /** The one row of a statement that JoinedRows.around made. */
    joined: (sql: string, values: readonly Bound[]) =>
      new Cloned(statement(sql).get(...values) as unknown as FoundRows),
    countRecords: (query: RecordQuery) => records.count(query),
    findReferenceFaults: (limit: number) => findReferenceFaults(db, tables, limit),
    ...wrappedKeyReads(db),
    ...outboxReads(db),
    ...openAiLists(db),
    drift: () => findDrift(db, false),
    /** One sentence for each fault of the file, its references and this connection's settings. */
    integrity: (): readonly string[] => {
      const pages = db.pragma('integrity_check') as { integrity_check: string }[]
      const references = db.pragma('foreign_key_check') as { table: string; rowid: number; parent: string }[]
      return [
        ...pages.map((row) => row.integrity_check).filter((text) => text !== 'ok'),
        ...references.map(
          ({ table, rowid, parent }) => `row ${rowid} of ${table} refers to a row that ${parent} does not have`,
        ),
        ...settingFaults(readBack(db), settings),
      ]
    },
  }
}

function openDesk(data: ThreadData): Desk {
  const db = connect(data.settings)
  const verbs = scannerVerbs(db, data)
  return {
    answer: (calls) =>
      calls.map((call) => {
        try {
          return [call[0], perform(verbs, call)]
        } catch (error) {
          return [call[0], null, encodeFault(error)]
        }
      }),
    afterwards: () => {},
    close: () => db.close(),
  }
}

const data = workerData as ThreadData
if (parentPort) serve(parentPort, () => openDesk(data), data.oneByOne ? 1 : undefined)
