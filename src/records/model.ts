// What the record service takes and gives. REST is a way to call these verbs.
import type { Call, FileRow } from '../core/model.ts'
import type { FileReference } from '../meta/records.ts'

/** A record as clients see it: by field name, without internal fields; values as the field's type shows them. */
export type RecordView = Readonly<Record<string, unknown>>

/** In the place of an id after `expand`: what it stands for. The File object is made by http/. */
export class Expanded {
  readonly file: FileRow
  constructor(file: FileRow) {
    this.file = file
  }
}

/** Records that were never objects here: the inside of a JSON array of RecordViews, which has so many bytes in UTF-8. */
export class JsonText {
  readonly text: string
  readonly bytes: number
  constructor(text: string, bytes: number) {
    this.text = text
    this.bytes = bytes
  }
}

export interface RecordListInput {
  /** `field:op:value`, as received; all must hold. */
  readonly filters: readonly string[]
  /** `a,-b`; null = by the primary field. */
  readonly sort: string | null
  readonly limit: number
  readonly offset: number | null
  readonly cursor: string | null
  readonly search: string | null
  /** `f1,f2`; null = nothing. */
  readonly expand: string | null
  readonly total: boolean
}

export interface RecordList {
  /** JSON, File objects included, where nothing has to be looked at on the way: no record or file asked one by one, no list and no
   *  relation expanded. */
  readonly docs: readonly RecordView[] | JsonText
  readonly limit: number
  readonly offset: number
  readonly nextCursor: string | null
  /** Null when it was not asked for. */
  readonly total: number | null
}

/** Every verb fails with collection_not_found, unauthenticated/forbidden (details {operation, rule}) and what it names. `id` is the text of
 *  the address; one that cannot be a primary value is record_not_found. Bodies are parsed JSON of any shape. */
export interface RecordService {
  /** Only what the caller may read. Fails: invalid_query (details.parameter). */
  list(call: Call, collection: string, input: RecordListInput): Promise<RecordList>
  /** Fails: record_not_found, invalid_query (expand). */
  get(call: Call, collection: string, id: string, expand: string | null): Promise<RecordView>
  /** Fails: validation_failed (details.fields: [{path, message}]), file_reference_invalid (details.field), unique_violation (details.fields),
   *  forbidden for a cascade file the caller may not delete. */
  create(call: Call, collection: string, body: unknown, expand: string | null): Promise<RecordView>
  /** `field+`, `+field`, `field-` append to, prepend to and remove from a `file[]`. Fails as create, and record_not_found. */
  update(call: Call, collection: string, id: string, body: unknown, expand: string | null): Promise<RecordView>
  /** Fails: record_not_found, record_in_use. */
  remove(call: Call, collection: string, id: string): Promise<void>
  /** Who names this file, as far as the caller may read them; needs the file's read right. Fails: bucket_not_found, file_not_found. */
  references(call: Call, bucket: string, fileId: string): Promise<readonly FileReference[]>
}
