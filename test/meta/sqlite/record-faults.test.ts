// What does not fit between records, references and files: found, named and mended. And what is not declared any more.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlite } from '../../../src/meta/sqlite/open.ts'
import type { MetaStore } from '../../../src/meta/store.ts'
import { silent } from '../../../src/observe/observer.ts'
import { at, draft, facts } from '../../contract/meta-store.ts'
import { post, user } from '../../contract/record-store.ts'
import { TABLES, USERS } from '../../contract/record-tables.ts'
import { type RecordDatabase, recordDatabase } from './record-database.ts'

describe('references between records and files', () => {
  let base: RecordDatabase
  let store: MetaStore

  beforeEach(async () => {
    base = await recordDatabase(TABLES)
    store = await openSqlite({ file: base.file, durability: 'normal', observer: silent, tables: TABLES })
  })

  afterEach(async () => {
    await store.close()
    base.remove()
  })

  const file = async (): Promise<string> => {
    const { id } = await store.claim(draft(), { bucketTotal: null, openUploads: null }, { need: 100, want: 100 })
    return (await store.commit(id, facts(), at(0))).id
  }
  const references = (): unknown[] =>
    base.db.prepare('SELECT * FROM _alyx_file_refs ORDER BY file_id, collection, record_id, field').raw().all()

  it('every kind of fault is found with its place and its target, at most as many as asked for', async () => {
    const [x, y] = [await file(), await file()]
    await store.records.insert('users', user({ id: 1, portrait: x }), at(0))
    await store.records.insert('posts', post({ id: 'p', author: 1, gallery: JSON.stringify([x, y]) }), at(0))
    expect(await store.records.faults(100)).toEqual([])
    base.db.exec(`
      UPDATE users SET id = 2;
      UPDATE posts SET cover = 'gone', gallery = '["${y}", "lost", "lost"]', tags = 'no json';
      INSERT INTO _alyx_file_refs VALUES ('${y}', 'posts', 'p', 'title'), ('${y}', 'vanished', '1', 'photo')`)
    const fault = (kind: string, collection: string, recordId: string, field: string, target: string) => ({
      kind,
      collection,
      recordId,
      field,
      target,
    })
    const found = await store.records.faults(100)
    expect(found).toHaveLength(10)
    expect(found).toEqual(
      expect.arrayContaining([
        fault('reference_missing', 'users', '2', 'portrait', x),
        fault('record_dangling', 'posts', 'p', 'author', '1'),
        fault('reference_missing', 'posts', 'p', 'cover', 'gone'),
        fault('file_dangling', 'posts', 'p', 'cover', 'gone'),
        fault('reference_missing', 'posts', 'p', 'gallery', 'lost'),
        fault('file_dangling', 'posts', 'p', 'gallery', 'lost'),
        fault('reference_stray', 'posts', 'p', 'gallery', x),
        fault('reference_stray', 'posts', 'p', 'title', y),
        fault('reference_stray', 'users', '1', 'portrait', x),
        fault('reference_stray', 'vanished', '1', 'photo', y),
      ]),
    )
    expect(await store.records.faults(3)).toHaveLength(3)
  })

  it('mending writes what is missing, removes what is stray, and touches neither records nor files', async () => {
    const [x, y] = [await file(), await file()]
    await store.records.insert('users', user({ id: 1, portrait: x }), at(0))
    await store.records.insert('posts', post({ id: 'p', gallery: JSON.stringify([x, y]) }), at(0))
    const before = references()
    const rows = await store.records.many('posts', ['p'])
    base.db.exec(`
      DELETE FROM _alyx_file_refs WHERE file_id = '${x}';
      INSERT INTO _alyx_file_refs VALUES ('${x}', 'posts', 'p', 'cover'), ('${y}', 'users', '9', 'portrait'),
        ('${y}', 'users', '1', 'email'), ('${y}', 'vanished', '1', 'photo')`)
    await store.records.mendReferences()
    expect(references()).toEqual(before)
    expect(await store.records.many('posts', ['p'])).toEqual(rows)
    expect(await store.records.faults(10)).toEqual([])
  })

  it('a field that holds no JSON hinders neither lists nor faults nor the end of a file', async () => {
    const x = await file()
    await store.records.insert('posts', post({ id: 'p', gallery: JSON.stringify([x]) }), at(0))
    base.db.exec(`UPDATE posts SET gallery = 'no json', tags = '{'`)
    const where = { kind: 'compare', field: 'tags', op: 'contains', value: 'x' } as const
    const sort = [{ field: 'id', descending: false }]
    expect(await store.records.list({ collection: 'posts', where, sort, limit: 9, offset: 0, after: null })).toEqual([])
    expect(await store.records.faults(10)).toMatchObject([{ kind: 'reference_stray', field: 'gallery' }])
    await store.condemn('docs', x, at(1), false)
    await store.bury('docs', x)
    expect((await store.records.get('posts', 'p'))?.values.gallery).toBe('no json')
    expect(await store.records.faults(10)).toEqual([])
  })

  it('records of a collection that is not declared any more still want their files; only those deleted by hand go', async () => {
    const x = await file()
    await store.records.insert('users', user({ id: 1, portrait: x, passport: x }), at(0))
    await store.records.insert('posts', post({ id: 'p', cover: x }), at(0))
    await store.close()
    const tables = TABLES.filter(({ name }) => name !== USERS.name).map((table) => ({
      ...table,
      columns: table.columns.filter(({ reference }) => reference?.kind !== 'record'),
    }))
    store = await openSqlite({ file: base.file, durability: 'normal', observer: silent, tables })
    expect(await store.records.faults(10)).toEqual([])
    await store.records.mendReferences()
    expect(await store.records.references(x, 10)).toEqual([{ collection: 'posts', recordId: 'p', field: 'cover' }])
    expect(await store.records.remove('posts', 'p', 1, at(1))).toEqual([])
    expect(references()).toHaveLength(2)
    await store.condemn('docs', x, at(1), false)
    await store.bury('docs', x)
    expect(references()).toEqual([])
    expect(base.db.prepare('SELECT portrait, _version FROM users').raw().get()).toEqual([x, 1])
  })
})
