// A database and a project folder for the tests of schema-*.test.ts: a schema in a few words, applied, planned, looked at.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { formatProblem } from '../../../src/core/problem.ts'
import type { SchemaPlan } from '../../../src/meta/schema-plan.ts'
import { applySchema, planSchema, requireApplied } from '../../../src/meta/sqlite/schema-apply.ts'
import { parseSchema } from '../../../src/schema/load.ts'
import type { Schema } from '../../../src/schema/model.ts'
import { MEMORY_DIR } from '../../support/memory.ts'

/** `{ posts: { title: 'type: string' } }`: every collection also has `id: {type: id, primary: true, default: auto}` unless it gives one. */
export type Collections = Readonly<Record<string, Readonly<Record<string, string>>>>

/** The time of every migration in these tests. */
export const NOW = '2026-01-02T03:04:05.678Z'
export const clock = { now: () => Date.parse(NOW) }

/** A schema with the buckets `images` and `docs`. `indexes` of a collection is a field of that name here. */
export function schemaOf(collections: Collections): Schema {
  const { schema, problems } = parseSchema(
    schemaText(collections),
    'schema.yaml',
    { backends: ['local'], hasMaxFileSize: true, hasEncryptionKeys: false },
    [],
  )
  if (schema === null) throw new Error(problems.map(formatProblem).join('\n'))
  return schema
}

/** The same as text. */
export function schemaText(collections: Collections): string {
  const lines = ['version: 1', 'buckets:', '  images: {backend: local}', '  docs: {backend: local}']
  if (Object.keys(collections).length > 0) lines.push('collections:')
  for (const [name, { indexes, ...fields }] of Object.entries(collections)) {
    lines.push(`  ${name}:`, '    fields:')
    for (const [field, options] of Object.entries({ id: 'type: id, primary: true, default: auto', ...fields }))
      if (options !== '') lines.push(`      ${field}: {${options}}`)
    if (indexes !== undefined) lines.push(`    indexes: ${indexes}`)
  }
  return `${lines.join('\n')}\n`
}

/** Everything a test of this kind needs; `close` removes it all. */
export function createSchemaWorkshop() {
  const dir = mkdtempSync(join(MEMORY_DIR, 'alyx-schema-'))
  const file = join(dir, 'alyx.db')
  const place = (collections: Collections) => ({ file, schema: schemaOf(collections), projectDir: dir })
  const use = <T>(work: (db: Database.Database) => T): T => {
    const db = new Database(file)
    try {
      return work(db)
    } finally {
      db.close()
    }
  }
  const refusals = (plan: SchemaPlan) => plan.refusals.map(({ message }) => message)
  return {
    dir,
    file,
    use,
    plan: (collections: Collections) => planSchema(place(collections)),
    apply: (collections: Collections) => applySchema({ ...place(collections), clock }),
    require: (collections: Collections) => requireApplied(place(collections)),
    /** What would be done, as sentences. Fails when something is refused. */
    async steps(collections: Collections) {
      const plan = await planSchema(place(collections))
      if (plan.refusals.length > 0) throw new Error(refusals(plan).join('\n'))
      return plan.steps.map(({ description }) => description)
    },
    async refused(collections: Collections) {
      return refusals(await planSchema(place(collections)))
    },
    /** What is in the database: every object's SQL and the definitions, to see that nothing was changed. */
    image: () =>
      use((db) => ({
        objects: db.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all(),
        definitions: db.prepare('SELECT name, definition FROM _alyx_collections ORDER BY name').all(),
        migrations: db.prepare('SELECT name FROM _alyx_project_migrations ORDER BY name').all(),
      })),
    rows: (sql: string, ...values: unknown[]) => use((db) => db.prepare(sql).all(...values)),
    column: (sql: string, ...values: unknown[]) =>
      use((db) =>
        db
          .prepare(sql)
          .pluck()
          .all(...values),
      ),
    insert(table: string, ...rows: Readonly<Record<string, unknown>>[]) {
      use((db) => {
        for (const row of rows) {
          const names = [...Object.keys(row), '_version']
          db.prepare(
            `INSERT INTO "${table}" (${names.map((name) => `"${name}"`).join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
          ).run(...Object.values(row), 1)
        }
      })
    },
    /** A ready file. */
    addFile(id: string, bucket = 'images', stagedUntil: string | null = null) {
      use((db) =>
        db
          .prepare(
            `INSERT INTO _alyx_files (id, bucket, name, path, mime_type, size, checksum, compressed, encrypted, stored_size, metadata,
             version, backend, key, codecs, state, link_epoch, created_at, updated_at, staged_until)
             VALUES (?, ?, 'n', ?, 'text/plain', 1, '', 0, 0, 1, '{}', 1, 'local', 'k', '[]', 'ready', 0, ?, ?, ?)`,
          )
          .run(id, bucket, id, NOW, NOW, stagedUntil),
      )
    },
    addReference(id: string, collection: string, record: string, field: string) {
      use((db) => db.prepare('INSERT INTO _alyx_file_refs VALUES (?, ?, ?, ?)').run(id, collection, record, field))
    },
    references: () =>
      use((db) =>
        db
          .prepare<[], { file_id: string; collection: string; record_id: string; field: string }>(
            'SELECT * FROM _alyx_file_refs ORDER BY file_id, collection, record_id, field',
          )
          .all()
          .map(({ file_id, collection, record_id, field }) => `${collection}.${record_id}.${field} ${file_id}`),
      ),
    migration(name: string, ...steps: string[]) {
      mkdirSync(join(dir, 'migrations'), { recursive: true })
      const text = `version: 1\nsteps:\n${steps.map((step) => `  - ${step}\n`).join('')}`
      writeFileSync(join(dir, 'migrations', `${name}.yml`), text)
    },
    close: () => rmSync(dir, { recursive: true, force: true }),
  }
}

/** A UUID of version 7, the form of our ids, that ends with a number. */
export const uuid = (number: number) => `01900000-0000-7000-8000-${String(number).padStart(12, '0')}`
