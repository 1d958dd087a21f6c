// The staging folder: real files, real processes, time that is given.
import { type ChildProcess, spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createReadStream, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createClient, type Files, type FilesOptions, openFiles } from 'alyx/client/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededBytes, sha256 } from '../support/random.ts'
import { withSmallDisk } from '../support/small-disk.ts'
import { scratch } from './schema.ts'

const HOUR = 3_600_000
const MAIN = fileURLToPath(new URL('staging-main.ts', import.meta.url))

let folder: ReturnType<typeof scratch>
let dir: string
let now: number
const opened: Files[] = []
const children: ChildProcess[] = []

beforeEach(() => {
  folder = scratch({ inMemory: true })
  dir = join(folder.dir, 'staging')
  now = Date.parse('2026-01-01T00:00:00Z')
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const files of opened.splice(0)) await files.close()
  folder.remove()
})

async function open(options: Partial<FilesOptions> = {}): Promise<Files> {
  const client = createClient({ url: 'http://127.0.0.1:9' })
  const files = await openFiles({ dir, client, cleanEvery: null, clock: () => now, ...options })
  opened.push(files)
  return files
}

/** A file with content, to be staged. */
function source(name: string, content: Buffer | string): string {
  const path = join(folder.dir, name)
  writeFileSync(path, content)
  return path
}

function start(...args: readonly string[]) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, dir, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let output = ''
  let faults = ''
  child.stdout.on('data', (part: Buffer) => (output += part.toString()))
  child.stderr.on('data', (part: Buffer) => (faults += part.toString()))
  const ended = new Promise<number | null>((done) => child.once('close', done))
  return { child, ended, lines: () => output.split('\n').slice(0, -1), faults: () => faults }
}

const contents = (): readonly string[] => readdirSync(join(dir, 'content')).sort()
const temporaries = (): readonly string[] => readdirSync(join(dir, 'temporary'))
const left = () => [...readdirSync(join(dir, 'locks')), ...temporaries()]

