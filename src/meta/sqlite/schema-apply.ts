// Brings a database to what the schema and the project's migrations say, says what that would be, and refuses to go on without it.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import Database from 'better-sqlite3'
import { type Clock, systemClock, timestamp } from '../../core/clock.ts'
import { type AppError, fail, systemCode } from '../../core/errors.ts'
import { createIds } from '../../core/ids.ts'
import type { Schema } from '../../schema/model.ts'
import { isUpToDate, type PlanStep, type SchemaPlan } from '../schema-plan.ts'
import type { Durability } from './connection.ts'
import { withConnection } from './database-file.ts'
import { failure } from './faults.ts'
import { listMigrations, migrate, shippedMigrations } from './migrate.ts'
import { compareSchema } from './schema-compare.ts'
import { definitionOf, definitionText, readDefinitions, readTexts, writeDefinition } from './schema-definition.ts'
import {
  appliedNames,
  listProjectMigrations,
  missingFiles,
  nextNumber,
  type ProjectMigration,
  requireProjectMigrations,
} from './schema-files.ts'
import type { Findings } from './schema-findings.ts'
import { migrateProject, withoutForeignKeys } from './schema-project.ts'

export interface SchemaPlace {
  /** Path of the database file. */
  readonly file: string
  readonly schema: Pick<Schema, 'collections'>
  /** Where schema.yaml lies, with `migrations/` beside it; null: a project without files. */
  readonly projectDir: string | null
  /** Another place than the migrations of this package. */
  readonly migrationsDir?: string
}

export interface ApplyOptions extends SchemaPlace {
  /** Dates what is applied; also what `default: now` gives to records that are there. */
  readonly clock?: Clock
  readonly durability?: Durability
}

/** What a database is brought to, read once. */
interface Goal {
  readonly schema: Pick<Schema, 'collections'>
  readonly files: readonly ProjectMigration[]
  readonly migrationsDir: string
  readonly clock: Clock
}

/** What applying would do; creates nothing and changes nothing. Pending migrations are tried out in a transaction that is rolled back, which
 *  takes the write lock meanwhile. Fails: config_invalid (migration files), database_busy, storage_unavailable. */
export async function planSchema(place: SchemaPlace): Promise<SchemaPlan> {
  const goal = goalOf(place)
  const file = resolve(place.file)
  if (!existsSync(file)) return inMemory((db) => plan(db, goal))
  return withConnection(file, 'full', (db) => plan(db, goal))
}

/** Applies what is pending and returns just that: shipped migrations and the project's, one transaction each, then all steps in one. Safe
 *  against other processes doing the same and against being killed. Fails config_invalid (details.plan: a SchemaPlan) with every refusal, and
 *  then nothing was done; otherwise as planSchema does. */
export async function applySchema(options: ApplyOptions): Promise<SchemaPlan> {
  const goal = goalOf(options)
  return withConnection(resolve(options.file), options.durability ?? 'full', (db) => apply(db, goal))
}

/** Fails config_invalid, listing what is pending, unless the database is what the schema says; costs no look at any record when it is.
 *  Shipped migrations do not count: the store applies them when it opens. */
export async function requireApplied(place: SchemaPlace): Promise<void> {
  const goal = goalOf(place)
  const file = resolve(place.file)
  const isThere = existsSync(file)
  if (!isThere && goal.schema.collections.size + goal.files.length === 0) return
  const pending = isThere
    ? await withConnection(file, 'full', (db) => (isApplied(db, goal) ? null : plan(db, goal)))
    : await planSchema(place)
  if (pending === null || isUpToDate({ ...pending, shipped: [] })) return
  if (pending.refusals.length > 0) throw refused(pending)
  const migrations = pending.project.filter(({ appliedAt }) => appliedAt === null)
  const lines = [
    ...migrations.map(({ name }) => `  migration ${name}`),
    ...pending.steps.map(({ description }) => `  ${description}`),
  ]
  throw fail('config_invalid', ['the database is not what schema.yaml says; pending:', ...lines].join('\n'), {
    hint: 'Run alyx migrate apply; alyx migrate status shows what it would do.',
    details: { plan: pending },
  })
}

function goalOf({ schema, projectDir, migrationsDir, clock }: SchemaPlace & { readonly clock?: Clock }): Goal {
  const files = requireProjectMigrations(projectDir)
  return { schema, files, migrationsDir: migrationsDir ?? shippedMigrations(), clock: clock ?? systemClock }
}

