// The other side of the S3 scenarios: the SDK alone, streaming one object to the server and back. A process of its own, as the load client is.
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { S3Access } from '../test/support/ceph.ts'

/** One transfer of `size` bytes. */
export interface Transfer {
  readonly access: S3Access
  readonly bucket: string
  readonly verb: 'put' | 'get'
  readonly key: string
  readonly size: number
}

const MiB = 1024 * 1024
const block = randomBytes(MiB)
let client: S3Client | null = null

/** Resolves with the seconds it took. */
async function transfer({ access, bucket: Bucket, verb, key: Key, size }: Transfer): Promise<number> {
  client ??= new S3Client({
    endpoint: access.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: access.accessKeyId, secretAccessKey: access.secretAccessKey },
    // The server of the tests knows no trailers.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  const began = performance.now()
  if (verb === 'put') {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: noise(size), ContentLength: size }))
  } else {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
    let bytes = 0
    for await (const part of Body as Readable) bytes += (part as Buffer).length
    if (bytes !== size) throw new Error(`${Key}: ${bytes} of ${size} bytes`)
  }
  return (performance.now() - began) / 1000
}

function noise(size: number): Readable {
  let left = size
  return new Readable({
    highWaterMark: MiB,
    read() {
      if (left === 0) return void this.push(null)
      const part = block.subarray(0, Math.min(MiB, left))
      left -= part.length
      this.push(part)
    },
  })
}

process.on('message', (asked: Transfer) => {
  transfer(asked).then(
    (seconds) => process.send?.({ seconds }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
