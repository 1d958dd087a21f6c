// A backup of files in S3: they are named, or copied when asked for, and then restored to another S3 bucket.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { createProject, type Project } from '../support/project.ts'
import { seededBytes } from '../support/random.ts'
import { newS3Bucket, objectsIn, s3Client, s3Config, s3Server } from '../support/s3-server.ts'
import { startServer, type TestServer } from '../support/server.ts'

const { access, skipped } = await s3Server()
const LARGE = seededBytes(7, 9 * 1024 * 1024 + 1)
const SCHEMA = `version: 1
buckets:
  docs:
    backend: cloud
    max_file_size: 16MiB
    rules: {create: "true", read: "true", download: "true", delete: "true"}
`

describe.skipIf(access === null)(`a backup of files in S3${skipped}`, { timeout: 300_000 }, () => {
  const client = access === null ? null : s3Client(access)
  let server: TestServer
  let bucket: string
  const others: Project[] = []
  const configOf = (name: string) => ({ storage: { backends: { cloud: s3Config(access!, name) } } })
  const place = (name: string): string => join(server.dir, name)
  const blobs = (dir: string): number =>
    readdirSync(dir, { recursive: true }).filter((name) => /[0-9a-f-]{36}$/.test(String(name))).length
  const elsewhere = async (name: string): Promise<Project> => {
    const project = await createProject({ schema: SCHEMA, config: configOf(name) })
    others.push(project)
    return project
  }

  beforeAll(async () => {
    bucket = await newS3Bucket(client!)
    server = await startServer({ schema: SCHEMA, config: configOf(bucket) })
    for (const [name, body] of [
      ['small', Buffer.from('some bytes')],
      ['empty', Buffer.alloc(0)],
      ['large', LARGE],
    ] as const)
      expect(
        (await request({ port: server.port, method: 'PUT', path: `/api/files/docs?name=${name}`, body })).status,
      ).toBe(201)
  })
  afterAll(async () => {
    await server?.stop()
    for (const project of others) project.remove()
    client?.destroy()
  })

  it('names them, and the restore says which of them S3 does not hold', async () => {
    const made = await server.project.run(['backup', 'named', '--json'])
    expect(made.code, made.stderr).toBe(0)
    expect(JSON.parse(made.stdout)).toMatchObject({ files: 3, named: 3, copied: 0 })
    expect(blobs(place('named'))).toBe(0)
    const beside = await elsewhere(bucket)
    const restored = await beside.run(['restore', place('named'), '--json'])
    expect(JSON.parse(restored.stdout)).toMatchObject({ ok: true, named: 3, problems: [] })
    expect((await beside.doctor()).ok).toBe(true)
    const empty = await elsewhere(await newS3Bucket(client!))
    const missing = await empty.run(['restore', place('named'), '--json'])
    expect(missing.code).toBe(1)
    expect(JSON.parse(missing.stdout)).toMatchObject({ ok: false, problems: Array(3).fill({ kind: 'blob_missing' }) })
  })

  it('copies them with --include-s3, and the restore puts them into another S3 bucket', async () => {
    const made = await server.project.run(['backup', 'whole', '--include-s3', '--json'])
    expect(made.code, made.stderr).toBe(0)
    expect(JSON.parse(made.stdout)).toMatchObject({ files: 3, named: 0, copied: 3 })
    expect(blobs(place('whole'))).toBe(3)
    const target = await newS3Bucket(client!)
    const other = await elsewhere(target)
    const restored = await other.run(['restore', place('whole'), '--json'])
    expect(restored.code, restored.stderr).toBe(0)
    expect(JSON.parse(restored.stdout)).toMatchObject({ ok: true, files: 3, named: 0 })
    expect(await objectsIn(client!, target)).toHaveLength(3)
    expect((await other.run(['doctor', '--read-data', '--rate', '0'])).code).toBe(0)
    // A later backup without them has no use for the copies.
    expect((await server.project.run(['backup', 'whole'])).code).toBe(0)
    expect(blobs(place('whole'))).toBe(0)
  })
})
