// A real Alyx in its own process, started as users start it, in its own directory.
import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { SignJWT } from 'jose'
import { SECRET } from './buckets.ts'
import { request } from './http.ts'
import { type CommandResult, createProject, type DoctorReport, type Project, type ProjectOptions } from './project.ts'

export interface StartOptions extends ProjectOptions {
  /** Further arguments of `serve`. */
  readonly args?: readonly string[]
  /** Environment of the first process only; `restart` takes that of the next. */
  readonly launchEnv?: Readonly<Record<string, string>>
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface TestServer {
  readonly url: string
  readonly port: number
  readonly dir: string
  readonly project: Project
  /** Of the running process. */
  readonly pid: () => number
  /** Everything every process of this server wrote. */
  readonly logs: () => string
  /** A JWT for `sub`, valid for an hour; `claims` are added, `exp` and others may be replaced. */
  token(sub: string, claims?: Readonly<Record<string, unknown>>): Promise<string>
  /** A JWT whose role passes every rule. */
  admin(): Promise<string>
  /** Ends the process at once and waits for its end. */
  kill(signal?: NodeJS.Signals): Promise<Exit>
  /** Starts a new process in the same directory on the same port, once the old one has ended; resolves with the milliseconds until it was ready. */
  restart(env?: Readonly<Record<string, string>>): Promise<number>
  /** Waits until the process ends by itself. */
  exited(): Promise<Exit>
  /** Whether the process runs. */
  readonly running: () => boolean
  /** SIGTERM, then the directory is removed. */
  stop(): Promise<Exit>
  doctor(): Promise<DoctorReport>
  sweep(): Promise<CommandResult>
  /** Open sockets and files of the process, without those of the database: its threads come as they are needed, and stay. */
  fds(): number
  /** Bytes resident. */
  rss(): number
  /** Seconds of the processor that it has used: unlike the time, no matter of what else the machine does. */
  cpuSeconds(): number
  query: Project['query']
}

/** Far more than any start takes: a machine that stands still for a while is no fault of the server. */
const START_LIMIT = 120_000

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

/** Starts `alyx serve` and resolves when it is ready. Rejects with its output when it ends before; where another
 *  took its port meanwhile, it is tried again with another. */
export async function startServer(options: StartOptions = {}, tries = 3): Promise<TestServer> {
  const project = await createProject(options)
  const { port, dir } = project
  let output = ''
  let child: ChildProcess
  let ended: Promise<Exit>

  const launch = async (env?: Readonly<Record<string, string>>): Promise<number> => {
    const began = performance.now()
    const launched = project.spawn(['serve', ...project.fileArguments, ...(options.args ?? [])], env)
    child = launched
    alive.add(launched)
    for (const stream of [launched.stdout, launched.stderr])
      stream?.on('data', (part: Buffer) => (output += part.toString()))
    let over: Exit | null = null
    ended = new Promise((resolve) => {
      launched.once('close', (code, signal) => {
        alive.delete(launched)
        over = { code, signal }
        resolve(over)
      })
    })
    const earlier = output.length
    await untilReady(
      port,
      () => output.slice(earlier),
      () => over !== null,
    ).catch((error: unknown) => {
      launched.kill('SIGKILL')
      throw error
    })
    return performance.now() - began
  }
  try {
    await launch(options.launchEnv)
  } catch (error) {
    project.remove()
    if (tries > 0 && isPortTaken(error)) return startServer(options, tries - 1)
    throw error
  }

  const end = async (signal: NodeJS.Signals): Promise<Exit> => {
    child.kill(signal)
    return ended
  }
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    dir,
    project,
    pid: () => child.pid ?? 0,
    logs: () => output,
    token: signToken,
    admin: () => signToken('root', { role: 'admin' }),
    kill: (signal = 'SIGKILL') => end(signal),
    restart: async (env) => {
      await ended
      return launch(env)
    },
    exited: () => ended,
    running: () => alive.has(child),
    stop: async () => {
      const exit = await end('SIGTERM')
      project.remove()
      return exit
    },
    doctor: project.doctor,
    sweep: project.sweep,
    fds: () => descriptorsOf(child.pid ?? 0),
    rss: () => residentBytes(child.pid ?? 0),
    cpuSeconds: () => {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    query: project.query,
  }
}

/** An HS256 token under the test secret. A claim given as undefined is left out. */
export async function signToken(sub: string, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const payload = JSON.parse(JSON.stringify({ sub, iat: now, exp: now + 3600, ...claims })) as Record<string, unknown>
  return new SignJWT(payload).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(SECRET))
}

/** Descriptors that stand for a connection or a file of a client. */
function descriptorsOf(pid: number): number {
  const directory = `/proc/${pid}/fd`
  return readdirSync(directory).filter((name) => {
    try {
      return !/^(anon_inode|pipe):|\/alyx\.db(-\w+)?$/.test(readlinkSync(`${directory}/${name}`))
    } catch {
      // Closed meanwhile.
      return false
    }
  }).length
}

/** Resident set size from /proc, in bytes. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0) * 1024
}

/** Resolves when a process that serves on `port` is ready; rejects with its output when it ends before. */
export async function untilReady(port: number, output: () => string, ended: () => boolean): Promise<void> {
  const began = performance.now()
  while (performance.now() - began < START_LIMIT) {
    if (ended()) throw new Error(`the server ended before it was ready:\n${output()}`)
    // Only its own word tells that it is this process which answers on the port, and no other.
    const answer = output().includes('alyx serves ')
      ? await request({ port, path: '/health/ready', timeout: 10_000 }).catch(() => null)
      : null
    if (answer?.status === 200) return
    await pause(20)
  }
  throw new Error(`the server was not ready within ${START_LIMIT} ms:\n${output()}`)
}

/** Whether a start failed because somebody else listens on its port. */
export function isPortTaken(error: unknown): boolean {
  return error instanceof Error && error.message.includes('EADDRINUSE')
}

/** For the rare thing that must be waited for without a signal of its own. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Runs `attempt` with a life of 2, of 10 and of 60 seconds, until one gives something: null means that its life ended
 *  before it was done, which is what a slow machine does to short ones. */
export async function withinLife<T>(attempt: (seconds: number) => Promise<T | null>): Promise<T> {
  for (const seconds of [2, 10, 60]) {
    const result = await attempt(seconds)
    if (result !== null) return result
  }
  throw new Error('not done within a minute')
}

/** Asks until `check` is true; rejects with `what` after `timeout` ms. */
export async function eventually(
  what: string,
  check: () => boolean | Promise<boolean>,
  timeout = 60_000,
): Promise<void> {
  const end = performance.now() + timeout
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${timeout} ms: ${what}`)
    await pause(25)
  }
}
