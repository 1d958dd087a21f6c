// The files that a record may name, and show: looked up together, whatever their number and buckets.
import { isId } from '../core/ids.ts'
import type { Call, FileRow } from '../core/model.ts'
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
