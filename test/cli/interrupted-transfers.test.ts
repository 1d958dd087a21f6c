// Transfers that are cut off: the client dies, the server dies, the terminal says Ctrl-C. The same command goes on.
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededStream, sha256OfSeed } from '../support/random.ts'
import { eventually, startServer, type TestServer } from '../support/server.ts'

const SIZE = 100 * 1024 * 1024
let server: TestServer
let checksum: string
let state: string

beforeAll(async () => {
  state = mkdtempSync(join(tmpdir(), 'alyx-state-'))
  server = await startServer({ env: { XDG_STATE_HOME: state } })
  const file = await open(join(server.dir, 'large.bin'), 'w')
  for await (const part of seededStream(11, SIZE)) await file.write(part as Buffer)
  await file.close()
  checksum = await sha256OfSeed(11, SIZE)
})
afterAll(async () => {
  await server.stop()
  rmSync(state, { recursive: true, force: true })
})

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function begin(...args: string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  // A child of this test must be able to die alone, whatever script starts the server.
  const child = server.project.spawn([...args, ...server.project.fileArguments])
  const text = { stdout: '', stderr: '' }
  child.stdout!.on('data', (part: Buffer) => (text.stdout += part.toString()))
  child.stderr!.on('data', (part: Buffer) => (text.stderr += part.toString()))
  return { child, ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, ...text }))) }
}

/** Bytes that are safe on the server for the only open upload. */
function received(): number {
  const [row] = server.query<{ offset: number }>(
    "SELECT offset FROM _alyx_uploads WHERE state = 'open' ORDER BY id DESC LIMIT 1",
  )
  return row?.offset ?? 0
}

async function expectWhole(ended: Ended, path: string): Promise<void> {
  expect(ended).toMatchObject({ code: 0 })
  expect(JSON.parse(ended.stdout)).toMatchObject({ path, size: SIZE, checksum })
  expect(await server.doctor()).toMatchObject({ ok: true })
  expect(readdirSync(join(state, 'alyx', 'uploads'))).toEqual([])
}

describe('alyx put of 100 MB', () => {
  it('goes on where it was when the client was killed', async () => {
    const first = begin('put', 'large.bin', 'any/client-killed.bin')
    await eventually('some bytes are safe', () => received() > 0)
    first.child.kill('SIGKILL')
    await first.ended
    const kept = received()
    expect(kept).toBeGreaterThan(0)
    const [remembered] = readdirSync(join(state, 'alyx', 'uploads'))
    expect(statSync(join(state, 'alyx', 'uploads', remembered!)).mode & 0o777).toBe(0o600)

    const ended = await begin('put', 'large.bin', 'any/client-killed.bin', '--json').ended
    expect(Number(/resumed at (\d+) %/.exec(ended.stderr)?.[1])).toBeGreaterThanOrEqual(Math.floor((kept / SIZE) * 100))
    await expectWhole(ended, 'client-killed.bin')
  })

  it('waits for a server that is killed and comes back, and loses no byte', async () => {
    const { ended } = begin('put', 'large.bin', 'any/server-killed.bin', '--json')
    await eventually('some bytes are safe', () => received() > 0)
    await server.kill('SIGKILL')
    await server.restart()
    const result = await ended
    expect(result.stderr).toMatch(/resumed at [1-9]\d* %/)
    await expectWhole(result, 'server-killed.bin')
  })

  it('says on Ctrl-C that the same command goes on, exits 130, and it does', async () => {
    const first = begin('put', 'large.bin', 'any/interrupted.bin')
    await eventually('some bytes are safe', () => received() > 0)
    first.child.kill('SIGINT')
    expect(await first.ended).toMatchObject({ code: 130, stderr: expect.stringContaining('same command') })
    const ended = await begin('put', 'large.bin', 'any/interrupted.bin', '--json').ended
    expect(ended.stderr).toMatch(/resumed at [1-9]\d* %/)
    await expectWhole(ended, 'interrupted.bin')
  })

  it('starts over when the file has changed since', async () => {
    const first = begin('put', 'large.bin', 'any/changed.bin')
    await eventually('some bytes are safe', () => received() > 0)
    first.child.kill('SIGKILL')
    await first.ended
    const file = await open(join(server.dir, 'large.bin'), 'r+')
    await file.utimes(new Date(1_600_000_000_000), new Date(1_600_000_000_000))
    await file.close()
    const held = await begin('put', 'large.bin', 'any/changed.bin', '--json').ended
    expect(held.code).toBe(1)
    expect(held.stderr).toContain('--restart')
    const ended = await begin('put', 'large.bin', 'any/changed.bin', '--restart', '--json').ended
    expect(ended.stderr).toBe('')
    expect(JSON.parse(ended.stdout)).toMatchObject({ checksum })
  })
})

describe('alyx get of 100 MB', () => {
  it('waits for a server that is killed and comes back, and verifies the whole', async () => {
    const { ended } = begin('get', 'any/server-killed.bin', 'back.bin', '--json')
    await eventually(
      'a part is there',
      () => (statSync(join(server.dir, 'back.bin.part'), { throwIfNoEntry: false })?.size ?? 0) > 0,
    )
    await server.kill('SIGKILL')
    await server.restart()
    const result = await ended
    expect(result.code).toBe(0)
    expect(JSON.parse(result.stdout)).toMatchObject({ size: SIZE, checksum })
    expect(statSync(join(server.dir, 'back.bin')).size).toBe(SIZE)
  })
})
