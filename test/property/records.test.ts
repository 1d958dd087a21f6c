// Whatever several clients and two processes do to records and files at once, afterwards everything fits together.
// ALYX_TEST_SEED repeats a run's choices; ALYX_TEST_LONG=1 makes it long.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { createChance } from '../support/random.ts'
import { startSecond } from '../support/records.ts'
import { LONG } from '../support/scenario.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { act, BUCKET_NAMES, type Client, FILE_FIELDS, type Memory, SCHEMA } from './records-clients.ts'

const SEED = Number(process.env.ALYX_TEST_SEED ?? Date.now() % 1_000_000)
const CLIENTS = 6
/** In each round so many operations, then everything is checked. */
const [ROUNDS, OPERATIONS] = LONG ? [10, 1500] : [2, 250]

let server: TestServer
let second: Awaited<ReturnType<typeof startSecond>>
let token: string
const memory: Memory = { files: new Map(), records: new Map(), outcomes: new Map() }

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA })
  second = await startSecond(server)
  token = await server.token('A')
})
afterAll(async () => {
  await second?.stop()
  await server?.stop()
})

const owned: readonly Client['own'][] = Array.from({ length: CLIENTS }, () => new Map())

async function runRound(round: number): Promise<void> {
  let left = OPERATIONS
  const ports = [server.port, second.port]
  const clients = owned.map(async (own, i) => {
    const client = {
      dice: createChance(SEED + round * 1000 + i),
      token: await server.token(`client-${i}`),
      ports,
      memory,
      own,
    }
    while (left-- > 0) await act(client)
  })
  await Promise.all(clients)
}

interface Named {
  readonly record: string
  readonly field: string
  readonly id: string
}

/** Every id that a record names, read from the columns. */
function namedIds(): readonly Named[] {
  const parts = ['trees', 'leaves'].flatMap((collection) =>
    Object.entries(FILE_FIELDS).map(([field, [, list]]) => {
      const record = `'${collection}/' || t.id AS record, '${field}' AS field`
      return list
        ? `SELECT ${record}, e.value AS id FROM ${collection} AS t, json_each(t.${field}) AS e`
        : `SELECT ${record}, t.${field} AS id FROM ${collection} AS t WHERE t.${field} IS NOT NULL`
    }),
  )
  return server.query<Named>(parts.join(' UNION ALL '))
}

interface Row {
  readonly id: string
  readonly bucket: string
  readonly state: string
  readonly size: number
  readonly staged_until: string | null
}

/** Resolves with how many names of files there are. */
async function check(): Promise<number> {
  const rows = new Map(
    server.query<Row>('SELECT id, bucket, state, size, staged_until FROM _alyx_files').map((row) => [row.id, row]),
  )
  const named = namedIds()
  const wanted = new Set(named.map(({ id }) => id))

  const known = server.query<Named>(
    "SELECT collection || '/' || record_id AS record, field, file_id AS id FROM _alyx_file_refs",
  )
  const written = (list: readonly Named[]) => list.map(({ record, field, id }) => `${record} ${field} ${id}`).sort()
  expect(written(known), 'references are what the records say').toEqual(written(named))
  expect(new Set(written(named)).size, 'no record names a file twice in a field').toBe(named.length)

  for (const { record, field, id } of named) {
    const row = rows.get(id)
    expect(row?.state, `${record} ${field} names ${id}`).toBe('ready')
    expect(row?.bucket).toBe(FILE_FIELDS[field]![0])
    expect(row?.staged_until, `${id} is claimed`).toBeNull()
  }
  for (const [id, file] of memory.files) {
    const ready = rows.get(id)?.state === 'ready'
    const about = `${id} in ${file.bucket}, ${JSON.stringify({ ...file, content: undefined, wanted: wanted.has(id) })}`
    if (file.gone) expect(ready, `${about}: was deleted`).toBe(false)
    else if (!file.unwanted && (file.bucket === 'kept' || file.bucket === 'needed' || !file.named))
      expect(ready, `${about}: nobody deleted it`).toBe(true)
    else if (file.named && !wanted.has(id) && (file.bucket === 'owned' || file.bucket === 'staged'))
      expect(ready, `${about}: no cascade field names it any more`).toBe(false)
  }
  for (const [record, gone] of memory.records) {
    const [collection, id] = record.split('/')
    if (gone) expect(server.query(`SELECT 1 FROM ${collection} WHERE id = ?`, id), record).toEqual([])
  }

  for (const [id, record] of owned.flatMap((own) => [...own])) await checkOwn(id, record)

  for (const bucket of BUCKET_NAMES) {
    const [counter] = server.query('SELECT used, reserved, files FROM _alyx_usage WHERE scope = ?', `bucket:${bucket}`)
    const here = [...rows.values()].filter((row) => row.bucket === bucket)
    const used = here.reduce((sum, { size }) => sum + size, 0)
    expect(counter ?? { used: 0, reserved: 0, files: 0 }).toEqual({ used, reserved: 0, files: here.length })
  }
  await checkReadable(rows)
  return named.length
}

/** A record with one writer is as that writer left it, but for files that somebody deleted where the field lets them. */
async function checkOwn(id: string, left: Readonly<Record<string, unknown>>): Promise<void> {
  const answer = await request({ port: second.port, token, path: `/api/collections/trees/${id}` })
  const record = answer.json()
  for (const [field, [bucket]] of Object.entries(FILE_FIELDS)) {
    const held = (value: unknown): readonly unknown[] =>
      [value].flat().filter((file) => bucket === 'needed' || memory.files.get(String(file))?.unwanted === false)
    expect(held(record[field]), `trees/${id} ${field}`).toEqual(held(left[field]))
  }
}

/** What is ready can be read from both processes, what is not from none. A sample. */
async function checkReadable(rows: ReadonlyMap<string, Row>): Promise<void> {
  const dice = createChance(SEED)
  const sample = [...memory.files].filter(() => dice.chance(100 / memory.files.size))
  for (const [id, { bucket, content }] of sample)
    for (const port of [server.port, second.port]) {
      const answer = await request({ port, token: await server.admin(), path: `/api/files/${bucket}/${id}/download` })
      if (rows.get(id)?.state === 'ready') expect(answer.text, id).toBe(content)
      else expect(answer.status, id).toBe(404)
    }
}

describe(`records and files under ${CLIENTS} clients and two processes, seed ${SEED}`, () => {
  it('fit together after every round', { timeout: LONG ? 1_200_000 : 600_000 }, async () => {
    process.stdout.write(`property test of records: ALYX_TEST_SEED=${SEED}\n`)
    for (let round = 0; round < ROUNDS; round++) {
      await runRound(round)
      expect(await check()).toBeGreaterThan(20)
    }
    expect((await server.doctor()).problems).toEqual([])
    const times = (what: string): number => memory.outcomes.get(what) ?? 0
    for (const what of ['POST 201', 'PATCH 200', 'DELETE 204'])
      expect(times(what), what).toBeGreaterThan(OPERATIONS / 10)
    expect(times('DELETE 409 file_in_use')).toBeGreaterThan(0)
  })

  it('fit together when every record has gone: no owned file is left', async () => {
    for (const own of owned) {
      for (const id of own.keys()) memory.records.set(`trees/${id}`, false)
      own.clear()
    }
    for (const [record] of memory.records)
      await request({ port: server.port, token, method: 'DELETE', path: `/api/collections/${record}` })
    for (const record of memory.records.keys()) memory.records.set(record, true)
    await check()
    expect(server.query('SELECT * FROM _alyx_file_refs')).toEqual([])
    expect((await server.doctor()).problems).toEqual([])
  })
})
