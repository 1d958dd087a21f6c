// One download: into FILE.part, resumed by range, verified by SHA-256, then renamed.
import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { type Client, filesPath, type RemoteFile } from './client.ts'
import { EXIT, failed, Stop, unreachable } from './exit.ts'
import type { Progress } from './terminal.ts'
import { RETRY_DELAYS } from './upload.ts'

export interface Download {
  readonly client: Client
  readonly file: RemoteFile
  readonly progress: Progress
  /** Called when bytes of an earlier run are there already. */
  readonly onResume: (offset: number) => void
}

/** Writes the file to `target`. Fails: Stop; a started `.part` is kept for the next call unless it proved wrong. */
export async function downloadFile(download: Download, target: string): Promise<void> {
  const part = `${target}.part`
  const before = await sizeOf(part)
  if (before > download.file.size) await rm(part)
  else if (before > 0) download.onResume(before)
  await fetchPart(download, part)
  if ((await checksumOf(part)) !== download.file.checksum) {
    await rm(part)
    if (before === 0) throw mismatch(download.file)
    // The part was begun by another file of this name, or damaged: once more, from the first byte.
    return downloadFile(download, target)
  }
  const handle = await open(part, 'r+')
  await handle.sync().finally(() => handle.close())
  await rename(part, target)
}

/** Writes the file to standard output. Fails: Stop, after the bytes, when they were not the announced ones. */
export async function downloadToStdout({ client, file, progress }: Download): Promise<void> {
  const answer = await client.call('GET', contentPath(file))
  const hash = createHash('sha256')
  try {
    await pipeline(answer, meter(0, progress, hash), process.stdout, { end: false })
  } catch (error) {
    throw answer.complete ? error : unreachable(client.url, error)
  }
  if (hash.digest('hex') !== file.checksum) throw mismatch(file)
}

/** Appends until `part` has the size of the file; waits and goes on when the server goes away. */
async function fetchPart(download: Download, part: string): Promise<void> {
  const { size } = download.file
  let failures = 0
  for (let have = await sizeOf(part); ; ) {
    try {
      await append(download, part, have)
      return
    } catch (error) {
      const reached = await sizeOf(part)
      if (reached > have) failures = 0
      have = reached <= size ? reached : 0
      const delay = RETRY_DELAYS[failures++]
      if (delay === undefined || !(error instanceof Stop) || error.exit !== EXIT.unreachable) throw error
      await pause(delay)
    }
  }
}

/** Fails: Stop (unreachable) when the connection broke before the end; what arrived stays in `part`. */
async function append({ client, file, progress }: Download, part: string, start: number): Promise<void> {
  if (start === file.size && start > 0) return
  // If-Range: when the bytes are not the ones the part was begun with, all of them come again (RFC 9110 §13.1.5).
  const headers: Record<string, string> =
    start === 0 ? {} : { range: `bytes=${start}-`, 'if-range': `"${file.checksum}"` }
  const answer = await client.call('GET', contentPath(file), { headers })
  const offset = answer.statusCode === 206 ? start : 0
  const writer = createWriteStream(part, { flags: offset === 0 ? 'w' : 'a' })
  try {
    await pipeline(answer, meter(offset, progress, null), writer)
  } catch (error) {
    if (!isLocal(error)) throw unreachable(client.url, error)
    throw failed(
      `${part} cannot be written: ${(error as Error).message}`,
      'Make room or name another file, then run the command again.',
    )
  }
}

/** Whether it was the disk, not the network, that failed. */
function isLocal(error: unknown): boolean {
  const { syscall } = error as { readonly syscall?: unknown }
  return syscall === 'open' || syscall === 'write' || syscall === 'close'
}

function meter(offset: number, progress: Progress, hash: Hash | null): Transform {
  let done = offset
  return new Transform({
    highWaterMark: 1024 * 1024,
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length
      hash?.update(chunk)
      progress.update(done)
      next(null, chunk)
    },
  })
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0
}

async function checksumOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
  return hash.digest('hex')
}

const contentPath = (file: RemoteFile) => filesPath(file.bucket, file.id, 'download')
const mismatch = (file: RemoteFile) =>
  failed(
    `what arrived is not ${file.bucket}/${file.path}: its SHA-256 differs`,
    'Try again; if it stays, run alyx doctor --read-data.',
  )
