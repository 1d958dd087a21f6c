// A real S3 server for tests: Ceph's gateway with one monitor and one store in memory, on loopback, in a directory of its own.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomInt, randomUUID } from 'node:crypto'
import { accessSync, constants, rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'

/** Where the server is and whom it admits. */
export interface S3Access {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface RunningCeph extends S3Access {
  /** Ends every process and removes the directory. */
  stop(): Promise<void>
}

/** Where its processes run: loopback here, or another host of this machine. */
export interface CephPlace {
  /** The address it listens on. */
  readonly host: string
  /** What a command is to be preceded by to run there. */
  readonly within: readonly string[]
}

const HERE: CephPlace = { host: '127.0.0.1', within: [] }
const PROGRAMS = ['ceph', 'ceph-authtool', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin']
const GIB = 1024 ** 3
/** Milliseconds for one step on a machine that is busy with much else. A step that has become pointless is ended long before. */
const PATIENCE = 180_000
/** Below the ports that systems give to connections of their own accord: nobody takes one between the choice and the start. */
const PORTS = { from: 20_000, to: 30_000 }
const exec = promisify(execFile)
/** Directories of servers, each with the id of the process it belongs to. */
const HOMES = 'alyx-s3-'

/** Why the server cannot be started here, or null. */
export function whyNoCeph(): string | null {
  const missing = PROGRAMS.filter((program) => !isInstalled(program))
  return missing.length === 0 ? null : `${missing.join(', ')} not installed: run scripts/install-s3.sh as root`
}

/** Starts it; about twelve seconds. Rejects, leaving nothing behind, when the signal aborts, or with what the server wrote last. */
export async function startCeph(over: AbortSignal, { host, within }: CephPlace = HERE): Promise<RunningCeph> {
  await removeAbandoned()
  const home = await mkdtemp(join(tmpdir(), HOMES))
  await writeFile(join(home, 'pid'), String(process.pid))
  const conf = join(home, 'ceph.conf')
  const keyring = join(home, 'keyring')
  const daemons: ChildProcess[] = []
  const dead = new AbortController()
  const signal = AbortSignal.any([over, dead.signal])
  const run = (...words: string[]) => {
    const [program, ...rest] = mortal([...within, ...words])
    return exec(program!, rest, { signal, timeout: PATIENCE, killSignal: 'SIGKILL' })
  }
  const ceph = (...words: string[]) =>
    run('ceph', '--conf', conf, '--connect-timeout', String(PATIENCE / 1000), ...words)
  const daemon = (program: string, ...words: string[]): void => {
    const [file, ...rest] = mortal([...within, program, '-f', '--conf', conf, ...words])
    const child = spawn(file!, rest, { stdio: 'ignore' })
    child.once('exit', (code, by) => dead.abort(new Error(`${program} ended: ${code ?? by}`)))
    child.once('error', (error) => dead.abort(error))
    daemons.push(child)
  }
  // For runs that end without a farewell.
  const hurry = (): void => {
    for (const daemon of daemons) daemon.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  }
  process.once('exit', hurry)
  const stop = async (): Promise<void> => {
    process.off('exit', hurry)
    await Promise.all(daemons.map(end))
    await rm(home, { recursive: true, force: true, maxRetries: 3 })
  }

  try {
    const [monitor, gateway] = await freePorts(2)
    const cluster = randomUUID()
    const store = randomUUID()
    const access = { endpoint: `http://${host}:${gateway}`, accessKeyId: 'alyx', secretAccessKey: randomUUID() }
    for (const directory of ['mon', 'osd', 'log']) await mkdir(join(home, directory))
    await writeFile(conf, configuration({ home, cluster, host, monitor: monitor!, gateway: gateway! }))

    for (const [name, caps] of CAPABILITIES) {
      const create = name === 'mon.' ? ['--create-keyring'] : []
      await run(
        'ceph-authtool',
        keyring,
        ...create,
        '--gen-key',
        '--name',
        name,
        ...caps.flatMap((cap) => ['--cap', ...cap]),
      )
    }
    const map = join(home, 'monmap')
    await run('monmaptool', '--create', '--fsid', cluster, '--addv', 'a', `[v2:127.0.0.1:${monitor}]`, map)
    await run('ceph-mon', '--conf', conf, '--mkfs', '--id', 'a', '--monmap', map, '--keyring', keyring)
    daemon('ceph-mon', '--id', 'a')
    await ceph('osd', 'new', store)
    await run('ceph-osd', '--conf', conf, '--mkfs', '--id', '0', '--osd-uuid', store)
    daemon('ceph-osd', '--id', '0')
    await ceph('osd', 'pool', 'create', '.rgw.root', '1')
    daemon('radosgw', '--name', 'client.rgw')
    const keys = ['--access-key', access.accessKeyId, '--secret-key', access.secretAccessKey]
    await run(
      'radosgw-admin',
      '--conf',
      conf,
      '--name',
      'client.rgw',
      'user',
      'create',
      '--uid',
      'test',
      '--display-name',
      'test',
      ...keys,
    )
    await untilItAnswers(access.endpoint, signal)
    return { ...access, stop }
  } catch (error) {
    const reason = signal.aborted ? signal.reason : error
    const last = await lastWords(home)
    await stop()
    throw new Error(`the S3 server did not start: ${String(reason)}${last}`)
  }
}

const CAPABILITIES: readonly (readonly [name: string, caps: readonly (readonly [string, string])[]])[] = [
  ['mon.', [['mon', 'allow *']]],
  [
    'client.admin',
    [
      ['mon', 'allow *'],
      ['osd', 'allow *'],
    ],
  ],
  [
    'osd.0',
    [
      ['mon', 'allow profile osd'],
      ['osd', 'allow *'],
    ],
  ],
  [
    'client.rgw',
    [
      ['mon', 'allow rw'],
      ['osd', 'allow rwx'],
    ],
  ],
]

interface Places {
  readonly home: string
  readonly cluster: string
  readonly host: string
  readonly monitor: number
  readonly gateway: number
}

function configuration({ home, cluster, host, monitor, gateway }: Places): string {
  return `[global]
fsid = ${cluster}
mon host = v2:127.0.0.1:${monitor}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = ${home}/keyring
log file = ${home}/log/$name.log
pid file =
admin socket =
run dir = ${home}
ms bind ipv4 = true
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
mon allow pool size one = true
mon pg warn min per osd = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
[mon]
mon data = ${home}/mon
mon cluster log file = ${home}/log/cluster.log
[osd]
osd data = ${home}/osd
osd objectstore = memstore
memstore device bytes = ${6 * GIB}
osd class load list = *
osd class default list = *
osd op num shards = 2
[client.rgw]
rgw frontends = beast endpoint=${host}:${gateway} tcp_nodelay=1
rgw thread pool size = 32
rgw dynamic resharding = false
rgw override bucket index max shards = 1
rgw enable usage log = false
rgw enable ops log = false
rgw gc obj min wait = 0
rgw gc processor period = 2
rgw dns name = localhost
`
}

async function untilItAnswers(endpoint: string, signal: AbortSignal): Promise<void> {
  for (const end = performance.now() + PATIENCE; performance.now() < end; await wait(100)) {
    signal.throwIfAborted()
    const answer = await fetch(endpoint, { signal }).catch(() => null)
    await answer?.arrayBuffer().catch(() => {})
    if (answer?.ok) return
  }
  throw new Error('it does not answer')
}

/** The command in a form that does not outlive this process, whatever ends it. */
function mortal(command: readonly string[]): readonly string[] {
  return isInstalled('setpriv') ? ['setpriv', '--pdeathsig', 'KILL', ...command] : command
}

/** Clears up after runs that were killed: their servers died with them, their directories did not. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(HOMES)) continue
    const home = join(tmpdir(), name)
    const pid = Number(await readFile(join(home, 'pid'), 'utf8').catch(() => ''))
    if (pid > 0 && !isRunning(pid)) await rm(home, { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function end(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null || daemon.pid === undefined) return
  const gone = new Promise((resolve) => daemon.once('exit', resolve))
  // Nothing in it is worth a slow farewell.
  daemon.kill('SIGKILL')
  await gone
}

async function freePorts(count: number): Promise<number[]> {
  const held: { readonly port: number; readonly server: Server }[] = []
  while (held.length < count) {
    const port = randomInt(PORTS.from, PORTS.to)
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (free) held.push({ port, server })
  }
  await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))))
  return held.map(({ port }) => port)
}

async function lastWords(home: string): Promise<string> {
  const logs = await Promise.all(
    ['mon.a', 'osd.0', 'client.rgw'].map(async (name) => {
      const text = await readFile(join(home, 'log', `${name}.log`), 'utf8').catch(() => '')
      return text === '' ? '' : `\n${name}: ${text.trimEnd().split('\n').slice(-3).join('\n')}`
    }),
  )
  return logs.join('')
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
