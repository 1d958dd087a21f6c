// A backup of a store that is in use, restored elsewhere: all that was there when it was made is there again, and nothing of it is damaged.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAlyx, loadAlyx } from '../../src/app.ts'
import { openBackupFolder } from '../../src/blobs/backup-folder.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { DoctorReport } from '../../src/jobs/doctor.ts'
import type { RestoreReport } from '../../src/jobs/restore.ts'
import { silent } from '../../src/observe/observer.ts'
import { restoreTo } from '../../src/restore.ts'
import { BUCKETS } from '../support/buckets.ts'
import { request } from '../support/http.ts'
import { createProject, type Project } from '../support/project.ts'
import { eventually, startServer, type TestServer } from '../support/server.ts'

const KEY = `base64:${Buffer.alloc(32, 7).toString('base64')}`
const SCHEMA = `${BUCKETS}  sealed:
    backend: local
    max_file_size: 5MB
    compression: zstd
    encryption: true
    rules: {create: "true", read: "true", download: "true", delete: "true"}
  bin:
    backend: local
    max_file_size: 1MB
    trash: 7d
    rules: {create: "true", read: "true", download: "true", delete: "true"}
`
const CONFIG = {
  storage: {
    backends: { local: { type: 'filesystem', path: 'data/files' } },
    encryption: { keys: [{ id: 'k1', key: KEY }] },
  },
}
interface Backup {
  readonly files: number
  readonly copied: number
  readonly kept: number
  readonly missing_files: number
  readonly missing: readonly { readonly id: string; readonly code: string }[]
  readonly encryption_keys: readonly string[]
}

let server: TestServer
let token: string
const projects: Project[] = []
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: { ...CONFIG, cleanup: { interval: '1s' } } })
  token = await server.token('A')
})
afterAll(async () => {
  await server?.stop()
  for (const project of projects) project.remove()
})

const upload = async (bucket: string, name: string, body: Buffer | string): Promise<string> => {
  const answer = await request({
    port: server.port,
    token,
    method: 'PUT',
    path: `/api/files/${bucket}?name=${name}`,
    body,
  })
  expect(answer.status, answer.text).toBe(201)
  return answer.json<{ id: string }>().id
}
const remove = async (bucket: string, id: string): Promise<void> => {
  const answer = await request({ port: server.port, token, method: 'DELETE', path: `/api/files/${bucket}/${id}` })
  expect(answer.status).toBe(204)
}
const backup = async (dir: string, ...more: string[]): Promise<Backup> => {
  const { code, stdout, stderr } = await server.project.run(['backup', dir, '--json', ...more])
  expect(code, stdout + stderr).toBe(0)
  return JSON.parse(stdout) as Backup
}
const filesOf = ({ dir }: Project) => ({
  configFile: join(dir, 'alyx.yml'),
  schemaFile: join(dir, 'schema.yaml'),
  env: { ...process.env, ALYX_LOGGING_LEVEL: 'warn' },
})
const signal = new AbortController().signal
/** As the commands do it, in this process: a start takes longer than all else. */
const restore = async (project: Project, dir: string, verify = false): Promise<RestoreReport> => {
  const { config } = await loadAlyx(filesOf(project))
  return restoreTo({ config: config!, clock: systemClock, observer: silent })({ dir, verify, rate: null, signal })
}
const examine = async (project: Project): Promise<DoctorReport> => {
  const alyx = await createAlyx({ ...filesOf(project), offline: true })
  try {
    return await alyx.doctor({ readData: true, fix: false })
  } finally {
    await alyx.close()
  }
}
/** What nobody should do: the files stay, without their database. */
const loseDatabase = ({ dir }: Project): void => {
  for (const suffix of ['', '-wal', '-shm', '-reserve']) rmSync(join(dir, `data/alyx.db${suffix}`), { force: true })
}
const place = (name: string): string => join(server.dir, name)
/** An empty place with the same two files. */
const elsewhere = async (): Promise<Project> => {
  const project = await createProject({ schema: SCHEMA, config: CONFIG })
  projects.push(project)
  return project
}
const blobsIn = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() && /^[0-9a-f-]{36}$/.test(entry.name) ? [join(entry.parentPath, entry.name)] : [],
  )

