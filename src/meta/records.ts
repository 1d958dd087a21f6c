// The contract of the metadata store on records: rows of collections, what they refer to, and what goes with them.
// Each verb is one transaction that is durable when its promise resolves. test/contract/record-store.ts is its executable form.
import type { FileRow } from '../core/model.ts'
import type { Predicate, StoredValue } from '../core/predicate.ts'

/** By field name; every column of the table, also internal ones. */
export type RecordValues = Readonly<Record<string, StoredValue>>

export interface RecordRow {
  readonly values: RecordValues
  /** Raised by every write of the row; what `ifVersion` is compared with. */
  readonly version: number
}

export interface RecordWrite {
  readonly row: RecordRow
  /** Files that went with the write: tombstones now, whose bytes are still there. */
  readonly condemned: readonly FileRow[]
}

export interface SortKey {
  readonly field: string
  readonly descending: boolean
}

export interface RecordQuery {
  readonly collection: string
  readonly where: Predicate
  /** Ends with the primary field, so that the order is total. Nulls are before all else, when descending after. */
  readonly sort: readonly SortKey[]
  readonly limit: number
  readonly offset: number
  /** The values of the sort fields in the last row seen; the page starts behind it. */
  readonly after: readonly StoredValue[] | null
}

/** A field in the JSON of a page: as it is stored, 0 and 1 as false and true, or JSON text as what it says. */
export interface JsonField {
  readonly name: string
  readonly form: 'value' | 'boolean' | 'document'
  /** Of a field that holds one id: the files that are shown in the place of their ids, as File objects (API.md §3). */
  readonly files?: ShownFiles
}

/** Those files of a bucket that are ready and have not ended. */
export interface ShownFiles {
  readonly bucket: string
  /** Only those of this owner; null is of anybody. */
  readonly ownerId: string | null
  /** Staged ones are shown where their owner is this one (or nobody: null), or all. */
  readonly staged: { readonly ownerId: string | null } | 'all'
  /** RFC 3339. */
  readonly now: string
}

export interface RecordPage {
  /** The inside of a JSON array: one object for each row. */
  readonly json: string
  /** Of `json` in UTF-8. */
  readonly bytes: number
  /** The sort values of the last row, where rows follow behind it; else null. */
  readonly last: RecordValues | null
}

/** A field of a record that names a file. */
export interface FileReference {
  readonly collection: string
  /** The primary value, as text. */
  readonly recordId: string
  readonly field: string
}

/** What does not fit between records, references and files (GUARANTEES.md, I4). */
export interface ReferenceFault {
  /** `reference_missing`: a record names a file and `_alyx_file_refs` does not know. `reference_stray`: the other way round.
   *  `file_dangling`: a record names a file that is not there. `record_dangling`: a relation to a record that is not there. */
  readonly kind: 'reference_missing' | 'reference_stray' | 'file_dangling' | 'record_dangling'
  readonly collection: string
  readonly recordId: string
  readonly field: string
  /** The file or record that is named. */
  readonly target: string
}

export interface RecordStore {
  get(collection: string, id: StoredValue): Promise<RecordRow | null>
  /** Those of `ids` that exist, in any order, in one query. */
  many(collection: string, ids: readonly StoredValue[]): Promise<readonly RecordRow[]>
  list(query: RecordQuery): Promise<readonly RecordRow[]>
  /** The same page with these fields only, as JSON the database makes: several times cheaper than rows. Those it is sorted by must be
   *  among them. */
  page(query: RecordQuery, fields: readonly JsonField[]): Promise<RecordPage>
  /** How many `list` would find in all; `after`, `offset` and `limit` are ignored. */
  count(query: RecordQuery): Promise<number>

  /** `values` has every field. Files it names must be ready, unexpired, in their field's bucket; staged ones are claimed by it.
   *  Fails: unique_violation (details.fields), file_reference_invalid (details.field), validation_failed (details.fields: a relation to
   *  nothing), quota_exceeded (details.field: more files or bytes than the policy of `by` has in one field; null = nobody), storage_full. */
  insert(collection: string, values: RecordValues, now: string, by?: string | null): Promise<RecordWrite>
  /** Changes the given fields. Files that a `cascade` field stops naming and no other record names are condemned in the same step.
   *  Fails: record_not_found, precondition_failed (another version), and as insert. */
  update(
    collection: string,
    id: StoredValue,
    ifVersion: number,
    changes: RecordValues,
    now: string,
    by?: string | null,
  ): Promise<RecordWrite>
  /** The record, the records that `cascade` relations take along, and the files of `cascade` fields nobody else names, in one step.
   *  Fails: record_not_found, precondition_failed, record_in_use (details: collection, record_id, field). Returns the tombstones. */
  remove(collection: string, id: StoredValue, ifVersion: number, now: string): Promise<readonly FileRow[]>

  /** Every field of every declared collection that names the file, by collection, record, field. At most `limit`. */
  references(fileId: string, limit: number): Promise<readonly FileReference[]>
  /** Every fault of I4; at most `limit`. Reads all records. */
  faults(limit: number): Promise<readonly ReferenceFault[]>
  /** Sets `_alyx_file_refs` to what the records say. Files and records stay as they are. */
  mendReferences(): Promise<void>
}
