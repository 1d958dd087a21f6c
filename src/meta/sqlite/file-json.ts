// Files as JSON, made by the database: the objects of http/rest/view.ts, from a joined row. A test compares the two.
import type { ShownFiles } from '../records.ts'
import { EQUAL_VALUE } from './predicate-sql.ts'
import type { Bound } from './record-table.ts'

const COLUMNS = ['mime_type', 'size', 'original_size', 'stored_size', 'checksum']

/** The file of the row `file`, which is an alias of `_alyx_files`, as a JSON object. */
export function fileObject(file: string): string {
  const column = (name: string): string => `'${name}', ${file}.${name}`
  const flag = (name: string): string =>
    `'${name}', CASE ${file}.${name} WHEN 1 THEN json('true') ELSE json('false') END`
  const [expires, staged] = [`${file}.expires_at`, `${file}.staged_until`]
  const pairs = [
    ...['id', 'bucket', 'name'].map(column),
    // In the trash a file has given its path up.
    `'path', coalesce(${file}.hidden_path, ${file}.path)`,
    ...COLUMNS.map(column),
    flag('compressed'),
    column('compression_type'),
    flag('encrypted'),
    `'metadata', json(${file}.metadata)`,
    column('version'),
    column('owner_id'),
    // Of several values min() is null as soon as one of them is.
    `'expires_at', coalesce(min(${expires}, ${staged}), ${expires}, ${staged})`,
    column('created_at'),
    column('updated_at'),
  ]
  return `json_object(${pairs.join(', ')})`
}

/** Whether the row `file` is one of the files; pushes the values of its placeholders. */
export function isShown({ bucket, now, staged, ownerId }: ShownFiles, file: string, values: Bound[]): string {
  values.push(bucket, now, now)
  const terms = [
    `${file}.bucket = ${EQUAL_VALUE}`,
    `${file}.state = 'ready'`,
    `(${file}.expires_at IS NULL OR ${file}.expires_at > ?)`,
    `(${file}.staged_until IS NULL OR ${file}.staged_until > ?)`,
  ]
  if (staged !== 'all') {
    values.push(staged.ownerId)
    terms.push(`(${file}.staged_until IS NULL OR ${file}.owner_id IS ${EQUAL_VALUE})`)
  }
  if (ownerId !== null) {
    values.push(ownerId)
    terms.push(`${file}.owner_id = ${EQUAL_VALUE}`)
  }
  return terms.join(' AND ')
}
