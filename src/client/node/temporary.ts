// Files for a while: gone when they are released, and when their process is.
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AlyxError } from '../errors.ts'
import type { UploadSource } from '../platform.ts'
import type { Source } from '../source.ts'
import { openSource } from '../source.ts'
import { nextOf } from '../stream.ts'
import { onDisk } from './disk-failure.ts'
import { NODE } from './host.ts'
import { isGone, newToken } from './owner.ts'

/** `using` and `await using` release it, also when the work throws. */
export interface TemporaryFile extends Disposable, AsyncDisposable {
  readonly path: string
  readonly name: string
}

/** A copy of a source. */
export interface Copy extends TemporaryFile {
  readonly size: number
  /** SHA-256, hex. */
  readonly checksum: string
  /** The first 16 bytes. */
  readonly head: Uint8Array
}

const STEP = 1024 * 1024
const HEAD = 16
/** Of another host, milliseconds. */
const FOREIGN_LIMIT = 86_400_000

/** A path of its own below `folder`, where nothing is yet. */
export async function temporaryPath(folder: string, name: string): Promise<TemporaryFile> {
  const own = join(folder, newToken())
  await onDisk(folder, () => mkdir(own, { recursive: true, mode: 0o700 }))
  return {
    path: join(own, name),
    name,
    [Symbol.dispose]: () => rmSync(own, { recursive: true, force: true }),
    [Symbol.asyncDispose]: () => rm(own, { recursive: true, force: true }),
  }
}

/** Reads an opened source to its end, durably. Fails: source_unreadable, storage_full, storage_unavailable; nothing is left then. */
export async function copyOf(folder: string, name: string, given: UploadSource): Promise<Copy> {
  const file = await temporaryPath(folder, name)
  try {
    const source = await openSource(given, null, NODE)
    try {
      const chunks = source.size === null ? restOf(source.chunks) : partsOf(source)
      return { ...file, ...(await written(folder, file.path, chunks)) }
    } finally {
      source.close()
    }
  } catch (error) {
    await rm(dirname(file.path), { recursive: true, force: true }).catch(() => {})
    throw error
  }
}

async function written(folder: string, path: string, chunks: AsyncIterable<Uint8Array>) {
  const hash = createHash('sha256')
  let size = 0
  let head = Buffer.alloc(0)
  const handle = await onDisk(folder, () => open(path, 'wx', 0o600))
  try {
    for await (const chunk of chunks) {
      if (head.length < HEAD) head = Buffer.concat([head, chunk.subarray(0, HEAD - head.length)])
      hash.update(chunk)
      size += chunk.length
      await onDisk(folder, () => handle.writeFile(chunk))
    }
    await onDisk(folder, () => handle.sync())
  } finally {
    await handle.close()
  }
  return { size, head, checksum: hash.digest('hex') }
}

async function* partsOf(source: Source): AsyncGenerator<Uint8Array> {
  const before = await source.identity()
  for (let at = 0; at < source.size; at += STEP) {
    yield (await source.slice(at, Math.min(at + STEP, source.size))) as Uint8Array
  }
  const [kind, path] = before?.startsWith('["path"') ? (JSON.parse(before) as [string, string]) : []
  if (kind === undefined || path === undefined) return
  const now = await stat(path).catch(() => null)
  if (now !== null && JSON.stringify(['path', path, now.size, now.mtimeMs]) === before) return
  throw new AlyxError('source_unreadable', `${path} changed while it was staged`, {
    hint: 'Stage it once it is written.',
  })
}

async function* restOf(chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let part = await nextOf(chunks); part !== null; part = await nextOf(chunks)) yield part
}

/** Removes what ended processes left in `folder`; how many there were. */
export async function removeAbandoned(folder: string): Promise<number> {
  let removed = 0
  for (const name of await readdir(folder)) {
    const facts = await stat(join(folder, name)).catch(() => null)
    if (facts === null || !isGone(name, { age: Date.now() - facts.mtimeMs, foreign: FOREIGN_LIMIT })) continue
    await rm(join(folder, name), { recursive: true, force: true })
    removed += 1
  }
  return removed
}
