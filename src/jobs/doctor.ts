// The checker: compares rows, bytes, counters and references, and says by id what does not fit (GUARANTEES.md, I1–I4, I7, I8).
import { createHash } from 'node:crypto'
import type { BlobEntry } from '../blobs/backend.ts'
import type { BlobStore } from '../blobs/store.ts'
import type { Clock } from '../core/clock.ts'
import { type AppError, isFailure } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { BlobKey, FileRow, UploadRow } from '../core/model.ts'
import type { Spool } from '../files/spool.ts'
import { isLive } from '../files/visibility.ts'
import type { ReferenceFault } from '../meta/records.ts'
import type { MetaStore } from '../meta/store.ts'

export interface DoctorProblem {
  /** `I1` rows have bytes · `I2` bytes have rows · `I3` counters are sums · `I4` references are what the records say · `I7` spools have rows · `I8` the database is sound. */
  readonly invariant: 'I1' | 'I2' | 'I3' | 'I4' | 'I7' | 'I8'
  readonly kind: string
  readonly id: string
  readonly detail: string
  /** Set when --fix mended it. */
  readonly fixed?: boolean
}

export interface DoctorReport {
  readonly ok: boolean
  readonly problems: readonly DoctorProblem[]
  readonly files: number
  readonly uploads: number
  readonly bytes: number
}

export interface DoctorDeps {
  readonly meta: MetaStore
  readonly blobs: BlobStore
  readonly spool: Spool
  readonly clock: Clock
  /** Milliseconds of a clock that nobody sets; default `clock`. */
  readonly steady?: Clock
  readonly leaseTime: number
}

/** Reads everything; changes something only with `fix`, and then never a file's row nor a record; nor bytes, when the database knows of no bytes at all:
 *  then it is rather the wrong one (another path, a lost volume) than all of them are leftovers. */
export type Doctor = (options: { readonly readData: boolean; readonly fix: boolean }) => Promise<DoctorReport>

const BATCH = 500
const MOST_FAULTS = 1000

