// The kill loop while everything sweeps: the server once a second, another process all the time; and while backups are being made. Whoever dies, at
// whichever step, what was acknowledged is there, what is over goes, and the last finished backup is whole.
import type { Chance } from '../support/random.ts'
import { killLoop, type Order } from './loop.ts'
import { BACKUP_POINTS, POINTS, SWEEP_POINTS } from './points.ts'
import { SCHEMA } from './schema.ts'

const LONG = process.env.ALYX_TEST_LONG === '1'
const SWEEPER = ['sweep']
const SAVER = ['backup', 'saved']

/** The short loop: these always, and then any. */
const FIRST: readonly Order[] = [
  { point: 'sweep.abandoned', count: 2, helper: SWEEPER },
  { point: 'backup.copied', count: 3, helper: SAVER },
  { point: 'reclaimed', count: 2, helper: SWEEPER },
  { point: 'sweep.removed', count: 3, helper: SWEEPER },
  { point: 'backup.finished', count: 1, helper: SAVER },
  { point: 'sweep.begun', count: 2, helper: SWEEPER },
]

function anyOrder(dice: Chance): Order {
  const kind = dice.next()
  if (kind < 0.55) return { point: dice.pick(SWEEP_POINTS), count: 1 + dice.below(5), helper: SWEEPER }
  if (kind < 0.8) return { point: dice.pick(BACKUP_POINTS), count: 1 + dice.below(4), helper: SAVER }
  return { point: dice.pick(['sweep.begun', ...POINTS]), count: 1 + dice.below(3) }
}

killLoop({
  name: 'kill loop with sweeps and backups',
  rounds: Number(process.env.ALYX_KILL_ROUNDS ?? (LONG ? 80 : FIRST.length)),
  schema: SCHEMA.replace(
    'collections:',
    '  brief: {backend: local, max_file_size: 1KB, rules: {create: "true", read: "true"}}\ncollections:',
  ),
  config: { cleanup: { interval: '1s' } },
  sizes: [0, 1, 4100, 30_000, 70_000],
  rest: 5,
  patience: 8000,
  order: (dice, round) => FIRST[round - 1] ?? anyOrder(dice),
  backup: 'saved',
})
