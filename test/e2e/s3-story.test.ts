// The main story with the bytes in S3: only the two files of the project are others.
import { describe } from 'vitest'
import { newS3Bucket, objectsIn, s3Client, s3Config, s3Server } from '../support/s3-server.ts'
import { mainStory } from './story.ts'

const { access, skipped } = await s3Server()

describe.skipIf(access === null)(`with S3${skipped}`, () => {
  mainStory('in S3', async () => {
    const client = s3Client(access!)
    const bucket = await newS3Bucket(client)
    return {
      backend: 'cloud',
      config: { storage: { backends: { cloud: s3Config(access!, bucket) } } },
      stored: async () => (await objectsIn(client, bucket)).map((name) => name.replace(/^alyx\//, '')),
    }
  })
})
