// K160: what names files and what deletes them, at the same time, over two server processes on one database and one folder.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type RequestOptions, request } from '../support/http.ts'
import { at, COLLECTIONS, startSecond } from '../support/records.ts'
import { LONG } from '../support/scenario.ts'
import { startServer, type TestServer } from '../support/server.ts'

const ROUNDS = LONG ? 40 : 4

let server: TestServer
let second: Awaited<ReturnType<typeof startSecond>>
let token: string
beforeAll(async () => {
  server = await startServer({ schema: COLLECTIONS })
  second = await startSecond(server)
  token = await server.token('A')
})
afterAll(async () => {
  await second?.stop()
  await server?.stop()
})

type Sent = Omit<RequestOptions, 'port'>
let turn = 0
/** To one process, then to the other. */
const send = (options: Sent): Promise<Answer> =>
  request({ port: turn++ % 2 === 0 ? server.port : second.port, token, ...options })
/** The same to both at once. */
const both = (options: Sent): Promise<readonly Answer[]> =>
  Promise.all([server.port, second.port].map((port) => request({ port, token, ...options })))
const patch = (id: string, json: unknown): Sent => ({ method: 'PATCH', path: at('posts', id), json })
const remove = (path: string): Sent => ({ method: 'DELETE', path })
const file = (id: string, bucket = 'pub'): string => `/api/files/${bucket}/${id}`

async function store(bucket = 'pub'): Promise<string> {
  const answer = await send({ method: 'PUT', path: `/api/files/${bucket}?name=r${turn}`, body: `race ${turn}` })
  expect(answer.status, answer.text).toBe(201)
  return answer.json<{ id: string }>().id
}

async function post(json: unknown): Promise<string> {
  const answer = await send({ method: 'POST', path: at('posts'), json })
  expect(answer.status, answer.text).toBe(201)
  return answer.json<{ id: string }>().id
}

/** Only these outcomes, as `status code`. */
function expectOnly(answers: readonly Answer[], ...outcomes: readonly string[]): void {
  for (const answer of answers) {
    const outcome = answer.code === null ? String(answer.status) : `${answer.status} ${answer.code}`
    expect(outcomes, answer.text).toContain(outcome)
  }
}

/** Every id that a record names is a file that can be read. */
function expectSound(): void {
  const dangling = server.query(`
    SELECT p.id, named.value FROM posts AS p, json_each(json_insert(p.docs, '$[#]', p.cover, '$[#]', p.photo)) AS named
    WHERE named.value IS NOT NULL AND NOT EXISTS (SELECT 1 FROM _alyx_files WHERE id = named.value AND state = 'ready')`)
  expect(dangling).toEqual([])
}

describe('two processes', { timeout: 600_000 }, () => {
  it('K160 change a cover x→y→x while both files and the post are deleted: nothing dangles', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const [x, y] = [await store(), await store()]
      const id = await post({ cover: x })
      const changes = [...Array(4)].flatMap(() => [send(patch(id, { cover: y })), send(patch(id, { cover: x }))])
      const deletes = [send(remove(file(x))), ...(round % 2 === 0 ? [send(remove(file(y)))] : [])]
      if (round % 3 === 0) deletes.push(send(remove(at('posts', id))))
      expectOnly(await Promise.all(changes), '200', '400 file_reference_invalid', '404 record_not_found')
      expectOnly(await Promise.all(deletes), '204', '404 file_not_found', '404 record_not_found')
    }
    expectSound()
  })

  it('K160 delete a file while creates name it: each create has it or is refused, and none has it afterwards', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const x = await store()
      const creates = [...Array(6)].map(() =>
        send({ method: 'POST', path: at('posts'), json: { cover: x, title: 'late' } }),
      )
      const [gone, ...made] = await Promise.all([send(remove(file(x))), ...creates])
      expectOnly([gone!], '204')
      expectOnly(made, '201', '400 file_reference_invalid')
      for (const answer of made.filter(({ status }) => status === 201)) {
        const { id } = answer.json<{ id: string }>()
        expect((await send({ path: at('posts', id) })).json()).toMatchObject({ cover: null })
      }
    }
    expectSound()
  })

  it('K159 K160 delete the two posts of a file at once: the file goes, and only then', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const x = await store()
      const posts = [await post({ cover: x }), await post({ cover: x })]
      expectOnly(await Promise.all(posts.map((id) => send(remove(at('posts', id))))), '204')
      expect((await send({ path: file(x) })).status).toBe(404)
    }
    expectSound()
  })

  it('K160 let go of a file in one post while another takes it: it stays if the other has it', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const x = await store()
      const [from, to] = [await post({ cover: x }), await post({})]
      const [, taken] = await Promise.all([send(patch(from, { cover: null })), send(patch(to, { cover: x }))])
      expectOnly([taken], '200', '400 file_reference_invalid')
      expect((await send({ path: file(x) })).status).toBe(taken.status === 200 ? 200 : 404)
    }
    expectSound()
  })

  it('G10 delete one thing in both at once: it is deleted, and its files are once', async () => {
    const [x, doc] = [await store(), await store('priv')]
    const id = await post({ cover: x, docs: [doc] })
    expectOnly(await both(remove(at('posts', id))), '204', '404 record_not_found')
    expectOnly(await both(remove(file(doc, 'priv'))), '204', '404 file_not_found')
    expect((await both({ path: file(x) })).map(({ status }) => status)).toEqual([404, 404])
    expectSound()
  })

  it('add to one list from both at once: no element is lost, and each process sees what the other wrote', async () => {
    const docs = await Promise.all([...Array(8)].map(() => store('priv')))
    const id = await post({})
    const added = await Promise.all(docs.map((doc) => send(patch(id, { 'docs+': doc }))))
    expectOnly(added, '200')
    for (const answer of await both({ path: at('posts', id) }))
      expect([...answer.json<{ docs: string[] }>().docs].sort()).toEqual([...docs].sort())
    expectSound()
  })

  it('create one id in both at once: one is taken', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const made = await both({ method: 'POST', path: at('words'), json: { id: `both-${round}` } })
      expect(made.map(({ status }) => status).sort()).toEqual([201, 409])
    }
  })

  it('leave nothing for doctor to find', async () => {
    expect((await server.doctor()).problems).toEqual([])
  })
})
