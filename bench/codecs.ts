// What compression and encryption cost, against the same file in a plain bucket of the same server.
import { request } from '../test/support/http.ts'
import type { Job } from './jobs.ts'
import type { Scenario } from './scenarios.ts'
import type { Bench, BucketName } from './stage.ts'

const MiB = 1024 * 1024
/** Bytes of one range. */
const RANGE = 64 * 1024
/** The big file of a range is so many times as large as that of the other scenarios: 1 GiB, but for --quick. */
const LARGER = 4

/** Scenarios of files stored otherwise than they are. `big` is the bytes of a big file, `seconds` those of a round of ranges. */
export function codecScenarios({ big, seconds }: { big: number; seconds: number }): readonly Scenario[] {
  const large = LARGER * big
  let ratio = '–'

  const get = (bucket: BucketName) => async (bench: Bench, tag: string) => {
    const path = `/api/files/${bucket}/${await bench.stored(big, bucket)}/download`
    const job: Job = { ...bench.product(path), kind: 'get', tag, size: big, connections: 1, requests: 2, warm: true }
    const done = await bench.client.run(job)
    return done.bytes / MiB / done.seconds
  }
  const put = (bucket: BucketName) => async (bench: Bench, tag: string) => {
    const target = bench.product(`/api/files/${bucket}?name={i}`)
    const job: Job = { ...target, kind: 'put', content: 'text', tag, size: big, connections: 1, requests: 1 }
    const done = await bench.client.run(job)
    if (bucket !== 'files') ratio = await ratioOf(bench, bucket, done.ids[0]!)
    await bench.remove(done.ids, bucket)
    return done.bytes / MiB / done.seconds
  }
  const range = (bucket: BucketName) => async (bench: Bench, tag: string) => {
    const path = `/api/files/${bucket}/${await bench.stored(large, bucket, 'text')}/download`
    const within = { size: RANGE, from: large / 4, to: (large / 4) * 3 }
    const job: Job = { ...bench.product(path), kind: 'get', range: within, tag, connections: 8, seconds, warm: true }
    const done = await bench.client.run(job)
    return done.requests / done.seconds
  }
  const against = 'the same in a plain bucket'
  return [
    {
      name: 'codec-encrypted-get',
      unit: 'MiB/s',
      against,
      target: 0.6,
      product: get('sealed'),
      baseline: get('files'),
    },
    {
      name: 'codec-zstd-put',
      unit: 'MiB/s',
      against,
      target: 0.5,
      product: put('zstd'),
      baseline: put('files'),
      note: () => `text of ${big / MiB} MiB, ${ratio} : 1`,
    },
    {
      name: 'codec-range',
      unit: 'req/s',
      against: `${against}: ${RANGE / 1024} KiB within ${large / MiB} MiB, compressed and encrypted`,
      target: 0.2,
      product: range('both'),
      baseline: range('files'),
    },
  ]
}

async function ratioOf(bench: Bench, bucket: BucketName, id: string): Promise<string> {
  const answer = await request({ ...bench.product(`/api/files/${bucket}/${id}`) })
  const file = answer.json<{ size: number; stored_size: number }>()
  return (file.size / file.stored_size).toFixed(2)
}
