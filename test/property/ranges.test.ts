// Random ranges of random files, for every way to store them: what a client gets is that part of what was uploaded, wherever and however it is kept.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CodecClient, codecClient, KEY_1, textOf, withKeys } from '../e2e/codecs.ts'
import { type Chance, createChance, seededBytes, sha256 } from '../support/random.ts'
import { newS3Bucket, s3Client, s3Config, s3Server } from '../support/s3-server.ts'
import { startServer, type TestServer } from '../support/server.ts'

const SEED = Number(process.env.ALYX_PROPERTY_SEED ?? Math.floor(Math.random() * 1e9))
const LONG = process.env.ALYX_TEST_LONG === '1'
const FILES = LONG ? 12 : 3
const RANGES = LONG ? 200 : 20
const MIB = 1024 * 1024

const { access, skipped } = await s3Server()
const BACKENDS = access === null ? ['local'] : ['local', 'cloud']
const STORING = {
  none: '',
  gzip: 'compression: gzip, ',
  zstd: 'compression: zstd, ',
  aes: 'encryption: true, ',
  zstdaes: 'compression: zstd, encryption: true, ',
}
const CASES = BACKENDS.flatMap((backend) =>
  Object.entries(STORING).map(([name, storing]) => ({ bucket: `${name}${backend}`, backend, storing })),
)
const RULES = '{create: "true", read: "true", download: "true"}'
const SCHEMA = `version: 1
buckets:
${CASES.map(
  ({ bucket, backend, storing }) =>
    `  ${bucket}: {backend: ${backend}, max_file_size: 16MiB, ${storing}rules: ${RULES}}\n`,
).join('')}`

/** What a Range header asks for, and what must come: the first byte and the one after the last; null = the range is beyond the end. */
interface Asked {
  readonly header: string
  readonly start: number
  readonly end: number
}

function anyRange(dice: Chance, size: number): Asked {
  const length = 1 + dice.below(dice.pick([1, 100, 70_000, 300_000, size]))
  const kind = dice.next()
  if (kind < 0.15) return { header: `-${length}`, start: Math.max(0, size - length), end: size }
  const start = dice.below(size)
  if (kind < 0.25) return { header: `${start}-`, start, end: size }
  return { header: `${start}-${start + length - 1}`, start, end: Math.min(size, start + length) }
}

describe(`any range of any file, in S3 as well${skipped} (ALYX_PROPERTY_SEED=${SEED})`, () => {
  const dice = createChance(SEED)
  let server: TestServer
  let client: CodecClient

  beforeAll(async () => {
    const s3 = access === null ? null : s3Client(access)
    const cloud = s3 && { backends: { cloud: s3Config(access!, await newS3Bucket(s3)) } }
    server = await startServer({
      schema: SCHEMA,
      config: { storage: { ...withKeys(['k1', KEY_1]).storage, ...cloud } },
    })
    client = codecClient(server, await server.token('alice'))
    s3?.destroy()
  })
  afterAll(async () => {
    await server?.stop()
  })

  it.each(CASES)(
    'is the right one: $bucket',
    { timeout: 60_000 + (LONG ? 600_000 : 0) },
    async ({ bucket, backend }) => {
      for (let n = 0; n < FILES; n++) {
        const seed = dice.below(1e6)
        // The last one in S3 is large enough to come there in parts.
        const inParts = n === FILES - 1 && (backend === 'cloud' || LONG)
        const size = inParts ? 8 * MIB + 1 + dice.below(2 * MIB) : 1 + dice.below(dice.pick([10, 66_000, 2 * MIB]))
        const body = dice.chance(0.5) ? textOf(seed, size) : seededBytes(seed, size)
        const { id, checksum } = await client.store(bucket, `n${n}`, body)
        expect(checksum).toBe(sha256(body))
        expect(sha256((await client.get(bucket, id)).body)).toBe(checksum)
        for (let round = 0; round < RANGES; round++) {
          const { header, start, end } = anyRange(dice, size)
          const got = await client.get(bucket, id, { range: `bytes=${header}` })
          const said = `${header} of ${size} bytes from seed ${seed}`
          expect([got.status, got.headers['content-range']], said).toEqual([206, `bytes ${start}-${end - 1}/${size}`])
          expect(got.body.equals(body.subarray(start, end)), said).toBe(true)
        }
      }
    },
  )
})
