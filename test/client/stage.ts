// What the suites of the client against a server share: the product with its files in a folder or in S3, and a client of the generated module.
import { type ClientOptions, memoryStore } from 'alyx/client'
import type { ConfigValues } from '../support/project.ts'
import { newS3Bucket, s3Client, s3Config, s3Server } from '../support/s3-server.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createClient } from './generated/alyx.ts'
import { SCHEMA } from './schema.ts'

const { access, skipped } = await s3Server()

/** Where the files of a suite are: in a folder, and in S3 where there is a server; `open` starts a server of the product. */
export const PLACES = [
  { where: 'in a folder', backend: 'local', why: null },
  { where: `in S3${skipped}`, backend: 'cloud', why: skipped === '' ? null : skipped },
] as const

/** The product with its files there. */
export async function startAt(
  backend: (typeof PLACES)[number]['backend'],
  config: ConfigValues = {},
): Promise<TestServer> {
  const backends = backend === 'cloud' ? { cloud: s3Config(access!, await newS3Bucket(s3Client(access!))) } : undefined
  return startServer({ schema: SCHEMA(backend), config: { ...config, ...(backends && { storage: { backends } }) } })
}

/** A client of the generated module, which remembers uploads only while the test runs unless told otherwise. */
export function stageClient(options: ClientOptions) {
  return createClient({ resumeStore: memoryStore(), ...options })
}
