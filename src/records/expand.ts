// `expand`: what an id stands for, in its place. One query for each field, however many records there are.
import type { Call, FileRow } from '../core/model.ts'
import type { StoredValue } from '../core/predicate.ts'
import { usableFiles, usableIn } from '../files/usable.ts'
import type { JsonField, RecordRow, ShownFiles } from '../meta/records.ts'
import { invalidQuery, namedField } from './filters.ts'
import { type Form, type FormField, idsIn } from './form.ts'
import { type Desk, mayRead } from './lookup.ts'
import { Expanded } from './model.ts'
import { type Shown, showRecord } from './view.ts'

const MOST_FIELDS = 10

/** `f1,f2` as the fields to expand; null is none. Fails invalid_query. */
export function parseExpand(form: Form, text: string | null): readonly FormField[] {
  const names = text === null ? [] : text.split(',')
  if (names.length > MOST_FIELDS) throw invalidQuery('expand', `names more than ${MOST_FIELDS} fields`)
  return names.map((name, i) => {
    const field = namedField(form, name, 'expand')
    if (field.reference === null) throw invalidQuery('expand', `names "${name}", which points at nothing`)
    if (names.indexOf(name) < i) throw invalidQuery('expand', `names "${name}" twice`)
    return field
  })
}

/** What the database needs to show rows by itself, files in the place of ids included; null where something must be looked at on the way. */
export function jsonFields(
  desk: Desk,
  call: Call,
  form: Form,
  fields: readonly FormField[],
): readonly JsonField[] | null {
  if (form.json === null || fields.length === 0) return form.json
  const shown = new Map<string, ShownFiles>()
  for (const { name, list, reference } of fields) {
    const files = list || reference?.kind !== 'file' ? 'each' : usableIn(desk, call, reference.bucket)
    if (files === 'each') return null
    if (files !== null) shown.set(name, files)
  }
  return form.json.map((field) => {
    const files = shown.get(field.name)
    return files === undefined ? field : { ...field, files }
  })
}

/** Shows the rows, with what the caller may read in the place of ids. */
export async function showExpanded(
  desk: Desk,
  call: Call,
  form: Form,
  fields: readonly FormField[],
  rows: readonly RecordRow[],
): Promise<readonly Shown[]> {
  const docs = rows.map((row) => showRecord(form, row.values))
  if (docs.length > 0) await Promise.all(fields.map((field) => expandField(desk, call, field, rows, docs)))
  return docs
}

async function expandField(
  desk: Desk,
  call: Call,
  field: FormField,
  rows: readonly RecordRow[],
  docs: readonly Shown[],
): Promise<void> {
  const { name, list, reference } = field
  if (reference?.kind === 'record') {
    const found = await readableRecords(desk, call, desk.forms.get(reference.collection)!, field, rows)
    rows.forEach((row, i) => {
      const record = found.get(row.values[name] ?? null)
      if (record !== undefined) docs[i]![name] = record
    })
    return
  }
  const wanted = rows.map((row) => idsIn(field, row.values[name]))
  const files = await readableFiles(desk, call, wanted.flat())
  wanted.forEach((ids, i) => {
    const shown = ids.map((id) => files.get(id) ?? id)
    if (ids.length > 0) docs[i]![name] = list ? shown : shown[0]
  })
}

async function readableFiles(desk: Desk, call: Call, ids: readonly string[]): Promise<ReadonlyMap<string, Expanded>> {
  if (ids.length === 0) return new Map()
  const files: ReadonlyMap<string, FileRow> = await usableFiles(desk, call, ids)
  return new Map([...files].map(([id, file]) => [id, new Expanded(file)]))
}

async function readableRecords(
  desk: Desk,
  call: Call,
  target: Form,
  { name }: FormField,
  rows: readonly RecordRow[],
): Promise<ReadonlyMap<StoredValue, Shown>> {
  const ids = new Set(rows.map(({ values }) => values[name] ?? null).filter((id) => id !== null))
  if (ids.size === 0) return new Map()
  const found = await desk.meta.records.many(target.name, [...ids])
  const readable = found.filter((row) => mayRead(desk, call, target, row))
  return new Map(readable.map(({ values }) => [values[target.primary.name] ?? null, showRecord(target, values)]))
}
