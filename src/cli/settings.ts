// What every command takes from its arguments, the environment and the two files.
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { mintToken } from '../access/tokens.ts'
import { environment, loadConfig } from '../config/load.ts'
import type { Config } from '../config/model.ts'
import { systemClock } from '../core/clock.ts'
import { formatProblem, type Problem } from '../core/problem.ts'
import { type Client, createClient } from './client.ts'
import { readDevSecret, usableSecret } from './dev-secret.ts'
import { failed, usage } from './exit.ts'
import { note } from './terminal.ts'

export interface Files {
  readonly config: string
  readonly schema: string
}

export interface Project {
  /** Absolute. */
  readonly configFile: string
  readonly schemaFile: string
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface Remote {
  readonly config: string
  readonly url?: string | undefined
  readonly token?: string | undefined
}

const HOUR = 3_600_000

/** Where the two files are, and the environment that overrides them: the arguments of loadAlyx and createAlyx. */
export function projectOf(files: Files): Project {
  return { configFile: resolve(files.config), schemaFile: resolve(files.schema), env: environment() }
}

/** The failure for files with problems; each was printed to stderr first. */
export function problemsOf(problems: readonly Problem[], json: boolean | undefined): Error {
  const lines = problems.map(formatProblem)
  if (!json) lines.forEach(note)
  const count = lines.length === 1 ? 'a problem' : `${lines.length} problems`
  return failed(`the configuration has ${count}`, 'Correct the lines named above; alyx check shows them again.', {
    problems: lines,
  })
}

/** Shows what is allowed but doubtful. */
export function showWarnings(warnings: readonly Problem[]): void {
  for (const warning of warnings) note(`warning: ${formatProblem(warning)}`)
}

/** A client by --url and --token, ALYX_URL and ALYX_TOKEN, or the configuration. Fails: usage. */
export async function openRemote(remote: Remote): Promise<Client> {
  const env = environment()
  const given = remote.url ?? env.ALYX_URL
  const token = remote.token ?? env.ALYX_TOKEN
  const configFile = resolve(remote.config)
  const config = existsSync(configFile) ? loadConfig(configFile, env).config : null
  const url = given ?? config?.server.publicUrl
  if (url === undefined) {
    throw usage(
      'no server is named',
      `Give --url or ALYX_URL, or run this beside alyx.yml (${dirname(configFile)} has none that can be read).`,
    )
  }
  if (token !== undefined) return createClient(url, async () => token)
  const secret = config && isOwn(url, config) ? (usableSecret(config) ?? (await readDevSecret(configFile))) : null
  if (config === null || secret === null) return createClient(url, async () => null)
  let minted: { readonly token: Promise<string>; readonly until: number } | null = null
  return createClient(url, () => {
    // Uploads may take longer than a token lives.
    if (minted === null || minted.until < systemClock.now()) {
      minted = { token: adminToken(config, secret), until: systemClock.now() + HOUR / 2 }
    }
    return minted.token
  })
}

/** A token of this project must not be shown to any other server. */
function isOwn(url: string, { server }: Config): boolean {
  if (!URL.canParse(url)) return false
  const { origin, hostname } = new URL(url)
  return (
    origin === new URL(server.publicUrl).origin || ['localhost', '127.0.0.1', '[::1]', server.host].includes(hostname)
  )
}

function adminToken(config: Config, secret: string): Promise<string> {
  const { issuer, audience } = config.auth.jwt
  const role = config.auth.adminRoles[0]
  return mintToken({ secret, sub: 'cli', role, issuer, audience, expiresIn: HOUR, clock: systemClock })
}
