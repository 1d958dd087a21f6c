// alyx token: a JWT for a user, signed with the secret of this project.
import { defineCommand } from 'citty'
import { mintToken } from '../../access/tokens.ts'
import { loadConfig } from '../../config/load.ts'
import { systemClock, timestamp } from '../../core/clock.ts'
import { requireDuration } from '../arguments.ts'
import { readDevSecret, usableSecret } from '../dev-secret.ts'
import { failed } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { problemsOf, projectOf } from '../settings.ts'
import { print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'token', description: 'make a token (JWT) for a user' },
  args: {
    ...GLOBAL,
    sub: { type: 'string', valueHint: 'ID', description: 'the user', required: true },
    role: { type: 'string', valueHint: 'ROLE', description: 'e.g. admin' },
    tenant: { type: 'string', valueHint: 'TENANT', description: 'the tenant the user belongs to' },
    email: { type: 'string', valueHint: 'EMAIL', description: 'the address in auth.email' },
    expires: {
      type: 'string',
      valueHint: 'DURATION',
      description: 'how long it is good, e.g. 15m or 7d',
      default: '1h',
    },
  },
  async run({ args }) {
    const expiresIn = requireDuration('expires', args.expires)
    const { configFile, env } = projectOf(args)
    const { config, problems } = loadConfig(configFile, env)
    if (config === null) throw problemsOf(problems, args.json)
    const secret = usableSecret(config) ?? (await readDevSecret(configFile))
    if (secret === null) {
      throw failed(
        'there is no auth.jwt.secret to sign with',
        'Set ALYX_AUTH_JWT_SECRET (at least 32 bytes), or run alyx dev once.',
      )
    }
    const { sub, role, tenant, email } = args
    const { issuer, audience } = config.auth.jwt
    const expiresAt = timestamp(systemClock.now() + expiresIn)
    const token = await mintToken({ secret, sub, role, tenant, email, issuer, audience, expiresIn, clock: systemClock })
    if (args.json) printJson({ token, sub, expires_at: expiresAt })
    else print(token)
  },
})
