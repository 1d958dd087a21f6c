// Faults at random, many at a time, on uploads, downloads and deletions.
import { expect, it } from 'vitest'
import { freshKey, openDescriptors } from '../contract/backend.ts'
import { createChance, seededBytes } from '../support/random.ts'
import type { Fault } from '../support/s3-stub.ts'
import { answer, MIB, s3Stage, UNAVAILABLE } from './s3-stage.ts'

const stage = s3Stage()
/** With ALYX_TEST_LONG=1 a thousand. */
const FAULTS = process.env.ALYX_TEST_LONG === '1' ? 1000 : 200
/** At once. */
const FLOCK = 16

it(`${FAULTS} faults at random lose nothing, leave nothing and tell no lie`, { timeout: 1500 * FAULTS }, async () => {
  const chance = createChance(Number(process.env.ALYX_TEST_SEED ?? 4))
  const kinds: readonly Fault[] = [
    answer(500, 'InternalError'),
    answer(500, 'InternalError', true),
    answer(503, 'SlowDown'),
    answer(403, 'AccessDenied'),
    answer(200, 'InternalError', true),
    { how: 'drop' },
    { how: 'drop', acts: true },
    { how: 'hang' },
    { how: 'break' },
    { how: 'stall' },
  ]
  let faults = 0
  let whole = 0
  // A server that is only slow is a fault more, which nobody minds here.
  await stage.hurry({ idle: 300, answer: 300, assemble: 300, settle: 300 })
  const descriptors = openDescriptors()
  stage.stub.script((asked) => {
    if (!chance.chance(0.35)) return null
    const fault = chance.pick(kinds)
    if ((fault.how === 'break' || fault.how === 'stall') && asked !== 'get') return null
    if (fault.how === 'answer' && fault.status === 200 && asked !== 'complete') return null
    faults += 1
    return fault
  })
  const roundTrip = async (seed: number): Promise<void> => {
    const bytes = seededBytes(seed, seed % 8 === 0 ? 9 * MIB : 100_000)
    const key = freshKey()
    const stored = await stage.put(key, bytes, seed % 2 === 0 ? null : bytes.length).catch((error) => {
      expect(error).toMatchObject(UNAVAILABLE)
      return null
    })
    if (stored !== null) {
      expect(stage.held(key)?.equals(bytes)).toBe(true)
      const got = await stage.get(key).catch((error) => expect(error).toMatchObject(UNAVAILABLE))
      if (Buffer.isBuffer(got)) {
        expect(got.equals(bytes)).toBe(true)
        whole += 1
      }
    }
    const deleted = (): Promise<boolean> =>
      stage.backend.delete(key).then(
        () => true,
        () => false,
      )
    while (!(await deleted()));
    expect(stage.held(key)).toBeUndefined()
  }
  let next = 0
  const some = async (): Promise<void> => {
    while (faults < FAULTS) await roundTrip(next++)
  }
  await Promise.all(Array.from({ length: FLOCK }, some))
  stage.stub.script(() => null)
  for (const { uploadId, key } of stage.open.values()) await stage.backend.abortLeftover!(key, uploadId)
  expect([...stage.stub.uploads]).toEqual([])
  expect([...stage.stub.objects]).toEqual([])
  expect(whole).toBeGreaterThan(0)
  await stage.backend.close!()
  await expect.poll(openDescriptors, { interval: 5, timeout: 30_000 }).toBeLessThanOrEqual(descriptors)
})