function isApplied(db: Database.Database, { schema, files }: Goal): boolean {
  const texts = readTexts(db)
  const wanted = [...schema.collections.values()]
  return (
    listProjectMigrations(db, files).every(({ appliedAt }) => appliedAt !== null) &&
    texts.size === wanted.length &&
    wanted.every((collection) => texts.get(collection.name) === definitionText(definitionOf(collection)))
  )
}

function plan(db: Database.Database, goal: Goal): SchemaPlan {
  const shipped = listMigrations(db, goal.migrationsDir)
  const project = listProjectMigrations(db, goal.files)
  const isPending = [...shipped, ...project].some(({ appliedAt }) => appliedAt === null)
  const findings = isPending
    ? tryOut(db, () => {
        migrate(db, goal.migrationsDir, goal.clock)
        migrateProject(db, goal.files, goal.clock)
        return compare(db, goal)
      })
    : db.transaction(() => compare(db, goal)).deferred()
  return planOf(db, goal, findings)
}

function planOf(db: Database.Database, { migrationsDir, files }: Goal, { steps, refusals }: Findings): SchemaPlan {
  const shipped = listMigrations(db, migrationsDir)
  const project = listProjectMigrations(db, files)
  return { shipped, project, steps: steps.map(plain), refusals, warnings: missingFiles(db, files) }
}

function apply(db: Database.Database, goal: Goal): SchemaPlan {
  const planned = plan(db, goal)
  if (planned.refusals.length > 0) throw refused(planned)
  const shipped = migrate(db, goal.migrationsDir, goal.clock)
  const project = migrateProject(db, goal.files, goal.clock)
  const steps =
    isApplied(db, goal) && planned.steps.length === 0 ? [] : db.transaction(() => step(db, goal)).exclusive()
  return { shipped, project, steps, refusals: [], warnings: planned.warnings }
}

/** Looks again and does it under one lock, so that of two processes one finds the work done. */
function step(db: Database.Database, goal: Goal): readonly PlanStep[] {
  const now = timestamp(goal.clock.now())
  const findings = compare(db, goal)
  if (findings.refusals.length > 0) throw refused(planOf(db, goal, findings))
  for (const { sql, also, description } of findings.steps) {
    attempt(description, () => {
      if (sql !== null) db.exec(sql)
      also?.(db)
    })
  }
  const texts = readTexts(db)
  for (const collection of goal.schema.collections.values()) {
    const definition = definitionOf(collection)
    if (texts.get(collection.name) !== definitionText(definition)) writeDefinition(db, collection.name, definition, now)
  }
  for (const name of texts.keys()) if (!goal.schema.collections.has(name)) writeDefinition(db, name, null, now)
  return findings.steps.map(plain)
}

function compare(db: Database.Database, { schema, files, clock }: Goal): Findings {
  const known = [...files, ...appliedNames(db).map((name) => ({ name }))]
  return compareSchema({
    db,
    schema,
    recorded: readDefinitions(db),
    now: timestamp(clock.now()),
    nextId: createIds(clock),
    nextNumber: nextNumber(known),
  })
}

function tryOut<T>(db: Database.Database, work: () => T): T {
  return withoutForeignKeys(db, () => {
    db.exec('BEGIN IMMEDIATE')
    try {
      return work()
    } finally {
      if (db.inTransaction) db.exec('ROLLBACK')
    }
  })
}

function inMemory<T>(work: (db: Database.Database) => T): T {
  const db = new Database(':memory:')
  try {
    return work(db)
  } catch (error) {
    throw failure(error)
  } finally {
    db.close()
  }
}

function attempt(description: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!/^SQLITE_(ERROR|CONSTRAINT)/.test(systemCode(error) ?? '')) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw fail('config_invalid', `cannot ${description}: ${reason}`, { cause: error, hint: 'Nothing was changed.' })
  }
}

function refused(found: SchemaPlan): AppError {
  const lines = found.refusals.flatMap(({ message, hint }) => [message, ...hint.split('\n').map((line) => `  ${line}`)])
  return fail('config_invalid', lines.join('\n'), {
    hint: 'Nothing was changed. alyx migrate status shows the whole plan.',
    details: { plan: found },
  })
}

function plain({ kind, collection, field, sql, description }: PlanStep): PlanStep {
  return { kind, collection, field, sql, description }
}
