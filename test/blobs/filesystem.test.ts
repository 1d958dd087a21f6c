// The filesystem backend: the contract of all backends, and what only files can do to it.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/blobs/backend.ts'
import { openFilesystem } from '../../src/blobs/filesystem.ts'
import type { BlobKey } from '../../src/core/model.ts'
import { type Observer, silent } from '../../src/observe/observer.ts'
import { backendContract, bodyOf, bytesOf, freshKey, listed, never, openDescriptors } from '../contract/backend.ts'
import { seededBytes } from '../support/random.ts'
import { withSmallDisk } from '../support/small-disk.ts'

for (const durability of ['full', 'normal'] as const) {
  backendContract(`filesystem, durability ${durability}`, async () => {
    const root = await mkdtemp(join(tmpdir(), 'alyx-blobs-'))
    return {
      backend: await openFilesystem({ root, durability, observer: silent }),
      close: () => rm(root, { recursive: true }),
    }
  })
}

describe('the filesystem backend', () => {
  let root: string
  let backend: Backend
  let points: string[]
  const observer: Observer = {
    event: (name, fields) => {
      if (name === 'step') points.push(String(fields.point))
    },
  }
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'alyx-blobs-'))
    points = []
    backend = await openFilesystem({ root, durability: 'full', observer })
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  const placeOf = (key: BlobKey): string => {
    const [bucket, id] = key.split('/') as [string, string]
    return join(root, bucket, id.slice(0, 6), id.slice(6, 8), id)
  }
  const put = (key: BlobKey, bytes: Buffer): Promise<{ size: number }> =>
    backend.put(key, bodyOf(bytes), { size: bytes.length, signal: never })
  const plant = async (key: BlobKey, how: (path: string) => Promise<unknown>): Promise<string> => {
    const path = placeOf(key)
    await mkdir(dirname(path), { recursive: true })
    await how(path)
    return path
  }
  const unfinished = (): Promise<string[]> => readdir(join(root, '.tmp'))

  it('keeps a blob where its key says, for its owner only, and no temporary file', async () => {
    const key = freshKey()
    await put(key, Buffer.from('bytes'))
    expect(await readFile(placeOf(key), 'utf8')).toBe('bytes')
    expect((await stat(placeOf(key))).mode & 0o777).toBe(0o600)
    for (let path = dirname(placeOf(key)); path !== root; path = dirname(path)) {
      expect((await stat(path)).mode & 0o777).toBe(0o700)
    }
    expect((await stat(join(root, '.tmp'))).mode & 0o777).toBe(0o700)
    expect(await unfinished()).toEqual([])
  })

  it('makes a missing root for its owner only', async () => {
    const missing = join(root, 'deep', 'er')
    await openFilesystem({ root: missing, durability: 'full', observer })
    expect((await stat(missing)).mode & 0o777).toBe(0o700)
    expect((await stat(join(root, 'deep'))).mode & 0o777).toBe(0o700)
  })

  it('refuses the root of the file system, links to it, and what is no directory', async () => {
    await symlink('/', join(root, 'slash'))
    await writeFile(join(root, 'file'), '')
    for (const path of ['/', '/tmp/..', join(root, 'slash'), join(root, 'file'), join(root, 'file', 'below')]) {
      const opening = openFilesystem({ root: path, durability: 'full', observer })
      await expect(opening).rejects.toMatchObject({ code: 'config_invalid' })
    }
  })

  it('warns when everyone may write to the root', async () => {
    await chmod(root, 0o777)
    const warnings: unknown[] = []
    await openFilesystem({ root, durability: 'full', observer: { event: (name) => warnings.push(name) } })
    expect(warnings).toEqual(['config_warning'])
  })

  it('stays in the directory a link led to when it was opened', async () => {
    await mkdir(join(root, 'one'))
    await mkdir(join(root, 'two'))
    await symlink(join(root, 'one'), join(root, 'current'))
    const pinned = await openFilesystem({ root: join(root, 'current'), durability: 'full', observer })
    await rm(join(root, 'current'))
    await symlink(join(root, 'two'), join(root, 'current'))
    await pinned.put(freshKey(), bodyOf(Buffer.from('x')), { size: 1, signal: never })
    expect(await readdir(join(root, 'one'))).toEqual(expect.arrayContaining(['avatars']))
    expect(await readdir(join(root, 'two'))).toEqual([])
  })

  it('syncs the file before it is linked, and the directory before it says so', async () => {
    await put(freshKey(), Buffer.from('x'))
    expect(points).toEqual(['put.written', 'put.synced', 'put.linked', 'put.durable'])
  })

  it('syncs nothing where durability is normal', async () => {
    const quick = await openFilesystem({ root, durability: 'normal', observer })
    await quick.put(freshKey(), bodyOf(Buffer.from('x')), { size: 1, signal: never })
    expect(points).toEqual(['put.written', 'put.linked', 'put.durable'])
  })

  it('syncs the directory also when what it deletes is gone already', async () => {
    const key = freshKey()
    await put(key, Buffer.from('x'))
    points.length = 0
    await backend.delete(key)
    await backend.delete(key)
    expect(points).toEqual(['delete.unlinked', 'delete.durable', 'delete.unlinked', 'delete.durable'])
  })

  it('recovers when a directory it made was taken away', async () => {
    await put(freshKey(), Buffer.from('x'))
    await rm(join(root, 'avatars'), { recursive: true })
    const key = freshKey()
    await put(key, Buffer.from('y'))
    expect(await backend.exists(key)).toBe(true)
  })

  describe('finding something planted at a blob’s place', () => {
    const plants: Record<string, (path: string) => Promise<unknown>> = {
      'a link to a file': (path) => symlink('/etc/passwd', path),
      'a link to nothing': (path) => symlink('/nowhere', path),
      'a directory': (path) => mkdir(path),
      'a pipe': async (path) => execFileSync('mkfifo', [path]),
    }
    for (const [what, how] of Object.entries(plants)) {
      it(`serves no byte of ${what}, and does not wait`, async () => {
        const key = freshKey()
        await plant(key, how)
        const before = openDescriptors()
        await expect(backend.get(key, { range: null, signal: never })).rejects.toMatchObject({ code: 'blob_missing' })
        await expect(backend.read!(key, null, 10)).rejects.toMatchObject({ code: 'blob_missing' })
        expect(await backend.exists(key)).toBe(false)
        expect(openDescriptors()).toBe(before)
      })

      it(`writes nothing through ${what}`, async () => {
        const key = freshKey()
        const path = await plant(key, how)
        const before = await lstat(path)
        await expect(put(key, Buffer.from('x'))).rejects.toMatchObject({ code: 'internal' })
        expect((await lstat(path)).ino).toBe(before.ino)
        expect(existsSync('/nowhere')).toBe(false)
        expect(await unfinished()).toEqual([])
      })
    }
  })

  it('never ends a read cleanly when the file has become shorter', async () => {
    const key = freshKey()
    await put(key, seededBytes(1, 1024 * 1024))
    const stream = await backend.get(key, { range: null, signal: never })
    await truncate(placeOf(key), 300_000)
    const before = openDescriptors()
    await expect(bytesOf(stream)).rejects.toMatchObject({ code: 'file_corrupt' })
    await expect.poll(openDescriptors).toBeLessThan(before)
    const range = { start: 0, end: 300_000 }
    await expect(backend.get(key, { range, signal: never })).rejects.toMatchObject({ code: 'file_corrupt' })
    await expect(backend.read!(key, range, 400_000)).rejects.toMatchObject({ code: 'file_corrupt' })
  })

  describe('taking over a finished file', () => {
    const spooled = async (bytes: string): Promise<string> => {
      const path = join(root, 'spooled')
      await writeFile(path, bytes)
      return path
    }

    it('links it into place without copying, and leaves it for its owner to remove', async () => {
      const key = freshKey()
      const path = await spooled('all of it')
      const { ino } = await stat(path)
      expect(await backend.adopt!(key, path)).toBe(true)
      expect((await stat(placeOf(key))).ino).toBe(ino)
      expect(existsSync(path)).toBe(true)
      expect(points).toEqual(['adopt.linked', 'adopt.durable'])
    })

    it('does it once however often it is asked, after a crash between its steps too', async () => {
      const key = freshKey()
      const path = await spooled('all of it')
      await plant(key, (place) => link(path, place))
      expect(await backend.adopt!(key, path)).toBe(true)
      await unlink(path)
      expect(await backend.adopt!(key, path)).toBe(true)
      expect(await readFile(placeOf(key), 'utf8')).toBe('all of it')
    })

    it('says no when something else is in its place, and touches neither', async () => {
      const key = freshKey()
      await put(key, Buffer.from('first'))
      const path = await spooled('other')
      expect(await backend.adopt!(key, path)).toBe(false)
      expect(await readFile(placeOf(key), 'utf8')).toBe('first')
      expect(await readFile(path, 'utf8')).toBe('other')
    })

    it('says blob_missing when there is nothing to take, and takes no links', async () => {
      await expect(backend.adopt!(freshKey(), join(root, 'nothing'))).rejects.toMatchObject({ code: 'blob_missing' })
      await symlink('/etc/passwd', join(root, 'lure'))
      await expect(backend.adopt!(freshKey(), join(root, 'lure'))).rejects.toMatchObject({ code: 'internal' })
    })

    it('says no across file systems', async (context) => {
      const other = await mkdtemp('/dev/shm/alyx-').catch(() => null)
      if (other === null || (await stat(other)).dev === (await stat(root)).dev)
        return context.skip('there is no second file system')
      try {
        await writeFile(join(other, 'file'), 'x')
        const key = freshKey()
        expect(await backend.adopt!(key, join(other, 'file'))).toBe(false)
        expect(await backend.exists(key)).toBe(false)
      } finally {
        await rm(other, { recursive: true })
      }
    })
  })

  it('sweeps unfinished files that are old, and no others', async () => {
    await writeFile(join(root, '.tmp', 'old'), 'x')
    await writeFile(join(root, '.tmp', 'young'), 'x')
    await utimes(join(root, '.tmp', 'old'), 1000, 1000)
    const key = freshKey()
    await put(key, Buffer.from('x'))
    await utimes(placeOf(key), 1000, 1000)
    expect(await backend.sweep!(2_000_000, true)).toBe(1)
    expect((await unfinished()).sort()).toEqual(['old', 'young'])
    expect(await backend.sweep!(2_000_000, false)).toBe(1)
    expect(await unfinished()).toEqual(['young'])
    expect(await backend.exists(key)).toBe(true)
  })

  it('lists unfinished files, removes what it listed, and leaves an operator’s files alone', async () => {
    await writeFile(join(root, '.tmp', 'left'), 'four')
    await writeFile(join(root, 'README'), 'mine')
    await mkdir(join(root, 'lost+found'))
    await writeFile(join(root, 'lost+found', 'x'), 'mine')
    const key = freshKey()
    await put(key, Buffer.from('x'))
    const entries = await listed(backend.entries!())
    expect(entries.map((entry) => entry.key).sort()).toEqual(['.tmp/left', key])
    for (const entry of entries) await backend.removeEntry!(entry)
    expect(await listed(backend.entries!())).toEqual([])
    expect(existsSync(join(root, 'README'))).toBe(true)
    for (const key of ['.tmp/../README', '.tmp/..', '.tmp/', '../README', 'README']) {
      const removal = backend.removeEntry!({ key: key as BlobKey, size: 0, modifiedAt: 0 })
      await expect(removal).rejects.toMatchObject({ code: 'internal' })
    }
  })

  it('is not ready once its directory is gone', async () => {
    await rm(root, { recursive: true })
    await expect(backend.ready!()).rejects.toMatchObject({ code: 'storage_unavailable' })
    await expect(put(freshKey(), Buffer.from('x'))).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(existsSync(root)).toBe(false)
  })

  it('says storage_full on a full disk, leaves nothing, goes on reading, and recovers', (context) =>
    withSmallDisk(context, 2, async ({ dir: small }) => {
      const tiny = await openFilesystem({ root: join(small, 'blobs'), durability: 'full', observer })
      const first = freshKey()
      const half = seededBytes(1, 1024 * 1024)
      await tiny.put(first, bodyOf(half), { size: half.length, signal: never })
      const big = seededBytes(2, 3 * 1024 * 1024)
      for (const size of [big.length, null]) {
        await expect(tiny.put(freshKey(), bodyOf(big), { size, signal: never })).rejects.toMatchObject({
          code: 'storage_full',
        })
      }
      expect((await bytesOf(await tiny.get(first, { range: null, signal: never }))).equals(half)).toBe(true)
      expect(await readdir(join(small, 'blobs', '.tmp'))).toEqual([])
      await tiny.ready!()
      await tiny.delete(first)
      await tiny.put(freshKey(), bodyOf(half), { size: half.length, signal: never })
    }))

  it('keeps no descriptor of failed uploads', async () => {
    const before = openDescriptors()
    for (let round = 0; round < 20; round++) {
      const body = bodyOf(seededBytes(round, 3 * 1024 * 1024))
      await expect(backend.put(freshKey(), body, { size: 5, signal: never })).rejects.toMatchObject({
        code: 'invalid_request',
      })
    }
    expect(openDescriptors()).toBe(before)
  })

  it('sets a blob aside where nobody looks for it, and keeps its bytes', async () => {
    const key = freshKey()
    await put(key, Buffer.from('lost'))
    await backend.setAside?.(key)
    await backend.setAside?.(key)
    expect(await backend.exists(key)).toBe(false)
    expect(await listed(backend.entries!())).toEqual([])
    expect(await readFile(placeOf(key).replace(root, join(root, '.lost')), 'utf8')).toBe('lost')
  })
})