describe('staging', () => {
  it('says everything about a copy that is there', async () => {
    const files = await open()
    const content = seededBytes(1, 3_000_000)
    const staged = await files.stage(source('report.pdf', content))
    expect(staged).toEqual({
      id: sha256(content),
      name: 'report.pdf',
      path: join(dir, 'content', sha256(content)),
      size: 3_000_000,
      content_type: 'application/pdf',
      checksum: sha256(content),
      persist: false,
      created_at: '2026-01-01T00:00:00.000Z',
      expires_at: '2026-01-02T00:00:00.000Z',
    })
    expect(readFileSync(staged.path).equals(content)).toBe(true)
    expect(await files.get(staged.id)).toEqual(staged)
    expect(left()).toEqual([])
  })

  it('takes paths, URLs, streams, bytes and blobs, also empty ones, and keeps one copy of them all', async () => {
    const files = await open()
    for (const content of [seededBytes(2, 2_500_000), Buffer.alloc(0)]) {
      const path = source('same.bin', content)
      const sources = [
        path,
        pathToFileURL(path),
        createReadStream(path),
        Readable.from([content.subarray(0, 10), content.subarray(10)], { objectMode: false }),
        content,
        new Blob([new Uint8Array(content)]),
        new Blob([new Uint8Array(content)]).stream(),
      ]
      for (const one of sources) expect((await files.stage(one, { name: 'x' })).id).toBe(sha256(content))
    }
    expect(contents()).toHaveLength(2)
    expect(left()).toEqual([])
  })

  it('the same content again refreshes its time and never shortens it', async () => {
    const files = await open({ ttl: '1h' })
    const first = await files.stage(Buffer.from('a'), { name: 'one.txt' })
    now += HOUR / 2
    const second = await files.stage(Buffer.from('a'), { name: 'two.txt' })
    expect(second).toMatchObject({ id: first.id, path: first.path, name: 'two.txt', created_at: first.created_at })
    expect(second.expires_at).toBe('2026-01-01T01:30:00.000Z')
    expect((await files.stage(Buffer.from('a'), { ttl: 1 })).expires_at).toBe(second.expires_at)
    now += 0.75 * HOUR
    expect(await files.cleanUp()).toMatchObject({ removed: 0 })
    now += HOUR / 4
    expect(await files.get(first.id)).toBeNull()
    expect(await files.cleanUp()).toEqual({ removed: 1, bytes: 1, temporary: 0 })
    expect(contents()).toEqual([])
  })

  it('persist sticks, outlives a forced clean-up and ends by name', async () => {
    const files = await open()
    const kept = await files.stage(Buffer.from('kept'), { persist: true })
    await files.stage(Buffer.from('gone'))
    expect(await files.stage(Buffer.from('kept'), { ttl: 1 })).toMatchObject({ persist: true, expires_at: null })
    now += 1000 * HOUR
    expect(await files.cleanUp({ force: true })).toMatchObject({ removed: 1, bytes: 4 })
    expect(contents()).toEqual([kept.id])
    expect(await files.remove(kept.id)).toBe(true)
    expect(await files.remove(kept.id)).toBe(false)
    expect(contents()).toEqual([])
  })

  it('callers of the same file at the same time share one copying, and the longest life wins', async () => {
    const files = await open()
    const path = source('big.bin', seededBytes(3, 6_000_000))
    const most: number[] = []
    const watch = setInterval(() => most.push(temporaries().length), 1)
    const all = await Promise.all([
      files.stage(path, { ttl: '1h' }),
      files.stage(path, { ttl: '2d', name: 'other' }),
      files.stage(pathToFileURL(path), { persist: true }),
      files.stage(path, { ttl: '3h' }),
    ]).finally(() => clearInterval(watch))
    // One copy on its way, and one link while it is put into its place.
    expect(Math.max(0, ...most)).toBeLessThanOrEqual(2)
    expect(new Set(all.map(({ path }) => path)).size).toBe(1)
    expect(await files.get(all[0].id)).toMatchObject({ persist: true })
    expect(contents()).toHaveLength(1)
    expect(left()).toEqual([])
  })

  it('what is not what was announced is not staged', async () => {
    const files = await open()
    const failure = {
      code: 'checksum_mismatch',
      details: { expected: 'ab'.repeat(32), found: sha256(Buffer.from('x')) },
    }
    await expect(files.stage(Buffer.from('x'), { checksum: 'AB'.repeat(32) })).rejects.toMatchObject(failure)
    expect([...contents(), ...left()]).toEqual([])
    await files.stage(Buffer.from('x'), { checksum: sha256(Buffer.from('x')).toUpperCase() })
  })

  it('a source that breaks, is missing or is a folder leaves nothing, and says so', async () => {
    const files = await open()
    const breaking = async function* () {
      yield Buffer.alloc(100_000)
      throw new Error('the network went away')
    }
    for (const bad of [breaking(), join(folder.dir, 'missing'), folder.dir]) {
      await expect(files.stage(bad)).rejects.toMatchObject({ code: 'source_unreadable' })
    }
    for (const ttl of ['soon', 0, -1, Number.NaN, 1e18, '999999999w'])
      await expect(files.stage(Buffer.from('x'), { ttl })).rejects.toMatchObject({ code: 'invalid_expiry' })
    for (const nothing of [42, null, undefined])
      await expect(files.stage(nothing as unknown as string)).rejects.toMatchObject({ code: 'invalid_request' })
    expect([...contents(), ...left()]).toEqual([])
  })

  it.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\windows\\evil.exe', 'evil.exe'],
    ['..', 'file'],
    ['', 'file'],
    ['a\0b\n\u202Egnp.exe', 'abgnp.exe'],
    ['con.txt', '_con.txt'],
    ['what?*<>.txt', 'what____.txt'],
    ['.hidden.', 'hidden'],
    [`${'é'.repeat(300)}.jpeg`, `${'é'.repeat(97)}.jpeg`],
  ])('the name %j becomes %j', async (given, name) => {
    const files = await open()
    expect((await files.stage(Buffer.from('x'), { name: given })).name).toBe(name)
    await using file = await files.temporary(given)
    expect(file.path.startsWith(join(dir, 'temporary'))).toBe(true)
    expect(file.path.endsWith(`/${name}`)).toBe(true)
  })

  it('a copy that somebody wrote into is mended by staging it again', async () => {
    const files = await open()
    const staged = await files.stage(Buffer.from('right'))
    writeFileSync(staged.path, 'wrong')
    await files.stage(Buffer.from('right'))
    expect(readFileSync(staged.path, 'utf8')).toBe('right')
  })

  it('metrics count what is there, and channels tell what happens', async () => {
    const told: unknown[] = []
    const names = ['staged', 'cleaned', 'failed'] as const
    const listen = (event: unknown, name: string | symbol): void => void told.push([name, event])
    for (const name of names) subscribe(`alyx.files.${name}`, listen)
    try {
      const files = await open()
      await files.stage(Buffer.from('one'))
      await files.stage(Buffer.from('one'))
      await files.stage(Buffer.from('three'), { persist: true })
      const counts = { count: 2, bytes: 8, persistent: 1, expirable: 1, damaged: 0 }
      expect(await files.metrics()).toEqual({ ...counts, expired: 0 })
      now += 24 * HOUR
      expect(await files.metrics()).toEqual({ ...counts, expired: 1 })
      await files.cleanUp()
      await expect(files.stage(join(dir, 'nothing'))).rejects.toThrow()
      expect(told).toMatchObject([
        ['alyx.files.cleaned', { dir, removed: 0 }],
        ['alyx.files.staged', { size: 3, reused: false }],
        ['alyx.files.staged', { size: 3, reused: true }],
        ['alyx.files.staged', { size: 5, reused: false }],
        ['alyx.files.cleaned', { removed: 1, bytes: 3 }],
        ['alyx.files.failed', { step: 'stage', error: { code: 'source_unreadable' } }],
      ])
    } finally {
      for (const name of names) unsubscribe(`alyx.files.${name}`, listen)
    }
  })

  it('cleans up by itself from time to time', async () => {
    const files = await open({ cleanEvery: 0.02 })
    await files.stage(Buffer.from('short'), { ttl: 1 })
    now += 1001
    await expect.poll(contents).toEqual([])
  })

  it('temporary files go when their block ends, also when the work throws', async () => {
    const files = await open()
    let paths: string[] = []
    const work = async (): Promise<void> => {
      await using one = await files.temporary('one.txt')
      using two = await files.temporary('two.txt')
      paths = [one.path, two.path]
      for (const path of paths) writeFileSync(path, 'draft')
      await files.stage(one.path)
      throw new Error('the work failed')
    }
    await expect(work()).rejects.toThrow('the work failed')
    expect(paths.map((path) => existsSync(path))).toEqual([false, false])
    expect(temporaries()).toEqual([])
    expect(contents()).toHaveLength(1)
  })
})

