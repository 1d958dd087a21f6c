// docs/operations.md tells the truth: its SQL is run on a database that a server made.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
const [perBucket, unfinished, ...more] = [...text.matchAll(/^sqlite3 -readonly data\/alyx\.db "(.+)"$/gm)].map(
  ([, sql]) => sql!,
)

describe('docs/operations.md', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
    const headers = { authorization: `Bearer ${await server.token('ada')}` }
    await fetch(`${server.url}/api/files/priv?name=a`, { method: 'PUT', headers, body: 'twelve bytes' })
    const metadata = Buffer.from('b').toString('base64')
    await fetch(`${server.url}/api/files/priv/tus`, {
      method: 'POST',
      headers: {
        ...headers,
        'tus-resumable': '1.0.0',
        'upload-length': '7',
        'upload-metadata': `filename ${metadata}`,
      },
    })
  })
  afterAll(() => server.stop())

  it('asks for files and bytes of each bucket', () => {
    expect(server.query(perBucket!)).toEqual([{ bucket: 'priv', 'count(*)': 1, 'sum(size)': 12 }])
  })

  it('asks for uploads that are not finished', () => {
    expect(server.query(unfinished!)).toMatchObject([{ filename: 'b', offset: 0, size: 7 }])
    expect(more).toEqual([])
  })

  it('names the places where things are', () => {
    const { id } = server.query<{ id: string }>('select id from _alyx_files')[0]!
    const path = `data/files/priv/${id.slice(0, 6)}/${id.slice(6, 8)}/${id}`
    expect(readFileSync(`${server.dir}/${path}`, 'utf8')).toBe('twelve bytes')
    expect(text).toContain('`data/files/<bucket>/<6 hex>/<2 hex>/<id>`')
  })
})
