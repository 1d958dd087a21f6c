// The contract of records, verb by verb: which thread does it.
import type { Database } from 'better-sqlite3'
import type { RecordQuery, RecordStore } from '../records.ts'
import { createRecordLists } from './record-lists.ts'
import { isIndexed } from './record-order.ts'
import { recordReads } from './record-reads.ts'
import { type RecordTables, requireTable } from './record-table.ts'
import type { ScannerVerbs } from './scanner.ts'
import type { Thread } from './thread.ts'
import type { WriterVerbs } from './writer.ts'

/** Runs a read of the main thread's connection; what SQLite fails with becomes a failure of ours. */
export type ReadNow = <T>(read: () => T) => Promise<T>

export interface RecordThreads {
  readonly writer: Thread<WriterVerbs>
  /** For reads that take long. */
  readonly scanner: Thread<ScannerVerbs>
  /** For pages that are found at once, while the event loop is crowded. */
  readonly reader: Thread<ScannerVerbs>
  readonly isCrowded: () => boolean
}

/** Records on the reading connection and the threads, which stay the caller's to close. */
export function createRecordStore(
  db: Database,
  tables: RecordTables,
  { writer, scanner, reader, isCrowded }: RecordThreads,
  now: ReadNow,
): RecordStore {
  const reads = recordReads(db, tables)
  const lists = createRecordLists(db, tables)
  const isShort = (query: RecordQuery): boolean => isIndexed(query, requireTable(tables, query.collection))
  return {
    get: (collection, id) => now(() => reads.get(collection, id)),
    many: (collection, ids) => now(() => reads.many(collection, ids)),
    list: async (query) => (isShort(query) ? now(() => lists.list(query)) : scanner.call('listRecords', query)),
    async page(query, fields) {
      if (!isShort(query)) return scanner.call('pageRecords', query, fields)
      const single = isCrowded() ? lists.single(query, fields) : null
      if (single === null) return now(() => lists.page(query, fields))
      return single.page(await reader.call('joined', single.sql, single.values))
    },
    count: (query) => scanner.call('countRecords', query),
    insert: (collection, values, time, by) => writer.call('insertRecord', collection, values, time, by ?? null),
    update: (collection, id, ifVersion, changes, time, by) =>
      writer.call('updateRecord', collection, id, ifVersion, changes, time, by ?? null),
    remove: (collection, id, ifVersion, time) => writer.call('removeRecord', collection, id, ifVersion, time),
    references: (fileId, limit) => now(() => reads.references(fileId, limit)),
    faults: (limit) => scanner.call('findReferenceFaults', limit),
    async mendReferences() {
      await writer.call('mendReferences')
    },
  }
}
