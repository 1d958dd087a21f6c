// alyx serve: the server, with the secret that the configuration gives it.
import { defineCommand } from 'citty'
import { createAlyx, loadAlyx, serveAlyx } from '../../app.ts'
import { checkSecret } from '../../config/load.ts'
import type { Config } from '../../config/model.ts'
import { failed } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { untilStopped } from '../serving.ts'
import { problemsOf, projectOf, showWarnings } from '../settings.ts'
import { note } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'serve', description: 'run the server' },
  args: GLOBAL,
  async run({ args }) {
    const project = projectOf(args)
    const { config, problems, warnings } = await loadAlyx(project)
    if (config === null || problems.length > 0) throw problemsOf(problems, args.json)
    requireSecret(config)
    showWarnings(warnings)
    const alyx = await createAlyx(project)
    const server = await serveAlyx(alyx)
    const stopped = untilStopped(async () => {
      await server.close()
      await alyx.close()
    })
    note(`alyx serves ${server.url}`)
    await stopped
    process.exit(0)
  },
})

function requireSecret({ auth }: Config): void {
  const { secret, jwksUrl } = auth.jwt
  if (secret === null && jwksUrl !== null) return
  const fault = checkSecret(secret)
  if (fault === null) return
  const hint =
    'Set ALYX_AUTH_JWT_SECRET, for example to what openssl rand -base64 32 prints; alyx dev makes a secret of its own.'
  throw failed(fault, hint)
}
