// The kill loop itself: a server under load dies at a chosen step or at any moment, and everything it acknowledged is still true.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Chance, createChance } from '../support/random.ts'
import { pause, startServer, type TestServer } from '../support/server.ts'
import { type Helper, startHelper } from './helper.ts'
import { createLedger } from './ledger.ts'
import { runLoad } from './load.ts'
import { settle } from './settle.ts'

export interface Order {
  /** The step to die at; '' = from outside, at no step in particular. */
  readonly point: string
  /** At which passing of it, from 1. */
  readonly count: number
  /** Arguments of a second process that works beside the server and is the one to die; the server follows it. */
  readonly helper?: readonly string[]
}

export interface LoopOptions {
  readonly name: string
  readonly rounds: number
  readonly schema: string
  /** Merged into alyx.yml. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  /** Sizes of uploads, to which up to 50 bytes are added. */
  readonly sizes: readonly number[]
  /** Milliseconds that every client rests between two things it does. */
  readonly rest: number
  /** The longest a round's load runs before the process is killed from outside, milliseconds. */
  readonly patience: number
  /** Milliseconds from a restart to ready, in the median. */
  readonly readyWithin?: number
  /** What shall happen in a round, from 1. */
  order(dice: Chance, round: number): Order
  /** Called once before the first round. */
  prepare?(server: TestServer): void
  /** The folder, in the server's, of backups that are being made: the last finished one must be whole after every death. */
  readonly backup?: string
  /** What must hold after a death beside what the loop checks itself; called after the sweep. */
  check?(server: TestServer): Promise<void>
  /** What must hold in the end; `inspect` sweeps and examines the store once more. */
  last?(server: TestServer, inspect: () => Promise<void>): Promise<void>
}

const LEASE = 500
/** How many different steps a loop of so many rounds must have died at. */
const variety = (rounds: number): number => Math.min(5, Math.floor(rounds / 4))

/** What a process had to say for itself in the end, and before all of it what went wrong. */
const told = (log: string): string =>
  [
    ...log
      .split('\n')
      .filter((line) => line.includes('"level":"error"'))
      .slice(-5),
    log.slice(-3000),
  ].join('\n')

