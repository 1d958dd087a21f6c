// An old encryption key goes: alyx keys rotate beside a running server, stopped, killed, and the key taken out of the list.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAlyx } from '../../src/app.ts'
import type { RotationReport } from '../../src/jobs/rotation.ts'
import type { CommandResult } from '../support/project.ts'
import { sha256 } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { type CodecClient, codecClient, filesOnDisk, KEY_1, KEY_2, SCHEMA, textOf, withKeys } from './codecs.ts'
import { tusOn } from './tus-requests.ts'

const KEY_3 = `base64:${Buffer.alloc(32, 3).toString('base64')}`
const ROTATE_MAIN = fileURLToPath(new URL('../support/rotate-main.ts', import.meta.url))
const FILES = 24

type Keys = readonly (readonly [id: string, key: string])[]
type Held = { readonly bucket: string; readonly id: string; readonly body: Buffer }

interface Report {
  readonly active: string
  readonly rewrapped: number
  readonly left: number
  readonly uploads: number
  readonly stopped: boolean
  readonly keys: readonly { readonly key_id: string; readonly files: number; readonly known: boolean }[]
  readonly failed_files: number
  readonly failed: readonly { readonly id: string; readonly key_id: string; readonly code: string }[]
}

let server: TestServer
let client: CodecClient
const files: Held[] = []
let blobsBefore: readonly string[]
let unfinished: { readonly id: string; readonly body: Buffer }

const serve = async (...keys: Keys): Promise<void> => {
  await server.kill('SIGTERM')
  server.project.writeConfig(withKeys(...keys))
  await server.restart()
}
const put = async (bucket: string, n: number): Promise<Held> => {
  const body = textOf(n, n % 3 === 0 ? 150_000 : n * 31)
  const { id } = await client.store(bucket, `n${n}.txt`, body)
  return { bucket, id, body }
}
const readAll = async (): Promise<void> => {
  const read = async ({ bucket, id, body }: Held): Promise<void> => {
    const got = await client.get(bucket, id)
    expect([got.status, got.body.equals(body)]).toEqual([200, true])
  }
  for (let at = 0; at < files.length; at += 8) await Promise.all(files.slice(at, at + 8).map(read))
}
const rotate = (...args: string[]): Promise<CommandResult> => server.project.run(['keys', 'rotate', '--json', ...args])
/** The same without the command line: a process less to wait for. */
const rotateHere = async (): Promise<RotationReport> => {
  const [, configFile = '', , schemaFile = ''] = server.project.fileArguments
  const alyx = await createAlyx({ configFile, schemaFile, offline: true, env: { ALYX_LOGGING_LEVEL: 'silent' } })
  try {
    return await alyx.rotate({ dryRun: false, signal: new AbortController().signal })
  } finally {
    await alyx.close()
  }
}
const reportOf = ({ stdout, stderr }: CommandResult): Report => {
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Report
}
const under = (): Record<string, number> =>
  Object.fromEntries(
    server
      .query<{ id: string; n: number }>(
        "SELECT c.value ->> '$.params.key_id' id, count(*) n FROM _alyx_files, json_each(codecs) c WHERE c.value ->> '$.name' = 'aes-256-gcm' GROUP BY 1",
      )
      .map(({ id, n }) => [id, n]),
  )
const blobs = (): readonly string[] =>
  filesOnDisk(server)
    .filter((path) => path.includes('/files/'))
    .map((path) => sha256(readFileSync(path)))
    .sort()

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: withKeys(['k1', KEY_1]) })
  client = codecClient(server, await server.token('alice'))
  const numbers = Array.from({ length: FILES }, (_, at) => at + 1)
  files.push(...(await Promise.all(numbers.map((n) => put(n % 2 === 0 ? 'enc' : 'both', n)))))
  files.push(await put('zs', 99))
  const tus = tusOn(server, 'enc', await server.token('alice'))
  const body = textOf(77, 200_000)
  unfinished = { id: await tus.begin(body.length), body }
  expect((await tus.patch(unfinished.id, 0, body.subarray(0, 90_000))).status).toBe(204)
  blobsBefore = blobs()
  await serve(['k2', KEY_2], ['k1', KEY_1])
})
afterAll(async () => {
  await server?.stop()
})

