// alyx serve: the server, with the secret that the configuration gives it.
import { defineCommand } from 'citty'
import { loadAlyx } from '../../app.ts'
import { checkSecret } from '../../config/load.ts'
import { failed } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { startServing, untilStopped } from '../serving.ts'
import { problemsOf, projectOf, showWarnings } from '../settings.ts'
import { note } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'serve', description: 'run the server' },
  args: GLOBAL,
  async run({ args }) {
    const project = projectOf(args)
    const { config, problems, warnings } = await loadAlyx(project)
    if (config === null || problems.length > 0) throw problemsOf(problems, args.json)
    const fault = checkSecret(config.auth.jwt.secret)
    if (fault !== null) {
      throw failed(fault, 'Set ALYX_AUTH_JWT_SECRET to what it prints; for development, alyx dev makes one of its own.')
    }
    showWarnings(warnings)
    const server = await startServing(project)
    const stopped = untilStopped(() => server.close())
    note(`alyx serves ${server.url}`)
    await stopped
    process.exit(0)
  },
})
