// The kill loop with files in S3, compressed and encrypted, while they are moved to a folder and back and their keys are rewrapped.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import Database from 'better-sqlite3'
import { afterAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { KEY_1, KEY_2, withKeys } from '../e2e/codecs.ts'
import type { Chance } from '../support/random.ts'
import { newS3Bucket, objectsIn, s3Client, s3Config, s3Server } from '../support/s3-server.ts'
import type { TestServer } from '../support/server.ts'
import { killLoop, type Order } from './loop.ts'
import { POINTS, S3_POINTS } from './points.ts'
import { schemaWith } from './schema.ts'

const LONG = process.env.ALYX_TEST_LONG === '1'
const { access, skipped } = await s3Server()
const client = access === null ? null : s3Client(access)
const bucket = client === null ? '' : await newS3Bucket(client)

afterAll(() => client?.destroy())

// From where new files are to the other backend, and back.
const MOVERS = [
  ['move', 'pub', 'local', 'cloud'],
  ['move', 'stage', 'cloud', 'local'],
] as const
const MOVE_POINTS = [
  'move.copied',
  'move.turned',
  's3.begun',
  's3.opened',
  's3.part',
  's3.completed',
  's3.deleted',
  'put.durable',
]
const ROTATOR = ['rotate', '--config', 'rotate.yml']

/** The short loop: these always, and one of the others. */
const FIRST: readonly Order[] = [
  { point: 's3.part', count: 2 },
  { point: 'move.copied', count: 3, helper: MOVERS[0] },
  { point: 's3.begun', count: 1 },
  { point: 'move.turned', count: 3, helper: MOVERS[1] },
]
const OTHERS: readonly Order[] = [
  { point: 's3.completed', count: 1 },
  { point: 's3.opened', count: 1 },
  { point: 's3.deleted', count: 2 },
  { point: 'rewrapped', count: 1, helper: ROTATOR },
]

function anyOrder(dice: Chance): Order {
  const kind = dice.next()
  if (kind < 0.15) return { point: '', count: 1 }
  if (kind < 0.45) return { point: dice.pick(MOVE_POINTS), count: 1 + dice.below(6), helper: dice.pick(MOVERS) }
  if (kind < 0.55) return { point: 'rewrapped', count: 1 + dice.below(4), helper: ROTATOR }
  return { point: dice.pick(dice.chance(0.5) ? S3_POINTS : POINTS), count: 1 + dice.below(8) }
}

const keysIn = (server: TestServer, backend: string, ...tables: readonly string[]): string[] =>
  tables.flatMap((table) =>
    server.query<{ key: string }>(`SELECT key FROM ${table} WHERE backend = ?`, backend).map(({ key }) => key),
  )

/** Bytes in either backend that no row speaks of. */
async function strays(server: TestServer, ...tables: readonly string[]): Promise<readonly string[]> {
  const known = {
    cloud: new Set(keysIn(server, 'cloud', ...tables).map((key) => `alyx/${key}`)),
    local: new Set(keysIn(server, 'local', ...tables).map((key) => key.slice(-36))),
  }
  const inFolder = readdirSync(join(server.dir, 'data', 'files'), { recursive: true, withFileTypes: true })
  return [
    ...(await objectsIn(client!, bucket)).filter((name) => !known.cloud.has(name)),
    ...inFolder.flatMap((entry) => (entry.isFile() && !known.local.has(entry.name) ? [entry.name] : [])),
  ]
}

/** Multipart uploads in S3 of which nothing says that somebody will end them: those of copies are on record until the copy is taken up again. */
async function strayUploads(server: TestServer): Promise<readonly string[]> {
  const recorded = new Set(
    server
      .query<{ key: string }>(
        `SELECT key FROM _alyx_multiparts m
          WHERE EXISTS (SELECT 1 FROM _alyx_spares s WHERE s.backend = m.backend AND s.key = m.key)`,
      )
      .map(({ key }) => `alyx/${key}`),
  )
  const { Uploads = [] } = await client!.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  return Uploads.flatMap(({ Key, UploadId }) => (recorded.has(Key ?? '') ? [] : [`${Key} ${UploadId}`]))
}

if (access === null) describe.skip(`kill loop with S3${skipped}`, () => it('needs a server', () => {}))
else
  killLoop({
    name: 'kill loop with S3',
    rounds: Number(process.env.ALYX_KILL_ROUNDS ?? (LONG ? 120 : FIRST.length + 1)),
    schema: schemaWith({
      pub: 'backend: cloud\n    compression: zstd',
      stage: 'backend: local\n    compression: gzip\n    encryption: true',
    }),
    config: {
      storage: {
        ...withKeys(['k1', KEY_1], ['k2', KEY_2]).storage,
        backends: { cloud: s3Config(access, bucket) },
      },
      uploads: { spool: 'disk' },
    },
    // An S3 server on the same busy machine may take its time; how long the product waits for one is not the question here.
    env: { KILL_S3_TIMES: JSON.stringify({ idle: 15_000, answer: 15_000, settle: 15_000, window: 15_000 }) },
    sizes: [0, 1, 4095, 4100, 30_000, 70_000, 300_000, 1_000_000, 8_600_000],
    // Two cores also have an S3 server and the second process to run.
    rest: 40,
    patience: 20_000,
    order: (dice, round) => FIRST[round - 1] ?? (LONG ? anyOrder(dice) : dice.pick(OTHERS)),

    prepare({ dir }) {
      const config = parse(readFileSync(join(dir, 'alyx.yml'), 'utf8')) as {
        storage: { encryption: { keys: unknown[] } }
      }
      config.storage.encryption.keys.reverse()
      writeFileSync(join(dir, 'rotate.yml'), stringify(config))
    },

    async check(server) {
      expect(await strayUploads(server)).toEqual([])
      expect(await strays(server, '_alyx_files', '_alyx_uploads', '_alyx_spares')).toEqual([])
    },

    async last(server, inspect) {
      const migrate = ([from, to]: readonly [string, string]) =>
        server.project.run(['migrate-backend', from, '--to', to, '--grace', '1s', '--json'], 120_000)
      const ways = [
        ['pub', 'cloud'],
        ['stage', 'local'],
      ] as const
      for (const { code, stdout, stderr } of await Promise.all(ways.map(migrate))) {
        expect(code, stderr).toBe(0)
        expect(JSON.parse(stdout)).toMatchObject({ failed: [], left: 0, stopped: false })
      }
      // Copies that came to nothing would wait for a day.
      const database = new Database(join(server.dir, 'data', 'alyx.db'))
      database.exec("UPDATE _alyx_spares SET due_at = '2026-01-01T00:00:00.000Z'")
      database.close()
      await inspect()
      expect(server.query('SELECT * FROM _alyx_spares')).toEqual([])
      expect(server.query('SELECT * FROM _alyx_multiparts')).toEqual([])
      expect(await strays(server, '_alyx_files', '_alyx_uploads')).toEqual([])
      expect(await strayUploads(server)).toEqual([])
      const codecs = server.query<{ name: string }>(
        "SELECT DISTINCT c.value ->> '$.name' name FROM _alyx_files, json_each(codecs) c ORDER BY 1",
      )
      expect(codecs.map(({ name }) => name)).toEqual(['aes-256-gcm', 'gzip', 'zstd'])
    },
  })
