// What the doctor finds, and how it looks through everything there is.
import type { BlobEntry } from '../blobs/backend.ts'
import type { BlobStore } from '../blobs/store.ts'
import type { FileRow, UploadRow } from '../core/model.ts'

const BATCH = 500

export interface DoctorProblem {
  /** `I1` rows have bytes · `I2` bytes have rows · `I3` counters are sums · `I4` references are what the records say · `I5` what is deleted goes · `I6` an upload is a file or none
   *  · `I7` spools have rows · `I8` the database is sound. */
  readonly invariant: 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8'
  readonly kind: string
  readonly id: string
  readonly detail: string
  /** What `fix` does about it, and did when `fixed` is set; null when nothing can be done without losing something. */
  readonly fix: Fix | null
  readonly fixed?: true
}

/** `set_aside`: bytes go to `.lost/` of their backend, where nobody looks for them and nothing is lost. `remove_spool`: what arrived of an upload
 *  that is gone. `forget_claim`: the claim of a file that is finished. `recount`: a counter becomes its sum. `mend_reference`:
 *  `_alyx_file_refs` becomes what the record says. */
export type Fix = 'set_aside' | 'remove_unfinished' | 'remove_spool' | 'forget_claim' | 'recount' | 'mend_reference'

export interface DoctorReport {
  readonly ok: boolean
  readonly problems: readonly DoctorProblem[]
  readonly files: number
  readonly uploads: number
  readonly bytes: number
}

/** What every backend that can be listed holds, by `{backend}:{key}`. */
export async function inventory(blobs: BlobStore): Promise<Map<string, BlobEntry>> {
  const found = new Map<string, BlobEntry>()
  for await (const { backend, entry } of blobs.entries()) found.set(`${backend}:${entry.key}`, entry)
  return found
}

/** The entry of a row, no longer an orphan then. */
export function take(found: Map<string, BlobEntry>, row: FileRow | UploadRow): BlobEntry | undefined {
  const name = `${row.backend}:${row.key}`
  const entry = found.get(name)
  found.delete(name)
  return entry
}

/** All rows, in id order. */
export async function* scan<T extends { readonly id: string }>(
  read: (afterId: string, limit: number) => Promise<readonly T[]>,
): AsyncGenerator<T> {
  for (let after = ''; ; ) {
    const rows = await read(after, BATCH)
    yield* rows
    if (rows.length < BATCH) return
    after = rows.at(-1)!.id
  }
}
