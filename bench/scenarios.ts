// What is measured, against what, and what must come out.
import { SEED, seedId } from './seed.ts'
import type { Bench } from './stage.ts'

const MiB = 1024 * 1024

export interface Scenario {
  readonly name: string
  readonly unit: 'MiB/s' | 'req/s'
  /** What the second value is. */
  readonly against: string
  /** The least ratio of the two medians. */
  readonly target: number
  /** Once, before the rounds. */
  prepare?(bench: Bench): Promise<void>
  product(bench: Bench, tag: string): Promise<number>
  baseline(bench: Bench, tag: string): Promise<number>
  /** After the rounds: what else there is to say. */
  note?(): string
}

interface Sizes {
  /** Bytes of the big file. */
  readonly big: number
  /** Seconds of a round of small requests. */
  readonly seconds: number
}

/** All scenarios. Sizes shrink with --quick. */
export function scenariosOf({ big, seconds }: Sizes): readonly Scenario[] {
  const one = { connections: 1, requests: 1, size: big }
  const small = { size: 4096, seconds, warm: true }
  const speed = (bytes: number, took: number): number => bytes / MiB / took

  async function put(bench: Bench, tag: string): Promise<number> {
    const done = await bench.client.run({ ...bench.product('/api/files/files?name={i}'), ...one, kind: 'put', tag })
    await bench.remove(done.ids)
    return speed(done.bytes, done.seconds)
  }
  async function rawPut(bench: Bench, tag: string): Promise<number> {
    const done = await bench.client.run({ ...bench.raw('/{i}'), ...one, kind: 'put', tag })
    bench.removeRaw(done.ids)
    return speed(done.bytes, done.seconds)
  }
  const list = async (bench: Bench, bucket: string, tag: string): Promise<number> => {
    const done = await bench.client.run({
      ...bench.product(`/api/files/${bucket}?limit=100`),
      kind: 'get',
      tag,
      connections: 4,
      seconds,
      warm: true,
    })
    return done.requests / done.seconds
  }
  const byId = async (bench: Bench, bucket: string, count: number, tag: string): Promise<number> => {
    const base = bucket === 'many' ? SEED.base + SEED.few : SEED.base
    const path = `/api/files/${bucket}/${seedId(base, Math.floor(count * 0.61))}`
    const done = await bench.client.run({
      ...bench.product(path),
      kind: 'get',
      tag,
      connections: 8,
      seconds,
      warm: true,
    })
    return done.requests / done.seconds
  }
  const download = (size: number, connections: number) => ({
    async product(bench: Bench, tag: string): Promise<number> {
      const path = `/api/files/files/${await bench.stored(size)}/download`
      return rate(
        await bench.client.run({ ...bench.product(path), ...shape(size, connections), kind: 'get', tag }),
        size,
      )
    },
    async baseline(bench: Bench, tag: string): Promise<number> {
      return rate(
        await bench.client.run({
          ...bench.raw(`/${await bench.storedRaw(size)}`),
          ...shape(size, connections),
          kind: 'get',
          tag,
        }),
        size,
      )
    },
  })
  const shape = (size: number, connections: number) =>
    size === big ? { size, connections, requests: 2 * connections, warm: true } : { ...small, size, connections }
  const rate = (done: { bytes: number; requests: number; seconds: number }, size: number): number =>
    size === big ? speed(done.bytes, done.seconds) : done.requests / done.seconds

  return [
    { name: 'download-big', unit: 'MiB/s', against: 'raw node:http', target: 0.9, ...download(big, 1) },
    { name: 'download-4k', unit: 'req/s', against: 'raw node:http', target: 0.5, ...download(4096, 32) },
    { name: 'put-big', unit: 'MiB/s', against: 'raw node:http', target: 0.85, product: put, baseline: rawPut },
    {
      name: 'multipart-big',
      unit: 'MiB/s',
      against: 'raw node:http, PUT',
      target: 0.85,
      baseline: rawPut,
      async product(bench, tag) {
        const done = await bench.client.run({ ...bench.product('/api/files/files'), ...one, kind: 'multipart', tag })
        await bench.remove(done.ids)
        return speed(done.bytes, done.seconds)
      },
    },
    {
      name: 'tus-big',
      unit: 'MiB/s',
      against: 'the product’s own PUT',
      target: 0.7,
      baseline: put,
      async product(bench, tag) {
        const done = await bench.client.run({
          ...bench.product('/api/files/files/tus'),
          ...one,
          kind: 'tus',
          chunk: 5 * MiB,
          tag,
        })
        await bench.remove(done.ids)
        return speed(done.bytes, done.seconds)
      },
    },
    {
      name: 'upload-4k',
      unit: 'req/s',
      against: 'raw node:http',
      target: 0.5,
      async product(bench, tag) {
        const done = await bench.client.run({
          ...bench.product('/api/files/files?name={i}'),
          ...small,
          connections: 16,
          kind: 'put',
          tag,
        })
        return done.requests / done.seconds
      },
      async baseline(bench, tag) {
        const done = await bench.client.run({ ...bench.raw('/{i}'), ...small, connections: 16, kind: 'put', tag })
        return done.requests / done.seconds
      },
    },
    {
      name: 'list-100',
      unit: 'req/s',
      against: 'the same with 1,000 files instead of 1,000,000',
      target: 0.8,
      prepare: (bench) => bench.seed(),
      product: (bench, tag) => list(bench, 'many', tag),
      baseline: (bench, tag) => list(bench, 'few', tag),
    },
    {
      name: 'get-by-id',
      unit: 'req/s',
      against: 'the same with 1,000 files instead of 1,000,000',
      target: 0.8,
      prepare: (bench) => bench.seed(),
      product: (bench, tag) => byId(bench, 'many', SEED.many, tag),
      baseline: (bench, tag) => byId(bench, 'few', SEED.few, tag),
    },
  ]
}
