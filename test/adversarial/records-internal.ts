// Group K: internal fields, and records that may be changed and not read: nothing of them gets out.
import { expect } from 'vitest'
import { at, create, listing, refusalOf } from '../support/records.ts'
import type { Scenario } from '../support/scenario.ts'

/** Run beside those of secrets, on the collections of support/records.ts. */
export const internal: readonly Scenario[] = [
  {
    title: 'K157 an internal field is not shown, by any verb or to an admin, and not found by search',
    run: async (w) => {
      const json = { id: 'internal', title: 'in sight' }
      const path = at('words', 'internal')
      const answers = [
        await w.send({ method: 'POST', path: at('words'), json }),
        await w.get(path),
        await w.get(path, w.admin),
        await w.send({ method: 'PATCH', path, json: { title: 'changed' } }),
        await w.get(listing('words')),
        await w.get(listing('words', { sort: 'title', limit: '1' }), w.admin),
      ]
      const found = await w.get(listing('words', { search: 'hidden word', total: 'true' }))
      expect(found.json()).toMatchObject({ docs: [], total: 0 })
      expect(w.server.query("SELECT hidden FROM words WHERE id = 'internal'")).toEqual([{ hidden: 'the hidden word' }])
      return answers
    },
    status: [200, 201],
    absent: ['hidden', 'buddy', 'secret_file'],
  },
  {
    title: 'K157 an internal field is as unknown as one that does not exist: filter, sort, expand, create and change',
    run: async (w) => {
      const fields = ['hidden', 'buddy', 'secret_file', '_version']
      const path = at('words', 'internal')
      const ways = (field: string) => [
        w.get(listing('words', { filter: `${field}:is_null` })),
        w.get(listing('words', { filter: `${field}:eq:x` })),
        w.get(listing('words', { sort: field })),
        w.get(listing('words', { sort: `-${field}` })),
        w.get(listing('words', { expand: field })),
        w.get(`${path}?expand=${field}`),
        w.send({ method: 'POST', path: at('words'), json: { id: 'x', [field]: null } }),
        w.send({ method: 'PATCH', path, json: { [field]: 'x' } }),
        w.send({ method: 'PATCH', path, json: { [`${field}+`]: ['x'] } }),
      ]
      const unknown = await Promise.all(ways('nowhere'))
      const answers = await Promise.all(fields.map((field) => Promise.all(ways(field))))
      answers.forEach((each, i) => {
        each.forEach((answer, k) => {
          const plain = answer.text.replaceAll(fields[i]!, 'nowhere')
          const { request_id: _, ...refusal } = (JSON.parse(plain) as { error: Record<string, unknown> }).error
          expect({ status: answer.status, ...refusal }).toEqual(refusalOf(unknown[k]!))
        })
      })
      return answers.flat()
    },
    status: 400,
  },
  {
    title: 'K157 an internal field that forbids a record is not named',
    run: async (w) => {
      await create(w.send, 'once', { id: 'first' })
      return [
        await w.send({ method: 'POST', path: at('once'), json: { id: 'second' } }),
        await w.send({ method: 'POST', path: at('once'), json: { id: 'third' }, token: w.admin }),
      ]
    },
    status: 409,
    code: 'unique_violation',
    absent: [/\bonly\b/, 'hidden'],
    check: ([answer]) => expect(refusalOf(answer!).details).toEqual({ fields: [] }),
  },
  {
    title: 'K157 who may change a record and not read it sees what they sent, and nothing else',
    run: async (w) => {
      const { id } = await w.store('pub', 'of the box', 'x')
      expect(await create(w.send, 'box', { id: 'box', note: 'of A', file: id })).toMatchObject({ note: 'of A' })
      const change = (json: unknown, path = at('box', 'box')) => w.send({ method: 'PATCH', path, json, token: w.b })
      const answers = [
        await change({}),
        await change({ note: 'of B' }),
        await change({ id: 'box' }, `${at('box', 'box')}?expand=file`),
      ]
      expect(answers.map((answer) => answer.json())).toEqual([
        { id: 'box' },
        { id: 'box', note: 'of B' },
        { id: 'box' },
      ])
      expect((await w.get(at('box', 'box'), w.b)).status).toBe(403)
      expect((await w.get(listing('box'), w.b)).status).toBe(403)
      return answers
    },
    status: 200,
  },
]
