// alyx dev: serve with a secret made here, readable logs, a first upload to paste, and a restart when the files change.
import { existsSync, type FSWatcher, watch } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { defineCommand } from 'citty'
import { loadAlyx } from '../../app.ts'
import { devSecretFile, ensureDevSecret, usableSecret } from '../dev-secret.ts'
import { firstSteps } from '../first-steps.ts'
import { GLOBAL } from '../options.ts'
import { applyProject } from '../schema-changes.ts'
import { doneLines } from '../schema-plan.ts'
import { type Running, startServing, untilStopped } from '../serving.ts'
import { type Project, problemsOf, projectOf, showWarnings } from '../settings.ts'
import { note, printError } from '../terminal.ts'

export const command = defineCommand({
  meta: {
    name: 'dev',
    description: 'run the server for development: own secret, tables that follow the schema, a first upload to paste',
  },
  args: GLOBAL,
  async run({ args }) {
    const { project, secret } = await developmentOf(projectOf(args), args.json)
    let running: Running | null = await start(project, args.json)
    const stop = restartOnChange(project, async () => {
      // Before the old server goes: where the tables cannot follow, it stays.
      await bringTables(project, false)
      await running?.close()
      running = null
      running = await start(project, args.json)
      note(`restarted: ${running.url}`)
    })
    const stopped = untilStopped(async () => {
      stop()
      await running?.close()
    })
    for (const line of await firstSteps(running.alyx, running.url, secret)) note(line)
    await stopped
    process.exit(0)
  },
})

/** The project with the secret to use: the configured one where it is fit, else the one in data/. */
async function developmentOf(
  plain: Project,
  json: boolean | undefined,
): Promise<{ readonly project: Project; readonly secret: string }> {
  const { config, problems } = await loadAlyx(plain)
  if (config === null) throw problemsOf(problems, json)
  const own = usableSecret(config)
  const env = { ALYX_LOGGING_FORMAT: 'pretty', ...plain.env }
  if (own !== null) return { project: { ...plain, env }, secret: own }
  const { secret, made } = await ensureDevSecret(plain.configFile)
  const file = relative(process.cwd(), devSecretFile(plain.configFile))
  note(made ? `made a secret for development in ${file} (mode 0600)` : `using the secret for development in ${file}`)
  return { project: { ...plain, env: { ...env, ALYX_AUTH_JWT_SECRET: secret } }, secret }
}

async function start(project: Project, json: boolean | undefined): Promise<Running> {
  const { problems, warnings } = await loadAlyx(project)
  if (problems.length > 0) throw problemsOf(problems, json)
  showWarnings(warnings)
  await bringTables(project, json)
  return startServing(project)
}

/** What adds to the tables is done; what is refused keeps the server from starting. */
async function bringTables(project: Project, json: boolean | undefined): Promise<void> {
  const done = await applyProject(project, json)
  for (const warning of done.warnings) note(`warning: ${warning}`)
  for (const line of doneLines({ ...done, shipped: [] })) note(`database: ${line}`)
}

/** Editors replace files, so the folders are watched, `migrations/` too. A change that does not load or that the tables cannot follow is
 *  shown, and the server stays as it is. */
function restartOnChange(project: Project, restart: () => Promise<void>): () => void {
  const migrations = join(dirname(project.schemaFile), 'migrations')
  const files = [project.configFile, project.schemaFile, migrations]
  const watchers = new Map<string, FSWatcher>()
  let due: NodeJS.Timeout | null = null
  let turn = Promise.resolve()
  const changed = async () => {
    try {
      const { problems } = await loadAlyx(project)
      if (problems.length > 0) throw problemsOf(problems, false)
      await restart()
    } catch (error) {
      printError(error, false)
    }
  }
  const heard = (path: string) => {
    if (path === migrations) watchMigrations()
    if (!files.includes(path) && !(dirname(path) === migrations && path.endsWith('.yml'))) return
    if (due) clearTimeout(due)
    due = setTimeout(() => {
      turn = turn.then(changed)
    }, 200)
  }
  const watchFolder = (folder: string) => {
    watchers.get(folder)?.close()
    watchers.set(
      folder,
      watch(folder, (_event, name) => heard(join(folder, basename(name ?? '')))),
    )
  }
  const watchMigrations = () => {
    if (existsSync(migrations)) watchFolder(migrations)
  }
  for (const folder of new Set([dirname(project.configFile), dirname(project.schemaFile)])) watchFolder(folder)
  watchMigrations()
  return () => {
    if (due) clearTimeout(due)
    for (const watcher of watchers.values()) watcher.close()
  }
}