/** Declares the suite. ALYX_KILL_SEED repeats one. */
export function killLoop(options: LoopOptions): void {
  const { rounds } = options
  const seed = Number(process.env.ALYX_KILL_SEED ?? Math.floor(Math.random() * 1e9))
  const dice = createChance(seed)
  const ledger = createLedger()
  const fired = new Map<string, number>()
  /** Milliseconds from each restart to ready. */
  const starts: number[] = []
  /** How long the parts of the rounds took in all, milliseconds. */
  const spent = { load: 0, start: 0, inspect: 0, settle: 0 }
  let server: TestServer
  let token: string
  let next = seed % 1_000_000
  let order: Order

  /** The server dies at the step only when it has no helper that does. */
  const envOf = ({ point, count, helper }: Order) => ({
    KILL_POINT: helper ? '' : point,
    KILL_COUNT: String(count),
  })

  beforeAll(async () => {
    order = options.order(dice, 1)
    server = await startServer({
      script: fileURLToPath(new URL('./server-main.ts', import.meta.url)),
      schema: options.schema,
      config: options.config,
      env: { KILL_LEASE: String(LEASE), ...options.env },
      launchEnv: envOf(order),
    })
    options.prepare?.(server)
    token = await server.token('A')
  })

  afterAll(async () => {
    await server?.stop()
  })

  /** One sweep, then doctor with all data read, and the backup verified, in a process of its own. */
  async function inspect(after: string): Promise<void> {
    const { backup = '' } = options
    const isSaved = backup !== '' && existsSync(join(server.dir, backup, 'manifest.json'))
    const { code, output } = await startHelper(server, ['inspect', ...(isSaved ? [backup] : [])]).ended
    if (code !== 0) throw new Error(`sweep and doctor ended with ${code}:\n${output}`)
    const { swept, report, saved } = JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<string, unknown>
    expect(swept).toMatchObject({ ran: true, errors: 0, more: false })
    expect(report, after).toMatchObject({ ok: true, problems: [] })
    if (isSaved) expect(saved, `the backup ${after}`).toMatchObject({ ok: true, problems: [] })
  }

  /** Load until the death of whoever is to die; the step it died at. */
  async function die(): Promise<string> {
    const access = { port: server.port, token }
    const patience = order.point === '' ? dice.below(600) + 50 : options.patience
    const timer = setTimeout(() => void server.kill(), patience)
    const logged = server.logs().length
    process.kill(server.pid(), 'SIGUSR2')
    const env = { KILL_POINT: order.point, KILL_COUNT: String(order.count) }
    const helper: Helper | null = order.helper ? startHelper(server, order.helper, env) : null
    const helped = helper?.ended.finally(() => server.kill())
    try {
      const { sizes, rest } = options
      const swept = order.helper?.[0] === 'sweep'
      await runLoad({ ledger, access, dice, sizes, rest, swept, dead: () => !server.running(), nextSeed: () => next++ })
    } finally {
      clearTimeout(timer)
      helper?.kill()
    }
    await server.exited()
    const ended = await helped
    if (ended && ended.code !== null) throw new Error(`${order.helper} ended with ${ended.code}:\n${ended.output}`)
    return /KILLED AT (\S+)/.exec(server.logs().slice(logged) + (ended?.output ?? ''))?.[1] ?? 'outside'
  }

  async function round(number: number): Promise<void> {
    const began = performance.now()
    const hit = await die()
    const died = performance.now()
    spent.load += died - began
    fired.set(hit, (fired.get(hit) ?? 0) + 1)

    // The server of the next round is the one that must have recovered from this death.
    order = options.order(dice, number + 1)
    const ready = await server.restart(envOf(order))
    spent.start += ready
    starts.push(ready)
    await pause(Math.max(0, LEASE + 50 - (performance.now() - died)))
    const inspecting = performance.now()
    await inspect(`after a death at ${hit}`)
    await options.check?.(server)
    spent.inspect += performance.now() - inspecting
    const settling = performance.now()
    await settle(ledger, { port: server.port, token }, (ids) => [
      ...ids.slice(-25),
      ...(ids.length > 0 ? [dice.pick(ids), dice.pick(ids), dice.pick(ids)] : []),
    ])
    spent.settle += performance.now() - settling
  }

  describe(`${options.name} (ALYX_KILL_SEED=${seed})`, () => {
    let failed = false
    it.for(Array.from({ length: rounds }, (_, i) => i + 1))(
      'round %i: what was acknowledged survives',
      { timeout: 240_000 + 3 * options.patience },
      async (i, { skip }) => {
        if (failed) skip('an earlier round failed: the ledger is no longer settled')
        try {
          await round(i)
        } catch (error) {
          failed = true
          // Its last words are written when it ends in good order.
          await server.kill('SIGTERM')
          console.error(`round ${i} failed; repeat with ALYX_KILL_SEED=${seed}\n${told(server.logs())}`)
          throw error
        }
      },
    )

    const { readyWithin } = options
    if (readyWithin !== undefined)
      it(`was ready within ${readyWithin / 1000} s of its restart (I9), a busy machine allowed for by the median`, () => {
        const sorted = starts.toSorted((a, b) => a - b)
        expect(sorted[sorted.length >> 1]).toBeLessThan(readyWithin)
      })

    it('died at many different steps, in the middle of many different changes', () => {
      const [deaths, changes] = [fired, ledger.tally].map((counts) => JSON.stringify(Object.fromEntries(counts)))
      console.info(`deaths: ${deaths}; changes: ${changes}; milliseconds: ${JSON.stringify(spent)}`)
      const cutOff = [...ledger.tally.keys()].filter((name) => name.includes('cut off'))
      for (const seen of [[...fired.keys()].filter((point) => point !== 'outside'), cutOff])
        expect(seen.length).toBeGreaterThanOrEqual(variety(rounds))
    })

    const { last } = options
    if (last)
      it('leaves nothing behind in the end', async () => {
        await last(server, () => inspect('in the end'))
        await settle(ledger, { port: server.port, token }, (ids) => ids)
      })
  })
}
