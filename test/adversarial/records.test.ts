// Group K: what records do with files. Each case of ADVERSARIAL.md, and the next one.
import { expect } from 'vitest'
import type { Answer } from '../support/http.ts'
import { at, COLLECTIONS, create, listing, refusalOf } from '../support/records.ts'
import { type Scenario, scenarios, type World } from '../support/scenario.ts'
import { eventually } from '../support/server.ts'
import { injections } from './records-injection.ts'

const NOBODY = '01932f00-0000-7000-8000-00000000dead'
const post = (w: World, json: unknown, token: string | null = w.a): Promise<Answer> =>
  w.send({ method: 'POST', path: at('posts'), json, token })
const patch = (w: World, id: string, json: unknown, token: string | null = w.a): Promise<Answer> =>
  w.send({ method: 'PATCH', path: at('posts', id), json, token })
const remove = (w: World, path: string, token: string | null = w.a): Promise<Answer> =>
  w.send({ method: 'DELETE', path, token })
const statusOf = async (w: World, bucket: string, id: string): Promise<number> =>
  (await w.get(`/api/files/${bucket}/${id}`, w.admin)).status

const files: readonly Scenario[] = [
  {
    title:
      'K152 a file field takes the id of a file of its bucket and nothing else; unknown and unreadable are told alike',
    run: async (w) => {
      const gone = await w.store('pub', 'k152-gone', 'x')
      await remove(w, `/api/files/pub/${gone.id}`)
      const other = await w.store('meta', 'k152-other', 'x')
      return Promise.all([
        post(w, { cover: NOBODY }),
        post(w, { cover: other.id }),
        post(w, { cover: gone.id }),
        post(w, { docs: [NOBODY] }),
        post(w, { docs: [w.fb.id] }),
        post(w, { docs: [w.fa.id, w.fb.id] }),
        post(w, { cover: w.fb.id }),
      ])
    },
    status: 400,
    code: 'file_reference_invalid',
    absent: ['fb.txt', 'secret words'],
    check: (answers) => {
      const refusals = answers.map(refusalOf)
      expect(refusals[1]).toEqual(refusals[0])
      expect(refusals[2]).toEqual(refusals[0])
      expect(refusals[6]).toEqual(refusals[0])
      expect(refusals[4]).toEqual(refusals[3])
      expect(refusals[5]).toEqual(refusals[3])
    },
  },
  {
    title: 'K152 values of another form are faults of their field',
    run: (w) =>
      Promise.all(
        [
          { cover: '' },
          { cover: 7 },
          { cover: [w.fa.id] },
          { cover: { id: w.fa.id } },
          { cover: true },
          { cover: w.fa.id.toUpperCase() },
          { cover: `${w.fa.id}\n` },
          { docs: w.fa.id },
          { docs: { 0: w.fa.id, length: 1 } },
          { docs: null },
          { docs: [[w.fa.id]] },
          { docs: [null] },
          { docs: ['__proto__'] },
          { docs: Array.from({ length: 10_000 }, () => w.fa.id) },
          { docs: [w.fa.id, w.fa.id] },
        ].map((json) => post(w, json)),
      ),
    status: 400,
    code: 'validation_failed',
    check: (answers) => {
      for (const answer of answers) expect(answer.text).toMatch(/"path":"(cover|docs)"/)
    },
  },
  {
    title: 'K152 an upload that is not finished is no file yet, though it has the id of one',
    run: async (w) => {
      const headers = { 'tus-resumable': '1.0.0', 'upload-length': '10', 'upload-metadata': `filename ${btoa('k152')}` }
      const made = await w.send({ method: 'POST', path: '/api/files/pub/tus', headers })
      const path = String(made.headers.location)
      const answers = [await post(w, { cover: path.split('/').at(-1) }), await post(w, { cover: NOBODY })]
      await w.send({ method: 'DELETE', path, headers: { 'tus-resumable': '1.0.0' } })
      return answers
    },
    status: 400,
    check: ([unfinished, unknown]) => expect(refusalOf(unfinished!)).toEqual(refusalOf(unknown!)),
  },
  {
    title: 'K152 a file that has expired is told like an unknown one',
    run: async (w) => {
      const expired = await w.put('pub', { name: 'k152-expired', expires_in: '1' }, 'x')
      expect(expired.status, expired.text).toBe(201)
      const { id, expires_at } = expired.json<{ id: string; expires_at: string }>()
      await eventually('the file has expired', () => Date.now() > Date.parse(expires_at))
      return [await post(w, { cover: id }), await post(w, { cover: NOBODY })]
    },
    status: 400,
    check: ([expired, unknown]) => expect(refusalOf(expired!)).toEqual(refusalOf(unknown!)),
  },
  {
    title: 'K153 a cascade field needs the right to delete the file: alone, in a change, and beside a file that may',
    run: async (w) => {
      const bs = await w.store('meta', 'k153 of b', 'x', w.b)
      const own = await w.store('pub', 'k153 own', 'x')
      const { id } = await create<{ id: string }>(w.send, 'posts', { title: 'k153' })
      const answers = [
        await post(w, { photo: bs.id }),
        await patch(w, id, { photo: bs.id }),
        await patch(w, id, { cover: own.id, photo: bs.id }),
      ]
      await remove(w, at('posts', id))
      expect([await statusOf(w, 'meta', bs.id), await statusOf(w, 'pub', own.id)]).toEqual([200, 200])
      return answers
    },
    status: 403,
    code: 'forbidden',
    check: ([answer]) =>
      expect(refusalOf(answer!).details).toEqual({ operation: 'delete', rule: 'buckets.meta.rules.delete' }),
  },
  {
    title: 'K154 a file that A cannot read is unknown to A in lists too, and never expanded',
    run: async (w) => {
      const { id } = await create<{ id: string }>(w.send, 'posts', { docs: [w.fb.id] }, w.b)
      const shown = await Promise.all([
        w.get(`${at('posts', id)}?expand=docs`),
        w.get(listing('posts', { expand: 'docs', filter: `id:eq:${id}` })),
        patch(w, id, { title: 'by A' }),
        patch(w, id, { 'docs+': [w.fa.id] }),
        w.send({ method: 'PATCH', path: `${at('posts', id)}?expand=docs`, json: { '+docs': [] } }),
      ])
      for (const answer of shown) expect(answer.text).not.toMatch(/fb\.txt|"owner_id":"B"/)
      expect(shown[4]!.json()).toMatchObject({ docs: [w.fb.id, { id: w.fa.id, name: 'fa.txt' }] })
      const admin = await w.get(`${at('posts', id)}?expand=docs`, w.admin)
      expect(admin.json()).toMatchObject({ docs: [{ id: w.fb.id, name: 'fb.txt' }, { id: w.fa.id }] })
      await remove(w, at('posts', id))
      return [await patch(w, id, {}), await post(w, { docs: [w.fb.id] })]
    },
    check: ([absent, unknown]) =>
      expect([absent!.code, unknown!.code]).toEqual(['record_not_found', 'file_reference_invalid']),
  },
  {
    title: 'K159 a file of two posts goes with the last of them, whichever field let go first',
    run: async (w) => {
      const { id: x } = await w.store('pub', 'k159', 'x')
      const { id: one } = await create<{ id: string }>(w.send, 'posts', { cover: x })
      const { id: two } = await create<{ id: string }>(w.send, 'posts', { cover: x })
      const { id: three } = await create<{ id: string }>(w.send, 'posts', { cover: x })
      const steps: number[] = []
      const look = async () => steps.push(await statusOf(w, 'pub', x))
      await remove(w, at('posts', one))
      await look()
      await patch(w, two, { cover: null })
      await look()
      const last = await remove(w, at('posts', three))
      await look()
      expect(steps).toEqual([200, 200, 404])
      await remove(w, at('posts', two))
      return last
    },
    status: 204,
  },
  {
    title: 'K159 naming the same file again lets nothing go',
    run: async (w) => {
      const { id: x } = await w.store('pub', 'k159 again', 'x')
      const { id } = await create<{ id: string }>(w.send, 'posts', { cover: x })
      const answers = [await patch(w, id, { cover: x }), await patch(w, id, { cover: x, title: 'other' })]
      expect(await statusOf(w, 'pub', x)).toBe(200)
      await remove(w, at('posts', id))
      expect(await statusOf(w, 'pub', x)).toBe(404)
      return answers
    },
    status: 200,
  },
  {
    title: 'K159 the path of a file that went with its post is free at once',
    run: async (w) => {
      const { id: x } = await w.store('pub', 'k159-path', 'x')
      const { id } = await create<{ id: string }>(w.send, 'posts', { cover: x })
      await remove(w, at('posts', id))
      return w.put('pub', { name: 'k159-path' }, 'y')
    },
    status: 201,
  },
  {
    title: 'K161 a direct DELETE takes the id out of fields and lists; nothing dangles',
    run: async (w) => {
      const cover = await w.store('pub', 'k161 cover', 'x')
      const doc = await w.store('priv', 'k161 doc', 'x')
      const { id } = await create<{ id: string }>(w.send, 'posts', { cover: cover.id, docs: [w.fa.id, doc.id] })
      const answers = [await remove(w, `/api/files/pub/${cover.id}`), await remove(w, `/api/files/priv/${doc.id}`)]
      expect((await w.get(`${at('posts', id)}?expand=cover,docs`)).json()).toMatchObject({
        cover: null,
        docs: [{ id: w.fa.id }],
      })
      await remove(w, at('posts', id))
      expect(await statusOf(w, 'priv', w.fa.id)).toBe(200)
      return answers
    },
    status: 204,
  },
]

scenarios('K. Records and their files', [...files, ...injections], { schema: COLLECTIONS })
