// What the load client is asked and what it answers, and the process that does it.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Incompressible, or text of which 16 MiB are sent over and over. */
export type Content = 'noise' | 'text'

export interface Job {
  /** `ask` is `get` by a client that hardly costs anything. */
  readonly kind: 'get' | 'ask' | 'put' | 'multipart' | 'tus'
  readonly port: number
  /** `{i}` becomes a name that no other request has. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Makes names of this job unlike those of others. */
  readonly tag: string
  /** Bytes of one upload, or that each download must have. */
  readonly size?: number
  /** What uploads send; default noise. */
  readonly content?: Content
  /** get only: every request asks for `size` bytes somewhere in the file's bytes `from` … `to`. */
  readonly range?: { readonly size: number; readonly from: number; readonly to: number }
  /** tus only: bytes of one PATCH. */
  readonly chunk?: number
  readonly connections: number
  readonly requests?: number
  readonly seconds?: number
  /** One request before the clock starts. */
  readonly warm?: boolean
}

export interface JobResult {
  readonly seconds: number
  readonly requests: number
  readonly bytes: number
  /** Of the first hundred uploads. */
  readonly ids: readonly string[]
}

export interface Client {
  run(job: Job): Promise<JobResult>
  close(): void
}

/** Starts a Node process of this directory with an IPC channel. */
export function forkHere(file: string, args: readonly string[] = []): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
}

/** A load process; one job at a time. */
export function startClient(): Client {
  const child = forkHere('./client.ts')
  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        child.once('message', (answer: { result?: JobResult; error?: string }) => {
          if (answer.result) resolve(answer.result)
          else reject(new Error(answer.error))
        })
        child.send(job)
      }),
    close: () => child.disconnect(),
  }
}

/** The raw server on a free port, storing below `dir`. */
export async function startRaw(dir: string, durability: string): Promise<{ readonly port: number; close(): void }> {
  const child = forkHere('./raw-server.ts', [dir, durability])
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message: { port: number }) => resolve(message.port))
    child.once('exit', () => reject(new Error('the raw server ended before it listened')))
  })
  return { port, close: () => child.disconnect() }
}
