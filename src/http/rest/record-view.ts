// How a record looks to clients: as the service gives it, with File objects where files were expanded.
import { Expanded, type RecordView } from '../../records/model.ts'
import { viewFile } from './view.ts'

/** The JSON value of a record. Only the fields that `expand` asked for are looked into. */
export function viewRecord(record: RecordView, expand: string | null): RecordView {
  return expand === null ? record : withFiles(record, expand.split(','))
}

/** The same for the records of a page. */
export function viewRecords(records: readonly RecordView[], expand: string | null): readonly RecordView[] {
  if (expand === null) return records
  const fields = expand.split(',')
  return records.map((record) => withFiles(record, fields))
}

function withFiles(record: RecordView, fields: readonly string[]): RecordView {
  const shown: Record<string, unknown> = { ...record }
  for (const field of fields) {
    const value = record[field]
    if (Array.isArray(value)) shown[field] = value.map(view)
    else if (value instanceof Expanded) shown[field] = viewFile(value.file)
  }
  return shown
}

function view(value: unknown): unknown {
  return value instanceof Expanded ? viewFile(value.file) : value
}
