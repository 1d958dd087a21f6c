// Memory of a large upload to S3, in a process of its own.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { newS3Bucket, s3Client, s3Server } from '../support/s3-server.ts'

const MIB = 1024 * 1024
const SIZE = (process.env.ALYX_TEST_LONG === '1' ? 1024 : 256) * MIB
const { access, skipped } = await s3Server()

describe.skipIf(access === null)(`an upload of ${SIZE / MIB} MiB to S3${skipped}`, () => {
  it.each([
    ['announced', true],
    ['not announced', false],
  ] as const)(
    'whose size was %s grows the process by less than 64 MiB',
    { timeout: 600_000 },
    async (_words, announced) => {
      const client = s3Client(access!)
      const place = {
        name: 's3',
        bucket: await newS3Bucket(client),
        bucketPrefix: '',
        region: 'us-east-1',
        forcePathStyle: true,
      }
      client.destroy()
      const order = JSON.stringify({ place: { ...place, ...access }, size: SIZE, announced })
      const main = new URL('../support/s3-put-main.ts', import.meta.url).pathname
      const { stdout } = await promisify(execFile)(process.execPath, [main, order])
      const { stored, before, peak } = JSON.parse(stdout) as { stored: number; before: number; peak: number }
      console.info(`${(before / MIB).toFixed(0)} MiB before, ${(peak / MIB).toFixed(0)} MiB at most`)
      expect(stored).toBe(SIZE)
      expect((peak - before) / MIB).toBeLessThan(64)
    },
  )
})
