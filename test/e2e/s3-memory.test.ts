// Memory of the whole server under a large upload to S3, however it comes.
import { describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { seededStream, sha256OfSeed } from '../support/random.ts'
import { newS3Bucket, s3Client, s3Config, s3Server, unfinishedIn } from '../support/s3-server.ts'
import { startServer } from '../support/server.ts'

const MIB = 1024 * 1024
const LONG = process.env.ALYX_TEST_LONG === '1'
const SIZE = (LONG ? 1024 : 160) * MIB
/** What nobody announced is the harder one: it goes in parts, whatever it comes to. */
const WAYS = [
  ['not announced', false],
  ['announced', true],
] as const
const { access, skipped } = await s3Server()

const SCHEMA = `version: 1
buckets:
  big: {backend: cloud, max_file_size: 5GB, rules: {create: "true", read: "true", download: "true"}}
`

describe.skipIf(access === null)(`an upload of ${SIZE / MIB} MiB to S3 through the server${skipped}`, () => {
  it.each(WAYS.slice(0, LONG ? 2 : 1))(
    'whose size is %s grows it by less than 64 MiB',
    { timeout: 900_000 },
    async (words, announced) => {
      const client = s3Client(access!)
      const bucket = await newS3Bucket(client)
      const server = await startServer({
        schema: SCHEMA,
        config: { storage: { backends: { cloud: s3Config(access!, bucket) } } },
      })
      try {
        const put = (name: string, seed: number, size: number) =>
          request({
            port: server.port,
            method: 'PUT',
            path: `/api/files/big?name=${name}`,
            headers: announced ? { 'content-length': size } : {},
            body: seededStream(seed, size),
            timeout: 900_000,
          })
        for (let i = 0; i < 3; i++) expect((await put(`warm-${i}`, i, 2 * MIB)).status).toBe(201)
        const idle = server.rss()
        let peak = idle
        const watch = setInterval(() => (peak = Math.max(peak, server.rss())), 25)
        const answer = await put('big', 100, SIZE).finally(() => clearInterval(watch))
        expect(answer.status, answer.text).toBe(201)
        console.info(`${words}: ${(idle / MIB).toFixed(0)} MiB at rest, ${(peak / MIB).toFixed(0)} MiB at most`)
        expect(answer.json()).toMatchObject({ size: SIZE, checksum: await sha256OfSeed(100, SIZE) })
        expect((peak - idle) / MIB).toBeLessThan(64)
        expect(await unfinishedIn(client, bucket)).toEqual([])
      } finally {
        client.destroy()
        await server.stop()
      }
    },
  )
})
