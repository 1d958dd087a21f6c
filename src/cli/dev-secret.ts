// The JWT secret of `alyx dev`: made once, kept in data/dev-secret, readable by its owner only.
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { checkSecret } from '../config/load.ts'
import type { Config } from '../config/model.ts'
import { systemCode } from '../core/errors.ts'

/** `data/dev-secret` beside the configuration file. */
export function devSecretFile(configFile: string): string {
  return join(dirname(configFile), 'data', 'dev-secret')
}

/** The configured secret when it is fit to serve with; else null. */
export function usableSecret(config: Config | null): string | null {
  const secret = config?.auth.jwt.secret ?? null
  return secret !== null && checkSecret(secret) === null ? secret : null
}

/** Null when `alyx dev` has not run here. */
export async function readDevSecret(configFile: string): Promise<string | null> {
  const text = await readFile(devSecretFile(configFile), 'utf8').catch(() => null)
  const secret = text?.trim() ?? ''
  return checkSecret(secret) === null ? secret : null
}

/** The secret of this project, made on the first call (mode 0600). */
export async function ensureDevSecret(
  configFile: string,
): Promise<{ readonly secret: string; readonly made: boolean }> {
  const known = await readDevSecret(configFile)
  if (known !== null) return { secret: known, made: false }
  const file = devSecretFile(configFile)
  const secret = randomBytes(32).toString('base64url')
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  try {
    await writeFile(file, `${secret}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    const other = await readDevSecret(configFile)
    if (other !== null) return { secret: other, made: false }
    // What is there is no secret; nothing can have been signed with it.
    await writeFile(file, `${secret}\n`, { mode: 0o600 })
  }
  return { secret, made: true }
}
