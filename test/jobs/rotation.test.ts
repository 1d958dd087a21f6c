// What the rotation of keys and the move of a bucket say of uploads of /v1, whose bytes come in parts.
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { createAlyx } from '../../src/app.ts'
import { KEY_1, KEY_2, withKeys } from '../e2e/codecs.ts'
import { openStage, type Stage } from '../openai/stage.ts'

const SCHEMA = `version: 1
buckets:
  openai: {backend: local, max_file_size: 1MiB, encryption: true}
`
const FILES_API = { files_api: { bucket: 'openai' } }
const stop = new AbortController()
let stage: Stage | null = null

afterEach(async () => {
  await stage?.close()
  stage = null
})

it('parts that have arrived need the key they arrived with until they are a file', async () => {
  stage = await openStage({ schema: SCHEMA, config: { ...FILES_API, ...withKeys(['k1', KEY_1]) } })
  const { project } = stage
  const client = await stage.client('acme')
  const upload = await client.uploads.create({
    filename: 'a.txt',
    purpose: 'user_data',
    bytes: 10,
    mime_type: 'text/plain',
  })
  const parts: string[] = []
  for (const half of ['hello', 'world']) {
    const data = new File([half], 'part')
    parts.push((await client.uploads.parts.create(upload.id, { data })).id)
  }

  project.writeConfig({ ...FILES_API, ...withKeys(['k2', KEY_2], ['k1', KEY_1]) })
  const configFile = join(project.dir, 'alyx.yml')
  const schemaFile = join(project.dir, 'schema.yaml')
  const overrides = { 'logging.level': 'silent' }
  const tool = await createAlyx({ configFile, schemaFile, offline: true, overrides })
  try {
    const rotate = () => tool.rotate({ dryRun: false, signal: stop.signal })
    expect(await rotate()).toMatchObject({ uploads: 2, left: 0 })
    expect(await tool.move({ bucket: 'openai', to: 'elsewhere', grace: 0, signal: stop.signal })).toMatchObject({
      uploads: 1,
    })
    await client.uploads.complete(upload.id, { part_ids: parts })
    expect(await rotate()).toMatchObject({ uploads: 0, rewrapped: 1, left: 0 })
  } finally {
    await tool.close()
  }
})
