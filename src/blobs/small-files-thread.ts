// The thread that writes small files: all that wait are written, then synced, then linked into place, and each directory is synced once.
import { closeSync, constants, fsyncSync, linkSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads'

/** One small file: complete, and not there under any name yet. */
export interface SmallFile {
  readonly id: number
  readonly bytes: Uint8Array
  readonly temporary: string
  readonly directory: string
  readonly path: string
  readonly durable: boolean
}

/** What became of it: null is success, else the error's code. Then nothing of it is left. */
export type Written = readonly [id: number, code: string | null]

interface Job {
  readonly file: SmallFile
  fd: number | null
  linked: boolean
  code: string | null
}

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

function attempt(job: Job, work: () => void): void {
  if (job.code !== null) return
  try {
    work()
  } catch (error) {
    job.code = error instanceof Error && 'code' in error ? String(error.code) : 'EIO'
  }
}

/** Writes all of them; the order of the steps is that of one file, so that each is durable before it has its name. */
export function writeAll(files: readonly SmallFile[]): readonly Written[] {
  const jobs: Job[] = files.map((file) => ({ file, fd: null, linked: false, code: null }))
  for (const job of jobs) {
    attempt(job, () => {
      const { bytes, temporary } = job.file
      job.fd = openSync(temporary, NEW, 0o600)
      for (let at = 0; at < bytes.length; ) at += writeSync(job.fd, bytes, at)
    })
  }
  for (const job of jobs) {
    if (job.file.durable) attempt(job, () => fsyncSync(job.fd!))
    if (job.fd !== null) attempt(job, () => closeSync(job.fd!))
  }
  for (const job of jobs) {
    attempt(job, () => {
      linkSync(job.file.temporary, job.file.path)
      job.linked = true
    })
  }
  const directories = new Set(
    jobs.filter((job) => job.code === null && job.file.durable).map((job) => job.file.directory),
  )
  for (const directory of directories) {
    const code = syncDirectory(directory)
    if (code !== null) for (const job of jobs) if (job.file.directory === directory) job.code ??= code
  }
  for (const { file, fd, linked, code } of jobs) {
    if (fd !== null) quietly(() => unlinkSync(file.temporary))
    if (linked && code !== null) quietly(() => unlinkSync(file.path))
  }
  return jobs.map(({ file, code }) => [file.id, code])
}

function syncDirectory(directory: string): string | null {
  const job = { file: null as never, fd: null, linked: false, code: null } as Job
  attempt(job, () => {
    job.fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  })
  attempt(job, () => fsyncSync(job.fd!))
  if (job.fd !== null) quietly(() => closeSync(job.fd!))
  return job.code
}

/** A temporary name that stays is swept. */
function quietly(work: () => void): void {
  try {
    work()
  } catch {}
}

function serve(port: MessagePort): void {
  port.on('message', (first: readonly SmallFile[]) => {
    const files = [...first]
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) files.push(...next.message)
    port.postMessage(writeAll(files))
  })
}

if (parentPort !== null) serve(parentPort)
