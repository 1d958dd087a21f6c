// Pages of files: one prepared statement per shape of the question, each walking an index in the order of the answer.
import type { Database, Statement } from 'better-sqlite3'
import type { FileRow } from '../../core/model.ts'
import type { FileQuery, SortField } from '../store.ts'
import { fileRow, SELECT_FILE, type StoredFile } from './rows.ts'

export interface Lists {
  list(query: FileQuery): readonly FileRow[]
  count(query: FileQuery): number
}

/** The only texts that reach an identifier's place. */
const SORTS: Readonly<Record<SortField, string>> = {
  created_at: 'created_at',
  name: 'name',
  size: 'size',
  deleted_at: 'hidden_at',
}

type Values = (string | number)[]

/** Lists on a connection; statements are prepared when their shape is first asked for. */
export function createLists(db: Database): Lists {
  const cache = new Map<string, Statement<Values, unknown>>()
  const prepared = (sql: string): Statement<Values, unknown> => {
    const known = cache.get(sql)
    if (known) return known
    const statement = db.prepare<Values, unknown>(sql)
    cache.set(sql, statement)
    return statement
  }
  return {
    list(query) {
      const { sql, values } = pageStatement(query)
      return (prepared(sql).all(...values) as StoredFile[]).map(fileRow)
    },
    count(query) {
      const { where, values } = conditions(query)
      const row = prepared(`SELECT count(*) AS found FROM _alyx_files${indexed(query)} WHERE ${where}`).get(
        ...values,
      ) as {
        found: number
      }
      return row.found
    },
  }
}

/** Whether the query may have to look at many more rows than it returns. */
export function isSearching(query: FileQuery): boolean {
  return query.search !== null || query.mimeType !== null || query.hidden !== undefined
}

/** The statement of one page and its values. The row-value comparison continues in the index where the last page ended. */
export function pageStatement(query: FileQuery): { readonly sql: string; readonly values: Values } {
  const column = SORTS[query.sort]
  const direction = query.descending ? 'DESC' : 'ASC'
  const { where, values } = conditions(query)
  const after = query.after ? ` AND (${column}, id) ${query.descending ? '<' : '>'} (?, ?)` : ''
  if (query.after) values.push(query.after.value, query.after.id)
  values.push(query.limit)
  return {
    sql: `${SELECT_FILE}${indexed(query)} WHERE ${where}${after} ORDER BY ${column} ${direction}, id ${direction} LIMIT ?`,
    values,
  }
}

/** Few files are hidden, and without statistics the planner does not know. */
function indexed({ hidden }: FileQuery): string {
  return hidden === undefined ? '' : ' INDEXED BY _alyx_files_hidden'
}

function conditions(query: FileQuery): { where: string; values: Values } {
  const { hidden } = query
  const terms = ['bucket = ?', `state = '${hidden ?? 'ready'}'`, '(expires_at IS NULL OR expires_at > ?)']
  const values: Values = [query.bucket, query.now]
  const add = (term: string, ...more: Values) => {
    terms.push(term)
    values.push(...more)
  }
  if (hidden !== undefined) add('hidden_at IS NOT NULL')
  if (hidden === 'trashed') add('purge_at > ?', query.now)
  if (query.staged === 'none') add('staged_until IS NULL')
  else if (query.staged === 'all') add('(staged_until IS NULL OR staged_until > ?)', query.now)
  else add('(staged_until IS NULL OR (staged_until > ? AND owner_id = ?))', query.now, query.staged.ownerId)
  if (query.ownerId !== null) add('owner_id = ?', query.ownerId)
  if (query.mimeType !== null) addType(query.mimeType, add)
  if (query.search !== null) addSearch(query.search, add)
  return { where: terms.join(' AND '), values }
}

function addType(type: string, add: (term: string, ...values: Values) => void): void {
  if (type === '*/*') return
  // "0" follows "/": everything from `image/` up to, not including, `image0`.
  const family = type.slice(0, -2)
  if (type.endsWith('/*')) add('mime_type >= ? AND mime_type < ?', `${family}/`, `${family}0`)
  else add('mime_type = ?', type)
}

function addSearch(text: string, add: (term: string, ...values: Values) => void): void {
  // No name is that long or holds a NUL; LIKE fails on a very long pattern and reads one only up to its NUL.
  if (text.length > 255 || text.includes('\0')) add('0')
  else add("name LIKE ? ESCAPE '\\'", `%${text.replace(/[\\%_]/g, '\\$&')}%`)
}
