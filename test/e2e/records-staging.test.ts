// Stage and claim over HTTP: what is uploaded for a record is its uploader's until the record names it, and gone when none does.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BUCKETS } from '../support/buckets.ts'
import type { Answer } from '../support/http.ts'
import { at, create, listing, refusalOf } from '../support/records.ts'
import { createWorld, type World } from '../support/scenario.ts'
import { eventually, startServer } from '../support/server.ts'

const OWNED = '{create: auth.id != null, read: "true", download: "true", update: "true", delete: "true"}'
const SCHEMA = `${BUCKETS}
  stage: {backend: local, max_file_size: 1MB, staging: 1h, rules: ${OWNED}}
  brief: {backend: local, max_file_size: 1MB, staging: 1s, rules: ${OWNED}}
collections:
  drafts:
    fields:
      id: {type: string, primary: true}
      title: {type: string, max_length: 20, nullable: true}
      slug: {type: string, unique: true, nullable: true}
      scan: {type: file, bucket: stage, nullable: true}
      scans: {type: "file[]", bucket: stage, on_delete: cascade}
      quick: {type: file, bucket: brief, nullable: true}
      doc: {type: file, bucket: priv, nullable: true}
    rules: {create: 'doc.title != "forbidden"', read: "true", update: 'new_doc.title != "forbidden"', delete: "true"}
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
const upload = async (bucket = 'stage', token = w.a) =>
  (await w.store(bucket, `s${++count}`, `page ${count}`, token)).id
const path = (id: string, bucket = 'stage'): string => `/api/files/${bucket}/${id}`
const draft = (json: unknown, token: string | null = w.a): Promise<Answer> =>
  w.send({ method: 'POST', path: at('drafts'), json, token })
const stagedUntil = (id: string) =>
  w.server.query<{ until: string | null }>('SELECT staged_until AS until FROM _alyx_files WHERE id = ?', id)[0]?.until
const listed = async (token: string | null, bucket = 'stage') => {
  const answer = await w.get(`/api/files/${bucket}?total=true&limit=1000`, token)
  const { files, total } = answer.json<{ files: { id: string }[]; total: number }>()
  expect(total).toBe(files.length)
  return files.map(({ id }) => id)
}

describe('a staged file', () => {
  it('is there for its uploader and admins, and for nobody else', async () => {
    const id = await upload()
    const seen = (await w.get(path(id))).json<{ expires_at: string }>()
    expect(Date.parse(seen.expires_at) - Date.now()).toBeGreaterThan(3_500_000)
    const ways = [path(id), `${path(id)}/download`, `${path(id)}/view`, `${path(id)}/sign`, `${path(id)}/references`]
    for (const token of [w.a, w.admin]) for (const way of ways) expect((await w.get(way, token)).status, way).toBe(200)
    for (const token of [w.b, null]) {
      const answers = await Promise.all([
        ...ways.map((way) => w.get(way, token)),
        w.send({ method: 'HEAD', path: `${path(id)}/download`, token }),
        w.send({ method: 'PATCH', path: path(id), json: { name: 'mine' }, token }),
        w.send({ method: 'DELETE', path: path(id), token }),
      ])
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 404))
      expect(await listed(token)).not.toContain(id)
    }
    expect(await listed(w.a)).toContain(id)
    expect(await listed(w.admin)).toContain(id)
  })

  it('cannot be named by others, in the words for a file that does not exist', async () => {
    const id = await upload()
    const unknown = await draft({ id: 'thief', scan: '01932f00-0000-7000-8000-00000000dead' }, w.b)
    for (const [json, token] of [
      [{ id: 'thief', scan: id }, w.b],
      [{ id: 'thief', scan: id }, null],
    ] as const)
      expect(refusalOf(await draft(json, token))).toEqual(refusalOf(unknown))
    expect(refusalOf(await draft({ id: 'thief', scans: [id] }, w.b)).code).toBe('file_reference_invalid')
    expect(stagedUntil(id)).toBeTypeOf('string')
  })

  it('stays staged through every create and change that fails', async () => {
    const [id, second] = [await upload(), await upload()]
    await create(w.send, 'drafts', { id: 'taken', slug: 'taken' })
    const change = (json: unknown) => w.send({ method: 'PATCH', path: at('drafts', 'taken'), json })
    await create(w.send, 'drafts', { id: 'other', slug: 'other' })
    const refused = [
      await draft({ id: 'x', scan: id, title: 'longer than twenty characters' }),
      await draft({ id: 'x', scan: id, slug: 'taken' }),
      await draft({ id: 'taken', scan: id }),
      await draft({ id: 'x', scan: id, title: 'forbidden' }),
      await draft({ id: 'x', scan: id, doc: w.fb.id }),
      await draft({ id: 'x', scan: id, scans: [second, w.fa.id] }),
      await change({ scan: id, slug: 'other' }),
      await change({ 'scans+': [id, second], title: 'forbidden' }),
      await change({ 'scans+': [id, w.fb.id] }),
    ]
    expect(refused.map(({ code }) => code)).toEqual([
      'validation_failed',
      'unique_violation',
      'unique_violation',
      'forbidden',
      'file_reference_invalid',
      'file_reference_invalid',
      'unique_violation',
      'forbidden',
      'file_reference_invalid',
    ])
    for (const each of [id, second]) expect(stagedUntil(each)).toBeTypeOf('string')
    expect((await w.get(path(id), w.b)).status).toBe(404)
    expect((await w.get(`${path(id)}/references`)).json()).toEqual({ references: [] })
  })

  it('is an ordinary file from the record on that names it, also when the record goes', async () => {
    const [id, more] = [await upload(), await upload()]
    await create(w.send, 'drafts', { id: 'claims', scan: id })
    await w.send({ method: 'PATCH', path: at('drafts', 'claims'), json: { 'scans+': more } })
    for (const each of [id, more]) {
      expect(stagedUntil(each)).toBeNull()
      const answer = await w.get(path(each), w.b)
      expect([answer.status, answer.json().expires_at]).toEqual([200, null])
      expect(await listed(w.b)).toContain(each)
    }
    const shown = await w.get(listing('drafts', { filter: 'id:eq:claims', expand: 'scan,scans' }), w.b)
    expect(shown.json()).toMatchObject({ docs: [{ scan: { id }, scans: [{ id: more }] }] })
    expect((await w.send({ method: 'DELETE', path: at('drafts', 'claims') })).status).toBe(204)
    expect([(await w.get(path(id), w.b)).status, (await w.get(path(more), w.b)).status]).toEqual([200, 404])
  })

  it('that several name at once belongs to all of them', async () => {
    const id = await upload()
    const made = await Promise.all(Array.from({ length: 8 }, (_, i) => draft({ id: `race-${i}`, scan: id })))
    expect(made.map(({ status }) => status)).toEqual(made.map(() => 201))
    expect((await w.get(`${path(id)}/references`)).json<{ references: unknown[] }>().references).toHaveLength(8)
  })

  it('came resumably just the same', async () => {
    const tus = { 'tus-resumable': '1.0.0', 'upload-length': '4', 'upload-metadata': `filename ${btoa('tus.txt')}` }
    const made = await w.send({
      method: 'POST',
      path: '/api/files/stage/tus',
      headers: { ...tus, 'content-type': 'application/offset+octet-stream' },
      body: 'tus!',
    })
    expect(made.status, made.text).toBe(201)
    const id = String(made.headers.location).split('/').at(-1)!
    expect((await w.get(path(id), w.b)).status).toBe(404)
    await create(w.send, 'drafts', { id: 'tus', scan: id })
    expect((await w.get(`${path(id)}/download`, w.b)).text).toBe('tus!')
  })

  it('that is named in time stays, and one that is not is gone for its uploader too, and swept', async () => {
    let kept = await upload('brief')
    let missed = 0
    // A slow machine may not name it within its second; the next one then.
    while ((await draft({ id: 'in time', quick: kept })).status !== 201) {
      expect(++missed).toBeLessThan(20)
      kept = await upload('brief')
    }
    const late = await upload('brief')
    const until = Date.parse(stagedUntil(late)!)
    await eventually('its time is over', () => Date.now() > until)
    expect((await w.get(path(kept, 'brief'), w.b)).status).toBe(200)
    for (const way of [path(late, 'brief'), `${path(late, 'brief')}/download`])
      expect((await w.get(way)).status).toBe(404)
    expect(await listed(w.a, 'brief')).toEqual([kept])
    expect((await draft({ id: 'late', quick: late })).code).toBe('file_reference_invalid')
    expect(JSON.parse((await w.server.sweep()).stdout)).toMatchObject({ expired: 1 + missed, errors: 0 })
    expect(w.server.query('SELECT id FROM _alyx_files WHERE id = ?', late)).toEqual([])
    expect((await w.get(`${path(kept, 'brief')}/download`, w.b)).status).toBe(200)
  })
})
