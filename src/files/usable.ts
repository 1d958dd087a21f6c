// The files that a record may name, and show: looked up together, whatever their number and buckets.
import { timestamp } from '../core/clock.ts'
import { isId } from '../core/ids.ts'
import type { Call, FileRow } from '../core/model.ts'
import type { ShownFiles } from '../meta/records.ts'
import type { FileDeps } from './lookup.ts'
import { isVisible } from './visibility.ts'

/** Of these ids, which may be any text, the files that the caller can see and may read, by id. One query in all; nothing is reported. */
export async function usableFiles(
  deps: Pick<FileDeps, 'schema' | 'meta' | 'access' | 'clock'>,
  call: Call,
  ids: readonly string[],
): Promise<ReadonlyMap<string, FileRow>> {
  const asked = [...new Set(ids)].filter(isId)
  if (asked.length === 0) return new Map()
  const { caller, request } = call
  const mayRead = (file: FileRow): boolean =>
    deps.access.decide({ caller, operation: 'read', bucket: file.bucket, file, ownRules: file.rules, request }).allowed
  const files = (await deps.meta.files(asked)).filter(
    (file) => deps.schema.buckets.has(file.bucket) && isVisible(file, deps.clock, caller) && mayRead(file),
  )
  return new Map(files.map((file) => [file.id, file]))
}

/** The files of a bucket that usableFiles would find, said so that the database can pick them: null are none, `each` cannot be said. */
export function usableIn(
  deps: Pick<FileDeps, 'schema' | 'access' | 'clock'>,
  { caller, request }: Call,
  bucket: string,
): ShownFiles | 'each' | null {
  const filter = deps.access.readable({ caller, request }, bucket)
  if (filter.kind === 'each') return 'each'
  if (filter.kind === 'none' || !deps.schema.buckets.has(bucket)) return null
  return {
    bucket,
    ownerId: filter.kind === 'owner' ? filter.ownerId : null,
    staged: caller.admin ? 'all' : { ownerId: caller.id },
    now: timestamp(deps.clock.now()),
  }
}
