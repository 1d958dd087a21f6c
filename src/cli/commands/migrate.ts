// alyx migrate: the state of the database's tables, looked at and brought up to date.
import { defineCommand } from 'citty'
import { loadConfig } from '../../config/load.ts'
import { applyMigrations, migrationStatus } from '../../meta/sqlite/open.ts'
import type { Migration } from '../../meta/store.ts'
import { GLOBAL } from '../options.ts'
import { type Files, problemsOf, projectOf } from '../settings.ts'
import { print, printJson } from '../terminal.ts'

const status = defineCommand({
  meta: { name: 'status', description: 'list the migrations and when they were applied; changes nothing' },
  args: GLOBAL,
  async run({ args }) {
    show(await migrationStatus({ file: databaseOf(args) }), args.json, 'there are no migrations')
  },
})

const apply = defineCommand({
  meta: { name: 'apply', description: 'bring the database up to date, as the server does when it starts' },
  args: GLOBAL,
  async run({ args }) {
    show(await applyMigrations({ file: databaseOf(args) }), args.json, 'up to date')
  },
})

export const command = defineCommand({
  meta: { name: 'migrate', description: 'show and apply database migrations' },
  subCommands: { status, apply },
})

function databaseOf(args: Files & { readonly json?: boolean | undefined }): string {
  const { configFile, env } = projectOf(args)
  const { config, problems } = loadConfig(configFile, env)
  if (config === null) throw problemsOf(problems, args.json)
  return config.database.location
}

function show(migrations: readonly Migration[], json: boolean | undefined, none: string): void {
  if (json) printJson(migrations.map(({ name, appliedAt }) => ({ name, applied_at: appliedAt })))
  else if (migrations.length === 0) print(none)
  else for (const { name, appliedAt } of migrations) print(`${appliedAt ?? 'pending'.padEnd(24)}  ${name}`)
}
