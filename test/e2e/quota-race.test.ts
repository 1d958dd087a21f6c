// Many clients and two processes on one quota: exactly as many uploads succeed as fit, to the byte, by whatever way they come.
// ALYX_TEST_SEED repeats a run's choices.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { form } from '../support/multipart.ts'
import { type PolicyServer, startPolicyServer } from '../support/policy-server.ts'
import { createChance } from '../support/random.ts'
import { startSecond } from '../support/records.ts'
import { encodeMetadata, V1 } from './tus-requests.ts'

const SEED = Number(process.env.ALYX_TEST_SEED ?? Date.now() % 1_000_000)
const ROUNDS = 50
const CLIENTS = 24

let world: PolicyServer
let second: Awaited<ReturnType<typeof startSecond>>
beforeAll(async () => {
  world = await startPolicyServer()
  second = await startSecond(world.server)
})
afterAll(async () => {
  await second?.stop()
  await world?.server.stop()
})

interface Entrant {
  readonly port: number
  readonly token: string
  readonly bucket: string
  readonly name: string
  readonly size: number
}

const filled = (size: number): Buffer => Buffer.alloc(size, 'q')

/** Each gives the status of the answer that decides. */
const WAYS: readonly ((entrant: Entrant) => Promise<number>)[] = [
  async ({ bucket, name, size, ...where }) =>
    (await request({ ...where, method: 'PUT', path: `/api/files/${bucket}?name=${name}`, body: filled(size) })).status,
  async ({ bucket, name, size, ...where }) =>
    (
      await request({
        ...where,
        method: 'PUT',
        path: `/api/files/${bucket}?name=${name}`,
        headers: { 'transfer-encoding': 'chunked' },
        body: filled(size),
      })
    ).status,
  async ({ bucket, name, size, ...where }) => {
    const { contentType, body } = form({ filename: name, body: filled(size) })
    const headers = { 'content-type': contentType }
    return (await request({ ...where, method: 'POST', path: `/api/files/${bucket}`, headers, body })).status
  },
  async ({ bucket, name, size, ...where }) => {
    const answer = await request({
      ...where,
      method: 'POST',
      path: `/api/files/${bucket}/tus`,
      headers: {
        ...V1,
        'upload-length': size,
        'upload-metadata': encodeMetadata({ filename: name }),
        'content-type': 'application/offset+octet-stream',
      },
      body: filled(size),
    })
    return answer.status
  },
]

it(`of uploads to two processes at once exactly as many succeed as fit (seed ${SEED})`, async () => {
  const dice = createChance(SEED)
  for (let round = 0; round < ROUNDS; round += 1) {
    const user = `racer-${round}`
    const size = 1 + dice.below(400)
    const fits = 1 + dice.below(CLIENTS - 1)
    const limit = fits * size + dice.below(size)
    world.sql(`INSERT INTO _alyx_storages (owner_id, max_storage) VALUES ('${user}', ${limit})`)
    const token = await world.server.token(user)
    const statuses = await Promise.all(
      Array.from({ length: CLIENTS }, (_, n) =>
        dice.pick(WAYS)({
          port: n % 2 ? world.server.port : second.port,
          token,
          bucket: dice.pick(['any', 'priv', 'zipped']),
          name: `r${round}-${n}`,
          size,
        }),
      ),
    )
    const label = `round ${round}: ${fits} of ${size} bytes fit in ${limit}; ${statuses.join(' ')}`
    expect(statuses.filter((status) => status === 201).length, label).toBe(fits)
    expect(statuses.filter((status) => status === 413).length, label).toBe(CLIENTS - fits)
    const [usage] = world.server.query(`SELECT used, reserved, files FROM _alyx_usage WHERE scope = 'owner:${user}'`)
    expect(usage, label).toEqual({ used: fits * size, reserved: 0, files: fits })
  }
  await world.expectSound()
})

it('what one process has stored the other counts at once', async () => {
  world.sql("INSERT INTO _alyx_storages (owner_id, max_storage) VALUES ('both', 100)")
  const token = await world.server.token('both')
  const ask = (port: number) => request({ port, token, path: '/api/storage' }).then((answer) => answer.json())
  await request({ port: second.port, token, method: 'PUT', path: '/api/files/any?name=b', body: filled(60) })
  expect(await ask(world.server.port)).toEqual(await ask(second.port))
  expect(await ask(second.port)).toMatchObject({ used: 60, limit: 100, percentage: 60 })
})
