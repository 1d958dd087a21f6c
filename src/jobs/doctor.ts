// The checker: compares rows, bytes, counters and references, and says by id what does not fit (GUARANTEES.md, I1–I8).
import { createHash } from 'node:crypto'
import { createPace } from '../blobs/pace.ts'
import type { BlobStore } from '../blobs/store.ts'
import { type Clock, timestamp } from '../core/clock.ts'
import { type AppError, isFailure } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { BlobKey, FileRow, UploadRow } from '../core/model.ts'
import type { Spool } from '../files/spool.ts'
import { isLive } from '../files/visibility.ts'
import type { ReferenceFault } from '../meta/records.ts'
import type { MetaStore } from '../meta/store.ts'
import { type DoctorProblem, type DoctorReport, type Fix, inventory, scan, take } from './doctor-report.ts'

export type { DoctorProblem, DoctorReport }

export interface DoctorDeps {
  readonly meta: MetaStore
  readonly blobs: BlobStore
  readonly spool: Spool
  readonly clock: Clock
  /** Milliseconds of a clock that nobody sets; default `clock`. */
  readonly steady?: Clock
  readonly leaseTime: number
}

export interface DoctorOptions {
  readonly readData: boolean
  /** Bytes a second to read at most with `readData`; null or left out = no limit. */
  readonly rate?: number | null
  readonly fix: boolean
  /** Of a plan that was shown: nothing else is fixed. Default: everything that can be. */
  readonly plan?: readonly DoctorProblem[]
}

/** Reads everything; changes something only with `fix`, and then never a file's row nor a record, nor does it remove bytes of which a file could
 *  be made; nor is anything done to bytes when the database knows of none at all: then it is rather the wrong one (another path, a lost
 *  volume) than all of them are leftovers. */
export type Doctor = (options: DoctorOptions) => Promise<DoctorReport>

/** What is still there after so long will not go by itself. Milliseconds. */
const STUCK = 24 * 3_600_000
const MOST_FAULTS = 1000

