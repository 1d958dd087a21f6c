// ls, put, get, rm, stat and sign against a real server in a process of its own.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { seededBytes, sha256 } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let state: string
const bytes = seededBytes(7, 3_000_000)

interface File {
  readonly id: string
  readonly path: string
  readonly name: string
  readonly checksum: string
  readonly size: number
  readonly expires_at: string | null
}

beforeAll(async () => {
  state = mkdtempSync(join(tmpdir(), 'alyx-state-'))
  server = await startServer({ env: { XDG_STATE_HOME: state } })
  writeFileSync(join(server.dir, 'three.bin'), bytes)
  writeFileSync(join(server.dir, 'small.txt'), 'small\n')
})
afterAll(async () => {
  await server.stop()
  rmSync(state, { recursive: true, force: true })
})

const alyx = (...args: string[]) => server.project.run(args)
async function json<T = File>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await alyx(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as T
}

describe('alyx put', () => {
  it('stores a file under its own name, under a path, and below a folder', async () => {
    const own = await json('put', 'three.bin', 'pub')
    expect(own).toMatchObject({ name: 'three.bin', path: 'three.bin', size: bytes.length, checksum: sha256(bytes) })
    expect(await json('put', 'small.txt', 'pub/notes/a b/ä.txt')).toMatchObject({
      name: 'ä.txt',
      path: 'notes/a b/ä.txt',
      size: 6,
    })
    const both = await json<File[]>('put', 'three.bin', 'small.txt', 'pub/box/')
    expect(both.map(({ path }) => path)).toEqual(['box/three.bin', 'box/small.txt'])
    const top = await json<File[]>('put', 'three.bin', 'small.txt', 'any/')
    expect(top.map(({ path }) => path)).toEqual(['three.bin', 'small.txt'])
  })

  it('prints id and path, nothing else, when nobody watches', async () => {
    const { code, stdout, stderr } = await alyx('put', 'small.txt', 'pub/plain.txt')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^[0-9a-f-]{36} {2}pub\/plain\.txt\n$/)
  })

  it('stores an empty file', async () => {
    writeFileSync(join(server.dir, 'empty'), '')
    expect(await json('put', 'empty', 'any/empty')).toMatchObject({ size: 0 })
  })

  it('takes standard input as a stream under a name', async () => {
    const { fileArguments, dir } = server.project
    const main = join(import.meta.dirname, '..', '..', 'bin', 'alyx.mjs')
    const child = spawn(process.execPath, [main, 'put', '-', 'pub/from/stdin.bin', '--json', ...fileArguments], {
      cwd: dir,
    })
    let stdout = ''
    child.stdout.on('data', (part: Buffer) => (stdout += part.toString()))
    child.stdin.end(bytes)
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ path: 'from/stdin.bin', checksum: sha256(bytes) })
  })

  it('gives a file the life that --expires asks for', async () => {
    const file = await json('put', 'small.txt', 'pub/short.txt', '--expires', '1h')
    expect(Date.parse(file.expires_at!)).toBeGreaterThan(Date.now() + 3_500_000)
  })

  it('says what the server said, with its hint: a taken path, a file too large, a wrong type', async () => {
    await json('put', 'small.txt', 'pub/taken.txt')
    const taken = await alyx('put', 'three.bin', 'pub/taken.txt', '--json')
    expect(taken.code).toBe(1)
    expect(JSON.parse(taken.stderr).error).toMatchObject({ code: 'file_exists', hint: expect.any(String) })
    expect(JSON.parse((await alyx('put', 'three.bin', 'tiny', '--json')).stderr).error.code).toBe('file_too_large')
    expect(JSON.parse((await alyx('put', 'small.txt', 'img', '--json')).stderr).error.code).toBe(
      'file_type_not_allowed',
    )
    expect((await alyx('put', 'small.txt', 'nosuch')).code).toBe(3)
    expect((await alyx('put', 'absent.txt', 'pub')).code).toBe(3)
  })
})

