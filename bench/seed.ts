// Puts many file rows straight into a product database, as if they had been uploaded: for lists and look-ups at scale only.
import { createHash } from 'node:crypto'
import Database from 'better-sqlite3'

/** When the seeded files were "created", and how many there are in the small and in the large bucket. */
export const SEED = { base: Date.parse('2024-01-01T00:00:00Z'), few: 1000, many: 1_000_000 } as const

/** A UUIDv7 whose time is `base` + n milliseconds and whose tail is n. */
export function seedId(base: number, n: number): string {
  const time = (base + n).toString(16).padStart(12, '0')
  const tail = n.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${tail}`
}

/** Inserts `count` ready rows of 100 bytes each into `bucket` and counts them. The blobs do not exist. The server must be stopped. */
export function seedFiles(file: string, bucket: string, count: number, base: number, owner: string): void {
  const database = new Database(file)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = OFF')
  database.pragma('cache_size = -262144')
  const columns = [
    'id',
    'bucket',
    'name',
    'path',
    'mime_type',
    'size',
    'checksum',
    'compressed',
    'encrypted',
    'stored_size',
    'metadata',
    'version',
    'owner_id',
    'backend',
    'key',
    'codecs',
    'state',
    'link_epoch',
    'created_at',
    'updated_at',
  ]
  const insert = database.prepare(
    `insert into _alyx_files (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`,
  )
  const checksum = createHash('sha256').update('seed').digest('hex')
  const batch = database.transaction((from: number, to: number) => {
    for (let n = from; n < to; n++) {
      const id = seedId(base, n)
      const at = new Date(base + n).toISOString()
      const name = `seed-${(n * 7919) % count}.bin`
      insert.run(
        id,
        bucket,
        name,
        `seed/${n}`,
        'application/octet-stream',
        100,
        checksum,
        0,
        0,
        100,
        '{}',
        1,
        owner,
        'local',
        `${bucket}/${id}`,
        '[]',
        'ready',
        0,
        at,
        at,
      )
    }
  })
  for (let from = 0; from < count; from += 50_000) batch(from, Math.min(count, from + 50_000))
  const charge = database.prepare(
    'insert into _alyx_usage (scope, used, reserved, files) values (?, ?, 0, ?) on conflict (scope) do update set used = used + excluded.used, files = files + excluded.files',
  )
  for (const scope of [`bucket:${bucket}`, `owner:${owner}`]) charge.run(scope, count * 100, count)
  database.pragma('wal_checkpoint(truncate)')
  database.close()
}
