// What the database is told of a collection.
import { expect, it } from 'vitest'
import { tablesOf } from '../../src/schema/tables.ts'
import { schemaOf } from './fields-of.ts'

it('is one column for each field, with its type, and what it points at', () => {
  const [posts, users] = tablesOf(
    schemaOf(`posts:
  fields:
    id: {type: uuid, primary: true, default: auto}
    title: {type: string}
    stars: {type: float, index: true}
    open: {type: bool}
    photo: {type: file, bucket: images}
    photos: {type: "file[]", bucket: images, on_delete: cascade}
    hues: {type: select, values: [a, b], max_select: 2}
    bytes: {type: blob}
    author: {type: relation, collection: users, nullable: true, on_delete: set_null}
  indexes:
    - {fields: [author, stars]}
    - {fields: [stars]}
    - {fields: [title, stars], unique: true}
users:
  fields:
    number: {type: int, primary: true}
    email: {type: email, unique: true}`),
  )
  const column = { list: false, reference: null }
  const image = { kind: 'file', bucket: 'images' }
  expect(posts).toEqual({
    name: 'posts',
    primary: 'id',
    columns: [
      { ...column, name: 'id', type: 'TEXT' },
      { ...column, name: 'title', type: 'TEXT' },
      { ...column, name: 'stars', type: 'REAL' },
      { ...column, name: 'open', type: 'INTEGER' },
      { ...column, name: 'photo', type: 'TEXT', reference: { ...image, onDelete: 'keep', onFileDelete: 'restrict' } },
      {
        name: 'photos',
        type: 'TEXT',
        list: true,
        reference: { ...image, onDelete: 'cascade', onFileDelete: 'set_null' },
      },
      { ...column, name: 'hues', type: 'TEXT', list: true },
      { ...column, name: 'bytes', type: 'BLOB' },
      // as the primary field of users
      {
        ...column,
        name: 'author',
        type: 'INTEGER',
        reference: { kind: 'record', collection: 'users', onDelete: 'set_null' },
      },
    ],
    indexes: [
      { columns: ['stars'], unique: false },
      { columns: ['author'], unique: false },
      { columns: ['author', 'stars'], unique: false },
      { columns: ['title', 'stars'], unique: true },
    ],
  })
  expect(users).toMatchObject({ primary: 'number', indexes: [{ columns: ['email'], unique: true }] })
  expect(structuredClone(posts)).toEqual(posts)
})
