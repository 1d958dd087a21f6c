// A directory with schema.yaml and alyx.yml, and the command line run in it as a child process.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { stringify } from 'yaml'
import { BUCKETS, defaultConfig } from './buckets.ts'

export type ConfigValues = { readonly [key: string]: unknown }

export interface ProjectOptions {
  /** Text of schema.yaml; default the buckets of buckets.ts. */
  readonly schema?: string | undefined
  /** Merged into the default alyx.yml; text replaces it whole. */
  readonly config?: ConfigValues | string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  /** The script that takes the command line; default bin/alyx.mjs, which runs what was built unless the sources are newer. */
  readonly script?: string | undefined
}

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface DoctorReport {
  readonly ok: boolean
  readonly problems: readonly {
    readonly invariant: string
    readonly kind: string
    readonly id: string | null
    readonly detail: string
  }[]
}

export interface Project {
  readonly dir: string
  readonly port: number
  /** The arguments that name the two files. */
  readonly fileArguments: readonly string[]
  /** Before `serve`, the tables of a schema with collections are made. */
  spawn(args: readonly string[], env?: Readonly<Record<string, string>>): ChildProcess
  /** Runs a command to its end; after `timeout` ms (default 120,000) it is killed and `code` is null. */
  run(args: readonly string[], timeout?: number): Promise<CommandResult>
  doctor(): Promise<DoctorReport>
  sweep(): Promise<CommandResult>
  /** Reads the database without the server. */
  query<Row = Record<string, unknown>>(sql: string, ...values: readonly unknown[]): readonly Row[]
  writeConfig(config: ConfigValues | string): void
  writeSchema(text: string): void
  remove(): void
}

const ALYX = fileURLToPath(new URL('../../bin/alyx.mjs', import.meta.url))

/** Makes the directory; nothing runs yet. */
export async function createProject(options: ProjectOptions = {}): Promise<Project> {
  const dir = mkdtempSync(join(tmpdir(), 'alyx-test-'))
  const port = await freePort()
  const writeConfig = (config: ConfigValues | string): void =>
    writeFileSync(
      join(dir, 'alyx.yml'),
      typeof config === 'string' ? config : stringify(merge(defaultConfig(port), config)),
    )
  const writeSchema = (text: string): void => writeFileSync(join(dir, 'schema.yaml'), text)
  writeConfig(options.config ?? {})
  writeSchema(options.schema ?? BUCKETS)
  const fileArguments = ['--config', join(dir, 'alyx.yml'), '--schema', join(dir, 'schema.yaml')]

  const start = (script: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess =>
    spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
      cwd: dir,
      env: { ...cleanEnvironment(), ...options.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  let applied = ''
  const applyOnce = (): void => {
    const schema = readFileSync(join(dir, 'schema.yaml'), 'utf8')
    if (schema === applied || !/^collections:/m.test(schema)) return
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', ALYX, 'migrate', 'apply', ...fileArguments],
      { cwd: dir, env: { ...cleanEnvironment(), ...options.env }, encoding: 'utf8' },
    )
    if (status !== 0) throw new Error(`migrate apply failed (exit ${status}):\n${stdout}\n${stderr}`)
    applied = schema
  }
  const run = (args: readonly string[], timeout = 120_000): Promise<CommandResult> =>
    new Promise((resolve, reject) => {
      const child = start(ALYX, [...args, ...fileArguments])
      let stdout = ''
      let stderr = ''
      let late = false
      child.stdout?.on('data', (part: Buffer) => (stdout += part.toString()))
      child.stderr?.on('data', (part: Buffer) => (stderr += part.toString()))
      const timer = setTimeout(() => {
        late = true
        child.kill('SIGKILL')
      }, timeout)
      child.on('error', reject)
      child.on('close', (code) => {
        clearTimeout(timer)
        resolve({ code: late ? null : code, stdout, stderr })
      })
    })
  return {
    dir,
    port,
    fileArguments,
    spawn: (args, env) => {
      if (args[0] === 'serve') applyOnce()
      return start(options.script ?? ALYX, args, env)
    },
    run,
    doctor: async () => {
      const result = await run(['doctor', '--json'])
      try {
        return JSON.parse(result.stdout) as DoctorReport
      } catch {
        throw new Error(`doctor said no JSON (exit ${result.code}):\n${result.stdout}\n${result.stderr}`)
      }
    },
    sweep: () => run(['sweep', '--json']),
    query: <Row>(sql: string, ...values: readonly unknown[]) => {
      const database = new Database(join(dir, 'data', 'alyx.db'), { readonly: true })
      try {
        return database.prepare<unknown[], Row>(sql).all(...values)
      } finally {
        database.close()
      }
    },
    writeConfig,
    writeSchema,
    remove: () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }),
  }
}

/** The environment without anything that would change Alyx or Node. */
function cleanEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env))
    if (value !== undefined && !/^(ALYX_|VITEST|NODE_OPTIONS$|NODE_ENV$)/.test(name)) kept[name] = value
  return kept
}

/** How many workers of one run choose ports that no other of them chooses. */
const LANES = 8

/** A port nobody listens on, and none that the system gives to outgoing connections: those would take it while a server restarts. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 15_000 + randomInt(17_000 / LANES) * LANES + (Number(process.env.VITEST_POOL_ID ?? 0) % LANES)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    await new Promise<void>((resolve) => server.close(() => resolve()))
    if (isFree) return port
  }
  throw new Error('no free port')
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function merge(base: Record<string, unknown>, over: ConfigValues): Record<string, unknown> {
  const result = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const old = result[key]
    result[key] = isPlain(old) && isPlain(value) ? merge(old, value) : value
  }
  return result
}
