// A bucket goes from a folder to S3 and back: by configuration for what comes, by alyx migrate-backend for what is there.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { sweepOriginals } from '../support/originals.ts'
import { seededBytes } from '../support/random.ts'
import { newS3Bucket, objectsIn, s3Client, s3Config, s3Server } from '../support/s3-server.ts'
import { startServer, type TestServer } from '../support/server.ts'

const { access, skipped } = await s3Server()
const LARGE = seededBytes(5, 9 * 1024 * 1024 + 1)

const schema = (backend: string): string => `version: 1
buckets:
  docs:
    backend: ${backend}
    max_file_size: 16MiB
    rules: {create: "true", read: "true", download: "true", delete: "true"}
`

describe.skipIf(access === null)(`a bucket that changes its backend${skipped}`, { timeout: 300_000 }, () => {
  const client = access === null ? null : s3Client(access)
  let server: TestServer
  let bucket: string
  const files = new Map<string, Buffer>()

  beforeAll(async () => {
    bucket = await newS3Bucket(client!)
    server = await startServer({ schema: schema('local') })
  })
  afterAll(async () => {
    await server?.stop()
    client?.destroy()
  })

  const put = async (name: string, body: Buffer): Promise<string> => {
    const made = await request({ port: server.port, method: 'PUT', path: `/api/files/docs?name=${name}`, body })
    expect(made.status).toBe(201)
    const { id } = made.json<{ id: string }>()
    files.set(id, body)
    return id
  }
  const readAll = async (): Promise<void> => {
    for (const [id, body] of files) {
      const got = await request({ port: server.port, path: `/api/files/docs/${id}/download` })
      expect([got.status, got.body.equals(body)]).toEqual([200, true])
      if (body.length < 10) continue
      const path = `/api/files/docs/${id}/download`
      const part = await request({ port: server.port, path, headers: { range: 'bytes=3-9' } })
      expect([part.status, part.body.equals(body.subarray(3, 10))]).toEqual([206, true])
    }
  }
  const restart = async (): Promise<void> => {
    await server.kill('SIGTERM')
    await server.restart()
  }
  const migrate = (to: string, ...more: string[]) =>
    server.project.run(['migrate-backend', 'docs', '--to', to, '--json', ...more])
  const whereabouts = () =>
    server.query<{ backend: string; n: number }>('SELECT backend, count(*) n FROM _alyx_files GROUP BY 1 ORDER BY 1')

  it('new files go to S3 once the two files say so; the old ones are read where they are', async () => {
    await put('large', LARGE)
    await put('small', Buffer.from('small'))
    await put('empty', Buffer.alloc(0))
    server.project.writeConfig({ storage: { backends: { cloud: s3Config(access!, bucket) } } })
    const early = await migrate('cloud')
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('backend: cloud')])
    server.project.writeSchema(schema('cloud'))
    await restart()
    const fresh = await put('new', Buffer.from('a new one'))
    expect(await objectsIn(client!, bucket)).toEqual([`alyx/docs/${fresh}`])
    expect(whereabouts()).toEqual([
      { backend: 'cloud', n: 1 },
      { backend: 'local', n: 3 },
    ])
    const [report] = await Promise.all([server.doctor(), readAll()])
    expect(report).toMatchObject({ ok: true, problems: [] })
  })

  it('does not start without a backend that files are in', async () => {
    await server.kill('SIGTERM')
    const cloud = s3Config(access!, bucket)
    const local = { type: 'filesystem', path: 'data/files' }
    server.project.writeConfig({ storage: { backends: { local, cloud } } })
    server.project.writeConfig(readFileSync(join(server.dir, 'alyx.yml'), 'utf8').replace('local:', 'renamed:'))
    await expect(server.restart()).rejects.toThrow('storage.backends.local: bytes are kept there')
    server.project.writeConfig({ storage: { backends: { cloud } } })
    await server.restart()
  })

  it('migrate-backend takes the old ones along while they are read, and a sweep removes the originals', async () => {
    const [moving] = await Promise.all([migrate('cloud', '--grace', '1s'), readAll(), readAll()])
    expect(moving).toMatchObject({ code: 0 })
    expect(JSON.parse(moving.stdout)).toMatchObject({ moved: 3, failed: [], left: 0, stopped: false })
    expect(whereabouts()).toEqual([{ backend: 'cloud', n: 4 }])
    await readAll()
    await sweepOriginals(server)
    expect((await objectsIn(client!, bucket)).toSorted()).toEqual(
      [...files.keys()].map((id) => `alyx/docs/${id}`).toSorted(),
    )
    const [doctor] = await Promise.all([server.project.run(['doctor', '--read-data']), readAll()])
    expect(doctor.code, doctor.stdout).toBe(0)
  })

  it('and back', async () => {
    server.project.writeSchema(schema('local'))
    await restart()
    await put('local-again', Buffer.from('local again'))
    const back = await migrate('local', '--grace', '1s')
    expect(JSON.parse(back.stdout)).toMatchObject({ moved: 4, left: 0 })
    await readAll()
    await sweepOriginals(server)
    expect(await objectsIn(client!, bucket)).toEqual([])
    server.project.writeConfig({})
    await restart()
    const [report] = await Promise.all([server.doctor(), readAll()])
    expect(report).toMatchObject({ ok: true, problems: [] })
  })
})
