// What becomes of files when records go, of records when files go, and who is told: over HTTP, one server process.
import { mkdir, readdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BUCKETS } from '../support/buckets.ts'
import { at, create, refusalOf } from '../support/records.ts'
import { createWorld, type World } from '../support/scenario.ts'
import { startServer } from '../support/server.ts'

const OPEN = '{create: "true", read: "true", update: "true", delete: "true"}'
const SCHEMA = `${BUCKETS}
collections:
  contracts:
    fields:
      id: {type: string, primary: true}
      owner: {type: string, nullable: true}
      paper: {type: file, bucket: pub}
      annex: {type: file, bucket: pub, nullable: true, on_file_delete: restrict}
    rules: {create: "true", read: doc.owner == auth.id, update: doc.owner == auth.id, delete: "true"}
  albums:
    fields:
      id: {type: string, primary: true}
      front: {type: file, bucket: pub, nullable: true, on_delete: cascade}
      pages: {type: "file[]", bucket: pub, on_delete: cascade}
      needed: {type: "file[]", bucket: pub, on_file_delete: restrict}
      seal: {type: file, bucket: pub, nullable: true, internal: true}
    rules: ${OPEN}
  notes:
    fields:
      id: {type: string, primary: true}
      album: {type: relation, collection: albums, on_delete: cascade}
      sound: {type: file, bucket: pub, nullable: true, on_delete: cascade}
    rules: ${OPEN}
`

let w: World
beforeAll(async () => {
  w = await createWorld(await startServer({ schema: SCHEMA }))
})
afterAll(async () => {
  const { problems } = await w.server.doctor()
  await w.server.stop()
  expect(problems).toEqual([])
})

let count = 0
const stored = async (): Promise<string> => (await w.store('pub', `f${++count}`, `file ${count}`)).id
const file = (id: string): string => `/api/files/pub/${id}`
const remove = (path: string, token = w.a) => w.send({ method: 'DELETE', path, token })
const patch = (path: string, json: unknown) => w.send({ method: 'PATCH', path, json })
const record = async (path: string) => (await w.get(path)).json()
const areThere = (...ids: readonly string[]) =>
  Promise.all(ids.map(async (id) => (await w.get(`${file(id)}/download`)).status === 200))

describe('a DELETE of a file', () => {
  it('is refused where a field needs it, without a word on the record, and works once it is let go', async () => {
    const [paper, other] = [await stored(), await stored()]
    await create(w.send, 'contracts', { id: 'secret-contract', owner: 'A', paper })
    for (const token of [w.a, w.b, w.admin]) {
      const answer = await remove(file(paper), token)
      expect([answer.status, answer.code, refusalOf(answer).details]).toEqual([409, 'file_in_use', undefined])
      expect(answer.text).not.toMatch(/secret-contract|contracts|paper/)
    }
    expect((await patch(at('contracts', 'secret-contract'), { paper: null })).code).toBe('validation_failed')
    expect((await patch(at('contracts', 'secret-contract'), { paper: other })).status).toBe(200)
    expect((await remove(file(paper))).status).toBe(204)
    expect(await areThere(paper, other)).toEqual([false, true])
    expect(await record(at('contracts', 'secret-contract'))).toMatchObject({ paper: other })
  })

  it('is refused for a list that needs it, and works once the element is taken out', async () => {
    const [one, two] = [await stored(), await stored()]
    await create(w.send, 'albums', { id: 'needs', needed: [one, two] })
    expect((await remove(file(one))).code).toBe('file_in_use')
    expect((await patch(at('albums', 'needs'), { 'needed-': one })).status).toBe(200)
    expect((await remove(file(one))).status).toBe(204)
    expect(await record(at('albums', 'needs'))).toMatchObject({ needed: [two] })
  })

  it('in bulk does what it can and names what it could not', async () => {
    const [free, needed, named] = [await stored(), await stored(), await stored()]
    await create(w.send, 'contracts', { id: 'bulk', owner: 'A', paper: needed })
    await create(w.send, 'albums', { id: 'bulk', front: named })
    const answer = await w.send({ method: 'POST', path: '/api/files/pub/delete', json: { ids: [free, needed, named] } })
    expect([answer.status, answer.code]).toEqual([409, 'partial_failure'])
    expect(refusalOf(answer).details).toEqual({
      deleted: [free, named],
      failed: [{ id: needed, code: 'file_in_use', message: 'a record needs the file' }],
    })
    expect(answer.text).not.toContain('contracts')
    expect(await record(at('albums', 'bulk'))).toMatchObject({ front: null })
  })
})