describe('the folder', () => {
  it('knows after a restart what was staged before', async () => {
    const first = await open()
    const staged = await first.stage(Buffer.from('still here'), { name: 'a.txt', persist: true })
    await first.close()
    expect(await (await open()).list()).toEqual([staged])
  })

  it('a process killed while it stages leaves no copy, and the next start removes its temporary files', async () => {
    const { child, ended, lines, faults } = start('forever')
    await expect.poll(() => (lines().length > 0 ? temporaries().length : faults())).toBe(2)
    child.kill('SIGKILL')
    await ended
    expect(temporaries()).toHaveLength(2)
    await open()
    expect([...contents(), ...left()]).toEqual([])
  })

  it('does not touch the temporary files of a process that lives', async () => {
    const { lines, faults } = start('forever')
    await expect.poll(() => (lines().length > 0 ? temporaries().length : faults())).toBe(2)
    await (await open()).cleanUp({ force: true })
    expect(temporaries()).toHaveLength(2)
  })

  it('every stage that a killed process was told of is there, whole, whenever it was killed', async () => {
    const told: string[] = []
    for (let round = 0; round < 6; round += 1) {
      const { child, ended, lines, faults } = start('kill-loop', String(round))
      await expect.poll(() => lines().length || faults(), { interval: 3 }).toBeGreaterThan(3 + round)
      child.kill('SIGKILL')
      await ended
      told.push(...lines())
    }
    const files = await open()
    const ids = (await files.list()).map(({ id }) => id).sort()
    expect(ids).toEqual(expect.arrayContaining(told))
    expect(contents()).toEqual(ids)
    for (const id of ids) expect(sha256(readFileSync(join(dir, 'content', id)))).toBe(id)
    expect(left()).toEqual([])
  })

  it('two processes stage and clean at once: no step fails, nothing persistent is lost, nothing is left over', async () => {
    const both = [start('churn', '40', '0'), start('churn', '40', '1')]
    for (const { ended, faults } of both) expect(await ended, faults()).toBe(0)
    const files = await open()
    await files.cleanUp({ force: true })
    const kept = ['kept by 0', 'kept by 1', 'kept by both'].map((text) => sha256(Buffer.from(text))).sort()
    expect((await files.list()).map(({ id }) => id).sort()).toEqual(kept)
    expect(contents()).toEqual(kept)
    expect(left()).toEqual([])
  })

  it('what one process makes persistent is never lost to the forced clean-up of another', async () => {
    const cleaners = [start('clean')]
    for (const { lines, faults } of cleaners) await expect.poll(() => lines().length || faults()).toBeGreaterThan(0)
    const keeper = start('keep', '60')
    expect(await keeper.ended, keeper.faults()).toBe(0)
    for (const { child, ended } of cleaners) {
      child.kill('SIGKILL')
      await ended
    }
    for (const { faults } of cleaners) expect(faults()).toBe('')
    const ids = (await (await open()).list()).map(({ id }) => id).sort()
    expect(ids).toEqual(keeper.lines().sort())
    expect(contents()).toEqual(ids)
    expect(left()).toEqual([])
  })

  it('the lock of a dead process, and of one that died while it broke that lock, are free at once', async () => {
    const files = await open()
    const { child, ended } = start('forever')
    await expect.poll(() => temporaries().length).toBe(2)
    const [token] = temporaries()
    child.kill('SIGKILL')
    await ended
    symlinkSync(token!, join(dir, 'locks', 'lock'))
    symlinkSync(token!, join(dir, 'locks', 'break-0'))
    expect(await Promise.all([1, 2, 3].map((n) => files.stage(Buffer.from(`${n}`))))).toHaveLength(3)
    await files.cleanUp()
    expect(left()).toEqual([])
  })

  it('content that no entry names goes, an entry without content too, a damaged entry keeps its content', async () => {
    const files = await open()
    const [lost, damaged] = await Promise.all(['lost', 'damaged'].map((text) => files.stage(Buffer.from(text))))
    writeFileSync(join(dir, 'content', 'ab'.repeat(32)), 'nobody knows')
    rmSync(lost!.path)
    const beyond = await files.stage(Buffer.from('beyond'))
    writeFileSync(join(dir, 'entries', `${damaged!.id}.json`), '{"checks')
    const said = readFileSync(join(dir, 'entries', `${beyond.id}.json`), 'utf8')
    // A time that no Date can hold must not spoil the list of all others.
    writeFileSync(join(dir, 'entries', `${beyond.id}.json`), said.replace(/"expires_at":\d+/, '"expires_at":1e18'))
    expect((await files.list()).map(({ id }) => id)).toEqual([lost!.id])
    expect(await files.cleanUp({ force: true })).toMatchObject({ removed: 1 })
    expect(contents()).toEqual([damaged!.id, beyond.id].sort())
    expect(await files.metrics()).toMatchObject({ count: 0, damaged: 2 })
    for (const text of ['damaged', 'beyond']) await files.stage(Buffer.from(text))
    expect(await files.metrics()).toMatchObject({ count: 2, damaged: 0 })
  })

  it('says storage_full on a full disk, leaves nothing of it, and can be cleaned up there', (context) =>
    withSmallDisk(context, 2, async ({ dir: small }) => {
      dir = join(small, 'staging')
      const files = await open()
      const kept = await files.stage(seededBytes(5, 900_000))
      await expect(files.stage(seededBytes(6, 3_000_000))).rejects.toMatchObject({ code: 'storage_full' })
      expect([...contents(), ...left()]).toEqual([kept.id])
      // To the last byte: not even an entry fits.
      expect(() => writeFileSync(join(small, 'rest'), Buffer.alloc(3_000_000))).toThrow()
      await expect(files.stage(Buffer.from('tiny'))).rejects.toMatchObject({ code: 'storage_full' })
      expect(await files.cleanUp({ force: true })).toMatchObject({ removed: 1 })
      expect((await files.stage(Buffer.from('tiny'))).size).toBe(4)
      expect(left()).toEqual([])
    }))
})