describe('alyx keys rotate', () => {
  it('says without changing anything what each key is needed for', async () => {
    const result = await rotate('--dry-run')
    expect(result.code).toBe(0)
    expect(reportOf(result)).toMatchObject({
      active: 'k2',
      rewrapped: FILES,
      left: FILES,
      uploads: 1,
      keys: [{ key_id: 'k1', files: FILES, known: true }],
      failed: [],
    })
    expect(under()).toEqual({ k1: FILES })
  })

  it('can be stopped between two batches', async () => {
    const stop = new AbortController()
    const [, configFile = '', , schemaFile = ''] = server.project.fileArguments
    const alyx = await createAlyx({ configFile, schemaFile, offline: true, env: { ALYX_LOGGING_LEVEL: 'silent' } })
    try {
      const seen: string[] = []
      const progress = (done: number, all: number): void => {
        seen.push(`${done}/${all}`)
        if (done > 0) stop.abort()
      }
      const report = await alyx.rotate({ dryRun: false, signal: stop.signal, batchSize: 4, progress })
      expect(report).toMatchObject({ rewrapped: 4, left: FILES - 4, stopped: true })
      expect(seen).toEqual([`0/${FILES}`, `4/${FILES}`])
    } finally {
      await alyx.close()
    }
    expect(under()).toEqual({ k1: FILES - 4, k2: 4 })
    await readAll()
  })

  it('can be killed, while files are read', async () => {
    const { dir } = server
    const child = spawn(process.execPath, [ROTATE_MAIN, join(dir, 'alyx.yml'), join(dir, 'schema.yaml')], { cwd: dir })
    const ended = new Promise((resolve) => child.once('close', (_code, signal) => resolve(signal)))
    await readAll()
    expect(await ended).toBe('SIGKILL')
    expect(under()).toEqual({ k1: FILES - 14, k2: 14 })
    await readAll()
    expect((await server.doctor()).problems).toEqual([])
  })

  it('goes on beside a running server, and leaves the bytes as they are', async () => {
    const reading = readAll()
    const result = await rotate()
    await reading
    expect(result.code).toBe(0)
    expect(reportOf(result)).toMatchObject({
      rewrapped: FILES - 14,
      left: 0,
      stopped: false,
      keys: [{ key_id: 'k2', files: FILES }],
    })
    expect(blobs()).toEqual(blobsBefore)
    expect(server.query('SELECT * FROM _alyx_files WHERE version <> 1 OR created_at <> updated_at')).toEqual([])
    await readAll()
    expect(await rotateHere()).toMatchObject({ rewrapped: 0, left: 0 })
  })

  it('says which unfinished uploads still need the old key, which end under the new one', async () => {
    expect(await rotateHere()).toMatchObject({ uploads: 1 })
    const tus = tusOn(server, 'enc', await server.token('alice'))
    expect((await tus.patch(unfinished.id, 90_000, unfinished.body.subarray(90_000))).status).toBe(204)
    files.push({ bucket: 'enc', ...unfinished })
    expect(await rotateHere()).toMatchObject({ uploads: 0, left: 0 })
    expect(under()).toEqual({ k2: FILES + 1 })
  })

  it('after it the old key can go', async () => {
    await serve(['k2', KEY_2])
    const [{ code, stdout }] = await Promise.all([server.project.run(['doctor', '--read-data']), readAll()])
    expect(code, stdout).toBe(0)
  })

  it('names the files whose key is not in the list, ends with 1, and rewraps the others', async () => {
    await serve(['k3', KEY_3], ['k2', KEY_2])
    const lost = await put('enc', 55)
    await serve(['k1', KEY_1], ['k2', KEY_2])
    const refused = await client.get('enc', lost.id)
    expect([refused.status, refused.code]).toEqual([500, 'decrypt_failed'])
    await readAll()
    const result = await rotate()
    expect(result.code).toBe(1)
    const report = reportOf(result)
    expect(report).toMatchObject({ active: 'k1', rewrapped: FILES + 1, failed_files: 1, left: 1 })
    expect(report.failed).toMatchObject([{ id: lost.id, key_id: 'k3', code: 'decrypt_failed' }])
    expect(report.keys.find(({ key_id }) => key_id === 'k3')).toMatchObject({ files: 1, known: false })
    expect(under()).toEqual({ k1: FILES + 1, k3: 1 })
    const shown = await server.project.run(['keys', 'rotate', '--dry-run'])
    expect(shown.code).toBe(1)
    expect(shown.stdout).toContain(
      `k1  ${FILES + 1} files, active\nk3  1 file, not in the list of keys\n0 files would be`,
    )
    expect(shown.stderr).toContain(`enc:${lost.id} stays as it is: the encryption key k3 is not configured`)
    await serve(['k1', KEY_1])
    const [{ ok }] = await Promise.all([server.doctor(), readAll()])
    expect(ok).toBe(true)
  })

  it('does nothing with a key that is not the one of its name, or with none', async () => {
    server.project.writeConfig(withKeys(['k2', KEY_3], ['k1', KEY_1]))
    const wrong = await rotate()
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('k2 is not the key that was in use')])
    server.project.writeConfig(withKeys(['k1', KEY_1]))
    expect(under()).toEqual({ k1: FILES + 1, k3: 1 })
  })
})
