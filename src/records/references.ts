// Who names a file, as far as the caller may know.
import { findFile, requireFile } from '../files/lookup.ts'
import type { FileReference } from '../meta/records.ts'
import { type Desk, mayRead } from './lookup.ts'
import type { RecordService } from './model.ts'

const MOST = 1000

/** The verb `references`; see RecordService. */
export function createReferences(desk: Desk): RecordService['references'] {
  return async (call, bucket, fileId) => {
    const file = await findFile(desk, call, bucket, fileId)
    requireFile(desk.access, call, 'read', file)
    const found = await desk.meta.records.references(file.id, MOST)
    // That an internal field names the file is nobody's to know.
    const shown = found.filter(({ collection, field }) => desk.forms.get(collection)?.visible.has(field) === true)
    const readable = new Set<string>()
    for (const [collection, ids] of recordsOf(shown)) {
      const form = desk.forms.get(collection)!
      const { name, type, field } = form.primary
      const stored = ids.flatMap((id) => {
        const checked = type.operand(id, field)
        return checked.ok ? [checked.value] : []
      })
      for (const row of await desk.meta.records.many(collection, stored))
        if (mayRead(desk, call, form, row)) readable.add(keyOf(collection, String(row.values[name])))
    }
    return shown.filter(({ collection, recordId }) => readable.has(keyOf(collection, recordId)))
  }
}

function recordsOf(references: readonly FileReference[]): ReadonlyMap<string, readonly string[]> {
  const groups = Map.groupBy(references, ({ collection }) => collection)
  return new Map([...groups].map(([name, group]) => [name, [...new Set(group.map(({ recordId }) => recordId))]]))
}

function keyOf(collection: string, recordId: string): string {
  return `${collection} ${recordId}`
}
