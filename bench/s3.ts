// Files in S3: through the product, and by the SDK alone, to and from the same server. Once a gigabit link away, as S3 is from a server, and
// once on the same processors, where the S3 server takes from the product what it needs itself.
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { type RunningCeph, startCeph, whyNoCeph } from '../test/support/ceph.ts'
import { request } from '../test/support/http.ts'
import { startServer, type TestServer } from '../test/support/server.ts'
import { forkHere, type Job } from './jobs.ts'
import { openLink } from './link.ts'
import type { Scenario } from './scenarios.ts'
import type { Transfer } from './sdk.ts'
import type { Bench } from './stage.ts'

const MiB = 1024 * 1024
const BUCKET = 'alyx-bench'
const SCHEMA = `version: 1
buckets:
  files:
    backend: s3
    max_file_size: 2GB
    rules: {create: auth.id != null, read: auth.id == file.owner_id, download: auth.id == file.owner_id, delete: auth.id == file.owner_id}
`

interface Stage {
  readonly server: TestServer
  readonly headers: Readonly<Record<string, string>>
  /** Seconds of a transfer by the SDK. */
  sdk(transfer: Omit<Transfer, 'access' | 'bucket'>): Promise<number>
  /** Id of the product's file that is downloaded. */
  readonly stored: string
  close(): Promise<void>
}

/** Scenarios with a file of `big` bytes. An S3 server is started with the first that needs it; `close` stops them. */
export function s3Scenarios(big: number): { readonly scenarios: readonly Scenario[]; close(): Promise<void> } {
  const far = scenariosAt('', big)
  const near = scenariosAt('-loopback', big)
  return {
    scenarios: [...far.scenarios, ...near.scenarios],
    async close() {
      await far.close()
      await near.close()
    },
  }
}

function scenariosAt(
  place: '' | '-loopback',
  big: number,
): { readonly scenarios: readonly Scenario[]; close(): Promise<void> } {
  let stage: Promise<Stage> | null = null
  const prepare = async (bench: Bench): Promise<void> => {
    stage ??= openStage(bench, place, big)
    await stage
  }
  const transfer = async (bench: Bench, job: Pick<Job, 'kind' | 'path' | 'tag'>) => {
    const { server, headers } = await stage!
    return bench.client.run({ ...job, port: server.port, headers, size: big, connections: 1, requests: 1 })
  }
  const speed = (seconds: number): number => big / MiB / seconds
  const where = place === '' ? 'a link of 1 Gbit/s away' : 'on the same processors'
  const common = { unit: 'MiB/s', target: 0.85, prepare } as const
  return {
    scenarios: [
      {
        ...common,
        name: `s3-put${place}`,
        against: `PutObject of a stream by the SDK, to the same server, ${where}`,
        async product(bench, tag) {
          const done = await transfer(bench, { kind: 'put', path: '/api/files/files?name={i}', tag })
          const { server, headers } = await stage!
          for (const id of done.ids)
            await request({ port: server.port, method: 'DELETE', path: `/api/files/files/${id}`, headers })
          return speed(done.seconds)
        },
        // One name for all rounds: each takes the place of the one before.
        baseline: async () => speed(await (await stage!).sdk({ verb: 'put', key: 'sdk', size: big })),
      },
      {
        ...common,
        name: `s3-get${place}`,
        against: `GetObject by the SDK, from the same server, ${where}`,
        async product(bench, tag) {
          const { stored } = await stage!
          return speed(
            (await transfer(bench, { kind: 'get', path: `/api/files/files/${stored}/download`, tag })).seconds,
          )
        },
        baseline: async () => speed(await (await stage!).sdk({ verb: 'get', key: 'sdk', size: big })),
      },
    ],
    close: async () => (await stage)?.close(),
  }
}

async function openStage(bench: Bench, place: '' | '-loopback', big: number): Promise<Stage> {
  const reason = whyNoCeph()
  if (reason !== null) throw new Error(reason)
  const link = place === '' ? openLink() : null
  const ceph = await startCeph(new AbortController().signal, link ?? undefined)
  await createBucket(ceph)
  const { endpoint, accessKeyId: access_key_id, secretAccessKey: secret_access_key } = ceph
  const s3 = { type: 's3', bucket: BUCKET, endpoint, force_path_style: true, access_key_id, secret_access_key }
  const server = await startServer({
    schema: SCHEMA,
    config: { logging: { level: 'warn' }, storage: { backends: { s3 } } },
  })
  const headers = { authorization: `Bearer ${await server.token('bench')}` }
  const child = forkHere('./sdk.ts')
  const access = { endpoint, accessKeyId: ceph.accessKeyId, secretAccessKey: ceph.secretAccessKey }
  const sdk: Stage['sdk'] = (transfer) =>
    new Promise((resolve, reject) => {
      child.once('message', (answer: { seconds?: number; error?: string }) => {
        if (answer.seconds !== undefined) resolve(answer.seconds)
        else reject(new Error(answer.error))
      })
      child.send({ ...transfer, access, bucket: BUCKET })
    })
  await sdk({ verb: 'put', key: 'sdk', size: big })
  const one = { connections: 1, requests: 1, size: big }
  const path = '/api/files/files?name={i}'
  const { ids } = await bench.client.run({ port: server.port, path, headers, kind: 'put', tag: 'stored', ...one })
  return {
    server,
    headers,
    sdk,
    stored: ids[0]!,
    async close() {
      child.disconnect()
      await server.stop()
      await ceph.stop()
      link?.close()
    },
  }
}

async function createBucket({ endpoint, accessKeyId, secretAccessKey }: RunningCeph): Promise<void> {
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
  client.destroy()
}