describe('alyx backup, while files come and go', () => {
  it('gives a folder that alone is enough to restore everything', { timeout: 240_000 }, async () => {
    const lasting = new Map<string, Buffer>()
    const keep = async (bucket: string, body: Buffer): Promise<void> => {
      lasting.set(`${bucket}/${await upload(bucket, `${bucket}-${lasting.size}`, body)}`, body)
    }
    for (let i = 0; i < 30; i++) {
      await keep('any', Buffer.from(`file number ${i}`))
      await keep('sealed', Buffer.from(`text that is sealed, ${i} `.repeat(500)))
    }
    await keep('any', Buffer.alloc(0))
    await keep('any', Buffer.alloc(2_000_000, 'large'))
    const thrown = await upload('bin', 'thrown-away', 'still to be had')
    await remove('bin', thrown)
    let over = false
    let [uploaded, deleted] = [0, 0]
    const traffic = async (lane: number): Promise<void> => {
      const mine: string[] = []
      for (let i = 0; !over; i++) {
        mine.push(await upload('any', `lane-${lane}-${i}`, Buffer.alloc(20_000, `${lane} ${i} `)))
        uploaded += 1
        if (mine.length < 5) continue
        await remove('any', mine.shift()!)
        deleted += 1
      }
    }
    const lanes = [0, 1, 2, 3].map(traffic)
    await eventually('files come and go', () => deleted > 20)
    const before = { uploaded, deleted }
    // Slow enough for files to go that belong to it.
    const first = await backup('saved', '--rate', '2MB')
    expect(uploaded).toBeGreaterThan(before.uploaded)
    expect(deleted).toBeGreaterThan(before.deleted)
    const second = await backup('saved')
    over = true
    await Promise.all(lanes)
    expect(first).toMatchObject({ kept: 0, missing_files: 0, encryption_keys: ['k1'] })
    expect(second).toMatchObject({ missing_files: 0 })
    expect(second.kept).toBeGreaterThanOrEqual(lasting.size)
    expect(second.copied + second.kept).toBe(second.files)
    // Of the first backup nothing is left that the second does not need.
    expect(blobsIn(place('saved'))).toHaveLength(second.files)
    expect(readdirSync(place('saved')).sort()).toHaveLength(4)
    expect(statSync(place('saved')).mode & 0o077).toBe(0)
    for (const name of readdirSync(place('saved'))) expect(statSync(join(place('saved'), name)).mode & 0o077).toBe(0)

    const other = await elsewhere()
    const verified = await other.run(['restore', place('saved'), '--verify', '--json'])
    expect(verified.code, verified.stdout + verified.stderr).toBe(0)
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, problems: [], files: second.files })
    expect(existsSync(join(other.dir, 'data'))).toBe(false)
    const restored = await other.run(['restore', place('saved'), '--json'])
    expect(restored.code, restored.stdout + restored.stderr).toBe(0)
    expect(await examine(other)).toMatchObject({ ok: true, problems: [] })
    expect(other.query("select count(*) n from _alyx_files where state <> 'deleting'")).toEqual([{ n: second.files }])
    expect(other.query('select state from _alyx_files where id = ?', thrown)).toEqual([{ state: 'trashed' }])
    for (const [file, body] of lasting) {
      const [bucket, id] = file.split('/')
      const row = other.query<{ checksum: string; size: number }>(
        'select size from _alyx_files where bucket = ? and id = ?',
        bucket,
        id,
      )
      expect(row).toEqual([{ size: body.length }])
    }
    expect(await examine(server.project)).toMatchObject({ ok: true, problems: [] })
  })
})

