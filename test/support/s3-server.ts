// How a suite gets its share of the S3 server: a bucket of its own, made here, as the product never does.
import { randomBytes } from 'node:crypto'
import { CreateBucketCommand, ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { inject } from 'vitest'
import type { S3Access } from './ceph.ts'
import type { S3Answer } from './s3-on-demand.ts'

export type { S3Access } from './ceph.ts'

/** The running server, started with the first call of a test run; where there is none, a suite is skipped with the reason in its name. */
export async function s3Server(): Promise<{ readonly access: S3Access | null; readonly skipped: string }> {
  const answer = await fetch(inject('s3'))
  if (!answer.ok) throw new Error(await answer.text())
  const found = (await answer.json()) as S3Answer
  if ('access' in found) return { access: found.access, skipped: '' }
  console.warn(`S3 suites are skipped: ${found.reason}`)
  return { access: null, skipped: ` (skipped: ${found.reason})` }
}

/** A client with the keys of the server, for what the product does not do. */
export function s3Client({ endpoint, accessKeyId, secretAccessKey }: S3Access): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}

/** The entry of a backend in alyx.yml; `endpoint` may be that of a proxy. */
export function s3Config(
  access: S3Access,
  bucket: string,
  endpoint = access.endpoint,
): Readonly<Record<string, unknown>> {
  const { accessKeyId: access_key_id, secretAccessKey: secret_access_key } = access
  return { type: 's3', bucket, endpoint, force_path_style: true, access_key_id, secret_access_key }
}

/** A new, empty S3 bucket; its name. */
export async function newS3Bucket(client: S3Client): Promise<string> {
  const Bucket = `alyx-test-${randomBytes(6).toString('hex')}`
  await client.send(new CreateBucketCommand({ Bucket }))
  return Bucket
}

/** Names of the objects that begin so. */
export async function objectsIn(client: S3Client, Bucket: string, Prefix = ''): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix }))
  return Contents.map(({ Key = '' }) => Key)
}

/** Ids of the multipart uploads that are neither completed nor aborted. */
export async function unfinishedIn(client: S3Client, Bucket: string): Promise<string[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }))
  return Uploads.map(({ UploadId = '' }) => UploadId)
}
