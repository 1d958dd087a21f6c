// alyx dev: serve with a secret made here, readable logs, a first upload to paste, and a restart when the files change.
import { watch } from 'node:fs'
import { basename, dirname, relative } from 'node:path'
import { defineCommand } from 'citty'
import { loadAlyx } from '../../app.ts'
import { devSecretFile, ensureDevSecret, usableSecret } from '../dev-secret.ts'
import { firstSteps } from '../first-steps.ts'
import { GLOBAL } from '../options.ts'
import { type Running, startServing, untilStopped } from '../serving.ts'
import { type Project, problemsOf, projectOf, showWarnings } from '../settings.ts'
import { note, printError } from '../terminal.ts'

export const command = defineCommand({
  meta: {
    name: 'dev',
    description: 'run the server for development: own secret, readable logs, a first upload to paste',
  },
  args: GLOBAL,
  async run({ args }) {
    const { project, secret } = await developmentOf(projectOf(args), args.json)
    let running: Running | null = await start(project, args.json)
    const stop = restartOnChange(project, async () => {
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
  return startServing(project)
}

/** Editors replace files, so the folders are watched. A change that does not load is shown, and the server stays as it is. */
function restartOnChange(project: Project, restart: () => Promise<void>): () => void {
  const files = [project.configFile, project.schemaFile]
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
  const watchers = [...new Set(files.map((file) => dirname(file)))].map((folder) =>
    watch(folder, (_event, name) => {
      if (!files.some((file) => dirname(file) === folder && basename(file) === name)) return
      if (due) clearTimeout(due)
      due = setTimeout(() => {
        turn = turn.then(changed)
      }, 200)
    }),
  )
  return () => {
    if (due) clearTimeout(due)
    for (const watcher of watchers) watcher.close()
  }
}