describe('the references of a file', () => {
  it('are those of records the caller may read, and never of internal fields', async () => {
    const id = await stored()
    await create(w.send, 'contracts', { id: 'mine', owner: 'A', paper: id, annex: id })
    await create(w.send, 'contracts', { id: 'theirs', owner: 'B', paper: id })
    await create(w.send, 'contracts', { id: 'nobody’s', paper: id })
    await create(w.send, 'albums', { id: 'all', pages: [id], needed: [id] })
    const database = new Database(join(w.server.dir, 'data/alyx.db'))
    database.exec(`UPDATE albums SET seal = '${id}' WHERE id = 'all'`)
    database.exec(`INSERT INTO _alyx_file_refs VALUES ('${id}', 'albums', 'all', 'seal')`)
    database.close()
    const seen = async (token: string | null) => {
      const { references } = (await w.get(`${file(id)}/references`, token)).json<{ references: object[] }>()
      return references.map((each) => Object.values(each).join(' '))
    }
    const shared = ['albums all needed', 'albums all pages']
    expect(await seen(w.a)).toEqual([...shared, 'contracts mine annex', 'contracts mine paper'])
    expect(await seen(w.b)).toEqual([...shared, 'contracts theirs paper'])
    expect(await seen(null)).toEqual(shared)
    expect(await seen(w.admin)).toHaveLength(6)
    expect((await w.get(at('albums', 'all'))).text).not.toContain('seal')
  })

  it('are for those who may read the file', async () => {
    const path = `/api/files/priv/${w.fb.id}/references`
    expect((await w.get(path)).status).toBe(403)
    expect((await w.get(path, null)).status).toBe(401)
    expect((await w.get(path.replace('priv', 'pub'))).code).toBe('file_not_found')
    expect((await w.get(path.replace('priv', 'nope'))).code).toBe('bucket_not_found')
  })
})

describe('files of cascade fields', () => {
  it('go with the element that is taken out, and with those a new list leaves out', async () => {
    const [one, two, three, four] = [await stored(), await stored(), await stored(), await stored()]
    await create(w.send, 'albums', { id: 'list', pages: [one, two, three] })
    await patch(at('albums', 'list'), { 'pages-': [two] })
    expect(await areThere(one, two, three)).toEqual([true, false, true])
    await patch(at('albums', 'list'), { pages: [four, three] })
    expect(await areThere(one, three, four)).toEqual([false, true, true])
  })

  it('stay when they move from one field to another, or are put in order', async () => {
    const [one, two] = [await stored(), await stored()]
    await create(w.send, 'albums', { id: 'moves', front: one, pages: [two] })
    await patch(at('albums', 'moves'), { front: two, pages: [one] })
    await patch(at('albums', 'moves'), { front: null, pages: [two, one] })
    await patch(at('albums', 'moves'), { pages: [one, two] })
    await patch(at('albums', 'moves'), { 'pages-': [one, two], '+pages': [two], 'pages+': [one] })
    expect(await record(at('albums', 'moves'))).toMatchObject({ front: null, pages: [two, one] })
    expect(await areThere(one, two)).toEqual([true, true])
  })

  it('go with records that go with theirs, but not what others still name', async () => {
    const [page, sound, shared] = [await stored(), await stored(), await stored()]
    await create(w.send, 'albums', { id: 'parent', pages: [page, shared] })
    await create(w.send, 'notes', { id: 'child', album: 'parent', sound })
    await create(w.send, 'contracts', { id: 'keeps', owner: 'A', paper: shared })
    expect((await remove(at('albums', 'parent'))).status).toBe(204)
    expect((await w.get(at('notes', 'child'))).code).toBe('record_not_found')
    expect(await areThere(page, sound, shared)).toEqual([false, false, true])
    expect(await record(at('contracts', 'keeps'))).toMatchObject({ paper: shared })
  })

  it('K158 whose bytes the backend keeps are gone for everybody, charged until a sweep succeeds, and never come back', async () => {
    const id = await stored()
    await create(w.send, 'albums', { id: 'k158', front: id })
    const files = join(w.server.dir, 'data/files')
    const blob = join(files, (await readdir(files, { recursive: true })).find((name) => name.endsWith(id))!)
    await rm(blob)
    await mkdir(blob)
    await writeFile(join(blob, 'in the way'), '')
    const used = () =>
      w.server.query<{ n: number }>("SELECT used AS n FROM _alyx_usage WHERE scope = 'bucket:pub'")[0]?.n
    const before = used()
    expect((await remove(at('albums', 'k158'))).status).toBe(204)
    expect((await w.get(at('albums', 'k158'))).status).toBe(404)
    for (const path of [file(id), `${file(id)}/download`, `${file(id)}/references`])
      expect((await w.get(path)).code).toBe('file_not_found')
    const refused = await w.send({ method: 'POST', path: at('albums'), json: { id: 'again', front: id } })
    expect(refused.code).toBe('file_reference_invalid')
    expect(w.server.query('SELECT state FROM _alyx_files WHERE id = ?', id)).toEqual([{ state: 'deleting' }])
    expect(used()).toBe(before)
    await rm(join(blob, 'in the way'))
    await rmdir(blob)
    const database = new Database(join(w.server.dir, 'data/alyx.db'))
    database.exec(`UPDATE _alyx_files SET updated_at = '2020-01-01T00:00:00.000Z' WHERE id = '${id}'`)
    database.close()
    expect(JSON.parse((await w.server.sweep()).stdout)).toMatchObject({ deletions: 1, errors: 0 })
    expect(w.server.query('SELECT id FROM _alyx_files WHERE id = ?', id)).toEqual([])
    expect(used()).toBeLessThan(before!)
  })
})
