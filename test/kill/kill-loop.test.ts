// The kill loop with files in a folder: it dies at every step of an upload, a record and a delete.
import { killLoop } from './loop.ts'
import { CASCADE_POINTS, POINTS } from './points.ts'
import { SCHEMA } from './schema.ts'

const LONG = process.env.ALYX_TEST_LONG === '1'

killLoop({
  name: 'kill loop',
  rounds: Number(process.env.ALYX_KILL_ROUNDS ?? (LONG ? 200 : 12)),
  schema: SCHEMA,
  sizes: [0, 1, 4095, 4100, 30_000, 70_000, 300_000],
  rest: 0,
  patience: 1500,
  readyWithin: 5000,
  // Every fourth death comes from outside.
  order: (dice) =>
    dice.chance(0.25)
      ? { point: '', count: 1 }
      : { point: dice.pick(dice.chance(0.4) ? CASCADE_POINTS : POINTS), count: 1 + dice.below(12) },
})
