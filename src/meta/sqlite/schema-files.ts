// The migration files of a project and what is recorded of them: which are pending, and whether the two tell the same story.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { type AppError, fail, systemCode } from '../../core/errors.ts'
import { formatProblem, type Problem } from '../../core/problem.ts'
import { decodeUtf8 } from '../../core/yaml.ts'
import { type MigrationStep, parseMigration } from '../../schema/project-migrations.ts'
import type { Migration } from '../store.ts'
import type { projectMigrations } from './tables.ts'

export interface ProjectMigration {
  /** `0001_rename`, without the ending. */
  readonly name: string
  readonly steps: readonly MigrationStep[]
  /** SHA-256 of the file, hex. */
  readonly checksum: string
}

export interface ProjectMigrations {
  /** In order of their names. */
  readonly files: readonly ProjectMigration[]
  readonly problems: readonly Problem[]
}

type Applied = typeof projectMigrations.$inferSelect

/** The folder beside schema.yaml. */
const FOLDER = 'migrations'
const NAME = /^(\d{4})_[a-z0-9][a-z0-9_-]*\.yml$/

/** Reads `migrations/` of the project; without the folder, or without a project, there are none. Other files than YAML are left alone. */
export function readProjectMigrations(projectDir: string | null): ProjectMigrations {
  if (projectDir === null) return { files: [], problems: [] }
  const problems: Problem[] = []
  const files: ProjectMigration[] = []
  const numbers = new Map<string, string>()
  for (const file of yamlFiles(join(projectDir, FOLDER))) {
    const source = `${FOLDER}/${file}`
    const whole = (message: string) => problems.push({ at: { file: source, line: 0, column: 0 }, path: '', message })
    const number = NAME.exec(file)?.[1]
    if (number === undefined) {
      whole('a migration is named NNNN_name.yml: four digits, an underscore, lower-case letters, digits, - and _')
      continue
    }
    const other = numbers.get(number)
    if (other !== undefined) whole(`has the number of ${other}`)
    numbers.set(number, file)
    const bytes = readFileSync(join(projectDir, FOLDER, file))
    const text = decodeUtf8(bytes)
    if (text === null) {
      whole('is not UTF-8 text')
      continue
    }
    const { steps, problems: found } = parseMigration(text, source)
    problems.push(...found)
    const checksum = createHash('sha256').update(bytes).digest('hex')
    files.push({ name: file.slice(0, -'.yml'.length), steps, checksum })
  }
  return { files, problems }
}

/** The same without problems. Fails config_invalid with all of them. */
export function requireProjectMigrations(projectDir: string | null): readonly ProjectMigration[] {
  const { files, problems } = readProjectMigrations(projectDir)
  if (problems.length === 0) return files
  throw fail('config_invalid', problems.map(formatProblem).join('\n'), { details: { problems: problems.length } })
}

/** The number after the highest one there is, in files or database. */
export function nextNumber(migrations: readonly { readonly name: string }[]): string {
  const numbers = migrations.map(({ name }) => Number.parseInt(name, 10) || 0)
  return String(Math.max(0, ...numbers) + 1).padStart(4, '0')
}

/** Every file and when it was applied. Fails config_invalid when a file was changed after it had been applied or slipped in before one. */
export function listProjectMigrations(db: Database, files: readonly ProjectMigration[]): readonly Migration[] {
  const applied = readApplied(db)
  const last = [...applied.keys()].at(-1) ?? ''
  for (const { name, checksum } of files) {
    const row = applied.get(name)
    if (row !== undefined && row.checksum !== checksum)
      throw refused(
        `${FOLDER}/${name}.yml was changed after it had been applied`,
        'Put it back as it was and write a new migration for what is to change.',
      )
    // Of the same number is a file that was renamed: it must not run twice.
    if (row === undefined && name.slice(0, 4) <= last.slice(0, 4))
      throw refused(
        `${FOLDER}/${name}.yml does not come after ${last}.yml, which has been applied`,
        `If it is new, rename it to ${nextNumber([...files, ...applied.values()])}_${name.slice(5)}.yml; if it is ${last}.yml, give it its name back.`,
      )
  }
  return files.map(({ name }) => ({ name, appliedAt: applied.get(name)?.applied_at ?? null }))
}

/** Applied migrations whose file is gone, as sentences. */
export function missingFiles(db: Database, files: readonly ProjectMigration[]): readonly string[] {
  const known = new Set(files.map(({ name }) => name))
  return [...readApplied(db).keys()]
    .filter((name) => !known.has(name))
    .map((name) => `${FOLDER}/${name}.yml was applied to this database, and the file is gone`)
}

/** Names that were applied, in order. */
export function appliedNames(db: Database): readonly string[] {
  return [...readApplied(db).keys()]
}

/** Records a migration as applied. */
export function recordMigration(db: Database, { name, checksum }: ProjectMigration, appliedAt: string): void {
  db.prepare('INSERT INTO _alyx_project_migrations (name, checksum, applied_at) VALUES (?, ?, ?)').run(
    name,
    checksum,
    appliedAt,
  )
}

function readApplied(db: Database): ReadonlyMap<string, Applied> {
  const known = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_alyx_project_migrations'")
  if (!known.get()) return new Map()
  const rows = db.prepare<[], Applied>('SELECT name, checksum, applied_at FROM _alyx_project_migrations ORDER BY name')
  return new Map(rows.all().map((row) => [row.name, row]))
}

function yamlFiles(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries.flatMap((entry) => (entry.isDirectory() || !/\.ya?ml$/i.test(entry.name) ? [] : [entry.name])).sort()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return []
    throw error
  }
}

function refused(message: string, hint: string): AppError {
  return fail('config_invalid', message, { hint })
}