/** Wires the checker. It may run beside serving processes. */
export function createDoctor(deps: DoctorDeps): Doctor {
  const { meta, blobs, spool, clock } = deps

  return async ({ readData, rate = null, fix, plan }) => {
    const problems: DoctorProblem[] = []
    const planned = plan && new Set(plan.map(({ kind, id }) => `${kind} ${id}`))
    const isWanted = (kind: string, id: string): boolean =>
      fix && (planned === undefined || planned.has(`${kind} ${id}`))
    const pace = createPace(rate, deps.steady ?? clock)
    const stuckSince = timestamp(clock.now() - STUCK)
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
      if (file.state === 'deleting') {
        if (file.updatedAt < stuckSince)
          report('I5', 'deletion_stuck', file.id, `since ${file.updatedAt}: run alyx sweep`)
        continue
      }
      const fault = await examine(file, blob ?? (await unlisted(file)))
      if (fault !== null && (await stillThere(file))) report('I1', fault.kind, file.id, fault.detail)
    }

    for await (const upload of scan(meta.scanUploads)) {
      uploads += 1
      take(found, upload)
      spooled.delete(upload.id)
      const detail = upload.state === 'open' && upload.offset > 0 ? await spoolFault(upload) : null
      if (detail !== null) report('I7', 'spool_short', upload.id, detail)
      await checkClaim(upload)
    }

    await checkOrphans()
    const drift = await meta.drift(false)
    const recounts = drift.some(({ scope }) => isWanted('counter_drift', scope))
    for (const { scope, counter, sum } of recounts ? await meta.drift(true) : drift) {
      const detail = `counter ${JSON.stringify(counter)}, sum ${JSON.stringify(sum)}`
      report('I3', 'counter_drift', scope, detail, 'recount', recounts)
    }
    await checkReferences()
    for (const detail of await meta.integrity()) report('I8', 'database', 'database', detail)
    return { ok: problems.every((problem) => problem.fixed), problems, files, uploads, bytes }

    function report(
      invariant: DoctorProblem['invariant'],
      kind: string,
      id: string,
      detail: string,
      remedy: Fix | null = null,
      fixed = false,
    ): void {
      problems.push({ invariant, kind, id, detail, fix: remedy, ...(fixed ? { fixed } : {}) })
    }

    /** A claim is gone in the transaction that makes its file, and with a sweep when nobody finishes it. */
    async function checkClaim({ id, bucket, state, expiresAt, updatedAt }: UploadRow): Promise<void> {
      const file = await meta.file(bucket, id)
      if (file !== null && (await meta.upload(id)) !== null) {
        const wanted = isWanted('claim_of_file', id)
        if (wanted) await meta.forget(id)
        report('I6', 'claim_of_file', id, `the file is finished, and its claim is there`, 'forget_claim', wanted)
      } else if ((state === 'abandoned' ? updatedAt : expiresAt) < stuckSince)
        report('I6', 'upload_stuck', id, `over since ${state === 'abandoned' ? updatedAt : expiresAt}: run alyx sweep`)
    }

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
        const { signal } = new AbortController()
        if (file.size > 0)
          for await (const chunk of await blobs.read(file, null, signal)) {
            hash.update(chunk as Buffer)
            await pace((chunk as Buffer).length, signal)
          }
        return hash.digest('hex') === file.checksum
          ? null
          : { kind: 'checksum_differs', detail: 'the bytes are not those of the checksum' }
      } catch (error) {
        if (!isFailure(error)) throw error
        return { kind: error.code, detail: error.message }
      }
    }

    /** Bytes and spools that no row speaks of. Since the scan a row may have come, or the bytes gone with theirs; a young
     *  unfinished file may still be written. */
    async function checkOrphans(): Promise<void> {
      const isStrange = files + uploads === 0
      const doubt = isStrange ? '; this database knows no file at all: is it the right one?' : ''
      for (const [name, entry] of found) {
        const id = entry.key.slice(entry.key.lastIndexOf('/') + 1)
        const isUnfinished = entry.key.startsWith('.tmp/')
        const backend = name.slice(0, name.indexOf(':'))
        if (
          isUnfinished ? entry.modifiedAt > old : (await known(backend, entry.key)) || (await gone(backend, entry.key))
        )
          continue
        const kind = isUnfinished ? 'unfinished_file' : 'orphan_blob'
        const wanted = !isStrange && isWanted(kind, id)
        if (wanted) await (isUnfinished ? blobs.removeEntry(backend, entry) : blobs.setAside(backend, entry.key))
        const remedy = isStrange ? null : isUnfinished ? 'remove_unfinished' : 'set_aside'
        report('I2', kind, id, `${entry.size} bytes at ${entry.key} in ${backend}${doubt}`, remedy, wanted)
      }
      for (const id of spooled) {
        if ((await meta.upload(id)) !== null) continue
        const size = await spool.size(id)
        if (size === null) continue
        const wanted = !isStrange && isWanted('orphan_spool', id)
        if (wanted) await spool.remove(id)
        report('I7', 'orphan_spool', id, `${size} bytes${doubt}`, isStrange ? null : 'remove_spool', wanted)
      }
    }

    /** What a record names and is not there cannot be mended here; what `_alyx_file_refs` says of records can. */
    async function checkReferences(): Promise<void> {
      const faults = await meta.records.faults(MOST_FAULTS)
      const idOf = ({ collection, recordId }: ReferenceFault): string => `${collection}/${recordId}`
      const mends = faults.some((fault) => isMendable(fault) && isWanted(fault.kind, idOf(fault)))
      if (mends) await meta.records.mendReferences()
      for (const fault of faults) {
        const { kind, field, target } = fault
        const mendable = isMendable(fault)
        const detail = `${field} names ${target}${MEANINGS[kind]}`
        report('I4', kind, idOf(fault), detail, mendable ? 'mend_reference' : null, mends && mendable)
      }
    }

    /** A file may be moved meanwhile: its copy stops being a spare one when its original becomes one. */
    async function known(backend: string, key: BlobKey): Promise<boolean> {
      const [, bucket = '', id = ''] = /^(.*)\/([^/]*)$/.exec(key) ?? []
      if (!isId(id)) return false
      if ((await meta.upload(id)) !== null || (await meta.isSpare(backend, key))) return true
      return (await meta.file(bucket, id))?.backend === backend || (await meta.isSpare(backend, key))
    }

    async function gone(backend: string, key: BlobKey): Promise<boolean> {
      try {
        return (await blobs.stat(backend, key)) === null
      } catch (error) {
        if (!isFailure(error)) throw error
        return false
      }
    }

    async function stillThere(file: FileRow): Promise<boolean> {
      const row = await meta.file(file.bucket, file.id)
      return row !== null && row.state !== 'deleting' && (row.state !== 'ready' || isLive(row, clock))
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
