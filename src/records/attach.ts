// Files that a record names anew: whether the caller may, and whether they fit the field. The write itself looks again.
import { fail } from '../core/errors.ts'
import type { Call, FileRow } from '../core/model.ts'
import { requireFile } from '../files/lookup.ts'
import { allows } from '../files/sniff.ts'
import { usableFiles } from '../files/usable.ts'
import type { RecordValues } from '../meta/records.ts'
import type { Field } from '../schema/model.ts'
import { type FileField, type Form, idsIn } from './form.ts'
import type { Desk } from './lookup.ts'

interface Attachment {
  readonly field: FileField
  /** All the field will hold. */
  readonly ids: readonly string[]
  /** Those it did not hold before. */
  readonly added: readonly string[]
}

/** `changes` as they will be written over `stored` (null for a new record).
 *  Fails: file_reference_invalid (details.field), unauthenticated or forbidden for a cascade file the caller may not delete. */
export async function requireAttachable(
  desk: Desk,
  call: Call,
  form: Form,
  changes: RecordValues,
  stored: RecordValues | null,
): Promise<void> {
  const attachments = form.files.flatMap((field): Attachment[] => {
    const ids = idsIn(field, changes[field.name])
    const held = new Set(idsIn(field, stored?.[field.name]))
    const added = ids.filter((id) => !held.has(id))
    return added.length === 0 ? [] : [{ field, ids, added }]
  })
  if (attachments.length === 0) return
  const usable = await usableFiles(
    desk,
    call,
    attachments.flatMap(({ added }) => added),
  )
  for (const { field, added } of attachments) for (const id of added) requireFit(form, field, usable.get(id))
  await requireTotals(desk, form, attachments, usable)
  for (const { field, added } of attachments) {
    if (field.reference.onDelete !== 'cascade') continue
    for (const id of added) requireFile(desk.access, call, 'delete', usable.get(id)!)
  }
}

function requireFit(form: Form, { name, field, reference }: FileField, file: FileRow | undefined): void {
  const where = `${form.name}.${name}`
  if (file === undefined || file.bucket !== reference.bucket) {
    const message = `${where} must name a file that is in bucket ${reference.bucket} and that you may read`
    throw fail('file_reference_invalid', message, { details: { field: name } })
  }
  const { maxSize, allowedTypes } = limitsOf(field)
  if (maxSize !== null && file.size > maxSize) {
    throw fail('file_reference_invalid', `${where} takes files of at most ${maxSize} bytes, not of ${file.size}`, {
      hint: 'Name a smaller file, or raise max_size of the field in schema.yaml.',
      details: { field: name, limit: maxSize, size: file.size },
    })
  }
  if (allowedTypes !== null && !allows(allowedTypes, file.mimeType)) {
    throw fail('file_reference_invalid', `${where} takes ${allowedTypes.join(', ')}, not ${file.mimeType}`, {
      hint: 'Name a file of another type: it is taken from the bytes.',
      details: { field: name, detected: file.mimeType, allowed: allowedTypes },
    })
  }
}

interface FileLimits {
  readonly maxSize: number | null
  readonly allowedTypes: readonly string[] | null
  /** Of `file[]` only. */
  readonly maxTotalSize?: number | null
}

function limitsOf(field: Field): FileLimits {
  return field.options as unknown as FileLimits
}

/** What a field keeps counts too, whoever may read it. */
async function requireTotals(
  desk: Desk,
  form: Form,
  attachments: readonly Attachment[],
  usable: ReadonlyMap<string, FileRow>,
): Promise<void> {
  const limited = attachments.flatMap(({ field, ids }) => {
    const limit = limitsOf(field.field).maxTotalSize ?? null
    return limit === null ? [] : [{ name: field.name, ids, limit }]
  })
  const kept = new Set(limited.flatMap(({ ids }) => ids.filter((id) => !usable.has(id))))
  const rows = kept.size === 0 ? [] : await desk.meta.files([...kept])
  const sizes = new Map([...usable.values(), ...rows].map(({ id, size }) => [id, size]))
  for (const { name, ids, limit } of limited) {
    const size = ids.reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0)
    if (size <= limit) continue
    const message = `${form.name}.${name} takes ${limit} bytes in all, not ${size}`
    throw fail('file_reference_invalid', message, {
      hint: 'Remove a file from the field, or raise its max_total_size in schema.yaml.',
      details: { field: name, limit, size },
    })
  }
}
