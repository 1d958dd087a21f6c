// The kill loop: a server under load dies at a chosen step or at any moment, and everything it acknowledged is still true.
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createChance } from '../support/random.ts'
import { pause, startServer, type TestServer } from '../support/server.ts'
import { createLedger } from './ledger.ts'
import { runLoad } from './load.ts'
import { CASCADE_POINTS, POINTS } from './points.ts'
import { SCHEMA } from './schema.ts'
import { settle } from './settle.ts'

const LONG = process.env.ALYX_TEST_LONG === '1'
const SEED = Number(process.env.ALYX_KILL_SEED ?? Math.floor(Math.random() * 1e9))
const ROUNDS = Number(process.env.ALYX_KILL_ROUNDS ?? (LONG ? 200 : 38))
/** The longest a round's load runs before the process is killed from outside. */
const PATIENCE = 1500
const LEASE = 500

const dice = createChance(SEED)
const ledger = createLedger()
const fired = new Map<string, number>()
let server: TestServer
let token: string
let seed = SEED % 1_000_000

function orders(): Readonly<Record<string, string>> {
  // Every fourth death comes from outside, at no step in particular.
  return dice.chance(0.25)
    ? { KILL_POINT: '' }
    : { KILL_POINT: dice.pick(dice.chance(0.4) ? CASCADE_POINTS : POINTS), KILL_COUNT: String(1 + dice.below(12)) }
}

let order = orders()

beforeAll(async () => {
  server = await startServer({
    script: fileURLToPath(new URL('./server-main.ts', import.meta.url)),
    schema: SCHEMA,
    env: { KILL_LEASE: String(LEASE) },
    launchEnv: order,
  })
  token = await server.token('A')
})

afterAll(async () => {
  await server?.stop()
})

/** One sweep, then doctor with all data read, in a process of its own. */
async function inspect(): Promise<{ readonly swept: unknown; readonly report: unknown }> {
  const child = server.project.spawn(['inspect', ...server.project.fileArguments])
  let said = ''
  child.stdout?.on('data', (part: Buffer) => (said += part.toString()))
  child.stderr?.on('data', (part: Buffer) => (said += part.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`sweep and doctor ended with ${code}:\n${said}`)
  return JSON.parse(said.trim().split('\n').at(-1) ?? '') as { swept: unknown; report: unknown }
}

/** Milliseconds from each restart to ready. */
const starts: number[] = []
/** How long the parts of the rounds took in all, milliseconds. */
const spent = { load: 0, start: 0, inspect: 0, settle: 0 }

async function round(): Promise<void> {
  const access = { port: server.port, token }
  const began = performance.now()
  const timer = setTimeout(() => void server.kill(), order.KILL_POINT === '' ? dice.below(600) + 50 : PATIENCE)
  const logged = server.logs().length
  process.kill(server.pid(), 'SIGUSR2')
  try {
    await runLoad({ ledger, access, dice, dead: () => !server.running(), nextSeed: () => seed++ })
  } finally {
    clearTimeout(timer)
  }
  await server.exited()
  const died = performance.now()
  spent.load += died - began
  const hit = /KILLED AT (\S+)/.exec(server.logs().slice(logged))?.[1] ?? 'outside'
  fired.set(hit, (fired.get(hit) ?? 0) + 1)

  // The server of the next round is the one that must have recovered from this death.
  order = orders()
  const ready = await server.restart(order)
  spent.start += ready
  starts.push(ready)
  await pause(Math.max(0, LEASE + 50 - (performance.now() - died)))
  const inspecting = performance.now()
  const { swept, report } = await inspect()
  spent.inspect += performance.now() - inspecting
  expect(swept).toMatchObject({ ran: true, errors: 0, more: false })
  expect(report, `after a death at ${hit}`).toMatchObject({ ok: true, problems: [] })
  const settling = performance.now()
  await settle(ledger, access, (ids) => [
    ...ids.slice(-25),
    ...(ids.length > 0 ? [dice.pick(ids), dice.pick(ids), dice.pick(ids)] : []),
  ])
  spent.settle += performance.now() - settling
}

describe(`kill loop (ALYX_KILL_SEED=${SEED})`, () => {
  let failed = false
  it.for(Array.from({ length: ROUNDS }, (_, i) => i + 1))(
    'round %i: what was acknowledged survives',
    { timeout: 240_000 },
    async (i, { skip }) => {
      if (failed) skip('an earlier round failed: the ledger is no longer settled')
      try {
        await round()
      } catch (error) {
        failed = true
        console.error(`round ${i} failed; repeat with ALYX_KILL_SEED=${SEED}\n${server.logs().slice(-3000)}`)
        throw error
      }
    },
  )

  it('was ready within 5 s of its restart (I9), a busy machine allowed for by the median', () => {
    const sorted = starts.toSorted((a, b) => a - b)
    expect(sorted[sorted.length >> 1]).toBeLessThan(5000)
  })

  it('died at many different steps, in the middle of many different changes', () => {
    const [deaths, changes] = [fired, ledger.tally].map((counts) => JSON.stringify(Object.fromEntries(counts)))
    console.info(`deaths: ${deaths}; changes: ${changes}; milliseconds: ${JSON.stringify(spent)}`)
    const cutOff = [...ledger.tally.keys()].filter((name) => name.includes('cut off'))
    for (const seen of [[...fired.keys()].filter((point) => point !== 'outside'), cutOff])
      expect(seen.length).toBeGreaterThanOrEqual(Math.min(5, Math.floor(ROUNDS / 4)))
  })
})
