// One fsync of a directory serves all who wait for it.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDirectories } from '../../src/blobs/directories.ts'

describe('directories below a root', () => {
  let root: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'alyx-directories-'))
  })
  afterEach(() => rm(root, { recursive: true }))

  it('share an fsync that has not started, and never one that has', async () => {
    const { sync } = createDirectories(root, 'full')
    const first = sync(root)
    const [second, third] = [sync(root), sync(root)]
    expect(second).not.toBe(first)
    expect(third).toBe(second)
    await first
    // The second is running by now or about to; one that asks after it is done gets its own.
    await second
    const fourth = sync(root)
    expect(fourth).not.toBe(second)
    await fourth
  })

  it('tell everyone who waited when the fsync failed, and start afresh', async () => {
    const { sync, ensure } = createDirectories(root, 'full')
    const directory = join(root, 'a')
    const waiters = await Promise.allSettled([sync(directory), sync(directory), sync(directory)])
    for (const waiter of waiters) expect(waiter).toMatchObject({ status: 'rejected', reason: { code: 'ENOENT' } })
    await ensure(directory)
    await sync(directory)
  })

  it('are made once for all who need them, for the owner only', async () => {
    const { ensure } = createDirectories(root, 'full')
    const deep = join(root, 'a', 'b', 'c')
    const [one, two] = [ensure(deep), ensure(deep)]
    expect(two).toBe(one)
    await one
    expect((await stat(deep)).mode & 0o777).toBe(0o700)
  })

  it('are made again after they were found missing', async () => {
    const { ensure, forget } = createDirectories(root, 'normal')
    const deep = join(root, 'a', 'b')
    await ensure(deep)
    await rm(join(root, 'a'), { recursive: true })
    forget(deep)
    await ensure(deep)
    expect(existsSync(deep)).toBe(true)
  })

  it('cost a hundred uploads far fewer than a hundred fsyncs', async (context) => {
    try {
      execFileSync('strace', ['-V'], { stdio: 'pipe' })
    } catch {
      return context.skip('strace is not installed: system calls cannot be counted')
    }
    const script = join(root, 'many.mjs')
    const source = new URL('../../src/', import.meta.url)
    await writeFile(
      script,
      `import { Readable } from 'node:stream'
       const { openFilesystem } = await import('${new URL('blobs/filesystem.ts', source)}')
       const { createIds } = await import('${new URL('core/ids.ts', source)}')
       const next = createIds({ now: () => 1764000000000 })
       const backend = await openFilesystem({ root: ${JSON.stringify(join(root, 'store'))}, durability: 'full', observer: { event() {} } })
       const put = () => backend.put('avatars/' + next(), Readable.from([Buffer.from('x')], { objectMode: false }), { size: 1, signal: new AbortController().signal })
       await Promise.all(Array.from({ length: 100 }, put))`,
    )
    const trace = join(root, 'trace')
    const child = spawn('strace', ['-f', '-y', '-e', 'trace=fsync', '-o', trace, process.execPath, script])
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0)
    const calls = (await readFile(trace, 'utf8')).split('\n').filter((line) => line.includes('fsync('))
    const ofFiles = calls.filter((line) => line.includes('/.tmp/'))
    expect(ofFiles).toHaveLength(100)
    expect(calls.length - ofFiles.length).toBeLessThan(60)
  })
})