describe('alyx get', () => {
  it('writes the file under its name, verified, and never over another by accident', async () => {
    await json('put', 'three.bin', 'pub/get/named.bin')
    expect((await alyx('get', 'pub/get/named.bin')).code).toBe(0)
    expect(readFileSync(join(server.dir, 'named.bin')).equals(bytes)).toBe(true)
    const again = await alyx('get', 'pub/get/named.bin')
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('named.bin is there already')
  })

  it('finds a file by path, by bucket:id and by id alone', async () => {
    const { id } = await json('put', 'three.bin', 'pub/get/three-ways.bin')
    mkdirSync(join(server.dir, 'out'))
    for (const [target, place] of [
      ['pub/get/three-ways.bin', 'out'],
      [`pub:${id}`, 'out/second'],
      [id, 'out/third'],
    ] as const) {
      expect(await alyx('get', target, place)).toMatchObject({ code: 0 })
    }
    for (const name of ['three-ways.bin', 'second', 'third']) {
      expect(sha256(readFileSync(join(server.dir, 'out', name)))).toBe(sha256(bytes))
    }
  })

  it('finds a file whose name is not the end of its path', async () => {
    const token = await server.admin()
    const path = '/api/files/pub?name=other.bin&path=away/from-its-name.bin'
    expect((await request({ port: server.port, method: 'PUT', path, token, body: 'x' })).status).toBe(201)
    expect(await json('stat', 'pub/away/from-its-name.bin')).toMatchObject({ name: 'other.bin' })
  })

  it('goes on with the .part of an earlier run, and starts over when that belongs to another file', async () => {
    await json('put', 'three.bin', 'pub/get/resumed.bin')
    writeFileSync(join(server.dir, 'resumed.part'), bytes.subarray(0, 2_000_000))
    const resumed = await alyx('get', 'pub/get/resumed.bin', 'resumed')
    expect(resumed.stderr).toContain('resumed at 66 %')
    expect(readFileSync(join(server.dir, 'resumed')).equals(bytes)).toBe(true)
    writeFileSync(join(server.dir, 'wrong.part'), seededBytes(8, 1_000_000))
    expect((await alyx('get', 'pub/get/resumed.bin', 'wrong')).code).toBe(0)
    expect(readFileSync(join(server.dir, 'wrong')).equals(bytes)).toBe(true)
  })

  it('writes to standard output with -', async () => {
    await json('put', 'small.txt', 'pub/get/out.txt')
    expect(await alyx('get', 'pub/get/out.txt', '-')).toEqual({ code: 0, stdout: 'small\n', stderr: '' })
  })

  it('exits 3 for what does not exist, 4 for what the token may not read', async () => {
    expect((await alyx('get', 'pub/nothing-here')).code).toBe(3)
    expect((await alyx('get', 'pub:01930000-0000-7000-8000-000000000000')).code).toBe(3)
    const { id } = await json('put', 'small.txt', 'priv/secret.txt')
    const denied = await alyx('stat', `priv:${id}`, '--token', await server.token('eve'), '--json')
    expect(denied.code).toBe(4)
    expect(JSON.parse(denied.stderr).error.code).toBe('forbidden')
  })
})

describe('alyx ls, stat, sign and rm', () => {
  it('lists buckets, and the files of one below a prefix', async () => {
    await json('put', 'small.txt', 'pub/list/one.txt')
    await json('put', 'three.bin', 'pub/list/two.bin')
    expect((await alyx('ls')).stdout.split('\n')).toContain('priv')
    const files = await json<File[]>('ls', 'pub/list/')
    expect(files.map(({ path }) => path).sort()).toEqual(['list/one.txt', 'list/two.bin'])
    expect((await alyx('ls', 'pub/list/')).stdout).toMatch(
      /6 bytes {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}list\/one\.txt {2}[0-9a-f-]{36}/,
    )
    expect((await alyx('ls', '-l', 'pub/list/')).stdout).toContain('3000000')
  })

  it('ends quietly when the reader of a pipe goes away', async () => {
    const main = join(import.meta.dirname, '..', '..', 'bin', 'alyx.mjs')
    const files = server.project.fileArguments.map((part) => `'${part}'`).join(' ')
    const command = `'${process.execPath}' '${main}' ls pub --json ${files} | head -c 1; echo; echo "\${PIPESTATUS[0]}"`
    const child = spawn('bash', ['-c', command], { cwd: server.dir })
    let text = ''
    child.stdout.on('data', (part: Buffer) => (text += part.toString()))
    child.stderr.on('data', (part: Buffer) => (text += part.toString()))
    await new Promise((resolve) => child.on('close', resolve))
    expect(text).toBe('[\n0\n')
  })

  it('signs a link that works without a credential', async () => {
    await json('put', 'small.txt', 'priv/linked.txt')
    const { stdout } = await alyx('sign', 'priv/linked.txt', '--expires', '5m')
    const { pathname, search } = new URL(stdout.trim())
    const answer = await request({ port: server.port, path: pathname + search })
    expect({ status: answer.status, text: answer.text }).toEqual({ status: 200, text: 'small\n' })
  })

  it('deletes several files, names the one that was not there, and exits 3', async () => {
    await json('put', 'small.txt', 'pub/rm/one.txt')
    await json('put', 'small.txt', 'pub/rm/two.txt')
    const { code, stdout } = await alyx('rm', 'pub/rm/one.txt', 'pub/rm/never.txt', 'pub/rm/two.txt', '--json')
    expect(code).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({
      deleted: [expect.any(String), expect.any(String)],
      failed: [{ target: 'pub/rm/never.txt', code: 'not_found' }],
    })
    expect(await json<File[]>('ls', 'pub/rm/')).toEqual([])
  })

  it('leaves a store that the doctor finds sound', async () => {
    expect(await server.doctor()).toMatchObject({ ok: true, problems: [] })
  })
})
