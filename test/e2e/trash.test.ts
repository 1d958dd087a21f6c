// The trash as clients meet it over HTTP and by the command line, and what stays of it when the schema changes.
import { afterEach, describe, expect, it } from 'vitest'
import { type Answer, request } from '../support/http.ts'
import { startServer, type TestServer } from '../support/server.ts'

const schema = (trash: string): string => `version: 1
buckets:
  docs:
    backend: local
    max_file_size: 1MB
    max_total_size: 1000${trash}
    rules: {create: auth.id != null, read: "true", download: "true", update: "true", delete: auth.id == file.owner_id}
`
const KEPT = '\n    trash: 7d'
let server: TestServer
afterEach(() => server.stop())

const send = async (method: string, path: string, more: object = {}, sub = 'ada'): Promise<Answer> =>
  request({ port: server.port, method, path: `/api/files/docs${path}`, token: await server.token(sub), ...more })
const put = async (name: string, size = 9): Promise<string> => {
  const answer = await send('PUT', `?name=${name}`, { body: Buffer.alloc(size, 'x') })
  expect(answer.status, answer.text).toBe(201)
  return answer.json<{ id: string }>().id
}
const names = (answer: Answer): string[] => answer.json<{ files: { name: string }[] }>().files.map(({ name }) => name)

describe('the trash over HTTP', () => {
  it('takes files in and gives them back, by id, in bulk and by list', async () => {
    server = await startServer({ schema: schema(KEPT) })
    const id = await put('a', 600)
    const before = (await send('GET', `/${id}`)).json()
    expect((await send('DELETE', `/${id}`)).status).toBe(204)
    expect((await send('DELETE', `/${id}`)).status).toBe(404)
    for (const path of ['', '/download', '/view', '/references', '/sign'])
      expect([path, (await send('GET', `/${id}${path}`)).code]).toEqual([path, 'file_not_found'])
    expect(names(await send('GET', ''))).toEqual([])
    const list = await send('GET', '?trashed=true')
    expect(list.json()).toMatchObject({
      files: [{ id, path: 'a', deleted_at: expect.any(String), purge_at: expect.any(String) }],
      next_cursor: null,
    })
    expect(names(await send('GET', '?trashed=true', {}, 'bob'))).toEqual([])
    expect((await send('GET', '?sort=deleted_at')).code).toBe('invalid_query')
    expect((await send('PUT', '?name=b', { body: Buffer.alloc(600) })).code).toBe('quota_exceeded')
    expect((await send('POST', `/${id}/restore`, {}, 'bob')).code).toBe('forbidden')
    const restored = await send('POST', `/${id}/restore`)
    expect(restored.status).toBe(200)
    expect(restored.json()).toEqual({ ...before, version: 2, updated_at: restored.json().updated_at })
    expect(restored.json()).not.toHaveProperty('deleted_at')
    expect((await send('POST', `/${id}/restore`)).code).toBe('file_not_found')

    expect((await send('POST', '/delete', { json: { ids: [id] } })).status).toBe(200)
    const other = await put('a')
    expect((await send('POST', `/${id}/restore`)).code).toBe('file_exists')
    expect((await send('POST', `/${id}/restore?path=old/a`)).json()).toMatchObject({ path: 'old/a' })
    expect((await send('DELETE', `/${id}?permanent=maybe`)).code).toBe('invalid_query')
    expect((await send('POST', '/delete', { json: { ids: [id, other], permanent: true } })).status).toBe(200)
    expect(names(await send('GET', '?trashed=true'))).toEqual([])
    expect(server.query('select * from _alyx_files')).toEqual([])
    expect((await server.doctor()).problems).toEqual([])
  })

  it('is known to the command line', async () => {
    server = await startServer({ schema: schema(KEPT) })
    const id = await put('a')
    const url = ['--url', server.url, '--token', await server.token('ada')]
    expect(await server.project.run(['rm', 'docs/a', ...url])).toMatchObject({ code: 0 })
    expect((await server.project.run(['ls', 'docs', ...url])).stdout).toBe('')
    expect((await server.project.run(['ls', '--trashed', 'docs', ...url])).stdout).toContain(id)
    expect(await server.project.run(['rm', '--permanent', `docs:${id}`, ...url])).toMatchObject({ code: 0 })
    expect((await server.project.run(['ls', '--trashed', 'docs', ...url])).stdout).toBe('')
  })

  it('keeps what is in it when the schema has a trash no more: restorable, listed, and gone at its time', async () => {
    server = await startServer({ schema: schema(KEPT) })
    const [kept, purged, later] = [await put('kept'), await put('purged'), await put('later')]
    for (const id of [kept, purged]) await send('DELETE', `/${id}`)
    await server.kill('SIGTERM')
    server.project.writeSchema(schema(''))
    await server.restart()
    expect(names(await send('GET', '?trashed=true')).sort()).toEqual(['kept', 'purged'])
    expect((await send('POST', `/${kept}/restore`)).status).toBe(200)
    await send('DELETE', `/${later}`)
    expect(server.query('select name from _alyx_files where id = ?', later)).toEqual([])
    expect((await send('DELETE', `/${purged}?permanent=true`)).status).toBe(204)
    expect((await server.doctor()).problems).toEqual([])
  })
})
