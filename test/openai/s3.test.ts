// /v1 with everything in S3: files, and the parts of uploads that are not completed.
import { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newS3Bucket, objectsIn, s3Client, s3Config, s3Server } from '../support/s3-server.ts'
import { openStage, refusal, SCHEMA, type Stage } from './stage.ts'

const { access, skipped } = await s3Server()

describe.skipIf(access === null)(`/v1 in S3${skipped}`, () => {
  const s3 = access === null ? null : s3Client(access)
  let bucket: string
  let stage: Stage
  beforeAll(async () => {
    bucket = await newS3Bucket(s3!)
    stage = await openStage({
      schema: SCHEMA.replace('openai: {backend: local', 'openai: {backend: cloud'),
      config: {
        files_api: { bucket: 'openai', max_size: '150MB' },
        storage: { backends: { cloud: s3Config(access!, bucket) } },
        uploads: { spool: 's3' },
      },
    })
  })
  afterAll(async () => {
    await stage?.close()
    s3?.destroy()
  })

  it('keeps parts there until they are a file, which is read and deleted there', async () => {
    const client = await stage.client('acme')
    const bytes = Buffer.alloc(20 * 1024 * 1024, 'abcdefg')
    const upload = await client.uploads.create({ filename: 'a', purpose: 'batch', bytes: bytes.length, mime_type: '' })
    const part_ids: string[] = []
    for (const data of [bytes.subarray(0, 1), bytes.subarray(1, 10_000_000), bytes.subarray(10_000_000)])
      part_ids.push((await client.uploads.parts.create(upload.id, { data: await toFile(data, 'chunk') })).id)
    expect((await objectsIn(s3!, bucket, 'alyx/.spool/')).length).toBeGreaterThanOrEqual(3)
    const wrong = client.uploads.complete(upload.id, { part_ids, md5: '0'.repeat(32) })
    expect(await refusal(wrong)).toMatchObject({ status: 400, param: 'md5' })
    expect(await objectsIn(s3!, bucket, 'alyx/openai/')).toEqual([])
    const { file } = await client.uploads.complete(upload.id, { part_ids })
    expect(Buffer.from(await (await client.files.content(file!.id)).arrayBuffer()).equals(bytes)).toBe(true)
    expect(await objectsIn(s3!, bucket, 'alyx/.spool/')).toEqual([])
    await client.files.delete(file!.id)
    const cancelled = await client.uploads.create({ filename: 'b', purpose: 'batch', bytes: 9, mime_type: '' })
    await client.uploads.parts.create(cancelled.id, { data: await toFile(Buffer.from('nine more'), 'chunk') })
    await client.uploads.cancel(cancelled.id)
    expect(await objectsIn(s3!, bucket, 'alyx/')).toEqual([])
    expect(await stage.alyx.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, problems: [] })
  })
})