/** Wires the checker. It may run beside serving processes. */
export function createDoctor(deps: DoctorDeps): Doctor {
  const { meta, blobs, spool, clock } = deps

  return async ({ readData, fix }) => {
    const problems: DoctorProblem[] = []
    const old = clock.now() - 6 * deps.leaseTime
    let files = 0
    let uploads = 0
    let bytes = 0
    const found = await inventory(blobs)

    const spooled = new Set<string>()
    for await (const id of spool.ids()) spooled.add(id)

    for await (const file of scan(meta.scanFiles)) {
      files += 1
      bytes += file.size
      const blob = take(found, file)
      // A tombstone's bytes may be there or gone; both are on the way to gone.
      if (file.state === 'deleting') continue
      const fault = await examine(file, blob ?? (await unlisted(file)))
      if (fault !== null && (await stillThere(file))) problems.push({ invariant: 'I1', id: file.id, ...fault })
    }

    for await (const upload of scan(meta.scanUploads)) {
      uploads += 1
      take(found, upload)
      spooled.delete(upload.id)
      const detail = upload.state === 'open' && upload.offset > 0 ? await spoolFault(upload) : null
      if (detail !== null) problems.push({ invariant: 'I7', kind: 'spool_short', id: upload.id, detail })
    }

    await checkOrphans()
    for (const { scope, counter, sum } of await meta.drift(fix)) {
      const detail = `counter ${JSON.stringify(counter)}, sum ${JSON.stringify(sum)}`
      problems.push({ invariant: 'I3', kind: 'counter_drift', id: scope, detail, ...(fix ? { fixed: true } : {}) })
    }
    await checkReferences()
    for (const detail of await meta.integrity())
      problems.push({ invariant: 'I8', kind: 'database', id: 'database', detail })
    return { ok: problems.every((problem) => problem.fixed), problems, files, uploads, bytes }

    async function examine(
      file: FileRow,
      blob: { readonly size: number | null } | AppError | null,
    ): Promise<{ kind: string; detail: string } | null> {
      if (isFailure(blob)) return { kind: blob.code, detail: `${file.backend} does not say: ${blob.message}` }
      if (blob === null) return { kind: 'blob_missing', detail: `no bytes at ${file.key} in ${file.backend}` }
      if (blob.size !== null && blob.size !== file.storedSize) {
        return { kind: 'size_differs', detail: `row says ${file.storedSize} bytes, ${file.backend} holds ${blob.size}` }
      }
      return readData ? readWhole(file) : null
    }

    /** Asked after the offset was read: it only grows. */
    async function spoolFault({ id, offset }: UploadRow): Promise<string | null> {
      try {
        const size = await spool.size(id)
        const isShort = offset > (size ?? 0) && (await meta.upload(id)) !== null
        return isShort ? `offset ${offset}, spool ${size ?? 'missing'}` : null
      } catch (error) {
        if (!isFailure(error)) throw error
        return `offset ${offset}, the spool does not say: ${error.message}`
      }
    }

    /** Not every backend can be listed; each says what it holds under one key. */
    async function unlisted(file: FileRow): Promise<{ readonly size: number | null } | AppError | null> {
      try {
        return await blobs.stat(file.backend, file.key)
      } catch (error) {
        if (!isFailure(error)) throw error
        return error
      }
    }

    async function readWhole(file: FileRow): Promise<{ kind: string; detail: string } | null> {
      try {
        const hash = createHash('sha256')
        if (file.size > 0)
          for await (const chunk of await blobs.read(file, null, new AbortController().signal))
            hash.update(chunk as Buffer)
        return hash.digest('hex') === file.checksum
          ? null
          : { kind: 'checksum_differs', detail: 'the bytes are not those of the checksum' }
      } catch (error) {
        if (!isFailure(error)) throw error
        return { kind: error.code, detail: error.message }
      }
    }

    /** Bytes and spools that no row speaks of. A row may have come since the scan; a young unfinished file may still be written. */
    async function checkOrphans(): Promise<void> {
      const strange = files + uploads === 0
      const remove = fix && !strange
      const doubt = fix && strange ? '; kept, as this database knows no file at all: is it the right one?' : ''
      for (const [name, entry] of found) {
        const id = entry.key.slice(entry.key.lastIndexOf('/') + 1)
        const unfinished = entry.key.startsWith('.tmp/')
        const backend = name.slice(0, name.indexOf(':'))
        if (unfinished ? entry.modifiedAt > old : await known(backend, entry.key)) continue
        if (remove) await blobs.removeEntry(backend, entry)
        problems.push({
          invariant: 'I2',
          kind: unfinished ? 'unfinished_file' : 'orphan_blob',
          id,
          detail: `${entry.size} bytes at ${entry.key} in ${backend}${doubt}`,
          ...(remove ? { fixed: true } : {}),
        })
      }
      for (const id of spooled) {
        if ((await meta.upload(id)) !== null) continue
        const size = (await spool.size(id)) ?? 0
        if (remove) await spool.remove(id)
        problems.push({
          invariant: 'I7',
          kind: 'orphan_spool',
          id,
          detail: `${size} bytes${doubt}`,
          ...(remove ? { fixed: true } : {}),
        })
      }
    }

    /** What a record names and is not there cannot be mended here; what `_alyx_file_refs` says of records can. */
    async function checkReferences(): Promise<void> {
      const faults = await meta.records.faults(MOST_FAULTS)
      const mends = fix && faults.some(isMendable)
      if (mends) await meta.records.mendReferences()
      for (const fault of faults) {
        const { kind, collection, recordId, field, target } = fault
        const fixed = mends && isMendable(fault) ? { fixed: true } : {}
        problems.push({
          invariant: 'I4',
          kind,
          id: `${collection}/${recordId}`,
          detail: `${field} names ${target}${MEANINGS[kind]}`,
          ...fixed,
        })
      }
    }

    /** A file may be moved meanwhile: its copy stops being a spare one when its original becomes one. */
    async function known(backend: string, key: BlobKey): Promise<boolean> {
      const [, bucket = '', id = ''] = /^(.*)\/([^/]*)$/.exec(key) ?? []
      if (!isId(id)) return false
      if ((await meta.upload(id)) !== null || (await meta.isSpare(backend, key))) return true
      return (await meta.file(bucket, id))?.backend === backend || (await meta.isSpare(backend, key))
    }

    async function stillThere(file: FileRow): Promise<boolean> {
      const row = await meta.file(file.bucket, file.id)
      return row !== null && isLive(row, clock)
    }
  }
}

const MEANINGS: Readonly<Record<ReferenceFault['kind'], string>> = {
  reference_missing: ', and _alyx_file_refs does not know',
  reference_stray: ' in _alyx_file_refs only',
  file_dangling: ', a file that is not there',
  record_dangling: ', a record that is not there',
}

function isMendable({ kind }: ReferenceFault): boolean {
  return kind === 'reference_missing' || kind === 'reference_stray'
}

/** What every backend that can be listed holds, by `{backend}:{key}`. */
async function inventory(blobs: BlobStore): Promise<Map<string, BlobEntry>> {
  const found = new Map<string, BlobEntry>()
  for await (const { backend, entry } of blobs.entries()) found.set(`${backend}:${entry.key}`, entry)
  return found
}

/** The entry of a row, no longer an orphan then. */
function take(found: Map<string, BlobEntry>, row: FileRow | UploadRow): BlobEntry | undefined {
  const name = `${row.backend}:${row.key}`
  const entry = found.get(name)
  found.delete(name)
  return entry
}

async function* scan<T extends { readonly id: string }>(
  read: (afterId: string, limit: number) => Promise<readonly T[]>,
): AsyncGenerator<T> {
  for (let after = ''; ; ) {
    const rows = await read(after, BATCH)
    yield* rows
    if (rows.length < BATCH) return
    after = rows.at(-1)!.id
  }
}
