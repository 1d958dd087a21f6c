// What `inspect` says of files and uploads of /v1 holds there, too.
import { buffer } from 'node:stream/consumers'
import type OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStage, type Stage } from './stage.ts'

let stage: Stage
let client: OpenAI
beforeAll(async () => {
  stage = await openStage({
    async inspect({ open }) {
      const text = (await buffer(await open())).toString()
      if (text.includes('evil')) return { action: 'refuse', reason: 'evil' }
      return text.includes('odd') ? { action: 'quarantine', reason: 'odd' } : { action: 'allow' }
    },
  })
  client = await stage.client('acme')
})
afterAll(() => stage?.close())

const file = (text: string): File => new File([text], 'a.txt')
const names = async (): Promise<string[]> => (await client.files.list()).data.map(({ filename }) => filename)
/** An upload of two parts that waits for its completion. */
const pending = async (...parts: readonly string[]): Promise<() => Promise<OpenAI.Uploads.Upload>> => {
  const bytes = parts.join('').length
  const { id } = await client.uploads.create({ filename: 'b.txt', bytes, mime_type: 'text/plain', purpose: 'batch' })
  const ids: string[] = []
  for (const part of parts) ids.push((await client.uploads.parts.create(id, { data: file(part) })).id)
  return () => client.uploads.complete(id, { part_ids: ids })
}

describe('what is inspected in /v1', () => {
  it('is refused with 400, and nothing of it stays', async () => {
    await expect(client.files.create({ file: file('evil'), purpose: 'batch' })).rejects.toMatchObject({ status: 400 })
    const complete = await pending('ev', 'il')
    await expect(complete()).rejects.toMatchObject({ status: 400 })
    expect(await names()).toEqual([])
    expect(stage.project.query('SELECT id FROM _alyx_files')).toEqual([])
  })

  it('is there for nobody while it is in quarantine', async () => {
    await client.files.create({ file: file('odd'), purpose: 'batch' }).catch(() => {})
    await (await pending('od', 'd'))().catch(() => {})
    expect(await names()).toEqual([])
    expect(stage.project.query('SELECT DISTINCT state FROM _alyx_files')).toEqual([{ state: 'quarantined' }])
  })

  it('is a file like any other when it is let through', async () => {
    const { id } = await client.files.create({ file: file('fine'), purpose: 'batch' })
    const upload = await (await pending('fi', 'ne'))()
    expect(await (await client.files.content(upload.file!.id)).text()).toBe('fine')
    expect(await (await client.files.content(id)).text()).toBe('fine')
    expect((await stage.alyx.doctor({ readData: true, fix: false })).ok).toBe(true)
  })
})