describe('alyx restore', () => {
  let dir: string
  beforeAll(async () => {
    await upload('any', 'for-restore', 'some bytes')
    const tus = { 'tus-resumable': '1.0.0', 'upload-metadata': `filename ${Buffer.from('half').toString('base64')}` }
    const begun = await request({
      port: server.port,
      token,
      method: 'POST',
      path: '/api/files/any/tus',
      headers: { ...tus, 'upload-length': '10' },
    })
    const path = begun.headers.location as string
    const headers = { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }
    expect((await request({ port: server.port, token, method: 'PATCH', path, headers, body: 'half' })).status).toBe(204)
    await backup('again')
    dir = place('again')
  })

  it('overwrites nothing: neither a database nor files', async () => {
    const here = await server.project.run(['restore', dir, '--json'])
    expect(here.code).not.toBe(0)
    expect(here.stderr).toContain('there is a database at')
    const other = await elsewhere()
    await restore(other, dir)
    loseDatabase(other)
    const [file] = blobsIn(join(other.dir, 'data/files'))
    truncateSync(file!, 1)
    await expect(restore(other, dir)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('which is not of this backup'),
    })
    expect(statSync(file!).size).toBe(1)
    expect(existsSync(join(other.dir, 'data/alyx.db'))).toBe(false)
  })

  it('gives up unfinished uploads, whose bytes are in no backup, with their share of the quota', async () => {
    const other = await elsewhere()
    expect(await restore(other, dir)).toMatchObject({ ok: true, uploads: 1, encryptionKeys: ['k1'] })
    expect(other.query('select * from _alyx_uploads')).toEqual([])
    expect(other.query('select * from _alyx_leases')).toEqual([])
    expect(other.query('select scope from _alyx_usage where reserved <> 0')).toEqual([])
    expect((await examine(other)).ok).toBe(true)
  })

  it('goes on where an earlier try ended', async () => {
    const other = await elsewhere()
    await restore(other, dir)
    loseDatabase(other)
    const files = blobsIn(join(other.dir, 'data/files'))
    rmSync(files[0]!)
    expect(await restore(other, dir)).toMatchObject({ ok: true, problems: [] })
    expect(blobsIn(join(other.dir, 'data/files'))).toHaveLength(files.length)
    expect((await examine(other)).ok).toBe(true)
  })

  it('says of a damaged backup what is damaged, and restores no database from it', async () => {
    const hurt = place('hurt')
    cpSync(dir, hurt, { recursive: true })
    const [one, two] = blobsIn(hurt).filter((file) => statSync(file).size > 5)
    const bytes = readFileSync(one!)
    bytes[3] = bytes[3]! ^ 1
    writeFileSync(one!, bytes)
    const other = await elsewhere()
    const damaged = { code: 'file_corrupt', message: expect.stringContaining('the backup is damaged') }
    await expect(restore(other, hurt)).rejects.toMatchObject(damaged)
    expect(blobsIn(join(other.dir, 'data/files')).filter((file) => file.endsWith(one!.slice(-36)))).toEqual([])
    rmSync(two!)
    const { code, stdout } = await other.run(['restore', hurt, '--verify', '--json'])
    expect(code).toBe(1)
    const { problems } = JSON.parse(stdout) as { problems: { kind: string; id: string }[] }
    expect(problems.map(({ kind, id }) => `${kind} ${id}`).sort()).toEqual(
      [`checksum_differs ${one!.slice(-36)}`, `blob_missing ${two!.slice(-36)}`].sort(),
    )
    const flipped = await other.run(['restore', hurt])
    expect([flipped.code, existsSync(join(other.dir, 'data/alyx.db'))]).toEqual([1, false])
    const list = readdirSync(hurt).find((name) => name.endsWith('.jsonl'))!
    writeFileSync(join(hurt, list), '')
    expect(await restore(other, hurt, true)).toMatchObject({ ok: false, problems: [{ kind: 'list_differs' }] })
  })

  it('takes what is no backup for none', async () => {
    const other = await elsewhere()
    for (const [wrong, message] of [
      [server.dir, 'no folder of backups'],
      [join(server.dir, 'nowhere'), 'no such folder'],
    ] as const)
      await expect(restore(other, wrong, true)).rejects.toMatchObject({
        code: 'config_invalid',
        message: expect.stringContaining(message),
      })
    const { code, stderr } = await other.run(['backup', server.dir])
    expect(code).not.toBe(0)
    expect(stderr).toContain('is no folder of backups')
    mkdirSync(join(other.dir, 'odd/manifest.json'), { recursive: true })
    await expect(restore(other, join(other.dir, 'odd'), true)).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: 'the disk failed to read',
    })
    for (const file of ['alyx.yml', 'alyx.yml/below'])
      await expect(
        openBackupFolder(join(other.dir, file), { make: true, durability: 'normal', observer: silent }),
      ).rejects.toMatchObject({
        code: 'config_invalid',
        message: 'a file is where the folder of backups should be',
      })
    const foreign = await other.run(['backup', dir])
    expect(foreign.code).not.toBe(0)
    expect(foreign.stderr).toContain('a backup of another database')
  })
})

describe('a file whose bytes are gone', () => {
  it('is named by the backup, which has everything else, and ends with 1', async () => {
    const id = await upload('any', 'soon-gone', 'these bytes go')
    rmSync(blobsIn(place('data/files')).find((file) => file.endsWith(id))!)
    const { code, stdout } = await server.project.run(['backup', 'partly', '--json'])
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      missing_files: 1,
      missing: [{ id, bucket: 'any', code: 'blob_missing' }],
    })
    expect(await restore(server.project, place('partly'), true)).toMatchObject({ ok: true, problems: [] })
  })
})
