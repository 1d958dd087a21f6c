// A small blog as tables, for the contract of records: every kind of column, reference and relation.
import type { Reference } from '../../src/schema/field-type.ts'
import type { ColumnSpec, IndexSpec, TableSpec } from '../../src/schema/tables.ts'

const column = (name: string, type: ColumnSpec['type'] = 'TEXT', over: Partial<ColumnSpec> = {}): ColumnSpec => ({
  name,
  type,
  list: false,
  reference: null,
  ...over,
})

const file = (
  onDelete: 'cascade' | 'keep',
  onFileDelete: 'restrict' | 'set_null' = 'set_null',
  bucket = 'docs',
): Partial<ColumnSpec> => ({ reference: { kind: 'file', bucket, onDelete, onFileDelete } })

const to = (collection: string, onDelete: Extract<Reference, { kind: 'record' }>['onDelete']): Partial<ColumnSpec> => ({
  reference: { kind: 'record', collection, onDelete },
})

const on = (...columns: readonly string[]): IndexSpec => ({ columns, unique: false })
const unique = (...columns: readonly string[]): IndexSpec => ({ columns, unique: true })

/** People: a numbered primary, a file that may not be deleted, one that goes along. */
export const USERS: TableSpec = {
  name: 'users',
  primary: 'id',
  columns: [
    column('id', 'INTEGER'),
    column('email'),
    column('portrait', 'TEXT', file('cascade')),
    column('passport', 'TEXT', file('keep', 'restrict')),
  ],
  indexes: [unique('email')],
}

/** Posts: every kind of value, relations of every kind. A word of SQL is a name like any other. */
export const POSTS: TableSpec = {
  name: 'posts',
  primary: 'id',
  columns: [
    column('id'),
    column('title'),
    column('slug'),
    column('author', 'INTEGER', to('users', 'cascade')),
    column('editor', 'INTEGER', to('users', 'set_null')),
    column('owner', 'INTEGER', to('users', 'restrict')),
    column('parent', 'TEXT', to('posts', 'cascade')),
    column('previous', 'TEXT', to('posts', 'restrict')),
    column('order', 'INTEGER'),
    column('score', 'REAL'),
    column('raw', 'BLOB'),
    column('tags', 'TEXT', { list: true }),
    column('cover', 'TEXT', file('cascade')),
    column('banner', 'TEXT', file('cascade')),
    column('picture', 'TEXT', file('keep', 'set_null', 'pictures')),
    column('gallery', 'TEXT', { list: true, ...file('cascade') }),
  ],
  indexes: [
    on('author'),
    on('editor'),
    on('owner'),
    on('parent'),
    on('previous'),
    on('order'),
    on('author', 'order'),
    unique('author', 'slug'),
  ],
}

/** Links in a long chain. */
export const CHAINS: TableSpec = {
  name: 'chains',
  primary: 'id',
  columns: [column('id', 'INTEGER'), column('next', 'INTEGER', to('chains', 'cascade'))],
  indexes: [on('next')],
}

export const TABLES: readonly TableSpec[] = [USERS, POSTS, CHAINS]
